"""Checks stored values before they are used.

Files may be damaged, old or forged. So no object is made from a file before all fields are checked.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[object], bool]
    Schema = Mapping[str, Check]


_NONE_LATER: Schema = {}


def fits(fields: object, schema: Schema, later: Schema = _NONE_LATER) -> bool:
    """Whether this is a dict of just these fields, each of which may be as it is.

    Args:
        fields: What was stored.
        schema: The fields that are always there.
        later: Those that older records do not have.
    """
    if type(fields) is not dict or unfit(fields, schema) is not None:
        return False
    others = fields.keys() - schema.keys()
    return others <= later.keys() and all(later[name](fields[name]) for name in others)


def unfit(fields: Mapping[str, object], schema: Schema) -> str | None:
    """The first field that cannot be right, or is not there; None: there is none."""
    for name, check in schema.items():
        if name not in fields or not check(fields[name]):
            return name
    return None


def count(most: int, least: int = 1) -> Check:
    """A whole number."""
    return lambda value: type(value) is int and least <= value <= most


def number(most: float, least: float = 0.0) -> Check:
    """Any number between these; what is not a number lies between none."""
    return lambda value: type(value) in (int, float) and least <= value <= most  # type: ignore[operator]


def text(most: int, least: int = 0) -> Check:
    """A text of so many characters, on one line, with nothing in it that moves a cursor."""
    return lambda value: (
        type(value) is str and least <= len(value) <= most and (not value or value.isprintable())
    )


def one_of(*allowed: object) -> Check:
    """One of these values; 1 is not True."""
    return lambda value: any(type(value) is type(one) and value == one for one in allowed)


def optional(check: Check) -> Check:
    """None, or what may be there."""
    return lambda value: value is None or check(value)


def either(*checks: Check) -> Check:
    """Whatever one of these allows."""
    return lambda value: any(check(value) for check in checks)


def mapping(names: Check, values: Check, most: int) -> Check:
    """A dict with so many entries at most."""
    return lambda value: (
        type(value) is dict
        and len(value) <= most
        and all(map(names, value))
        and all(map(values, value.values()))
    )


def sequence(items: Check, most: int) -> Check:
    """A list with so many items at most."""
    return lambda value: type(value) is list and len(value) <= most and all(map(items, value))


def row(*checks: Check) -> Check:
    """A list with one value for each of these."""
    return lambda value: (
        type(value) is list
        and len(value) == len(checks)
        and all(check(one) for check, one in zip(checks, value, strict=True))
    )


def record(schema: Schema, later: Schema = _NONE_LATER) -> Check:
    """A dict with just these fields, and perhaps those that came later."""
    return lambda value: fits(value, schema, later)


def at_least(schema: Schema) -> Check:
    """A dict with these fields, and perhaps others."""
    return lambda value: isinstance(value, dict) and unfit(value, schema) is None


def is_text(value: object) -> bool:
    """Any text, of any number of lines."""
    return type(value) is str


def is_number(value: object) -> bool:
    """Any number at all, also one that lies between none."""
    return type(value) in (int, float)
