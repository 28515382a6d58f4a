"""The command line: a table of commands, each of which answers as text or as one JSON document.

It ends with 0; with 1 when nothing was found or something failed, and one line says what to do;
or with 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from amorsize.cli import (
    cache_commands,
    machine_commands,
    profile_commands,
    simulate_commands,
)
from amorsize.cli.command import Command, FailureError
from amorsize.cli.output import complain, plain_output, show, warnings_as_lines
from amorsize.errors import AmorsizeError

_GROUPS = {"cache": "what was learned about your functions, on disk"}

COMMANDS: tuple[Command, ...] = (
    *cache_commands.COMMANDS,
    *profile_commands.COMMANDS,
    *machine_commands.COMMANDS,
    *simulate_commands.COMMANDS,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process unless given. Returns the status."""
    asked = _parser().parse_args(arguments)
    try:
        with plain_output(), warnings_as_lines() as told:
            status = _answer(asked)
            sys.stdout.flush()  # here, where a broken pipe is expected
            return max(status, int(bool(told)))
    except BrokenPipeError:  # the reader had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130  # what a shell reports for SIGINT


def _answer(asked: argparse.Namespace) -> int:
    """Run the command and print its answer, or why there is none."""
    try:
        answer = asked.run(asked)
    except FailureError as failure:
        if asked.json:
            print(json.dumps(failure.document, indent=2))
        complain(str(failure))
        return failure.status
    except AmorsizeError as error:
        if asked.json:
            print(json.dumps({"error": str(error)}, indent=2))
        complain(str(error))
        return 1
    if asked.json:
        print(json.dumps(answer.document, indent=2))
    else:
        show(answer.blocks)
    return 0


def _parser() -> argparse.ArgumentParser:
    """The parser of the table; every command takes --json."""
    parser = argparse.ArgumentParser(
        prog="amorsize", description="Look into what amorsize has learned, and what it sees here."
    )
    parser.add_argument("--version", action="version", version=f"amorsize {_version()}")
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    groups = {}
    for group, help_ in _GROUPS.items():
        of_group = choices.add_parser(group, help=help_, description=f"{help_.capitalize()}.")
        groups[group] = of_group.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        *above, word = command.words
        place = groups[above[0]] if above else choices
        own = place.add_parser(
            word, help=command.help, description=f"{command.help[0].upper()}{command.help[1:]}."
        )
        for names, options in command.arguments:
            own.add_argument(*names, **options)
        own.add_argument("--json", action="store_true", help="print one JSON document")
        own.set_defaults(run=command.run)
    return parser


def _version() -> str:
    return str(getattr(sys.modules["amorsize"], "__version__", "of unknown version"))
