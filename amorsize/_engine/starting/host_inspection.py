"""Tells the policy what workers cost on this host, or why none may run the items of a call."""

from __future__ import annotations

import sys

from amorsize._engine.costs import spawn_costs
from amorsize._engine.data.source import Sliced
from amorsize._engine.placement.verdict import (
    HOLDS_GIL,
    WHY_SEEDS,
    Verdict,
    why_no_threads,
    why_stay,
)
from amorsize._host import resources, shortage
from amorsize._profiles import memory_store
from amorsize._workers.protocol import Watch
from amorsize.policy.events import HostInspected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._engine.placement.placement import Judge
    from amorsize._engine.starting.fork_retention import ForkRetention
    from amorsize._engine.starting.new_interpreters import NewInterpreters
    from amorsize._engine.starting.remote import RemoteWorkers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.caller_only import CallerOnly
    from amorsize._function.sharing.findings import Objects
    from amorsize._workers.tasks.payload import Payload
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host


class HostInspection:
    """Finds out for one call what the host has and what its function reaches."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        caller_only: CallerOnly,
        *,
        remote: RemoteWorkers | None,
        run_inline: Callable[[int, float], None],
        check_open_files: Callable[[], None],
    ) -> None:
        self._call, self._recorder, self._caller_only = call, recorder, caller_only
        self._remote = remote
        self._run_inline, self._check_open_files = run_inline, check_open_files
        self._interpreters: NewInterpreters | None = None
        #: Whether items use the network.
        self._connects = False
        #: The host, from the first inspection on.
        self._host: Host
        self._retention: ForkRetention | None = None
        #: Why no new interpreter could run items.
        self._why_only_forks: str | None = None

    def run(self) -> None:
        """Find out what the host has and what the function reaches."""
        if self._is_still_too_short():
            return
        if self._call.shortage_reason is None:
            self._find_shortage()
            if self._call.shortage_reason is not None and self._call.tuner.request.is_loop:
                return
        self._call.fork_reason = resources.why_not_fork()
        host = self._host = spawn_costs.host(self._call.fork_reason)
        request = self._call.tuner.request
        if request.backend == "auto":
            request = self._judged(request)
        elif request.backend == "thread" and request.n_jobs is None:
            from amorsize._function.sharing.thread_safety import reach

            request = request.replace(connects=reach(self._call.func).connects)
        if self._remote is not None:
            host = self._remote.host(host)
        if self._has_kept_workers(request):
            host = host.replace(
                process_start_s=spawn_costs.WAKE_S, process_ready_s=spawn_costs.WAKE_READY_S
            )
        if self._interpreters is not None:
            host = self._interpreters.told_of(host)
        self._recorder.tell(HostInspected(host=host, request=request))

    def _is_still_too_short(self) -> bool:
        """Whether this was asked before, and too little is left for processes now as well."""
        tuner = self._call.tuner
        if not tuner.request.may_pay_later or self._why_start_none() is None:
            return False
        self._recorder.tell(HostInspected(host=tuner.host, request=tuner.request))
        return True

    def _find_shortage(self) -> None:
        """Find out if files or rights are short; load late modules while there is room."""
        n_left = shortage.n_readable_left()
        self._call.shortage_reason = shortage.why_too_few(n_left)
        self._check_open_files()
        if n_left < shortage.FEW and self._call.shortage_reason is None:
            shortage.load_late()

    def _judged(self, request: Request) -> Request:
        """The request with the backends that the function allows."""
        n_done = self._call.work.results.n_done
        verdict = self._judge_by_options() or self._judge()
        if self._call.work.results.n_done > n_done:  # a watched item may have started threads
            self._call.fork_reason = resources.why_not_fork()
        request = request.replace(
            thread_reason=verdict.thread_reason or shortage.why_no_threads(),
            process_reason=verdict.process_reason or self.why_not_processes(),
            connects=self._connects,
        )
        request = request.replace(may_pay_later=self.is_about_costs(request.process_reason))
        has_only_processes = request.thread_reason and not request.process_reason
        if self._call.fork_reason is not None and has_only_processes:
            request = request.replace(n_jobs=self.interpreters.n_worth(request))
        if not request.may_inline and request.thread_reason and request.process_reason:
            request = request.replace(n_jobs=1)  # one thread, beside which no other item runs
        return request

    def is_about_costs(self, process_reason: str | None) -> bool:
        """Whether a reason against processes may no longer hold later in this call."""
        why = None if self._interpreters is None else self._interpreters.too_costly
        return why is not None and process_reason == why

    @property
    def retention(self) -> ForkRetention:
        """Tells whether forked workers may serve the next call; made when it is first needed."""
        if self._retention is None:
            from amorsize._engine.starting.fork_retention import ForkRetention

            self._retention = ForkRetention(self._call)
        return self._retention

    def _has_kept_workers(self, request: Request) -> bool:
        """Whether enough forks wait for this call: one for each core, or as many as it may have."""
        if self._remote is not None or "amorsize._workers.processes.kept_forks" not in sys.modules:
            return False
        if request.backend == "thread" or self.retention.is_first:
            return False
        from amorsize._workers.processes.kept_forks import kept

        state, n_wanted = self.retention.state_at_fork(), request.n_jobs or self._host.n_cores
        return not isinstance(state, str) and kept.n_workers(state) >= n_wanted

    def _judge_by_options(self) -> Verdict | None:
        """The verdict where no thread may and no process pays, without reading the function."""
        why = why_no_threads(self._call.options)
        if why is None or self._call.fork_reason is None or not self._call.caller_may_run_items:
            return None
        why_none = self.interpreters.why_not_now()
        return None if why_none is None else Verdict(thread_reason=why, process_reason=why_none)

    def _judge(self) -> Verdict:
        """Find out where items may run: read the function, then watch an item if that is open."""
        if (verdict := self._judge_pure()) is not None:
            return verdict
        judge = self._judge_anew()
        verdict = self._read_and_watched(judge)
        if self._call.work.stop is not None and judge.reach.seeds and not judge.reach.reseeds:
            verdict = verdict.replace(process_reason=verdict.process_reason or WHY_SEEDS)
        verdict = self._with_later_items(judge, verdict)
        judge.keep()
        self._connects = judge.connects
        self._why_only_forks = judge.why_not_new_interpreters
        self._call.may_repeat = not (judge.reach.touches or judge.reach.unread)
        if self._call.caller_may_run_items:
            self._call.task.watch = _watch_of_workers(self._call, judge.objects)
        return verdict

    def _judge_anew(self) -> Judge:
        from amorsize._engine.placement import placement

        return placement.Judge(
            self._call.task.function,
            self._call.options,
            memory_store.identity_of(self._call.func),
            may_stay=self._call.caller_may_run_items,
        )

    def _with_later_items(self, judge: Judge, verdict: Verdict) -> Verdict:
        """The verdict by all items that were read; later ones are looked at as they are read."""
        call, work = self._call, self._call.work
        if judge.reach.named_by:
            if not (call.caller_may_run_items or work.all_read):
                return verdict.without("it is not known whether later items share a file")
            from amorsize._engine.data.file_names import FileNames

            work.names = FileNames(judge.reach.named_by, star=call.task.star)
        if verdict.is_open and call.caller_may_run_items and not isinstance(call.source, Sliced):
            from amorsize._engine.data.late_kinds import LateKinds

            def why_not(item: Any) -> str | None:
                return self._judge_anew().why_not_as_well(item, verdict)

            work.kinds = LateKinds(self.next_items(), why_not)
        work.look_at(work.results.n_in_order)
        return verdict if work.waits is None else verdict.without(work.waits[1])

    def _read_and_watched(self, judge: Judge) -> Verdict:
        """What reading says, and watching items; then whether items that change are apart."""
        verdict, source = self._watched(judge), self._call.source
        if verdict.thread_reason is None and judge.changes_items:
            in_common = held_by_several(source, is_whole=True)
            return judge.read(examined(self.next_items(), source), in_common)
        return verdict

    def _watched(self, judge: Judge) -> Verdict:
        """What reading the function says, and then watching items as long as that is open."""
        from amorsize._engine.placement.placement import MOST_WATCHED

        call = self._call
        in_common = held_by_several(call.source)
        verdict = judge.read(examined(self.next_items(), call.source), in_common)
        if verdict.thread_reason is not None and verdict.process_reason is None:
            verdict = verdict.replace(process_reason=self._why_start_none())
        is_open = verdict.thread_reason is None or verdict.process_reason is None
        if not (verdict.must_watch and is_open and call.caller_may_run_items):
            return verdict
        for _ in range(MOST_WATCHED):
            if not call.work.n_left:
                break
            once_more = judge.watch(
                lambda: self._run_inline(1, float("inf")),
                self.next_items()[:1],
                inside=verdict.thread_reason is None or bool(judge.reach.alters),
            )
            if call.work.n_left:
                verdict = judge.read(examined(self.next_items(), call.source), in_common)
            if not once_more:
                break
        return verdict

    def _judge_pure(self) -> Verdict | None:
        """The verdict for code that is proven pure, without watching an item; None: it is not."""
        call, options, source = self._call, self._call.options, self._call.source
        is_open = self._host.has_gil and options.thread_safe is None and call.task.seed is None
        if not is_open or not isinstance(source, Sliced):
            return None
        from amorsize._function.purity.pure_code import is_pure, most_to_ask

        most_items = float("inf")
        if call.tuner.costs.item_s is not None:
            most_items = most_to_ask(call.left_s())
        if not is_pure(call.func, (*source.sequences, [*call.item_kwargs.values()]), most_items):
            return None
        if (why := why_stay({})) is not None:
            return Verdict(thread_reason=why, process_reason=why)
        return Verdict(thread_reason=HOLDS_GIL, process_reason=self._why_start_none())

    def next_items(self) -> list[Any]:
        """The next items to hand out, two at most, as far as they are read."""
        first = self._call.work.results.n_in_order
        n_items = min(2, self._call.source.n_read - first)
        return [self._call.work.item(first + place) for place in range(n_items)]

    def why_not_processes(self) -> str | None:
        """Why no process may run items; None: some may."""
        if self._caller_only.reason is not None:
            return self._caller_only.reason
        if self._call.fork_reason is None:
            return None
        return self._why_only_forks or self.interpreters.why_none()

    def _why_start_none(self) -> str | None:
        """Why no new interpreter is worth starting, as known before items are watched."""
        if self._call.fork_reason is None or not self._call.caller_may_run_items:
            return None
        return self.interpreters.why_start_none()

    @property
    def interpreters(self) -> NewInterpreters:
        """Tells whether new interpreters are worth starting; loaded where they are in question."""
        if self._interpreters is None:
            from amorsize._engine.starting.new_interpreters import NewInterpreters

            self._interpreters = NewInterpreters(
                self._call,
                self._recorder,
                remote=self._remote,
                run_inline=self._run_inline,
            )
        return self._interpreters

    def payload(self) -> Payload:
        """The task for workers that are not forked."""
        return self.interpreters.payload()


def examined(next_items: list[Any], source: object) -> list[Any]:
    """The next items, and one of each other kind in a list that is all there."""
    if not isinstance(source, Sliced) or len(source.sequences) != 1:
        return next_items
    from amorsize._function.unlike_items import one_of_each

    return [*next_items, *one_of_each(source.sequences[0])]


def held_by_several(source: object, *, is_whole: bool = False) -> list[Any] | None:
    """What several items hold; None: items are not all there, so that it is not known."""
    if not isinstance(source, Sliced):
        return None
    from amorsize._function.unlike_items import are_plain

    if all(map(are_plain, source.sequences)):
        return []
    from amorsize._function import items_in_common

    return items_in_common.held_by_several(source.sequences, is_whole=is_whole)


def _watch_of_workers(call: Call, objects: Objects) -> Watch:
    """How workers watch their first items."""
    return Watch(
        handles=objects.handles,
        mutables=objects.mutables,
        # The consumer of a stream runs beside its items, and may have made a change itself.
        in_threads=not call.is_stream and not call.options.thread_safe,
        beside_program=call.is_stream
        or not call.source.all_read
        or callable(call.options.progress),
    )
