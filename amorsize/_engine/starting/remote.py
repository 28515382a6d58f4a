"""Looks after the workers that a call was given: those of an executor or a cluster."""

from __future__ import annotations

from amorsize._clusters import finding, references
from amorsize._engine.costs import submission_costs
from amorsize._engine.costs.submission_costs import SubmissionCosts
from amorsize._engine.options import call_options
from amorsize._engine.placement import placement
from amorsize._workers.carried_state import caller_state
from amorsize._workers.executors import pool as executor_pool
from amorsize.errors import InvalidOptionError
from amorsize.policy.events import HostInspected
from amorsize.policy.state import is_remote
from amorsize.report import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter
    from amorsize._engine.options.call_options import Options
    from amorsize._engine.state.call import Recorder
    from amorsize._profiles.memory_store import Key
    from amorsize._workers.executors.pool import ExecutorPool
    from amorsize._workers.protocol import Task
    from amorsize._workers.tasks.payload import Payload
    from amorsize.policy.tuner import Tuner
    from amorsize.policy.worker_costs import Host

#: The share by which costs may differ before the policy is told.
REPORT_SHARE = 0.2
#: The fewest chunks whose costs are worth remembering.
ENOUGH_CHUNKS = 5


class RemoteWorkers:
    """The workers that a call was given, with the limits of its items there.

    Args:
        function: The function that is called with each item.
        options: The options of the call.

    Raises:
        AmorsizeError: No executor can keep the options, or the cluster cannot be used.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        described = "executor="
        if options.executor is None:  # the environment may name the engine
            described = f"backend={options.given_workers!r}"
            call_options.refuse_unkept(options, options.given_workers, described)
        self.adapter: ClusterAdapter = finding.adapter_for(
            options.given_workers, options.engine or {}
        )
        self._fingerprint, self._is_on_disk = self.adapter.fingerprint(), options.cache
        guess = SubmissionCosts(lag_s=self.adapter.lag_s, submit_s=self.adapter.submit_s)
        self._costs = submission_costs.known(self._fingerprint, guess, on_disk=options.cache)
        self._n_measured = 0
        self._start_timeout_s = options.start_timeout or executor_pool.START_S
        self._tuner: Tuner | None = None
        self._recorder: Recorder | None = None
        self.backend = "thread" if self.adapter.shares_memory else "process"
        #: Why no two items may run at once in one process; None: they may.
        self.why_one_at_a_time: str | None = None
        if self.adapter.shares_memory:
            return
        self.why_one_at_a_time = placement.why_one_at_a_time(function, options)
        if self.goes_alone(options) and options.chunksize not in (None, 1):
            self.adapter.close()
            raise InvalidOptionError(
                f"retries=0 and chunksize={options.chunksize} cannot both be kept with "
                f"{described}: who can tell which items of a lost chunk have run? Leave chunksize "
                "out: each item then goes alone."
            )

    def locate(self, items: list[Any]) -> bool:
        """Find out where the values of items are that are references; whether there are any."""
        types = self.adapter.reference_types
        if not types or not references.has_any(items, types):
            return False
        self.adapter.locate([one for one in items if type(one) in types])
        return True

    def sample(self, item: Any) -> Any:
        """An example of what the function is called with; None: its value is elsewhere."""
        return None if type(item) in self.adapter.reference_types else item

    def goes_alone(self, options: Options) -> bool:
        """Whether each item is a chunk, so that the death of a process names its item."""
        return options.retries == 0 and not self.adapter.shares_memory

    def key(self, key: Key) -> Key:
        """The key of what is learned of a function on this executor."""
        if self.adapter.shares_memory:
            return key
        identity, (kind, size), variant = key
        return identity, (f"{kind} on {self._fingerprint}", size), variant

    @property
    def n_workers(self) -> int | None:
        """How many chunks it runs at once; None: unknown."""
        return self.adapter.n_workers(one_per_process=self.why_one_at_a_time is not None)

    def host(self, host: Host) -> Host:
        """The host with the cores of these workers, and with what reaching them costs."""
        if self.adapter.shares_memory:
            return host
        return host.replace(
            n_cores=self.n_workers or host.n_cores,
            dispatch_s=self._costs.submit_s,
            executor_lag_s=self._costs.lag_s,
            executor_overlaps=self.adapter.overlaps,
        )

    def new_pool(
        self, task: Task, payload: Callable[[], Payload], tuner: Tuner, recorder: Recorder
    ) -> ExecutorPool:
        """The pool of these workers. The recorder is told of their costs and losses."""
        task.one_chunk_at_a_time = self.why_one_at_a_time is not None
        if not self.adapter.shares_memory:
            task.context = caller_state.packed_context(recorder.warn)
        if self.why_one_at_a_time is not None:
            tuner.note("one item at a time in each process", self.why_one_at_a_time)
        self._tuner, self._recorder = tuner, recorder
        page = self.adapter.dashboard()
        unknown = (
            "no worker yet" if self.adapter.names_processes else "nobody knows how many chunks"
        )
        how_many = f"{n_workers} chunks at once" if (n_workers := self.n_workers) else unknown
        tuner.note(
            f"workers of {self.adapter.described}", f"{how_many}{(page and f', {page}') or ''}"
        )
        return executor_pool.ExecutorPool(
            self.adapter,
            task,
            payload,
            see_costs=self._see_costs,
            see_workers=self._see_workers,
            see_loss=self._see_loss,
            start_timeout_s=self._start_timeout_s,
            warn=recorder.warn,
        )

    def _see_costs(self, lag_s: float | None, submit_s: float | None) -> None:
        """Tell the policy what a chunk has cost beyond its items."""
        self._n_measured += 1
        self._costs = self._costs.moved(lag_s=lag_s, submit_s=submit_s)
        tuner = self._tuner
        if tuner is None or not is_remote(tuner):
            return
        self.adapter.expect(tuner.moment.left_s)
        reported = SubmissionCosts(
            lag_s=tuner.host.executor_lag_s or 0.0, submit_s=tuner.host.dispatch_s
        )
        if self._costs.differ(reported, REPORT_SHARE):
            self._report_host(tuner)

    def _see_workers(self) -> None:
        """Note that workers have come or gone."""
        tuner, n_workers = self._tuner, self.n_workers
        if tuner is not None and n_workers is None:
            tuner.note("no worker", "workers have gone")
        if tuner is not None and n_workers and n_workers != tuner.host.n_cores:
            self._report_host(tuner)

    def _see_loss(self, start: int, stop: int, how: str) -> None:
        """Note that a chunk was lost with its process."""
        if self._tuner is not None:
            self._tuner.note(f"items {start} to {stop - 1} were lost", how)

    def _report_host(self, tuner: Tuner) -> None:
        assert self._recorder is not None
        host = self.host(tuner.host)
        if host.n_cores != tuner.host.n_cores:
            tuner.note(f"{host.n_cores} chunks at once", "workers have come or gone")
        self._recorder.tell(HostInspected(host=host, request=tuner.request))

    def close(self) -> None:
        """Release the workers, and remember what reaching them has cost."""
        if self._n_measured >= ENOUGH_CHUNKS:
            self._n_measured = 0
            submission_costs.keep(self._fingerprint, self._costs, on_disk=self._is_on_disk)
            if self._tuner is not None:
                what = f"each chunk took {seconds(self._costs.submit_s)} of a processor here"
                where = "on its way, there and back"
                if not self.adapter.overlaps:
                    where = "in which its worker had nothing to do"
                self._tuner.note(what, f"and {seconds(self._costs.lag_s)} {where}")
        self.adapter.close()
