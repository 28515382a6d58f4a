"""Decides where the items of a call may run, so that the results are those of the loop.

Reading the code may rule out threads or worker processes, and so may watching an item. Items go to
workers only if neither finds a reason against them.
"""

from __future__ import annotations

import _thread
import os

from amorsize._engine.placement.verdict import (
    ALLOWS_PROCESSES,
    ALLOWS_THREADS,
    Verdict,
    runs_event_loop,
    why_no_threads,
    why_stay,
)
from amorsize._function.callables import is_a, own
from amorsize._function.sharing.calls import ON_DESCRIPTORS, WATCHED_FOR
from amorsize._function.sharing.findings import OF_ITEMS, Objects, Reach
from amorsize._function.sharing.known_reaches import last_reach
from amorsize._function.sharing.thread_safety import examine
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize._engine.options.call_options import Options
    from amorsize._watching import Finding, Inside

#: The most reasons that one message names.
MOST_NAMED = 3
#: CPU seconds for each snapshot around a second item, after 1 ms was too little for the first.
AGAIN_S = 4e-3
#: The most items that are watched. What only the first one changes is a set-up that lasts.
MOST_WATCHED = 2
#: The name of a finding for calls of an item that were not seen.
UNSEEN = "calls"
#: The most functions whose findings are kept in memory.
MAX_FUNCTIONS = 1024

#: Places where a single change may be a set-up that lasts. If it is seen twice, each item makes it.
LASTING = frozenset(("process", "descriptor", "generator", "context", "state"))

_watched: dict[Any, tuple[Reach, Seen]] = {}  # by identity, what watching has shown


class Seen(Value):
    """What watching an item has shown."""

    left: tuple[Finding, ...]  # changes that it has left behind
    called: tuple[Finding, ...]  # functions that it called, even if their changes were undone
    connects: bool = False


class Judge:
    """Judges one function, for one call.

    Args:
        func: The function, with the keywords of the call bound.
        options: The options of the call.
        identity: Identifies the function across calls.
        may_stay: Whether the caller may run all items. If it may, and a short while ago neither
            threads nor processes were allowed, the function is not read again.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        options: Options,
        identity: Any,
        *,
        may_stay: bool = False,
    ) -> None:
        self._func, self._options, self._identity = func, options, identity
        self._may_stay = may_stay
        self.reach = Reach(shared=(), stores=())
        self.objects = Objects()
        self._seen: Seen | None = None  # None: no item was watched
        self._paths: set[str] | None = None  # files that the watched item has changed
        self._is_open = False  # a second item has to confirm what was seen

    def read(self, items: Sequence[object], in_common: Sequence[object] | None) -> Verdict:
        """The verdict by the code and by what was seen so far.

        Args:
            items: Some to look at.
            in_common: What several items hold; None: that is not known.
        """
        known = last_refusal(self._func, items, self._options) if self._may_stay else None
        self.reach, self.objects = known or examine(self._func, items, in_common or ())
        if self._seen is None and (kept := _watched.get(self._identity)) is not None:
            reach, seen = kept
            if seen.left or reach == self.reach:
                self._seen = seen
        verdict = from_reading(self.reach, self._options)
        if self.objects.mutables:  # items may change them in ways that the code does not show
            verdict = verdict.replace(must_watch=True)
        if (why := why_stay(self.objects.locks)) is not None:
            return Verdict(thread_reason=why, process_reason=why)
        if self._seen is not None:
            verdict = self._with_what_was_seen(verdict, self._seen)
        if in_common is None and (self.changes_items or self.reach.changes_arguments):
            return verdict.in_turn(self._options)
        return verdict

    def why_not_as_well(self, item: object, others: Verdict) -> str | None:
        """Why an item of another kind may not run where others may; None: it may."""
        verdict = self.read([item], None)
        if others.thread_reason is None and verdict.thread_reason is not None:
            return verdict.thread_reason
        return verdict.process_reason if others.process_reason is None else None

    @property
    def changes_items(self) -> bool:
        """Whether items are changed, or what they hold, by what was read or seen."""
        seen = () if self._seen is None else self._seen.left
        return OF_ITEMS in self.reach.changed or any(one.where == "item" for one in seen)

    def watch(self, run: Callable[[], None], items: Sequence[object], *, inside: bool) -> bool:
        """Run an item and watch it; gives whether a second one has to confirm what was seen."""
        from amorsize._engine.placement import item_findings as told
        from amorsize._function.library.effects import effect_of
        from amorsize._watching import Around, Inside
        from amorsize._watching.file_writes import FilesChanged

        objects, calls = self.objects, Inside(effect_of)
        reached = {**objects.mutables, **objects.generators}
        budget_s = None if self._paths is None else AGAIN_S
        around = Around.begin(objects.handles, reached, items, budget_s=budget_s)
        with FilesChanged() as files:
            if inside:
                calls.run(run)
            else:
                run()
        left, called = list(around.end()), self._called(calls) if inside else []
        if self._paths is not None and self._seen is not None:
            # Calls of either item count. What was not seen of the first one was seen now.
            called += [one for one in self._seen.called if not (inside and one.what == UNSEEN)]
        left += self._not_seen_undone(called)
        if around.n_left_out:
            left.append(told.too_many_open(around.n_left_out))
        left += [told.cut_off(what) for what in around.cut]
        paths = {path for path in files.paths if not told.names_process(path)}
        if paths != files.paths:
            called.append(told.named_by_process(min(files.paths - paths)))
        if self._paths is not None and (both := self._paths & paths):
            left.append(told.same_file(min(both)))
        elif self._paths is not None and (hidden := self._hidden(paths)):
            left.append(told.named_elsewhere(min(hidden)))
        is_first, self._paths = self._paths is None, paths
        connects = files.connects or (self._seen is not None and self._seen.connects)
        self._seen = Seen(left=tuple(left), called=tuple(called), connects=connects)
        is_cut = any(one.what == UNSEEN for one in called)  # the collector may have taken long
        is_open = bool(around.unseen or paths or is_cut) or any(
            one.where in LASTING for one in left
        )
        self._is_open = is_first and is_open
        return self._is_open

    def _hidden(self, paths: set[str]) -> list[str]:
        """Files that the item has left, if the code does not show how it names any."""
        if self.reach.names_files:
            return []
        return [one for one in paths if "__pycache__" not in one and os.path.lexists(one)]

    def _called(self, calls: Inside) -> list[Finding]:
        """The functions called by an item that rule out threads."""
        from amorsize._watching import Finding

        found = list(calls.findings)
        for name in {*calls.unknown} - ON_DESCRIPTORS - WATCHED_FOR:
            why = f"an item calls {name}, of which nothing is known"
            found.append(Finding(what=name, where="thread", why=why))
        if calls.unseen and self.reach.unread:  # it was neither read nor seen
            why = f"not all that an item calls was seen: {calls.unseen[0]}"
            found.append(Finding(what=UNSEEN, where="thread", why=why))
        return found

    def _not_seen_undone(self, called: Sequence[Finding]) -> list[Finding]:
        """What the function's own code may do to the process in a branch that was not taken."""
        from amorsize._watching import Finding

        seen = {one.what for one in called}
        return [
            Finding(what=name, where="process", why=f"an item may call {name}, which {why}")
            for name, why in self.reach.alters.items()
            if name not in seen
        ]

    @property
    def connects(self) -> bool:
        """Whether items use the network, by what was read or seen."""
        return self.reach.connects or (self._seen is not None and self._seen.connects)

    @property
    def why_not_new_interpreters(self) -> str | None:
        """What the caller has and a worker in a new interpreter may not have; None: nothing."""
        for name, value in self.objects.mutables.items():
            if is_a(value, _thread._local) and own(value, "__dict__"):
                return f"a new interpreter may lack some of what this thread has in {name}"
        for name in self.reach.at_descriptors:
            return f"descriptors have other numbers in a new interpreter ({name})"
        for name in self.reach.alters:
            if name.startswith("unittest.mock."):
                return f"in a new interpreter {name} may not find what it is to replace"
        return None

    def keep(self) -> None:
        """Remember what was seen for the next call, unless it has to be confirmed."""
        if self._seen is None or self._is_open:
            return
        _watched.pop(self._identity, None)
        _watched[self._identity] = self.reach, self._seen
        if len(_watched) > MAX_FUNCTIONS:
            del _watched[next(iter(_watched))]

    def _with_what_was_seen(self, verdict: Verdict, seen: Seen) -> Verdict:
        """The verdict after watching, which need not be repeated."""
        draws = self.reach.draws or self.objects.generators
        is_its_own = draws and not self.reach.seeds  # each item has streams of its own
        left = [
            one
            for one in seen.left
            if one.where != "generator" or not (is_its_own or one.what in self.reach.reseeds)
        ]
        shared = [one for one in left if one.where not in ("item", "threads", "children")]
        copied = [one for one in left if one.where not in ("threads", "children")]
        against_threads = _first_why((*seen.called, *shared))
        if self._options.thread_safe:
            against_threads = None
        return Verdict(
            thread_reason=verdict.thread_reason or against_threads,
            process_reason=verdict.process_reason or _first_why(copied),
        )


def last_refusal(
    func: Callable[..., Any], items: Sequence[object], options: Options
) -> tuple[Reach, Objects] | None:
    """What was found a short while ago, if by that the caller has to run all items."""
    reach = last_reach(func, items)
    verdict = Verdict() if reach is None else from_reading(reach, options)
    if reach is None or None in (verdict.thread_reason, verdict.process_reason):
        return None
    return reach, Objects()


def why_not_threads(func: Callable[..., Any], options: Options) -> str | None:
    """Why items may not run in several threads, by reading the code; None: they may."""
    return against_threads(examine(func)[0], options)


def why_one_at_a_time(func: Callable[..., Any], options: Options) -> str | None:
    """Why no two items may run at once in one process of an executor; None: they may.

    Such a process may have many threads, and no item is watched there. So reading has to decide.
    """
    reach, objects = examine(func)
    verdict = from_reading(reach, options)
    if verdict.thread_reason is not None or options.thread_safe is not None:
        return verdict.thread_reason
    if reach.unread:
        return f"not all that an item calls can be read: {_some(tuple(reach.unread))}"
    if objects.mutables:
        return f"threads would share {_some(tuple(objects.mutables))} ({ALLOWS_THREADS})"
    return None


def from_reading(reach: Reach, options: Options) -> Verdict:
    """Where items may run, as far as reading the code tells."""
    thread_reason = against_threads(reach, options)
    return Verdict(
        thread_reason=thread_reason,
        process_reason=_against_processes(reach),
        must_watch=bool(reach.unread)
        or reach.seeds
        or (thread_reason is None and options.thread_safe is None),
    )


def against_threads(reach: Reach, options: Options) -> str | None:
    """Why items must not run in threads, by the options and the code; None: they may."""
    if options.thread_safe is not None or options.seed is not None:
        return why_no_threads(options)
    if why := _why_by_loop(reach):
        return f"{why} ({ALLOWS_THREADS})"
    if reach.shared or reach.stores:
        return f"threads would share {_some((*reach.shared, *reach.stores))} ({ALLOWS_THREADS})"
    if changed := tuple(one for one in reach.changed if one != OF_ITEMS):
        return f"an item changes {_some(changed)} ({ALLOWS_THREADS})"
    if reach.calls:
        return f"an item calls {_some(reach.calls)} ({ALLOWS_THREADS})"
    return None


def _against_processes(reach: Reach) -> str | None:
    if reach.bound:
        return f"an item calls {_some(reach.bound)}"
    if why := _why_by_loop(reach):
        return f"{why} ({ALLOWS_PROCESSES})"
    if reach.copies:
        return f"workers would have copies of {_some(reach.copies)} ({ALLOWS_PROCESSES})"
    if reach.stores or reach.changed:
        stores = _some((*reach.stores, *reach.changed))
        return f"a worker process would lose what items store in {stores} ({ALLOWS_PROCESSES})"
    return None


def _why_by_loop(reach: Reach) -> str | None:
    if not (reach.of_loop and runs_event_loop()):
        return None
    return f"an item calls {_some(reach.of_loop)}, and an event loop runs in this thread alone"


def _first_why(findings: Sequence[Finding]) -> str | None:
    return findings[0].why if findings else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED])
