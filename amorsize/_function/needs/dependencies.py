"""Finds everything that a worker must have in the same state as the caller."""

from __future__ import annotations

import builtins
from itertools import islice

from amorsize._function import callable_walk, callables
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    is_a,
    is_class,
    is_module,
    is_partial,
    own,
)
from amorsize._function.container_elements import elements
from amorsize._function.library.effects import effect_of
from amorsize._function.library.reads import way_from
from amorsize._function.needs import c_environment
from amorsize._function.needs.class_needs import ClassNeeds
from amorsize._function.needs.code_needs import CodeNeeds
from amorsize._function.needs.shape import is_scalar
from amorsize._function.needs.worker_needs import MANY, Needs
from amorsize._function.ownership import OwnsFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_BOUND_IN_C = (type(len), type("".__len__))


def needs_of(roots: Iterable[Any], sample: Any = None) -> Needs:
    """Everything that a worker needs to run some functions.

    Args:
        roots: The functions, and other values that are sent with them.
        sample: An item; what its methods read is needed as well.
    """
    given = [one for one in roots if one is not None]
    mapped = [one for one in given if not _is_of_known_library(one)]
    needs = Needs(OwnsFiles(mapped), sample)
    needs.lead_to(given if sample is None else (*given, sample))
    for root in given:
        needs.lead_to(_functions_in(root))
    search = _Search(needs)
    search.go()
    if search.code.asks_families:
        search.note_families()
    names = search.code.names
    doubts = c_environment.doubt(names), _replaced_builtin(), _lists_finalizers(names)
    needs.reasons += [one for one in doubts if one is not None]
    return needs


def _replaced_builtin() -> str | None:
    """Why the program imports modules or makes classes in a way of its own; None: it does not."""
    for name in ("__import__", "__build_class__"):
        if type(vars(builtins).get(name)) is not callables.BUILTIN:
            return f"builtins.{name} was replaced, by which statements of any code run"
    return None


def _lists_finalizers(names: Iterable[str]) -> str | None:
    """Why the code would find other finalizers in a worker; None: it does not look for them."""
    if not {"finalize", "_registry"}.issubset(names):
        return None
    return "its code looks at weakref.finalize._registry, where a worker has finalizers of its own"


def _is_of_known_library(root: Any) -> bool:
    """Whether a library documents that the result depends on the arguments alone.

    Then a worker imports its package, and needs nothing of the caller's state in it.
    """
    while is_partial(root):
        root = root.func
    effect = effect_of(root) if callable(root) else None
    return effect is not None and effect.what == "safe"


def _functions_in(root: Any) -> list[Any]:
    """The functions that an object of a library was made with, as `numpy.vectorize` is."""
    while is_partial(root):
        root = root.func
    owner = root.__self__ if type(root) is METHOD else root
    attributes = own(owner, "__dict__")
    return [one for one in attributes.values() if callable(one)] if type(attributes) is dict else []


def _holds_nan(table: dict[Any, Any] | set[Any] | frozenset[Any]) -> bool:
    """Whether nan is among the keys: it equals nothing, and is found by its identity."""
    keys = tuple(islice(table, MANY))
    if not any(issubclass(kind, float) for kind in set(map(type, keys))):
        return False
    return any(is_a(key, float) and key != key for key in keys)


class _Search:
    """The search through all functions and classes that the roots lead to."""

    def __init__(self, needs: Needs) -> None:
        self._needs, self._owns = needs, needs.owns
        self.code, self._classes = CodeNeeds(needs), ClassNeeds(needs)

    def go(self) -> None:
        """Search until nothing new is found, in libraries too."""
        needs, state = self._needs, self._needs.state
        n_seen = -1, -1
        while n_seen != (len(state.own), len(self.code.taken)):
            n_seen = len(state.own), len(self.code.taken)
            for target, _ in needs.walk:
                self._look_into(target)
            self.code.take_from_handed()
            way = way_from(tuple(self.code.called.values()), tuple(self.code.calling), self._owns)
            state.note(way.places, way.groups)
            needs.lead_to(state.own)

    def note_families(self) -> None:
        """Note all classes of the project: the code asks classes for their subclasses."""
        ahead = [one for one in self._needs.walk.met if is_class(one)]
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
        elif is_class(target):
            self._classes.read(target)
        elif is_module(target):
            self.code.handed.append(target)
        else:
            self._read_data(target)

    def _read_data(self, target: Any) -> None:
        if type(target) in _BOUND_IN_C:
            if not is_module(target.__self__):
                self._needs.lead_to((target.__self__,))  # a table whose method is mapped
            return
        self._needs.size.weigh(target)
        if is_a(target, dict | set | frozenset) and _holds_nan(target):
            self._needs.reasons.append(
                f"a {type(target).__name__} that it reads has nan as a key, which only this very "
                "nan finds there, and no copy of it"
            )
        if callable_walk.is_container(target):
            inside = [one for one in islice(elements(target), MANY) if not is_scalar(one)]
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
