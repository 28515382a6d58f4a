"""Runs items as if the line of the program that maps had called the function itself.

Warnings, log records and other code name the caller of a function by its frame: its module, file
and line (`warnings.warn(..., stacklevel=2)`, `sys._getframe(1)`). So the frames between an item and
amorsize are copies of a loop, each with the file, line and globals of a frame of the program.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Any

    Loop = Callable[[Callable[..., Any], Iterator[Any], list[Any], Any], None]

#: The most frames of the program that items see above them. Few warnings look for more than two.
MOST_LEVELS = 4
#: The most copies of code that are kept.
MOST_KEPT = 512
#: The qualified name by which the copies are known.
NAME = "<amorsize>"
#: Before Python 3.12, a comprehension has a frame of its own.
_HAS_COMPREHENSION = sys.hexversion < 0x30C0000
#: Where the interpreter looks for a caller beyond the first frame.
_BEYOND = ("sys", 1) if sys.hexversion < 0x30D0000 else ("<sys>", 0)
#: An entry in a table of lines (`Objects/locations.md` of CPython): as many units of code, all in
#: the first line of the function, without columns.
_ENTRY, _MOST_UNITS, _SAME_LINE = 0x80 | 13 << 3, 8, 0

_function_of: Any = type(lambda: None)
_codes: dict[tuple[Any, str, int, str], CodeType] = {}


# What follows is copied, so it has to do without globals: those of the program take their place.


def each(function: Any, items: Any, out: Any, _: Any) -> None:
    """Run items of a stride."""
    for item in items:
        out.append(function(item))  # faster than a bound append


def each_in_turn(function: Any, items: Any, out: Any, failed: Any) -> None:
    """The same, telling which item failed: reading the next one may fail as well."""
    for item in items:
        try:  # takes 2 ns an item
            out.append(function(item))
        except:
            failed(item)
            raise


def each_starred_in_turn(function: Any, items: Any, out: Any, failed: Any) -> None:
    """The same for tuples of arguments."""
    for item in items:
        try:
            out.append(function(*item))
        except:
            failed(item)
            raise


def each_mapped(_: Any, results: Any, out: Any, __: Any) -> None:
    """Take the results of `map`. If an item fails, those before it are kept."""
    out.extend(results)


def _around(function: Any, items: Any, out: Any, failed: Any, within: Any) -> None:
    within(function, items, out, failed)


def _one(item: Any, within: Any) -> Any:
    return within(item)


def _one_starred(item: Any, within: Any) -> Any:
    return within(*item)


class CallSite:
    """Where the program asked for a map: a file, line, name and globals for each level."""

    __slots__ = ("_levels", "_loops")

    def __init__(self, levels: tuple[tuple[str, int, str, dict[str, Any]], ...]) -> None:
        self._levels = levels
        self._loops: dict[Loop, Loop] = {}  # each made once, as there are many chunks

    def __reduce__(self) -> tuple[Any, ...]:
        plain = [
            (file, line, name, str(names.get("__name__", "<string>")))
            for file, line, name, names in self._levels
        ]
        return _elsewhere, (plain,)

    def loop(self, inner: Loop) -> Loop:
        """A loop over items, called by the program's line."""
        found = self._loops.get(inner)
        if found is None:
            found = self._loops[inner] = self._copied(inner, None, _around)
        return found

    def calling(self, function: Callable[..., Any], *, is_star: bool) -> Callable[[Any], Any]:
        """A function of one item, called by the program's line: for wrappers around it."""
        found: Callable[[Any], Any] = self._copied(
            _one_starred if is_star else _one, function, _one
        )
        return found

    def _copied(self, inner: Any, within: Any, outer: Any) -> Any:
        """The inner function at the lowest level, and the outer one at all levels above."""
        source = inner
        for file, line, name, names in self._levels:
            key = source, file, line, name
            if (code := _codes.get(key)) is None:
                code = _copy(source.__code__, file, line, name)
                if len(_codes) >= MOST_KEPT:
                    _codes.clear()
                _codes[key] = code
            within = _function_of(code, names, name, None if within is None else (within,))
            source = outer
        return within


def here() -> CallSite | None:
    """The line of the program that is calling amorsize now; None: no program is."""
    from amorsize._host.program_line import is_ours

    frame: FrameType | None = sys._getframe(1)
    levels: list[tuple[str, int, str, dict[str, Any]]] = []
    while frame is not None:
        names, code = frame.f_globals, frame.f_code
        if code.co_qualname == NAME or not is_ours(names):
            level = code.co_filename, frame.f_lineno or 0, code.co_name, names
            if _HAS_COMPREHENSION and not levels:
                levels.append((level[0], level[1], "<listcomp>", names))
            levels.append(level)
            if len(levels) >= MOST_LEVELS:
                break
        frame = frame.f_back
    if not levels:
        return None
    levels += [(*_BEYOND, "<sys>", vars(sys))] * (MOST_LEVELS - len(levels))
    return CallSite(tuple(levels))


def without_copies(error: BaseException) -> None:
    """Leave the copies out of an error's traceback, which has the program's own frames anyway."""
    at = error.__traceback__
    while at is not None:
        following = at.tb_next
        while following is not None and following.tb_frame.f_code.co_qualname == NAME:
            following = following.tb_next
        if following is not None and following is not at.tb_next:
            at.tb_next = following
        at = following


def _copy(code: CodeType, file: str, line: int, name: str) -> CodeType:
    n_units = len(code.co_code) // 2
    whole, rest = divmod(n_units, _MOST_UNITS)
    table = bytes((_ENTRY | _MOST_UNITS - 1, _SAME_LINE)) * whole
    if rest:
        table += bytes((_ENTRY | rest - 1, _SAME_LINE))
    return code.replace(
        co_filename=file, co_firstlineno=line, co_name=name, co_qualname=NAME, co_linetable=table
    )


def _elsewhere(levels: list[tuple[str, int, str, str]]) -> CallSite:
    """The same place in another process, which may not have loaded the module."""
    modules = sys.modules
    return CallSite(
        tuple(
            (
                file,
                line,
                name,
                vars(modules[module]) if module in modules else {"__name__": module},
            )
            for file, line, name, module in levels
        )
    )
