"""Finds files with one name for all items that code writes anew, moves or removes.

The last item that writes such a file decides what is in it, so items have to run in their order.
Lines that are only appended may come in any order.
"""

from __future__ import annotations

from os import fsdecode

from amorsize._function.bound_arguments import first_argument, with_arguments
from amorsize._function.callables import is_a, is_class, public_name_of
from amorsize._function.files.file_manners import BY_FLAGS, MAKES, as_used
from amorsize._function.files.name_parts import is_path
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import callees_of, ends_of, root_of
from amorsize._function.flow.value_flow import ARGUMENT, CALLED, RESULT
from amorsize._function.library.changes import (
    CHANGING_FILES,
    CHANGING_PATHS,
    EDITING,
    LOOKING_AT_FILES,
    LOOKING_AT_PATHS,
    MAKES_FOLDER,
    MAKING_FOLDERS,
    OPENING_BY_FLAGS,
    OPENING_BY_MODE,
    OPENING_DATABASE,
    OPENING_FOR_CHANGES,
    SAVING,
    TOUCHES,
)
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FunctionType
    from typing import Any, TypeVar

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.flow.value_flow import Call, Store, Symbol
    from amorsize._function.ownership import Owns

    Argument = tuple[Symbol, Any]  # where it comes from, and the constant that it is
    Found = TypeVar("Found")
    # By function, what is bound to it and the depth. Both are kept, so that no id comes twice.
    Known = dict[tuple[FunctionType, object, int], tuple[Bound, list[tuple[str, Argument]]]]

#: How deep calls of helpers are followed.
MOST_HELPERS = 3
#: How deep expressions that put a path together are followed.
MOST_PARTS = 4
#: What methods of paths do to the file; for `open`, the mode says it.
METHODS_OF_PATHS = {
    **dict.fromkeys(CHANGING_PATHS, CHANGES),
    **dict.fromkeys((*LOOKING_AT_PATHS, ".open"), LOOKS),
    **{MAKES_FOLDER: MAKES, TOUCHES: ADDS},
}
#: Beginnings of the paths of files that do not last.
NO_FILES = ("/dev/", "/proc/", ":memory:")
#: Functions that make a path of their arguments.
_JOINING = {"posixpath.join", "ntpath.join", "posixpath.abspath", "os.fspath", "str"}
_JOINING |= {"pathlib.PurePath.__truediv__"}


def files_in_turn(
    read: Iterable[tuple[FunctionType, Bound]], owns: Owns, by_sql: tuple[str, ...]
) -> list[str]:
    """The paths of these files, as far as the code plainly shows that all items use them.

    A file that is appended to is one of them if the code also reads it, or asks if it exists. So is
    a database in a file.
    """
    found: dict[str, dict[str, None]] = {CHANGES: {}, ADDS: {}, LOOKS: {}}
    known: Known = {}
    for func, bound in read:
        reader = _Reader(func, bound, owns, by_sql, known)
        for use, argument in reader.uses(MOST_HELPERS):
            found[use] |= dict.fromkeys(reader.paths(argument, MOST_PARTS))
    return [*found[CHANGES], *(one for one in found[ADDS] if one in found[LOOKS])]


def uses_of(
    name: str,
    at: Callable[[int, str], Found],
    opened: Callable[[Found, str], Iterable[str]],
    by_sql: tuple[str, ...],
) -> Iterator[tuple[str, Found]]:
    """What a function of a library does to which files.

    Args:
        name: Its public name.
        at: Gives what is known of an argument, by its place and its name.
        opened: What this function does to a file that it opens in a mode.
        by_sql: What is done to databases.
    """
    if name in OPENING_BY_MODE:
        yield from ((use, at(0, "file")) for use in opened(at(1, "mode"), name))
    if name in OPENING_FOR_CHANGES:
        place, keyword = OPENING_FOR_CHANGES[name]
        yield from ((use, at(0, "filename")) for use in opened(at(place, keyword), name))
    if name in EDITING:
        yield from ((use, at(0, "files")) for use in opened(at(1, "inplace"), name))
    for place in CHANGING_FILES.get(name, ()):
        yield CHANGES, at(place, "dst" if place else "src")
    if name in MAKING_FOLDERS:
        yield from ((use, at(0, "path")) for use in opened(at(2, "exist_ok"), name))
    if name == OPENING_BY_FLAGS:
        yield BY_FLAGS, at(0, "path")
    if name == OPENING_DATABASE:
        yield from ((use, at(0, "database")) for use in by_sql)
    if name in LOOKING_AT_FILES:
        yield LOOKS, at(0, "path")


class _Reader:
    """Reads one function, with its bound arguments."""

    def __init__(
        self,
        func: FunctionType,
        bound: Bound,
        owns: Owns,
        by_sql: tuple[str, ...],
        known: Known,
    ) -> None:
        self._func, self._bound, self._owns, self._by_sql = func, bound, owns, by_sql
        self._known = known
        self._flow = flow_of(func)

    def uses(self, depth: int) -> list[tuple[str, Argument]]:
        """What is done to files, and their paths as the code has them; read but once."""
        key = self._func, self._bound.key, depth
        if key not in self._known:
            found = [
                (one, argument)
                for use, argument in self._uses(depth)
                for one in as_used(use, self._func.__code__)
            ]
            self._known[key] = self._bound, found
        return self._known[key][1]

    def _uses(self, depth: int) -> Iterator[tuple[str, Argument]]:
        """The same by each call alone."""
        for call, times in self._flow.calls.items():
            step = call[0][2][-1] if call[0][2] else ""
            callees = callees_of(self._func, self._bound, call[0])
            for literals in times:
                handed = _Handed(call, literals)
                if step in METHODS_OF_PATHS:
                    yield use_of_path(step, handed.at), ((*call[0][:2], call[0][2][:-1]), None)
                if step in SAVING:
                    is_adding = by_mode(handed.at(-1, "mode")) == ADDS
                    yield ADDS if is_adding else CHANGES, handed.at(SAVING[step], "path_or_buf")
                for called in callees:
                    yield from self._uses_by(called, handed, depth)

    def _uses_by(self, called: Any, handed: _Handed, depth: int) -> Iterator[tuple[str, Argument]]:
        name = public_name_of(called) if callable(called) else ""
        yield from uses_of(name, handed.at, lambda *mode: (by_mode(*mode),), self._by_sql)
        helper, bound = with_arguments(called)
        if not depth or helper is None or helper is self._func or not self._owns(helper):
            return
        names = helper.__code__.co_varnames
        reader = _Reader(helper, bound, self._owns, self._by_sql, self._known)
        for use, (symbol, _) in reader.uses(depth - 1):
            if symbol is not None and symbol[0] == ARGUMENT:
                argument = symbol[1]
                if not symbol[2] and argument not in bound.values:
                    yield use, handed.at(names.index(argument) - bound.n_first, argument)

    def paths(self, argument: Argument, depth: int) -> Iterator[str]:
        """The path that an argument stands for, if it is the same for all items."""
        symbol, constant = argument
        if type(constant) in (str, bytes):
            path = fsdecode(constant)
            yield from () if path.startswith(NO_FILES) else (path,)
        if symbol is None or not depth:
            return
        for one in self._flow.origins(symbol):
            space, name, steps = self._flow.by_call(one)
            if steps[-1:] == (CALLED,):
                yield from self._joined((space, name, steps[:-1]), depth - 1)
            elif space != RESULT and not self._is_item(space, name):
                for end, _ in ends_of(root_of(self._func, self._bound, space, name)[1], steps):
                    if is_a(end, str | bytes) or is_path(type(end)):
                        yield from self.paths((None, fsdecode(end)), depth)

    def _joined(self, maker: Store, depth: int) -> Iterator[str]:
        """The path that is put together from parts, if they are the same for all items."""
        made = callees_of(self._func, self._bound, maker)
        if not any(_is_joining(one) for one in made):
            return
        whole = [((*maker[:2], maker[2][:-1]), None)] if maker[2][-1:] == (_DIVIDED,) else []
        for call, times in self._flow.calls.items():
            for literals in times if call[0] == maker else ():
                parts = [*whole, *_Handed(call, literals).all]
                found = [next(self.paths(one, depth), None) for one in parts]
                if found and None not in found:
                    yield "/".join(one for one in found if one is not None)

    def _is_item(self, space: str, name: str) -> bool:
        """Whether an argument may be the item, or a helper's: then its default says nothing."""
        is_first = name == first_argument(self._func)
        return space == ARGUMENT and is_first and name not in self._bound.values


_DIVIDED = ".__truediv__"


class _Handed:
    """The arguments of a call, each with its value if it is a constant.

    Attributes:
        all: The arguments, in the order of the code.
    """

    def __init__(self, call: Call, literals: tuple[object, ...]) -> None:
        _, passed, self._named = call
        known = (*literals, *(None for _ in passed))
        self.all: list[Argument] = list(zip(passed, known, strict=False))

    def at(self, place: int, name: str) -> Argument:
        """One argument, by its place or its name."""
        n_by_place = len(self.all) - len(self._named)
        if name in self._named:
            return self.all[n_by_place + self._named.index(name)]
        return self.all[place] if 0 <= place < n_by_place else _NOTHING


_NOTHING: Argument = (None, None)


#: What writes one item's part in several pieces, so that parts of two would be mixed.
_IN_PIECES = {"zipfile.ZipFile", "gzip.open", "bz2.open", "lzma.open", "tarfile.TarFile.open"}


def by_mode(mode: Argument, opener: str = "") -> str:
    """What opening a file does to it, by the mode; adding to an archive changes it."""
    if opener in MAKING_FOLDERS:
        return LOOKS if mode[1] is True else MAKES
    if opener in EDITING:
        return CHANGES if mode[1] is True else LOOKS
    if opener in OPENING_FOR_CHANGES:
        return LOOKS if mode[1] == "r" else CHANGES
    text = mode[1] if type(mode[1]) is str else "r"
    if "a" in text:
        return CHANGES if opener in _IN_PIECES else ADDS
    return LOOKS if {*"wx+"}.isdisjoint(text) else CHANGES


def use_of_path(method: str, at: Callable[[int, str], Argument]) -> str:
    """What a method of a path does to the file."""
    if method == ".open":
        return by_mode(at(0, "mode"))
    if method == MAKES_FOLDER:
        return by_mode(at(2, "exist_ok"), "os.makedirs")
    return METHODS_OF_PATHS[method]


def _is_joining(made: Any) -> bool:
    if is_class(made):
        return made is str or is_path(made)
    return callable(made) and public_name_of(made) in _JOINING
