"""Finds files that code changes whose names several items share: `f"part_{x // 100}.txt"`.

One item reads or overwrites what another has written there, so items have to run in their order.
"""

from __future__ import annotations

from os import fsdecode

from amorsize._function.bound_arguments import first_argument, rest_arguments
from amorsize._function.bytecode import texts
from amorsize._function.callables import own
from amorsize._function.files.changed_parts import is_changed
from amorsize._function.files.file_uses import FileUses
from amorsize._function.files.item_paths import AS_NAME, EITHER, PERHAPS
from amorsize._function.files.item_spelling import spelled
from amorsize._function.files.name_sharing import shared_by
from amorsize._function.files.name_uses import LISTENS, fixed_path
from amorsize._function.files.names_of_others import as_changes, read_of_others, shared_folders
from amorsize._function.files.shared_files import MOST_HELPERS
from amorsize._function.files.unseen_changes import FIELDS, unseen_changes
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.name_parts import Part
    from amorsize._function.files.unseen_changes import Changes
    from amorsize._function.ownership import Owns

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
    collected, n_left = _Collected(owns), _MOST_FOLLOWED
    reached: set[FunctionType] = set()
    named = {one for func, _ in read for one in (*func.__code__.co_names, *texts(func.__code__))}
    # What is passed to the others may be known once the mapped function was read.
    for func, bound in sorted(read, key=lambda one: one[0] is not root):
        if not func.__code__.co_argcount and not rest_arguments(func.__code__):
            continue  # no item gets there, unless one of the others calls it
        if func in reached or (func is not root and not _may_run(func, root, named)):
            continue
        uses = FileUses(owns, by_sql, n_left)
        uses.follow(func, bound, {}, _MOST_DEEP)
        n_left = uses.n_left
        if func is not root:
            collected.add_unknown(func, uses)
            continue
        reached |= {func} | (uses.reached | uses.by_others if n_left >= 0 else set())
        followed = {func} | (uses.reached - uses.by_others)
        collected.add_mapped(func, uses, unseen_changes(followed, dict(read), changes))
    return collected.names()


class _Collected:
    """Collects what names of files have in common, from the functions that were followed."""

    def __init__(self, owns: Owns) -> None:
        self._owns = owns
        self._of: dict[str, dict[Any, None]] = {CHANGES: {}, ADDS: {}, LOOKS: {}, LISTENS: {}}
        self._whole: dict[Path, None] = {}  # how names are made of different parts
        self._writes = False

    def add_mapped(self, func: FunctionType, uses: FileUses, unseen: set[str] | None) -> None:
        """Add what the mapped function does.

        Args:
            func: The function.
            uses: What it does to files.
            unseen: The fields of an item that code changes which is not followed; None: any.
        """
        for use, part in self._uses(uses):
            what = _in_common(func, uses, part, unseen)
            what = what or (part.known if use == LISTENS else fixed_path(part))
            if what:
                self._of[use][what] = None
            if use == CHANGES and type(what) is tuple and part.way is not None:
                self._whole[(*part.way, (AS_NAME,))] = None
        self._whole |= {(*one, (AS_NAME,)): None for one in read_of_others(uses.found)}
        self._of[CHANGES] |= dict.fromkeys(shared_folders(uses.found))

    def add_unknown(self, func: FunctionType, uses: FileUses) -> None:
        """Add what a function does that is called in ways that are not known."""
        for use, part in self._uses(uses):
            what = _in_common(func, uses, part, set())
            if type(what) is tuple:
                what = _not_followed(func, what) if self._owns(func) else _guessed(what)
            if what:
                self._of[use][what] = None

    def _uses(self, uses: FileUses) -> list[tuple[str, Part]]:
        self._writes |= uses.writes or any(use in (CHANGES, ADDS) for use, _ in uses.found)
        return [one for one in as_changes(uses.found) if one[0] in self._of]

    def names(self) -> SharedNames:
        """All that was collected."""
        adds, looks, ports = self._of[ADDS], self._of[LOOKS], self._of[LISTENS]
        one_of_them = [(((EITHER, *self._whole),),)] if len(self._whole) > 1 else []
        found = [*self._of[CHANGES], *ports, *(one for one in adds if one in looks)]
        return SharedNames(
            shared=tuple(one for one in found if type(one) is str),
            by_parts=tuple(one for one in (*found, *one_of_them) if type(one) is tuple),
            paths=tuple(fsdecode(one) for one in found if type(one) is bytes),
            ports=tuple(one for one in ports if type(one) is int),
            writes=self._writes,
        )


def _in_common(func: FunctionType, uses: FileUses, part: Part, unseen: set[str] | None) -> Any:
    """What several items have in common that have this name; parts that change are no names."""
    is_text = uses.is_text or func.__annotations__.get(first_argument(func)) in (str, "str")
    what = shared_by(part, is_text=is_text)
    if type(what) is tuple and any(is_changed(way, uses.changed, unseen) for way in what):
        return f"{', '.join(map(spelled, what))}, which the code changes"
    return what


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
