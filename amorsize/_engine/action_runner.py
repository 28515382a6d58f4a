"""Carries out what the tuner of a call asks for."""

from __future__ import annotations

from time import process_time, thread_time

from amorsize._engine.serving.workers import WAIT_S
from amorsize._host import shortage
from amorsize._host.signals import raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize.policy import actions as do
from amorsize.policy.events import Waited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.caller.dispatcher_thread import Dispatcher
    from amorsize._engine.caller.inline import InlineItems
    from amorsize._engine.costs.measuring import Measuring
    from amorsize._engine.opening import Opening
    from amorsize._engine.serving.workers import Workers
    from amorsize._engine.starting.host_inspection import HostInspection
    from amorsize._engine.starting.starting import Starter
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.caller_only import CallerOnly

#: Actions that the dispatcher thread may carry out, besides starting threads. It never forks.
DONE_BESIDE = (do.Send, do.RetireWorker, do.LookUpProfile, do.StopGilProbe)


class ActionRunner:
    """Carries out the actions of one call, in the caller or in the dispatcher thread."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        caller_only: CallerOnly,
        opening: Opening,
        workers: Workers,
        inline: InlineItems,
    ) -> None:
        self._call, self._recorder, self._caller_only = call, recorder, caller_only
        self._opening, self._workers, self._inline = opening, workers, inline
        #: When the call has to be over, on the clock of `perf_counter`; None: it has no limit.
        self.ends_s: float | None = None
        self._inspection: HostInspection | None = None
        self._starter: Starter | None = None
        self._measuring: Measuring | None = None

    def act(self, action: do.Action) -> None:
        """Carry out one action, whoever has asked the tuner for it."""
        match action:
            case do.RunInline():
                self._inline.run_inline(action.n_items, action.time_budget_s)
            case do.Send():
                self._workers.send(action)
            case do.Wait():
                self._wait(action)
            case do.StartWorker():
                self.starter.start(action.backend)
            case do.RetireWorker():
                self._workers.retire(action.worker)
            case do.InspectHost():
                self.inspection.run()
            case do.LookUpProfile():
                self._opening.look_up_on_disk()
            case do.StartGilProbe():
                self.measuring.start_probe()
            case do.StopGilProbe():
                self.measuring.stop_probe()
            case do.MeasurePickling():
                self.measuring.measure_pickling()

    def _wait(self, action: do.Wait) -> None:
        timeout_s = self._timeout_s(action)
        if not action.is_watched:
            self._workers.wait(timeout_s)
            return
        began_s, cpu_s = perf_counter(), process_time() - thread_time()
        self._workers.wait(timeout_s)
        others_cpu_s = process_time() - thread_time() - cpu_s
        self._recorder.tell(Waited(wall_s=perf_counter() - began_s, others_cpu_s=others_cpu_s))

    def _timeout_s(self, action: do.Wait) -> float:
        timeout_s = WAIT_S if action.timeout_s is None else action.timeout_s
        if self.ends_s is not None:
            timeout_s = max(0.0, min(timeout_s, self.ends_s - perf_counter()))
        return timeout_s

    # -- beside the caller's items ----------------------------------------------------------

    def serve(self) -> None:
        """Serve the workers from the dispatcher thread, while the caller runs items of its own."""
        for pool in tuple(self._call.pools.values()):
            for event in pool.wait(0.0):
                self._workers.on_event(event)
        if self._recorder.progress is not None:
            self._recorder.progress.update(is_beside=True)
        self.act_beside()

    def act_beside(self) -> None:
        """Carry out what the tuner asks for now, as far as the dispatcher thread may."""
        while True:
            action = self._call.tuner.next(self._call.status(caller_busy=True))
            if not self._may_act_beside(action):
                return
            self.act(action)

    def _may_act_beside(self, action: do.Action) -> bool:
        """Whether the dispatcher thread may carry out an action."""
        if isinstance(action, do.StartWorker):
            return action.backend == "thread" or self._call.fork_reason is not None
        return isinstance(action, DONE_BESIDE)

    def new_dispatcher(self) -> Dispatcher | None:
        """Start a dispatcher thread; None: the system has no room for a thread."""
        try:
            from amorsize._engine.caller.dispatcher_thread import Dispatcher

            return Dispatcher(
                self._call,
                is_probing=lambda: self.is_probing,
                serve=self.serve,
                act=self.act_beside,
            )
        except (RuntimeError, *shortage.CANNOT_LOAD) as error:
            is_lack = isinstance(error, RuntimeError) or shortage.is_lack(error)
            if raised_by_handler(error) or not is_lack:
                raise
            return None  # workers wait for the end of the caller's item

    # -- own threads ------------------------------------------------------------------------

    @property
    def is_probing(self) -> bool:
        """Whether a GIL probe is running."""
        return self._measuring is not None and self._measuring.probe is not None

    def stop_own_threads(self) -> None:
        """End this call's own threads, and raise here what went wrong in one of them."""
        if self._call.source.ahead is not None:
            self._call.source.ahead.stop()
        if self.is_probing:
            self.measuring.stop_probe()
        dispatcher, self._inline.dispatcher = self._inline.dispatcher, None
        if dispatcher is not None:
            dispatcher.stop()
            dispatcher.raise_error()

    def end_probe(self) -> None:
        """Stop the GIL probe and drop what it has seen."""
        if self._measuring is not None and self._measuring.probe is not None:
            self._measuring.probe.stop()
            self._measuring.probe = None

    def let_go_of_others(self) -> None:
        """Release the workers of an executor or a cluster, even if no pool has used them."""
        if self._opening.remote is not None:
            self._opening.remote.close()

    # -- what few calls need ----------------------------------------------------------------

    @property
    def inspection(self) -> HostInspection:
        """The inspection of host and function, made when it is first needed."""
        if self._inspection is None:
            from amorsize._engine.starting.host_inspection import HostInspection

            self._inspection = HostInspection(
                self._call,
                self._recorder,
                self._caller_only,
                remote=self._opening.remote,
                run_inline=self._inline.run_inline,
                check_open_files=self._opening.check_open_files,
            )
        return self._inspection

    @property
    def starter(self) -> Starter:
        """The part that starts workers, made when it is first needed."""
        if self._starter is None:
            from amorsize._engine.starting.starting import Starter

            self._starter = Starter(
                self._call,
                self._recorder,
                self._workers,
                self.inspection,
                remote=self._opening.remote,
                stop_own_threads=self.stop_own_threads,
            )
        return self._starter

    @property
    def measuring(self) -> Measuring:
        """The part that measures, made when it is first needed."""
        if self._measuring is None:
            from amorsize._engine.costs.measuring import Measuring

            self._measuring = Measuring(self._call, self._recorder)
        return self._measuring
