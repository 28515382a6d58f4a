"""Tells whether new interpreters are worth starting for the items of a call that are left."""

from __future__ import annotations

import sys

from amorsize._engine.costs import spawn_costs
from amorsize._host import resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.starting.remote import RemoteWorkers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._workers.tasks.payload import Payload
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host

#: A slowdown by other programs counts as at most this factor, since it may not last.
MOST_STRETCHED = 8.0


class NewInterpreters:
    """Weighs, for one call, what new interpreters cost against the work that is left."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        *,
        remote: RemoteWorkers | None,
        run_inline: Callable[[int, float], None],
    ) -> None:
        self._call, self._recorder = call, recorder
        self._remote, self._run_inline = remote, run_inline
        self._payload: Payload | None = None
        self._names: frozenset[str] | None = None
        #: Whether this call runs without new interpreters because they would start too slowly.
        self._has_gone_without = False
        #: What it has begun for the calls to come, in words.
        self._begun = ""
        #: Why none is worth it now; None: one is, or there is another reason.
        self.too_costly: str | None = None

    def why_none(self) -> str | None:
        """Why none may run items, or none is worth it; None: they may, and are."""
        if (why := self.why_not_now()) is not None:
            return why
        from amorsize._function.library import mocks

        if (why := mocks.why_not_new_interpreters()) is not None:
            return why
        self._payload = None  # items may have changed what was sent before
        payload = self.payload()
        return self._why_not_worth_sending(payload) or payload.why_not()

    def why_not_now(self) -> str | None:
        """Why none can be started or is worth its start, by what an item costs."""
        from amorsize._workers.processes import start_method

        if (why := start_method.why_no_processes()) is not None:
            return why
        self._learn_cost()
        return self._why_not_worth_starting()

    def why_start_none(self) -> str | None:
        """Why no new interpreter is worth starting, as known before items are watched."""
        if self._call.tuner.costs.first_unconfirmed_s is not None:
            return None  # the first item may be far cheaper than the others
        from amorsize._workers.processes import start_method

        why = start_method.why_no_processes() or self._why_not_worth_starting()
        if why is None and self._payload is not None:  # it is asked again
            why = self._why_not_worth_sending(self._payload)
        return why

    def _why_not_worth_starting(self) -> str | None:
        """Why too little work is left to start new interpreters; None: enough is left."""
        self.too_costly = None
        left_s, costs, known = self._left_s(), self._call.tuner.costs, self._call.known
        if left_s is None or not self._can_finish_here:
            return None
        core_share, waits = 1.0, known is not None and known.traits.waits
        if costs.item_s is not None:
            core_share, waits = costs.undisturbed_s / costs.item_s, costs.waits
        left_s *= core_share
        n_workers = self._n_computing()
        if waits:
            n_workers = spawn_costs.interpreters_worth(
                left_s, self._call.tuner.request.n_jobs or sys.maxsize, self._needed()
            )
        n_least = 1 + waits  # where items wait, the caller runs none beside workers
        why = spawn_costs.why_not_start(left_s, n_workers, core_share, self._needed(), n_least)
        if why is None:
            return None
        if not self._has_gone_without:
            self._has_gone_without = True
            self._begin_for_later(left_s, n_workers, n_least)
        self.too_costly = f"{why}{self._begun}"
        return self.too_costly

    def _begin_for_later(self, left_s: float, n_workers: int, n_least: int) -> None:
        """Begin some for the calls to come, if calls like this one have lost enough without."""
        from amorsize._engine.starting.worth_starting_ahead import start_if_worth

        n_at_once = max(1, self._n_computing() - 1)  # the caller computes on one core
        n_ahead = min(n_workers, max(n_least, n_at_once)), n_at_once
        if n := start_if_worth(left_s, n_workers, n_ahead, self._libraries):
            self._begun = f"; {n} begin{'s' * (n == 1)} now for the calls to come"

    def n_worth(self, request: Request) -> int | None:
        """How many new interpreters are worth starting, at most as many as were asked for."""
        left_s = self._left_s()
        if left_s is None or not self._can_finish_here:
            return request.n_jobs
        return spawn_costs.interpreters_worth(left_s, request.n_jobs or sys.maxsize, self._needed())

    def _needed(self) -> frozenset[str]:
        """The libraries by which those that wait are counted; where none waits, nothing is read."""
        return self._libraries() if spawn_costs.n_warm_interpreters() else spawn_costs.NO_NAMES

    def _libraries(self) -> frozenset[str]:
        """The libraries that a worker must have imported to be warm for this call."""
        if self._names is None:
            from amorsize._function.needs.libraries import libraries_of

            self._names = libraries_of(self._call.func)
        return self._names

    def _left_s(self) -> float | None:
        """Seconds that the loop would take for the items that are left; None: nobody knows."""
        call = self._call
        if call.tuner.costs.item_s is not None:
            return call.left_s()
        return None if call.known is None else call.known.traits.item_s * call.work.n_left

    def _learn_cost(self) -> None:
        """Run an item here if nothing is known of the items: no interpreter starts before one."""
        is_first = not self._call.tuner.costs.n_inline and self._call.work.n_left
        if is_first and self._left_s() is None and self._can_finish_here:
            self._run_inline(1, float("inf"))

    def _why_not_worth_sending(self, payload: Payload) -> str | None:
        """Why there is too much to send for the work left; None: there is not."""
        if not (self._call.caller_may_run_items and spawn_costs.is_much(payload)):
            return None
        if self._call.tuner.costs.item_s is None and self._call.work.n_left:
            self._run_inline(1, float("inf"))  # nothing is sent before the cost of an item is known
        stretch, n_workers = self.stretch(), self._n_computing()
        left_s = self._call.left_s()
        self.too_costly = spawn_costs.why_not_send(payload, left_s, n_workers, stretch)
        return self.too_costly

    @property
    def _can_finish_here(self) -> bool:
        """Whether the caller may run all items that are left, and knows how many they are."""
        return self._call.caller_may_run_items and self._call.work.all_read

    def _n_computing(self) -> int:
        """How many workers at once would have a core of their own."""
        return min(resources.usable_cpus().n_cores, self._call.tuner.request.n_jobs or sys.maxsize)

    def stretch(self) -> float:
        """How many times longer computing takes here than with a core of its own."""
        here = [one for one in self._recorder.chunks.all if one.backend == "caller"]
        wall_s, run_delay_s = sum(one.wall_s for one in here), sum(one.run_delay_s for one in here)
        return wall_s / max(wall_s - run_delay_s, wall_s / MOST_STRETCHED) if wall_s else 1.0

    def payload(self) -> Payload:
        """The task for workers that are not forked."""
        if self._payload is None:
            from amorsize._workers.tasks.payload import Payload

            sample = (
                self._call.work.item(self._call.work.results.n_in_order)
                if self._call.work.n_left
                else None
            )
            if self._remote is not None:
                sample = self._remote.sample(sample)
            self._payload = Payload(self._call.task, self._call.func, sample)
        return self._payload

    def told_of(self, host: Host) -> Host:
        """The host with what is known of this call: what is sent, and who has its libraries."""
        if self._payload is not None:
            host = host.replace(load_s=host.load_s + spawn_costs.sending_s(self._payload))
        if self._call.fork_reason is None or self._remote is not None:
            return host
        return host.replace(process_ready_s=spawn_costs.ready_s(self._needed()))
