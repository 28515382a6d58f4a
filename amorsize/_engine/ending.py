"""Ends a call, whether it has finished, failed or been interrupted."""

from __future__ import annotations

import sys

from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.action_runner import ActionRunner
    from amorsize._engine.caller.inline import InlineItems
    from amorsize._engine.caller.item_seeding import ItemSeeding
    from amorsize._engine.costs.overhead import OverheadMeter
    from amorsize._engine.serving.workers import Workers
    from amorsize._engine.state.call import Call, Recorder


class Ending:
    """Ends what belongs to one call: its threads, its workers, the output that it holds back."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        seeding: ItemSeeding,
        workers: Workers,
        inline: InlineItems,
        action_runner: ActionRunner,
    ) -> None:
        self._call, self._recorder, self._seeding = call, recorder, seeding
        self._workers, self._inline, self._action_runner = workers, inline, action_runner

    def end(self, *, at_once: bool) -> None:
        """End what belongs to the call, in bounded time and without being interrupted by Ctrl-C."""
        self._inline.unmark()  # Ctrl-C may have come before that was done
        if not self._call.pools:
            self.end_all(at_once=at_once)
            return
        from amorsize._host.signals import no_interrupts

        with no_interrupts():
            self.end_all(at_once=at_once)

    def end_at_exit(self) -> None:
        """End a stream that the program has not finished before its exit."""
        if not vars(self):  # its end was interrupted on the way
            return
        self.end(at_once=True)
        if self._recorder.progress is not None:
            self._recorder.progress.end()

    def end_all(self, *, at_once: bool) -> None:
        """The same, but Ctrl-C may interrupt it."""
        self._action_runner.end_probe()
        if self._call.source.ahead is not None:
            self._call.source.ahead.stop()
        dispatcher, self._inline.dispatcher = self._inline.dispatcher, None
        if dispatcher is not None:
            dispatcher.stop()
        stuck = self._close_pools(at_once=at_once)
        self._action_runner.let_go_of_others()
        if self._workers.library_limits is not None:
            self._workers.library_limits.lift()
        if stuck:
            task = self._call.task
            has_hooks = task.setup is not None or task.teardown is not None
            self._recorder.warn(
                f"{len(stuck)} thread(s) of {self._call.name} are still inside an item"
                f"{', setup= or teardown=' * has_hooks} and cannot be ended: "
                f"{', '.join(stuck[:5])}. They get no further items."
            )
        if dispatcher is not None and dispatcher.error is not None and not at_once:
            what = f"{type(dispatcher.error).__name__}: {dispatcher.error}"
            self._recorder.warn(
                f"all items of {self._call.name} are done, but of what workers told, {what}"
            )
        self._inline.tear_down()
        self._seeding.end()
        if self._call.is_stream and not sys.is_finalizing():
            import atexit

            atexit.unregister(self.end_at_exit)

    def _close_pools(self, *, at_once: bool) -> list[str]:
        """End all workers and learn their costs; returns the names of threads still in an item."""
        pools, meter, stuck = self._call.pools, self._workers.meter, []
        if meter is not None:
            meter.over()
        began = perf_counter()
        starts = not any(pool.was_kept for pool in pools.values())
        for pool in pools.values():
            stuck.extend(pool.close(at_once=at_once))
            if pool.ready_s is not None:
                from amorsize._host import resources

                resources.learn_costs(clean_start_s=pool.ready_s)
        if pools:
            self._workers.printed.release_all()
        pools.clear()
        self._workers.pool_of.clear()  # here nothing interrupts their destruction
        if meter is not None and not at_once:
            meter.ended(perf_counter() - began)
            self._learn_costs(meter, starts=starts)
        elif not at_once and self._call.tuner.is_host_inspected:
            from amorsize._host import resources

            resources.doubt_costs()
        return stuck

    def _learn_costs(self, meter: OverheadMeter, *, starts: bool) -> None:
        """Remember what workers have cost, for later calls."""
        from amorsize._host import resources

        pickling = self._call.tuner.sending.pickling
        pickle_s = 0.0 if pickling is None or pickling.pickle_s is None else pickling.pickle_s
        forks = self._call.fork_reason is None
        seen = meter.costs_s(forks=forks, pickle_s=pickle_s, starts=starts)
        resources.learn_costs(**seen)

    def end_workers(self) -> None:
        """End the workers and this call's own threads, so that the caller runs all items left."""
        from amorsize._host.signals import no_interrupts

        self._action_runner.stop_own_threads()
        with no_interrupts():
            for pool in self._call.pools.values():
                pool.close(at_once=True)
            self._call.pools.clear()
            self._workers.pool_of.clear()
