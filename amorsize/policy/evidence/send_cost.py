"""What sending an item costs: measured once, then learned from reports."""

from __future__ import annotations

from amorsize.policy.events import PicklingMeasured
from amorsize.policy.profile import FITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report

#: The most of a report's pickling time that is not for its items: 10 to 30 us, and on a busy host
#: up to 100. The first report of a fork takes 100 to 250 us, mostly copy-on-write faults.
REPORT_S = 100e-6

#: Reports from which the pickling time of an item is learned, beside the first ones of forks.
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
        self._n_weighings = 0  # of these reports, for which `_is_weighing`
        self._is_weighing = False  # the pickling time is being learned
        self._is_rough = True  # only fresh forks have reported

    @property
    def pickle_s(self) -> float | None:
        """Seconds of pickling for one item, there and back. None: not known, or impossible."""
        return None if self.pickling is None else self.pickling.pickle_s

    @property
    def reason(self) -> str | None:
        """Why items cannot be sent. None: they can, as far as is known."""
        return None if self.pickling is None else self.pickling.reason

    def add(
        self, event: Report, *, inherits_items: bool, is_remembered: bool, is_fresh_fork: bool
    ) -> None:
        """Take in the pickling time of a report.

        Args:
            event: Of a worker, with what pickling its results took.
            inherits_items: Workers have the items already, so a report shows all that travels.
            is_remembered: The pickling time may be that of an earlier call.
            is_fresh_fork: It is the first of a fork. Such ones count until there is another one.
        """
        if not event.n_items:
            return
        if event.n_bytes is not None:
            self.result_bytes = event.n_bytes / event.n_items
        is_first = self.pickling is None and inherits_items
        self._is_weighing |= is_first
        if self._is_rough and not is_fresh_fork:
            self._is_rough, self._pickled_s, self._n_pickled = False, 0.0, 0
        is_wanted = self._is_weighing or is_remembered
        if not is_wanted or (is_fresh_fork and not self._is_rough):
            return
        self._pickled_s += max(0.0, event.pickle_s - REPORT_S)
        self._n_pickled += event.n_items
        each_s, known_s = self._pickled_s / self._n_pickled, self.pickle_s
        if is_first or (self._is_weighing and known_s is not None):
            self.pickling = PicklingMeasured(pickle_s=each_s)
            self._n_weighings += not self._is_rough
            self._is_weighing = self._n_weighings < WEIGHINGS
        elif known_s is not None and not self._is_rough and self._is_costlier(each_s, known_s):
            self.pickling = PicklingMeasured(pickle_s=2 * each_s)

    def _is_costlier(self, each_s: float, known_s: float) -> bool:
        """Whether pickling an item clearly takes longer than was known."""
        return self._pickled_s > PICKLING_SEEN_S and each_s > FITS * known_s
