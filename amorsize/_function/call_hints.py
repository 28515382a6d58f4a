"""Suggests the right call if a function cannot be called with its items as they were passed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature
    from typing import Any


def of_call(
    func: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any], name: str
) -> str | None:
    """How to pass this item so that the function takes it; None where it is taken, or nobody knows.

    Args:
        func: As the user wrote it.
        arguments: One item: a single argument, or one of each iterable.
        keywords: Those that go to every item.
        name: Of the function, for the words.
    """
    from inspect import signature

    try:
        taken = signature(func)
    except (TypeError, ValueError):  # some builtins do not tell
        return None
    if _binds(taken, arguments, keywords):
        return None
    first = arguments[0]
    if len(arguments) == 1 and isinstance(first, tuple) and _binds(taken, first, keywords):
        return (
            f"Each item is one argument, and {name} takes {len(first)}: as the items are tuples, "
            f"pass their columns, {name}(*zip(*pairs)) or tuned_map({name}, *zip(*pairs))."
        )
    if len(arguments) == 1 and isinstance(first, dict) and _binds(taken, (), {**keywords, **first}):
        return (
            f"Each item is one argument, and {name} takes {len(first)} by name: write a function "
            f"of the whole item, lambda item: {name}(**item)."
        )
    unknown = [one for one in keywords if one not in taken.parameters]
    if _binds(taken, arguments, {one: keywords[one] for one in keywords if one not in unknown}):
        options = ", ".join(f"{one}=..." for one in unknown)
        return (
            f"Keywords of a call go to the function, and {name} takes no {' or '.join(unknown)}. "
            f"Options of the map go into {name}.using({options})(data), or "
            f"tuned_map({name}, data, {options}) where it is not decorated."
        )
    missing = _missing(taken, arguments, keywords)
    if missing:
        listed = ", ".join(f'"{one}": ...' for one in missing)
        also = ", ".join(f"{one}=..." for one in missing)
        return (
            f"{name} needs {', '.join(missing)} besides its item. What is the same for every item "
            f"goes into tuned_map({name}, data, item_kwargs={{{listed}}}), or {name}(data, {also}) "
            "where it is decorated; what differs is another iterable beside the data."
        )
    return None


def _binds(taken: Signature, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    try:
        taken.bind(*arguments, **keywords)
    except TypeError:
        return False
    return True


def _missing(taken: Signature, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[str]:
    """Parameters without a value that, given by name, would make the call right."""
    try:
        bound = taken.bind_partial(*arguments, **keywords)
    except TypeError:
        return []
    return [
        name
        for name, one in taken.parameters.items()
        if one.default is one.empty
        and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        and name not in bound.arguments
    ]
