"""Finds what calls give: what others have too, what can be called, or what they were handed."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from _weakref import ref

from amorsize._function.bound_arguments import opened_helper, run_by
from amorsize._function.callables import (
    METHOD,
    MISSING,
    is_a,
    is_class,
    is_enum,
    own,
    raw,
    type_name,
)
from amorsize._function.changes.change import OF_A_WAY_BACK
from amorsize._function.flow import value_flow
from amorsize._function.flow.flow_reader import flow_of, given_by
from amorsize._function.flow.made_instances import Made
from amorsize._function.flow.name_lookup import callees_of, ends_in_globals, ends_of, root_of
from amorsize._function.library.changes import gives_shared
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.changes.change import Work
    from amorsize._function.flow.name_lookup import End
    from amorsize._function.flow.value_flow import Store

    Owns = Callable[[object], bool]

#: How deep what helpers return is followed.
_MOST_BACK = 4
#: Stands for what a call gives to all of a thread.
OF_THREAD: Any = ["what a call gives to all of a thread"]


class GivenByCalls:
    """Finds what calls give, for one examination: each is looked up once.

    Args:
        owns: Whether a function is the project's; only those are read.
        work: Counts the steps.
    """

    def __init__(self, owns: Owns, work: Work) -> None:
        self._owns, self._work = owns, work
        # With functions and what is bound to them, so that no id comes twice.
        self._callees: dict[tuple[int, object, Store], tuple[Any, Bound, list[Any]]] = {}
        self._back: dict[tuple[int, object, Store, int], tuple[Any, Bound, dict[Store, None]]] = {}
        self._one: dict[tuple[int, object, Store, int], tuple[Any, Bound, dict[Store, None]]] = {}

    def callees(self, func: FunctionType, bound: Bound, callee: Store) -> list[Any]:
        """What may be called, what other functions return included."""
        key = id(func), bound.key, callee
        if (known := self._callees.get(key)) is None:
            found = self._found_callees(func, bound, callee)
            known = self._callees[key] = func, bound, found
        return known[2]

    def _found_callees(self, func: FunctionType, bound: Bound, callee: Store) -> list[Any]:
        if value_flow.CALLED not in callee[2]:
            return callees_of(func, bound, callee)
        from amorsize._function.flow.operator_objects import made_there

        given = (end for end, _ in self.ends(func, bound, callee))
        return [*(raw(o) for o in given if o is not MISSING), *made_there(func, bound, callee)]

    def ends(self, func: FunctionType, bound: Bound, target: Store) -> list[End]:
        """The results of a call that gives the same object to others; none for a new object."""
        space, name, steps = target
        place = steps.index(value_flow.CALLED)
        makers = callees_of(func, bound, (space, name, steps[:place]))
        ends = ends_in_globals(func, makers, steps)
        for maker in makers:
            if is_a(maker, ref):
                held = _held_weakly(maker)
                ends += ends_of(held, steps[place + 1 :])
            if is_class(maker):
                ends += _of_class(maker, steps[place + 1 :])
            function, set_before = opened_helper(maker, self._owns)
            if function is not None:
                flow = flow_of(function)
                for (one_space, one_name, one_steps), rest in given_by(flow, steps[place + 1 :]):
                    root = root_of(function, set_before, one_space, one_name)[1]
                    ends += ends_of(root, (*one_steps, *rest))
                for callee in flow.returned_calls:
                    for given in callees_of(function, set_before, callee):
                        if gives_shared(given):
                            ends.append((MISSING, OF_THREAD))
            if gives_shared(maker) and ends_of(OF_THREAD, steps[place + 1 :]):  # no copy
                ends.append((MISSING, OF_THREAD))
        return ends

    def handed_back(
        self, func: FunctionType, bound: Bound, target: Store, most: int = _MOST_BACK
    ) -> Iterable[Store]:
        """The arguments that a function returns whole or in part."""
        key = id(func), bound.key, target, most
        if (known := self._back.get(key)) is not None:
            return known[2]
        found: dict[Store, None] = {}
        ahead: Iterable[Store] = (target,)
        for _ in range(most):
            below = {
                origin: None for one in ahead for origin in self._one_back(func, bound, one, most)
            }
            ahead = [one for one in below if one not in found]
            found |= below
        self._back[key] = func, bound, found
        return found

    def _one_back(
        self, func: FunctionType, bound: Bound, target: Store, most: int
    ) -> Iterable[Store]:
        """The same, of what one of the calls on the way there is handed: many ways meet in it."""
        key = id(func), bound.key, target, most
        if (known := self._one.get(key)) is None:
            places = (at for at, step in enumerate(target[2]) if step == value_flow.CALLED)
            found = [one for at in places for one in self._back_from(func, bound, target, at, most)]
            known = self._one[key] = func, bound, dict.fromkeys(found)
        return known[2]

    def _back_from(
        self, func: FunctionType, bound: Bound, target: Store, place: int, most: int
    ) -> Iterator[Store]:
        from amorsize._function.changes.result_aliases import by_code, from_library, kind_of
        from amorsize._function.flow.operator_objects import got_by

        self._work.spend(OF_A_WAY_BACK)
        callee, flow = (*target[:2], target[2][:place]), flow_of(func)
        kinds: set[object] = set()  # of functions of libraries, which many makers may be of
        for maker in run_by(self.callees(func, bound, callee)) or [None]:
            yield from got_by(maker, flow, target, place)
            function, set_before = opened_helper(maker, self._owns)
            if function is not None:
                on = partial(self.handed_back, function, set_before, most=most - 1)
                yield from by_code(function, flow, target, place, set_before.n_first, on)
            elif not (is_class(maker) and is_own_class(maker)):
                kind = kind_of(maker, callee)
                if kind not in kinds:
                    kinds.add(kind)
                    yield from from_library(kind, flow, target, place)


def _of_class(cls: type, steps: tuple[str, ...]) -> list[End]:
    """What lies at the end of a way from what calling a class gives, as far as others have it too.

    That is a member of an enumeration, or what a new object has of its class.
    """
    if is_enum(cls):
        return ends_of(cls, (value_flow.ELEMENT, *steps))
    if not steps or not is_own_class(cls):
        return []
    return [one for one in ends_of(Made(cls), steps) if one[0] is not MISSING]


def _held_weakly(reference: Any) -> Any:
    """The object of a weak reference, or the method of one, without code of a subclass."""
    held = ref.__call__(reference)
    if held is None or type_name(reference) != "weakref.WeakMethod":
        return held
    function = ref.__call__(own(reference, "_func_ref"))
    return held if function is None else METHOD(function, held)
