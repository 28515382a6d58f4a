"""Finds what the calls of a function reach beyond their own items.

One walk over the code, closures, globals, bound objects and first items answers two questions. What
would threads share? What would a worker process have only a copy of, so that changes are lost?
"""

from __future__ import annotations

from amorsize._function.bound_arguments import Bound, with_arguments
from amorsize._function.callable_walk import layers
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    is_class,
    is_partial,
    member,
    own,
    plain,
    raw,
)
from amorsize._function.changes.change import TooMuchToReadError
from amorsize._function.object_contents import brought
from amorsize._function.ownership import Owns, RunsCodeError, runs_code_when_read
from amorsize._function.plain_values import is_plain
from amorsize._function.shareable_values import is_shareable
from amorsize._function.sharing.calls import settle_descriptors
from amorsize._function.sharing.changes import Changes, named_from
from amorsize._function.sharing.code import Code
from amorsize._function.sharing.findings import Findings, Objects, Reach
from amorsize._function.sharing.known_reaches import (
    Read,
    known_reach,
    remember_last,
    remember_whole,
)
from amorsize._function.sharing.values import MAX_EXAMINED, Values
from amorsize._function.unlike_items import MOST_KINDS, parts_of
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

#: The name in messages of an object that several items are or hold.
OF_SEVERAL = "what items have in common"


def reach(func: Callable[..., object]) -> Reach:
    """Examine a function and everything that it leads to.

    `thread_safe` is cautious: what is not known to be safe counts as shared, even if it is only
    read. `stores` makes a warning, so it lists only what is certain: the bytecode plainly shows the
    store, and the target is known to live in this process alone. Never raises.
    """
    return examine(func)[0]


def examine(
    func: Callable[..., object], items: Sequence[object] = (), in_common: Sequence[object] = ()
) -> tuple[Reach, Objects]:
    """The same, together with the objects that were found; some items are examined too.

    The first two come first: what both have in common is shared by all, as is what other items are
    known to have in common.

    A function that led to no object is not examined again while its names stand for the same
    values: that takes 10 us.
    """
    would_run = any(map(_runs_code, items))
    are_plain = not would_run and all(map(is_plain, items))
    if are_plain and (known := known_reach(func)) is not None:
        return known, Objects()
    began = perf_counter()
    examination = _Examination(func)
    try:
        if would_run:
            raise RunsCodeError
        examination.follow(items, in_common)
    except RunsCodeError:
        would_run = True
        examination.findings.leave_out("what runs code of the project when it is only looked at")
    except TooMuchToReadError:
        examination.findings.leave_out("what the code reaches, which is too much to read")
    except Exception as error:  # whatever attributes of an odd object may raise
        reraise_from_handler(error)
        examination.findings.leave_out(f"what could not be examined ({type(error).__name__})")
    reach, objects = examination.reach(), examination.findings.objects()
    if not would_run:
        read = examination.read()
        if are_plain and not (reach.unread or examination.values.caches or objects.any_found):
            remember_whole(func, reach, read)
        else:
            remember_last(func, reach, read, items, began)
    return reach, objects


def _runs_code(item: object) -> bool:
    """Whether looking at an item, or at what it holds, runs code of the project."""
    return runs_code_when_read(item) or any(map(runs_code_when_read, parts_of(item)))


class _Examination:
    """One look at everything that a function leads to, each thing once."""

    def __init__(self, func: Any, caches_met: set[int] | None = None) -> None:
        self.findings = Findings()
        self._func = func
        #: The ids of cached functions that were looked into: one may lead back to itself.
        self._caches_met: set[int] = set() if caches_met is None else caches_met
        owns = Owns([func])
        self._owns = owns
        self._changes = Changes(self.findings, owns)
        self.values = Values(self.findings, owns, self._changes)
        inner = with_arguments(layers(with_arguments(func)[0] or func)[-1])[0]
        self.code = Code(self.values, inner)

    def reach(self) -> Reach:
        """The findings in words."""
        of_arguments = self._changes.of_arguments
        return self.findings.reach().replace(changes_arguments=of_arguments)

    def read(self) -> Read:
        """What was read, as far as it came."""
        classes = [one for one in self.values.walk.met if is_class(one)]
        own = tuple(one for one in classes if self._owns.class_(one))
        return Read(functions=tuple(self.code.read), classes=own)

    def follow(self, items: Sequence[object], in_common: Sequence[object] = ()) -> None:
        """Follow everything from the function on."""
        values, changes = self.values, self._changes
        values.judge(self._func, "")
        func = raw(self._func)
        called = plain(member(type(func), "__call__"))
        if type(called) is FUNCTION:  # an object that is called, and the call's `self`
            values.lead_to(called, Bound.to(called, func))
        self._judge_first_items(items)
        for value in in_common:
            values.judge(value, OF_SEVERAL)
        for one, (bound, method) in values.walk:
            self.code.examine(one, bound, method)
        if values.walk.is_cut:
            self.findings.leave_out(f"what the code reaches past {MAX_EXAMINED} functions")
        settle_descriptors(self.findings)
        classes = [one for one in values.walk.met if is_class(one)]
        changes.know(dict.fromkeys(one for one, _, _ in self.code.read_with), classes)
        self.code.judge_changes()
        if self.findings.alters:
            from amorsize._function.sharing.several_settings import judge_settings

            judge_settings(self.findings, [one for one, _, _ in self.code.read_with])
        changes.judge_classes(classes)
        changes.judge_arguments(func)
        named = named_from(func, self.code.read_as, self._asked(items, classes), self._owns)
        changes.judge_objects(named, classes)
        changes.judge_items(items, named)
        for label, cache in values.caches.items():
            self._judge_cache(label, cache)

    def _asked(self, items: Sequence[object], classes: list[type]) -> set[str]:
        """The names that libraries ask objects for; they count as named in the code."""
        if not any(map(self._owns.class_, classes)) and all(map(is_plain, items)):
            return set()
        from amorsize._function.changes.asked_names import asked_names

        read = dict.fromkeys(one[:2] for one in self.code.read_with)
        asked = asked_names(read, classes, items, self._owns)
        self.findings.names |= dict.fromkeys(asked)
        return asked

    def _judge_cache(self, label: str, cache: Any) -> None:
        """Note a cached function that does something, which no other process may do again."""
        from amorsize._function.sharing.cached_effects import lasting_effect

        if id(cache) in self._caches_met:
            return
        self._caches_met.add(id(cache))
        inner = _Examination(cache.__wrapped__, self._caches_met)
        inner.follow(())
        if (done := lasting_effect(inner.findings.reach(), inner.code.read)) is not None:
            what = f"{label}, which {done} once for each key that it caches"
            self.findings.calls[what] = self.findings.bound[what] = None

    def _judge_first_items(self, items: Sequence[object]) -> None:
        """Judge the first items; an object in both is shared by all items."""
        by_id = [brought(item) for item in items[:2]]
        if len(items) > MOST_KINDS:
            self.findings.copies[f"items of more than {MOST_KINDS} kinds"] = None
        for item in items[:MOST_KINDS]:
            self._look_at_item(item)
        if len(by_id) == 2:
            for key in by_id[0].keys() & by_id[1].keys():
                value = by_id[0][key]
                self.values.judge(value, OF_SEVERAL)

    def _look_at_item(self, item: Any) -> None:
        kind = type(item)
        if is_plain(item):
            return
        from amorsize._function.library.effects import holding_of

        if kind is FUNCTION or kind is METHOD:
            self.values.lead_to(raw(own(item, "__func__", item)))
        elif is_partial(item):
            self.values.judge(item.func, "item")
        for part in parts_of(item):
            if self._owns(part):  # a function or class, which may be called
                self.values.judge(part, "item")
        for part in (item, *brought(item).values()):
            if self._owns.class_(type(part)):
                self.values.judge_class(type(part))
            holding = holding_of(type(part))
            if holding is not None and holding.what in ("handle", "iterator", "queue", "lock"):
                self.findings.copies[f"item ({type(part).__name__})"] = None
        if not is_shareable(item):
            self.findings.unread[f"items ({kind.__name__}) may be changed in place"] = None
