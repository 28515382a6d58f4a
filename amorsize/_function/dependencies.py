"""Follows functions to what a worker must have as the caller has it."""

from __future__ import annotations

from itertools import islice

from amorsize._function import callable_walk
from amorsize._function.callables import FUNCTION, MODULE, is_partial
from amorsize._function.class_needs import ClassNeeds
from amorsize._function.code_digest import is_scalar
from amorsize._function.code_needs import CodeNeeds
from amorsize._function.library_effects import effect_of
from amorsize._function.library_reads import way_from
from amorsize._function.ownership import OwnsFiles
from amorsize._function.worker_needs import MANY, Needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_BOUND_IN_C = (type(len), type("".__len__))


def needs_of(roots: Iterable[Any], sample: Any = None) -> Needs:
    """What a worker needs.

    Args:
        roots: Functions, and what else goes along with them.
        sample: An item, which is looked into as well, for what its methods read.
    """
    given = [one for one in (*roots, sample) if one is not None]
    mapped = [one for one in roots if one is not None and not _is_of_known_library(one)]
    needs = Needs(OwnsFiles(mapped), sample)
    needs.lead_to(given)
    search = _Search(needs)
    search.go()
    if search.code.asks_families:
        search.note_families()
    return needs


def _is_of_known_library(root: Any) -> bool:
    """Whether a library documents that this function computes from its arguments alone.

    Then its package is no part of the project: a worker imports it, and needs nothing of its state.
    """
    while is_partial(root):
        root = root.func
    effect = effect_of(root) if callable(root) else None
    return effect is not None and effect.what == "safe"


class _Search:
    """Goes to all that is followed."""

    def __init__(self, needs: Needs) -> None:
        self._needs, self._owns = needs, needs.owns
        self.code, self._classes = CodeNeeds(needs), ClassNeeds(needs)

    def go(self) -> None:
        """Until nothing new is met, in libraries neither."""
        needs, state = self._needs, self._needs.state
        n_seen = -1
        while n_seen != len(state.own):
            n_seen = len(state.own)
            for target, _ in needs.walk:
                self._look_into(target)
            way = way_from(tuple(self.code.called.values()), tuple(self.code.calling), self._owns)
            state.note(way.places, way.groups)
            needs.lead_to(state.own)

    def note_families(self) -> None:
        """The code asks classes for their subclasses, and may mean any of its own."""
        ahead = [one for one in self._needs.walk.met if isinstance(one, type)]
        for cls in ahead:
            found: list[type] = type.__subclasses__(cls)
            if found and self._owns.class_(cls):
                self._needs.families.append((cls, found))
                ahead += found
                self._needs.lead_to(found)
        self.go()

    def _look_into(self, target: Any) -> None:
        self._needs.note_cache(target, None)
        if type(target) is FUNCTION:
            self.code.read(target)
        elif isinstance(target, type):
            self._classes.read(target)
        else:
            self._read_data(target)

    def _read_data(self, target: Any) -> None:
        if type(target) in _BOUND_IN_C:
            if type(target.__self__) is not MODULE:
                self._needs.lead_to((target.__self__,))  # a table whose method is mapped
            return
        self._needs.size.weigh(target)
        if callable_walk.is_container(target):
            inside = [
                one for one in islice(callable_walk.elements(target), MANY) if not is_scalar(one)
            ]
            self._needs.size.pass_over(inside)
        else:
            is_own = self._owns.class_(type(target))
            inside = [
                one
                for way, _, one in islice(callable_walk.held(target), MANY)
                if is_own or way != callable_walk.ATTRIBUTE
            ]
            self._needs.size.texts(inside)
        self._needs.lead_to(inside)
