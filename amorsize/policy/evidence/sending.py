"""What sending an item costs: weighed once, then learned from reports."""

from __future__ import annotations

from amorsize.policy.events import PicklingMeasured
from amorsize.policy.profile import FITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report

#: Fixed part of a report's pickling time: 100 us in a fresh fork, from copy-on-write faults, and a
#: tenth of that later.
REPORT_S = 100e-6

#: Reports from which the pickling time of an item is learned.
WEIGHINGS = 4

#: Pickling time in all before an item's can be found higher than remembered.
PICKLING_SEEN_S = 1e-3


class SendingCost:
    """The pickling time of an item, and whether sending items has paid."""

    def __init__(self) -> None:
        #: What it takes to send one item and its result. None: not known.
        self.pickling: PicklingMeasured | None = None
        #: Sending items has paid, once more than the first one was known.
        self.has_paid = False
        #: Mean size of a result in the latest report that tells it. None: none does.
        self.result_bytes: float | None = None
        self._pickled_s = 0.0  # in workers' reports
        self._n_pickled = 0  # items of these reports
        self._n_weighings = 0  # reports that have told what pickling takes

    @property
    def pickle_s(self) -> float | None:
        """Seconds of pickling for one item, there and back. None: not known, or impossible."""
        return None if self.pickling is None else self.pickling.pickle_s

    @property
    def reason(self) -> str | None:
        """Why items cannot be sent. None: they can, as far as is known."""
        return None if self.pickling is None else self.pickling.reason

    def add(self, event: Report, *, inherits_items: bool, is_remembered: bool) -> None:
        """Take in the pickling time of a report.

        Args:
            event: Of a worker, with what pickling its results took.
            inherits_items: Workers have the items already, so a report shows all that travels.
            is_remembered: The pickling time may be that of an earlier call.
        """
        if event.n_bytes is not None and event.n_items:
            self.result_bytes = event.n_bytes / event.n_items
        known_s = self.pickle_s
        is_first = self.pickling is None and inherits_items and event.n_items > 0
        is_weighing = is_first or 0 < self._n_weighings < WEIGHINGS
        if not is_weighing and not is_remembered:
            return
        self._pickled_s += max(0.0, event.pickle_s - REPORT_S)
        self._n_pickled += event.n_items
        each_s = self._pickled_s / max(1, self._n_pickled)
        if is_first or (is_weighing and known_s is not None):
            self._n_weighings += 1
            self.pickling = PicklingMeasured(pickle_s=each_s)
        elif known_s is not None and self._pickled_s > PICKLING_SEEN_S and each_s > FITS * known_s:
            self.pickling = PicklingMeasured(pickle_s=2 * each_s)
