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
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._function.files.item_paths import Path, Step


def spelled(way: Path) -> str:
    """A way as code would write it."""
    text = ""
    for step in way:
        text = _spelled_step(text, step)
    return text


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
        return text + "[{}:{}]".format(*("" if one is None else one for one in rest))
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
    PARSED: "json.loads({})",
    AS_PATH: "Path({})",
}
