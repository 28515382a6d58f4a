"""Ways from an item to a part of it: `row["kind"]`, `line.split(",")[0]`, `Path(name).stem`.

What lies there is looked up without running any code of the program.
"""

from __future__ import annotations

import posixpath
from _collections import _tuplegetter  # type: ignore[import-not-found]

from amorsize._function.callables import FUNCTION, MISSING, is_a, member, own, type_name
from amorsize._function.files.item_values import (
    VIEWS,
    UnknownPartError,
    called,
    is_trusted,
    method_of,
)
from amorsize._function.files.name_keys import as_name, key_of, normal_name, within
from amorsize._function.ownership import is_own_class
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Step = tuple[Any, ...]
    Path = tuple[Step, ...]

#: The kinds of steps; the first step of a way names an argument by its place.
ARGUMENT, ELEMENT, ATTRIBUTE, ASKED, CUT = "argument", "[]", ".", "get", "slice"
#: The first step of a way that may not begin at the item.
PERHAPS = "perhaps"
#: The steps to one value of several at a time, and to all of them together.
EACH, ALL = "each", "all"
METHOD, OF_PATH, AS_PATH, FORMATTED, PARSED = "method", "function", "path", "format", "json"
#: What a known function makes of several values, one of two values, and a value of the program.
MADE, EITHER, GIVEN = "made", "either", "given"
#: A value that is the whole name of a file, and one with more of the name in front.
AS_NAME, WITHIN = "name", "within"
#: Methods of texts and of paths, with constant arguments, that are called to see what they give.
SPLITTING = {"split", "rsplit", "partition", "rpartition", "splitlines"}
METHODS_OF_TEXTS = SPLITTING | {
    *("lower", "upper", "strip"),
    *("lstrip", "rstrip", "replace", "removesuffix", "removeprefix", "title", "casefold"),
    *("capitalize", "zfill"),
}
#: Methods of dates and times that are called as well.
METHODS_OF_TIMES = {"strftime", "isoformat", "date"}
METHODS_OF_PATHS = {"with_suffix", "with_name", "with_stem"}
#: Functions of `os.path` that are called as well.
FUNCTIONS_OF_PATHS = {"basename", "dirname", "splitext", "split"}
#: Types whose elements are taken although they are not written in C.
_TABLES = {"pandas.Series", "pandas.core.series.Series"}
#: Types whose elements can be taken without a check.
_PLAINLY = {dict, list, tuple, str}
#: The most values of one item that are examined for one name.
MOST_VALUES = 10_000
#: Functions that follow the code of the program's classes, by what they find; `own_members` adds
#: them.
own_code: dict[str, Callable[..., Any]] = {}
#: Raised for what an item lacks: the function raises as well, before it names a file.
LACKS = (LookupError, AttributeError, TypeError, ValueError)


def keys_of(value: Any, ways: Iterable[Path]) -> Iterator[tuple[Any, ...]]:
    """What tells the values at the ends of some ways apart; several if one leads to each of many.

    Nothing where a value lacks such a part.

    Raises:
        UnknownPartError: That cannot be told without running the program's code.
    """
    heads: dict[Step | None, list[Path]] = {}
    for way in ways:
        heads.setdefault(way[0] if way else None, []).append(way[1:])
    found: list[list[tuple[Any, ...]]] = []
    for step, rest in heads.items():
        if step is None:
            found.append([(key_of(value),)])
            continue
        if step[0] == EITHER:
            ends = [key for way in step[1:] for key in _either(value, way, rest)]
        else:
            ends = [key for one in _after(value, step) for key in keys_of(one, rest)]
        found.append([tuple(ends)] if step[0] == ALL else list(dict.fromkeys(ends)))
    _count(found)
    yield from _combined(found)


def texts_at(values: Sequence[Any], way: Path) -> list[str] | None:
    """The same for texts and integers, one for each value and much quicker; None: not all are."""
    try:
        found = _ends(values, way)
    except (UnknownPartError, *LACKS):
        return None
    kinds = set(map(type, found))
    if kinds == {str}:
        return list(map(normal_name, found))
    return list(map(str, found)) if kinds == {int} else None


def _ends(values: Sequence[Any], way: Path) -> Sequence[Any]:
    """What lies at the end of a way from each value, where it leads to one."""
    for kind, *rest in way:
        if kind in (EACH, ALL, EITHER):
            raise UnknownPartError
        if kind == MADE:
            columns = [_ends(values, one) for one in rest[1:]]
            values = [_result(rest[0], one) for one in zip(*columns, strict=True)]
        else:
            step = _STEPS[kind]
            values = [step(one, *rest) for one in values]
    return values


def _combined(found: list[list[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    first, *others = found
    if not others:
        yield from first
        return
    for rest in _combined(others):
        yield from ((*one, *rest) for one in first)


def values_at(value: Any, way: Path) -> list[Any]:
    """The values that may be meant at the end of a way.

    Raises:
        UnknownPartError: That cannot be told without running the program's code.
    """
    found = [value]
    for kind, *rest in way:
        if kind in _SPREADING:
            found = [end for one in found for end in _SPREADING[kind](one, *rest)]
        else:
            found = [_STEPS[kind](one, *rest) for one in found]
        if len(found) > MOST_VALUES:
            raise UnknownPartError
    return found


def _either(value: Any, way: Path, rest: list[Path]) -> Iterator[tuple[Any, ...]]:
    """The keys of one of several values; none of one that names no file."""
    for key in keys_of(value, [(*way, *one) for one in rest]):
        if not {"", "None"}.issuperset(key):
            yield key


def _made(value: Any, function: Any, *ways: Path) -> list[Any]:
    from itertools import product

    found = [values_at(value, way) for way in ways]
    _count(found)
    return [_result(function, one) for one in product(*found)]


def _count(found: Iterable[list[Any]]) -> None:
    """Give up where these can be put together in too many ways."""
    from math import prod

    if prod(map(len, found)) > MOST_VALUES:
        raise UnknownPartError


def _result(function: Any, values: tuple[Any, ...]) -> Any:
    return _own("result", function, values) if _is_own(values[0]) else called(function, values)


def _is_own(value: Any) -> bool:
    """Whether it is an object of a class of the program's."""
    return type(value) not in PLAIN and is_own_class(type(value))


def _own(what: str, *of: Any) -> Any:
    """What the code of the program's classes tells, if that is followed."""
    if what not in own_code:
        raise UnknownPartError
    return own_code[what](*of)


def _made_once(value: Any, function: Any, *ways: Path) -> Any:
    found = _made(value, function, *ways)
    if len(found) != 1:
        raise UnknownPartError
    return found[0]


def _any_of(value: Any, *ways: Path) -> list[Any]:
    found: list[Any] = []
    for way in ways:
        try:
            found += values_at(value, way)
        except LACKS:  # the code may catch that, and take another way
            continue
    return found


def _after(value: Any, step: Step) -> Iterable[Any]:
    """The value, or values, after one step; none if it lacks that."""
    try:
        if step[0] in (EACH, ALL):
            return _each(value)
        if step[0] == MADE:
            return _made(value, *step[1:])
        return (_STEPS[step[0]](value, *step[1:]),)
    except LACKS:
        return ()


def _each(value: Any) -> Iterable[Any]:
    if type(value) in (list, tuple, set, frozenset, dict, str, *VIEWS):
        return tuple(value)
    raise UnknownPartError


def _element(value: Any, key: Any) -> Any:
    if type(value) in _PLAINLY:
        return value[key]
    if is_a(value, dict):
        if member(type(value), "__getitem__") is not dict.__dict__["__getitem__"]:
            raise UnknownPartError
        if (found := dict.get(value, key, MISSING)) is MISSING:
            if member(type(value), "__missing__") is not MISSING:
                raise UnknownPartError
            raise KeyError(key)
        return found
    if type(value).__module__.partition(".")[0] in ("pathlib", "re"):
        return value[key]
    taken = member(type(value), "__getitem__")
    if taken is MISSING:
        raise TypeError
    if type(taken) not in _IN_C and type_name(value) not in _TABLES:
        raise UnknownPartError
    return value[key]


def _asked(value: Any, key: Any, default: Any = None) -> Any:
    if member(type(value), "get") is not dict.__dict__["get"]:
        raise UnknownPartError
    return dict.get(value, key, default)


def _cut(value: Any, start: Any, stop: Any, step: Any) -> Any:
    if type(value) not in (str, list, tuple, bytes):
        raise TypeError if type(value) in PLAIN else UnknownPartError
    return value[start:stop:step]


def _attribute(value: Any, name: str) -> Any:
    kind = type(value)
    held = member(kind, name)
    if kind.__module__.partition(".")[0] in ("pathlib", "urllib") or type(held) in _IN_C:
        return getattr(value, name)
    kept = own(value, "__dict__") or {}
    if type(kept) is dict and name in kept and not hasattr(type(held), "__set__"):
        return kept[name]
    if f"_{name}_" in kept and name in ("name", "value"):  # of an enumeration
        return kept[f"_{name}_"]
    if held is not MISSING and not hasattr(type(held), "__get__"):
        return held
    if type(held) is property or type_name(held) == "functools.cached_property":
        return _own("given", held.fget if type(held) is property else held.func, (value,))
    if held is MISSING and type(member(kind, "__getattr__")) is not FUNCTION:
        raise AttributeError(name)
    raise UnknownPartError


def _called(value: Any, name: str, *arguments: Any) -> Any:
    if type(value) is str and name in METHODS_OF_TEXTS:
        return getattr(value, name)(*arguments)
    return method_of(value, name)(*arguments)


def _formatted(value: Any, spec: str) -> str:
    if type(value) not in PLAIN and not is_trusted(value):
        text = _own("text", value) if _is_own(value) else None
        if spec and text is None:
            raise UnknownPartError
        return str(key_of(value)) if text is None else format(text, spec)
    return format(value, spec)


def _parsed(value: Any) -> Any:
    if type(value) not in (str, bytes):
        raise TypeError if type(value) in PLAIN else UnknownPartError
    import json

    return json.loads(value)


def _of_path(value: Any, name: str) -> Any:
    return getattr(posixpath, name)(_as_path(value))


def _as_path(value: Any) -> Any:
    if type(value) is not str and type(value).__module__.partition(".")[0] != "pathlib":
        raise TypeError if type(value) in PLAIN else UnknownPartError
    from pathlib import Path

    return Path(value)


_STEPS: dict[str, Callable[..., Any]] = {
    ELEMENT: _element,
    ASKED: _asked,
    CUT: _cut,
    ATTRIBUTE: _attribute,
    METHOD: _called,
    OF_PATH: _of_path,
    AS_PATH: _as_path,
    FORMATTED: _formatted,
    PARSED: _parsed,
    MADE: _made_once,
    GIVEN: lambda _, held: held.value,
    AS_NAME: as_name,
    WITHIN: within,
}
#: Steps that may lead to several values.
_SPREADING: dict[str, Callable[..., Iterable[Any]]] = {
    EACH: _each,
    MADE: _made,
    EITHER: _any_of,
}


class _Slotted:
    __slots__ = ("one",)


#: The types of what classes written in C, or `__slots__`, give as attributes.
_IN_C: set[Any] = {
    type(vars(_Slotted)["one"]),
    type(dict.__getitem__),
    type(list.__getitem__),
    type(list.__len__),
    type(int.numerator),
    _tuplegetter,
}
