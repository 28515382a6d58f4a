"""Reads the words of a call, or says in plain ones what is wrong with them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from amorsize.cli.text import clean, nearest

_MISSING = "the following arguments are required: "


class WrongCallError(Exception):
    """The words are not those of a command; the text says what is wrong, and where to look."""

    def __init__(self, parser: argparse.ArgumentParser, text: str) -> None:
        super().__init__(f"{text}. `{parser.prog} --help` shows what there is.")


class Parser(argparse.ArgumentParser):
    """A parser that raises for a wrong call, so that its caller words the message."""

    def error(self, message: str) -> NoReturn:
        """Say it as a sentence about what was written, rather than about arguments."""
        text = message.removeprefix("argument ")
        if text.startswith(_MISSING):
            names = text.removeprefix(_MISSING).split(", ")
            text = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
        for told, words in _PLAIN:
            if text.endswith(told):
                text = f"{text.removesuffix(told).removesuffix(': ')} {words}"
        raise WrongCallError(self, text)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(map(str, action.choices))
        if isinstance(action, argparse._SubParsersAction):
            near = _nearest(str(value), choices)
            raise WrongCallError(self, f"there is no command {clean(str(value))!r}{near}")
        name = "/".join(action.option_strings) or action.dest
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        near = _nearest(str(value), choices)
        raise WrongCallError(self, f"{name}: {clean(str(value))!r} is not {listed}{near}")


_PLAIN = (
    ("expected one argument", "needs a value behind it"),
    ("expected at least one argument", "needs one value or more behind it"),
)


def read(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """What the words ask for.

    Raises:
        WrongCallError: They are not those of a command.
    """
    asked, left = parser.parse_known_args(words)
    if not left:
        return asked
    own: Parser = asked.own
    options = [word for word in left if word.startswith("-")]
    if options:
        there = [name for action in own._actions for name in action.option_strings]
        name = options[0].partition("=")[0]
        near = _nearest(name, [one for one in there if one.startswith("--")])
        raise WrongCallError(own, f"there is no option {clean(name)}{near}")
    raise WrongCallError(own, f"{clean(' '.join(left))!r} is more than it takes")


def _nearest(name: str, names: Sequence[str]) -> str:
    near = nearest(name, names).rstrip(".")
    return f".{near}" if near else ""
