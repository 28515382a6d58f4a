"""Measures the GIL or pickling when the tuner asks for it."""

from __future__ import annotations

from amorsize._engine.costs import pickling_cost
from amorsize._host.signals import raised_by_handler
from amorsize.policy.events import GilProbed, WorkersLimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._workers.gil_probe import GilProbe

#: The most results that are pickled to measure the cost of sending them.
WEIGHED_RESULTS = 32


class Measuring:
    """Measures for one call whether its items hold the GIL, or what pickling takes."""

    def __init__(self, call: Call, recorder: Recorder) -> None:
        self._call, self._recorder = call, recorder
        #: A thread that measures how late it gets the GIL; None: it is not running.
        self.probe: GilProbe | None = None

    def start_probe(self) -> None:
        from amorsize._workers.gil_probe import GilProbe

        try:
            self.probe = GilProbe()
        except RuntimeError as error:
            if raised_by_handler(error):
                raise
            why = f"the system has no room for a thread ({error})"
            self._recorder.tell(GilProbed(lag_share=1.0, watched_s=0.0, n_wakes=0))
            self._recorder.tell(WorkersLimited(n_workers=0, why=why))

    def stop_probe(self) -> None:
        probe, self.probe = self.probe, None
        assert probe is not None
        seen = probe.read()
        probe.stop()
        self._recorder.tell(seen)

    def measure_pickling(self) -> None:
        has_to_travel = self._call.task.source is None or self._call.fork_reason is not None
        is_left = has_to_travel and self._call.work.n_left > 0
        items = [self._call.work.item(self._call.work.results.n_in_order)] if is_left else []
        results = self._call.work.results.in_order[:WEIGHED_RESULTS] or [None]
        self._recorder.tell(pickling_cost.measure(results, items, self._call.task.function))
