"""Collects what a function does to files, its helpers included, with the names of the files."""

from __future__ import annotations

from amorsize._function.bound_arguments import NOTHING, with_arguments
from amorsize._function.callables import (
    FUNCTION,
    MISSING,
    is_class,
    member,
    plain,
    public_name_of,
    raw,
)
from amorsize._function.files.changed_parts import changed_by_call
from amorsize._function.files.changing_programs import files_of_programs
from amorsize._function.files.file_manners import as_used
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
from amorsize._function.files.name_uses import (
    NOT_PASSED,
    listens,
    place_of_saved,
    uses_by_mode,
    uses_of_path,
)
from amorsize._function.files.names_of_others import listings
from amorsize._function.files.shared_files import METHODS_OF_PATHS, uses_of
from amorsize._function.flow.made_instances import Made, class_of
from amorsize._function.library.changes import BINDS, LISTENING
from amorsize._function.library.sql_uses import ADDS, CHANGES
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.files.item_paths import Path
    from amorsize._function.ownership import Owns

#: Methods that hardly anything but a path has.
_OF_PATHS_ALONE = {".write_text", ".write_bytes", ".unlink", ".read_text", ".read_bytes"}
#: The flags of generators and coroutines, whose results are not followed.
_GIVES_LATER = 0x20 | 0x80 | 0x200
#: More arguments than any function has that changes files.
_MOST_PLACES = 4


class FileUses:
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
        if is_class(called.known) and is_own_class(called.known):
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
        if known is MISSING or not callable(known) or is_class(known):
            return None
        func, bound = with_arguments(known)
        return None if func is None or not self._owns(func) else (func, bound, first)
