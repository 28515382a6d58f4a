"""Tells what properties, methods or `__str__` of the program's classes give, by their code.

None of it runs: it is followed like the code of the mapped function, once for each call of a map.
"""

from __future__ import annotations

from amorsize._function.bound_arguments import NOTHING
from amorsize._function.callables import FUNCTION, member
from amorsize._function.files.changed_parts import is_changed
from amorsize._function.files.file_uses import FileUses
from amorsize._function.files.item_paths import (
    LACKS,
    own_code,
    values_at,
)
from amorsize._function.files.item_values import METHOD_OF, UnknownPartError, called
from amorsize._function.files.name_parts import argument, exact_way, from_items
from amorsize._function.ownership import Owns
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.item_values import Known

#: How deep members that ask for others are followed.
_MOST_DEEP = 5
#: How deep helpers of one member are.
_HELPERS = 2
#: The most calls of helpers that are followed for it.
_MOST_FOLLOWED = 20
_deep: list[FunctionType] = []
_ways: dict[FunctionType, Path | None] = {}


def forget() -> None:
    """Follow all code anew: what it reads of the program may be another by now."""
    _ways.clear()


def result(function: Known, values: tuple[Any, ...]) -> Any:
    """What a method of an object of the program gives, or a known function of one."""
    if function == METHOD_OF:
        return given_by(member(type(values[0]), values[1]), (values[0], *values[2:]))
    made = text(values[0]) if function.name == "str" else None
    return called(function, values) if made is None else made


def text(value: Any) -> str | None:
    """The text of an object; None: its class has no way of its own to make it."""
    kind = type(value)
    if type(member(kind, "__str__")) is not FUNCTION:
        return None
    made = given_by(member(kind, "__str__"), (value,))
    if type(made) is not str or type(member(kind, "__format__")) is FUNCTION:
        raise UnknownPartError
    return made


def given_by(func: Any, values: tuple[Any, ...]) -> Any:
    """What a function of the program gives for these values, which are its first arguments.

    Raises:
        UnknownPartError: That is not told by its code.
    """
    if type(func) is not FUNCTION:
        raise UnknownPartError
    if func not in _ways:
        _ways[func] = _way_of(func, len(values))
    way = _ways[func]
    if way is None or len(_deep) >= _MOST_DEEP or len(values) > func.__code__.co_argcount:
        raise UnknownPartError
    _deep.append(func)
    try:
        found = values_at(values, way)
    except LACKS as error:  # its code, or what asks for it, may catch that
        raise UnknownPartError from error
    finally:
        _deep.pop()
    if len(found) != 1:  # one of several, and it is not told which
        raise UnknownPartError
    return found[0]


def _way_of(func: FunctionType, n_values: int) -> Path | None:
    """The way from a tuple of the arguments to what the function gives; None: it is not told."""
    names = func.__code__.co_varnames[:n_values]
    given = {name: argument(at, name) for at, name in enumerate(names)}
    uses = FileUses(Owns([func]), (), _MOST_FOLLOWED)
    try:
        way = exact_way(uses.follow(func, NOTHING, given, _HELPERS))
    except Exception as error:  # which must not be taken for one that the item raises
        reraise_from_handler(error)
        return None
    if way is None or is_changed(way, uses.changed, set()):
        return None
    return from_items(way, are_arguments=True)


own_code.update(result=result, given=given_by, text=text)
