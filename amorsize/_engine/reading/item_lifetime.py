"""Finds iterators whose items do not outlast the reading of the next one.

A loop reads an item, runs it, and reads the next. Reading the next one earlier is right if items do
not depend on each other. It is wrong for a file that is closed when its generator goes on, a buffer
that is filled again, a group of `groupby`, or a generator that uses earlier results. So two things
are examined: the generators behind the iterator, and whether reading the second item changes the
first. Of the user's code, only an attribute `closed` may run for that.
"""

from __future__ import annotations

import gc
import io

from amorsize._engine.data.source import is_quiet
from amorsize._engine.reading.behind_data import generators_behind, in_sight
from amorsize._engine.reading.item_snapshot import is_atom, is_iterator, sights, trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

METHODS: Any = (type([].append), type("", (), {"m": lambda _: None})().m.__class__)
#: Iterators whose items are valid only until the next is read, by their documentation.
LENDERS = ("itertools.groupby", "numpy.nditer")
#: Modules whose context managers leave files alone when they exit.
HARMLESS = ("_io", "io", "posix", "nt", "gzip", "bz2", "lzma", "codecs", "zipfile", "tarfile")


class LifetimeCheck:
    """Checks the iterators that items come from, once they have given the first."""

    def __init__(self, parts: tuple[Any, ...], item: Any) -> None:
        self._places = [place for place, part in enumerate(parts) if not is_quiet(part)]
        self._is_single = len(parts) == 1
        self._generators = [
            one for place in self._places for one in generators_behind(parts[place])
        ]
        self._lenders = [_kind(parts[place]) for place in self._places]
        self._item = item
        self._open = self._managers()
        self._seen = self._sights()
        self._befores: list[Before] = []

    def why_after_run(self) -> str | None:
        """Why the next item may depend on how this one was run; None: nothing suggests that."""
        self._befores = [Before(one) for one in self._of(self._item)]
        if self._sights() == self._seen:
            return None
        return "what its generator looks at was changed while the first item was run"

    def why_after_next(self, after: Any) -> str | None:
        """Why an item does not outlast the next; None: nothing suggests that."""
        for kind in self._lenders:
            if kind in LENDERS:
                return f"{kind} lends each item until the next is read"
        pairs = zip(self._befores, self._of(after), strict=True)
        return next(filter(None, (self._why(before, one) for before, one in pairs)), None)

    def _of(self, item: Any) -> list[Any]:
        """The part of an item that has come from iterators that run code."""
        return [item if self._is_single else item[place] for place in self._places]

    def _why(self, before: Before, after: Any) -> str | None:
        item, now_open = before.item, self._managers()
        if any(map(is_iterator, item if isinstance(item, tuple | list) else (item,))):
            return f"its items are iterators, or hold some ({_name(item)})"
        if item is after and not is_atom(item):
            return f"the same object ({_name(item)}) is given again and again"
        if before.changed():
            return f"reading the next item changes the one before ({_name(item)})"
        for method in self._open:
            if not any(method is one for one in now_open):
                return f"each item is given inside a `with` of its own ({_name(method.__self__)})"
        for method in now_open:
            if not before.may_stay_in(method.__self__):
                what = f"({_name(method.__self__)}, items of {_name(item)})"
                return f"its items are given inside a `with` {what}"
        return None

    def _managers(self) -> list[Any]:
        """The exits that generators have still to call, each from where its block was entered."""
        return [
            held
            for generator in self._generators
            for held in gc.get_referents(generator)
            if type(held) in METHODS and held.__name__ == "__exit__"
        ]

    def _sights(self) -> Any:
        """The objects that the generators can reach."""
        frames = [one.gi_frame for one in self._generators if one.gi_frame is not None]
        return [sights(in_sight(frame), self._item) for frame in frames]


class Before:
    """An item that was run, before the next is read."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self._trace = trace(item)

    def changed(self) -> bool:
        """Whether the item has changed."""
        return bool(trace(self.item) != self._trace)

    def may_stay_in(self, manager: Any) -> bool:
        """Whether more may be read from within a block that stays open for all items."""
        if not self._trace.is_plain:
            return False
        if isinstance(manager, io.IOBase) or type(manager).__module__.split(".")[0] in HARMLESS:
            return True
        return not self._trace.names_file


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__}"


def _name(value: Any) -> str:
    return type(value).__name__
