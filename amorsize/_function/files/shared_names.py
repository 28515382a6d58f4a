"""Finds files that code changes whose names several items share: `f"part_{x // 100}.txt"`.

One item reads or overwrites what another has written there, so items have to run in their order.
"""

from __future__ import annotations

from os import fsdecode

from amorsize._function.bound_arguments import (
    NOTHING,
    first_argument,
    rest_arguments,
    with_arguments,
)
from amorsize._function.bytecode import texts
from amorsize._function.callables import (
    FUNCTION,
    MISSING,
    member,
    own,
    plain,
    public_name_of,
    raw,
)
from amorsize._function.files.changed_parts import changed_by_call, is_changed
from amorsize._function.files.changing_programs import files_of_programs
from amorsize._function.files.file_manners import as_used
from amorsize._function.files.item_paths import AS_NAME, EITHER, PERHAPS
from amorsize._function.files.item_spelling import spelled
from amorsize._function.files.name_calls import OF_TEXTS, result_of
from amorsize._function.files.name_comprehensions import gone_through
from amorsize._function.files.name_frame import UNPACKED, NameFrame, given_to
from amorsize._function.files.name_parts import (
    FILE,
    PATH,
    UNKNOWN,
    Part,
    all_of,
    constant,
    is_argument,
    is_of_item,
)
from amorsize._function.files.name_reader import read_names
from amorsize._function.files.name_sharing import shared_by
from amorsize._function.files.name_uses import (
    LISTENS,
    NOT_PASSED,
    fixed_path,
    listens,
    place_of_saved,
    uses_by_mode,
    uses_of_path,
)
from amorsize._function.files.names_of_others import (
    as_changes,
    listings,
    read_of_others,
    shared_folders,
)
from amorsize._function.files.shared_files import (
    METHODS_OF_PATHS,
    MOST_HELPERS,
    uses_of,
)
from amorsize._function.files.unseen_changes import FIELDS, unseen_changes
from amorsize._function.flow.made_instances import Made, class_of
from amorsize._function.library.changes import BINDS, LISTENING
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS
from amorsize._function.ownership import is_own_class
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.unseen_changes import Changes
    from amorsize._function.ownership import Owns

#: Methods that hardly anything but a path has.
_OF_PATHS_ALONE = {".write_text", ".write_bytes", ".unlink", ".read_text", ".read_bytes"}
#: The flags of generators and coroutines, whose results are not followed.
_GIVES_LATER = 0x20 | 0x80 | 0x200
#: More arguments than any function has that changes files.
_MOST_PLACES = 4
#: How deep calls of helpers are followed for the names that they are passed.
_MOST_DEEP = 2 * MOST_HELPERS
#: The most calls of helpers that are followed, at 0.1 to 1 ms each: some have millions of ways.
_MOST_FOLLOWED = 200


class SharedNames(Value):
    """The names of changed files that items may have in common."""

    shared: tuple[str, ...]  # what several items have in common of such a name, as the code has it
    by_parts: tuple[tuple[Path, ...], ...]  # parts of the item: items with equal parts share a name
    paths: tuple[str, ...]  # names that are the same for all items
    ports: tuple[int, ...]  # ports that are the same for all items
    writes: bool  # whether the code shows that files are changed, or makes temporary ones


def shared_names(
    read: Iterable[tuple[FunctionType, Bound]],
    owns: Owns,
    by_sql: tuple[str, ...],
    changes: Changes,
    root: FunctionType | None = None,
) -> SharedNames:
    """What items have in common that share a changed file's name, as the code has it.

    Args:
        read: The functions that were read, with what is bound to them.
        owns: Whether a function is the project's.
        by_sql: What is done to databases.
        changes: Finds the changes of a function.
        root: The function that is mapped.
    """
    found: dict[str, dict[Any, None]] = {CHANGES: {}, ADDS: {}, LOOKS: {}, LISTENS: {}}
    reached: set[FunctionType] = set()
    whole: dict[Path, None] = {}  # how names are made of different parts
    writes, n_left = False, _MOST_FOLLOWED
    named = {one for func, _ in read for one in (*func.__code__.co_names, *texts(func.__code__))}
    # What is passed to the others may be known once the mapped function was read.
    for func, bound in sorted(read, key=lambda one: one[0] is not root):
        if not func.__code__.co_argcount and not rest_arguments(func.__code__):
            continue  # no item gets there, unless one of the others calls it
        if func in reached or (func is not root and not _may_run(func, root, named)):
            continue
        reader = Uses(owns, by_sql, n_left)
        reader.follow(func, bound, {}, _MOST_DEEP)
        followed = {func} | (reader.reached - reader.by_others)
        unseen = unseen_changes(followed, dict(read), changes) if func is root else set()
        n_left = reader.n_left
        if func is root:
            reached |= {root} | (reader.reached | reader.by_others if n_left >= 0 else set())
        is_text = reader.is_text or func.__annotations__.get(first_argument(func)) in (str, "str")
        writes |= reader.writes or any(use in (CHANGES, ADDS) for use, _ in reader.found)
        for use, part in [one for one in as_changes(reader.found) if one[0] in found]:
            what: Any = shared_by(part, is_text=is_text)
            if type(what) is tuple and any(is_changed(way, reader.changed, unseen) for way in what):
                what = f"{', '.join(map(spelled, what))}, which the code changes"
            if func is root:
                what = what or (part.known if use == LISTENS else fixed_path(part))
            elif type(what) is tuple:
                what = _not_followed(func, what) if owns(func) else _guessed(what)
            if what:
                found[use][what] = None
            if use == CHANGES and func is root and type(what) is tuple and part.way is not None:
                whole[(*part.way, (AS_NAME,))] = None
        if func is root:
            whole |= {(*one, (AS_NAME,)): None for one in read_of_others(reader.found)}
            found[CHANGES] |= dict.fromkeys(shared_folders(reader.found))
    ports = found.pop(LISTENS)
    one_of_them = [(((EITHER, *whole),),)] if len(whole) > 1 else []
    all_found = [*found[CHANGES], *ports, *(one for one in found[ADDS] if one in found[LOOKS])]
    return SharedNames(
        shared=tuple(one for one in all_found if type(one) is str),
        by_parts=tuple(one for one in (*all_found, *one_of_them) if type(one) is tuple),
        paths=tuple(fsdecode(one) for one in all_found if type(one) is bytes),
        ports=tuple(one for one in ports if type(one) is int),
        writes=writes,
    )


def _may_run(func: FunctionType, root: FunctionType | None, named: set[str]) -> bool:
    """Whether a function may be called in ways not followed: a method only if code names it."""
    outer = func.__qualname__.rpartition(".")[0]
    is_method = bool(outer) and outer[-1] != ">" and func.__name__[:2] != "__"
    is_named = not is_method or func.__name__ in named
    return is_named and own(func, "__wrapped__") is not root


def _not_followed(func: FunctionType, ways: tuple[Path, ...]) -> str:
    """What a message says of arguments of a function that is called in unknown ways."""
    return f"{', '.join(map(spelled, ways))}, whatever {func.__name__} is passed"


def _guessed(ways: tuple[Path, ...]) -> tuple[Path, ...]:
    """The same as guesses, for a function that takes a field of an unknown argument; else none."""
    if not any(step[0] in FIELDS for way in ways for step in way):
        return ()
    return tuple(((PERHAPS, *way[0][1:]), *way[1:]) for way in ways)


class Uses:
    """Collects what a function and its helpers do to files.

    Attributes:
        found: What is done, with the name of the file.
        is_text: Whether the code treats the item as a text.
        changed: The ways to the parts of the item that are changed.
        reached: Functions whose arguments are known.
        by_others: Functions that run with unknown arguments, or with unknown parts of the item.
        writes: Whether it makes files whose names nothing else has.
        n_left: How many calls may still be followed.
    """

    def __init__(self, owns: Owns, by_sql: tuple[str, ...], n_left: int) -> None:
        self.n_left = n_left
        self.found: list[tuple[str, Part]] = []
        self.changed: list[Path] = []
        self.is_text = self.writes = False
        self.reached: set[FunctionType] = set()
        self.by_others: set[FunctionType] = set()
        self._owns, self._by_sql = owns, by_sql
        self._depth = 0
        self._running: list[CodeType] = []

    def follow(
        self,
        func: FunctionType,
        bound: Bound,
        given: dict[str, Part],
        depth: int,
        *,
        of_item: bool = True,
    ) -> Part:
        """Note what a function does to files; return what it gives."""
        if func.__code__ in self._running:
            return UNKNOWN
        self.n_left -= 1
        self._running.append(func.__code__)
        before, self._depth = self._depth, depth
        n_before = len(self.found)
        frame = NameFrame(func, bound, given, self._called, of_item=of_item)
        read_names(frame)
        self.is_text |= frame.is_text
        self.changed += frame.changed
        noted = self.found[n_before:]
        self.found[n_before:] = [
            (used, part) for use, part in noted for used in as_used(use, func.__code__)
        ]
        self._depth = before
        self._running.pop()
        if func.__code__.co_flags & _GIVES_LATER:
            return UNKNOWN if frame.yields is None else all_of(frame.yields)
        return UNKNOWN if frame.gives is None else frame.gives

    def _called(self, called: Part, passed: list[Part], named: dict[str, Part]) -> Part:
        """What a call gives."""
        name = public_name_of(called.known) if callable(called.known) else ""
        is_unpacked = UNPACKED in passed
        if is_unpacked and self._helper(called) is None:
            passed = [UNPACKED] * _MOST_PLACES
        of_whole = called.owner if called.label in OF_TEXTS else None
        if called.label == ".write" and passed:
            of_whole = passed[0]
        self.is_text |= of_whole is not None and is_argument(of_whole)
        self._note(called, name, passed, named)
        self.changed += changed_by_call(called, name, passed)
        if isinstance(called.known, type) and is_own_class(called.known):
            return self._made(called.known, passed, named)
        if (found := gone_through(called, name, passed)) is not None:
            return found
        result = self._result_of_helper(called, passed, named)
        if result is None:
            self._follow_passed([*passed, *named.values()])
            result = result_of(called, name, passed, named)
        return result

    def _made(self, cls: type, passed: list[Part], named: dict[str, Part]) -> Part:
        """An object that a class of the project makes."""
        new = constant(Made(cls)).replace(label=cls.__name__)
        if type(member(cls, "__init__")) is FUNCTION:
            making = Part().replace(owner=new, label=".__init__")
            self._result_of_helper(making, passed, named)
        else:
            self._follow_passed([*passed, *named.values()])
        return new

    def _result_of_helper(
        self, called: Part, passed: list[Part], named: dict[str, Part]
    ) -> Part | None:
        """What a call of one of the project's functions gives; None: another call, or not known."""
        helper = self._helper(called)
        if helper is None or not self._depth or self.n_left < 0:
            return None
        func, bound, first = helper
        if UNPACKED in passed:
            return self._follow_unknown(func, bound)
        given = given_to(func, bound, [*first, *passed], named)
        if given is None:
            return None
        self.reached.add(func)
        if any(one.way is None and is_of_item(one.tags) for one in given.values()):
            self.by_others.add(func)
        given |= called.closure or {}
        return self.follow(func, bound, given, self._depth - 1, of_item=False)

    def _follow_unknown(self, func: FunctionType, bound: Bound) -> Part:
        """Follow a function whose arguments are not known."""
        self.by_others.add(func)
        return self.follow(func, bound, {"": UNKNOWN}, self._depth - 1, of_item=False)

    def _follow_passed(self, passed: list[Part]) -> None:
        """Note what functions that the code makes do, if others are to call them."""
        for part in passed if self._depth and self.n_left >= 0 else ():
            if part.closure is not None:
                no_arguments = {"": Part(), **part.closure}
                self.follow(part.known, NOTHING, no_arguments, self._depth - 1, of_item=False)
            elif part.known is not MISSING and (helper := self._helper(part)) is not None:
                self._follow_unknown(*helper[:2])

    def _note(self, called: Part, name: str, passed: list[Part], named: dict[str, Part]) -> None:
        """Note what a call does to files."""

        def at(place: int, keyword: str) -> Part:
            return passed[place] if 0 <= place < len(passed) else named.get(keyword, NOT_PASSED)

        method, owner = called.label, called.owner
        self.writes |= name.startswith("tempfile.")
        is_path = owner is not None and (owner.kind == PATH or method in _OF_PATHS_ALONE)
        if owner is not None and is_path and method in METHODS_OF_PATHS:
            self.found += [(use, owner) for use in uses_of_path(method, at)]
            if method in (".rename", ".replace"):
                self.found.append((CHANGES, at(0, "target")))
        place = None if owner is None else place_of_saved(owner, method)
        if place is not None and self._helper(called) is None:
            saved = at(place, "path_or_buf")
            is_adding = uses_by_mode(at(-1, "mode")) == [ADDS]
            if saved.kind != FILE:
                self.found.append((ADDS if is_adding else CHANGES, saved))
        uses = uses_of(name, at, uses_by_mode, self._by_sql)
        self.found += [(use, part) for use, part in uses if part.kind != FILE]
        self.found += [*listings(called, name, at(0, "path")), *files_of_programs(name, at)]
        if name in LISTENING or (owner is not None and method == BINDS):
            self.found += listens(at(0, "address"))

    def _helper(self, called: Part) -> tuple[FunctionType, Bound, list[Part]] | None:
        """The function of the project that is called, and what is passed before its arguments."""
        known, first = called.known, []
        if known is MISSING and called.owner is not None and called.owner.known is not MISSING:
            known = raw(member(class_of(called.owner.known), called.label[1:]))
            first = [] if type(known) is staticmethod else [called.owner]
            known = plain(known) if type(known) is staticmethod else known
            if type(known) is not FUNCTION:
                return None
        if known is MISSING or not callable(known) or issubclass(type(known), type):
            return None
        func, bound = with_arguments(known)
        return None if func is None or not self._owns(func) else (func, bound, first)
