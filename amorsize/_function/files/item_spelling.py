"""Spells ways from an item to a part of it as code would write them."""

from __future__ import annotations

from amorsize._function.files.item_paths import (
    ALL,
    ARGUMENT,
    AS_NAME,
    AS_PATH,
    ASKED,
    ATTRIBUTE,
    CUT,
    EACH,
    EITHER,
    ELEMENT,
    FORMATTED,
    GIVEN,
    MADE,
    OF_PATH,
    PARSED,
    PERHAPS,
    WITHIN,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._function.files.item_paths import Path, Step


def spelled(way: Path) -> str:
    """A way as code would write it."""
    text = ""
    for step in way:
        text = _spelled_step(text, step)
    return text


def spelled_bounds(start: Any, stop: Any, step: Any) -> str:
    """The bounds of a slice; one that is not known is left out."""
    found = ["" if type(one) is not int else str(one) for one in (start, stop, step)]
    return ":".join(found if found[2] else found[:2])


def _spelled_step(text: str, step: Step) -> str:
    """The text of a way with one more step."""
    kind, *rest = step
    if kind in (ARGUMENT, PERHAPS):
        return str(rest[1])
    if kind == GIVEN:
        return str(rest[0].label)
    if kind == EITHER:
        return " or ".join(map(spelled, rest))
    if kind == MADE:
        arguments = [(spelled(one), one[0][0] == GIVEN) for one in rest[1:]]
        return str(rest[0].spelled(arguments))
    if kind == CUT:
        return f"{text}[{spelled_bounds(*rest)}]"
    if kind == OF_PATH:
        return f"{rest[0]}({text})"
    if kind in _TEMPLATES:
        return _TEMPLATES[kind].format(text, *rest)
    if kind == FORMATTED:
        return f"{text}:{rest[0]}" if rest[0] else text
    name, *arguments = ("get", *rest) if kind == ASKED else rest
    return f"{text}.{name}({', '.join(map(repr, arguments))})"


#: How other steps are written, behind or around the text of those before.
_TEMPLATES = {
    ELEMENT: "{}[{!r}]",
    ATTRIBUTE: "{}.{}",
    EACH: "{}[...]",
    ALL: "{}[:]",
    AS_NAME: "{}",
    WITHIN: "{}",
    PARSED: "json.loads({})",
    AS_PATH: "Path({})",
}
