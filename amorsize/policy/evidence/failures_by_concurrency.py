"""Tell whether items fail more often with others beside them.

Where failures are kept as results (`return_exceptions=True`), a service that is asked too much, or
memory that is short, shows in how many items fail. It is watched like cost: a CUSUM over single
items, of how much likelier the more frequent failure makes what was seen. But most failures come
with the items and not with their number: so half as many at once are a trial, and if as many go on
failing it is taken back, once and for all.

Source:
    Page (1954), Continuous inspection schemes, Biometrika 41; for events that are rare, Gama et
    al. (2004), Learning with drift detection, compare a rate with the lowest there was.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Inlined, Report

#: Share of items that are taken to fail in any case, until it is known.
LEAST_SHARE = 0.01

#: Items that this first guess counts for.
WEIGHT = 10

#: What is watched for: three times as many failures, and a tenth of all items more.
TIMES, MORE = 3.0, 0.1

#: The highest share of failures that is watched for.
MOST_SHARE = 0.95

#: Log likelihood ratio that raises an alarm: fewer than one in e^8 departures from zero is a false
#: one.
THRESHOLD = 8.0

#: Items of either number at once before the two are compared.
TRIAL_ITEMS = 64

#: Fewer at once help where at most this share of the failures is left. Else failures come with the
#: items.
HELPS = 0.5


class Failures:
    """How many items have failed, alone and with others, and what was done about it.

    Args:
        known_share: Of items that failed in earlier calls; None: nothing is known of them.
    """

    def __init__(self, known_share: float | None) -> None:
        self._known_share = known_share
        self._n_alone = self._n_failed_alone = 0
        self._sum = 0.0  # log likelihood ratio since it last was zero
        self._n_run = self._n_failed_run = 0  # items since then
        self.n_items = self.n_failed = 0  # in all
        self.is_settled = False  # they come with the items, or there is nothing more to try
        self.n_limit: int | None = None  # so many at once
        self.trial: Trial | None = None

    @property
    def learned_share(self) -> float | None:
        """Of items that fail, unless it is for the others beside them; None before any was seen."""
        if not self.n_items:
            return None
        return self.n_failed / self.n_items if self.n_limit is None else self.usual_share

    @property
    def usual_share(self) -> float:
        """Of items that fail alone, or did in earlier calls."""
        if self._known_share is not None:
            return max(LEAST_SHARE, self._known_share)
        n_failed = self._n_failed_alone + LEAST_SHARE * WEIGHT
        return n_failed / (self._n_alone + WEIGHT)

    def alone(self, event: Inlined) -> None:
        """Items that the caller ran."""
        self._count(event.n_items, event.n_failed)
        self._n_alone += event.n_items
        self._n_failed_alone += event.n_failed

    def together(self, event: Report) -> float | None:
        """Items that a worker ran; their share of failures once it is clearly more than usual."""
        self._count(event.n_items, event.n_failed)
        if self.is_settled:
            return None
        from math import log

        usual = self.usual_share
        more = min(MOST_SHARE, max(TIMES * usual, usual + MORE))
        if more <= usual:
            return None
        n_fine = event.n_items - event.n_failed
        self._sum += event.n_failed * log(more / usual) + n_fine * log((1 - more) / (1 - usual))
        self._n_run += event.n_items
        self._n_failed_run += event.n_failed
        if self._sum <= 0:
            self._sum, self._n_run, self._n_failed_run = 0.0, 0, 0
        if self._sum <= THRESHOLD:
            return None
        share = self._n_failed_run / self._n_run
        self._sum, self._n_run, self._n_failed_run = 0.0, 0, 0
        return share

    def begin(self, n_limit: int, now_s: float) -> None:
        """See how many fail of those to come, then of as many with fewer at once."""
        self.trial = Trial(n_limit, self.n_limit, now_s)

    def judge(self, event: Report, *, is_shrinking: bool) -> bool | None:
        """Whether fewer at once help; None before that can be told. What does not is undone.

        Args:
            event: Of a worker.
            is_shrinking: More are at work than there are to be.
        """
        trial = self.trial
        assert trial is not None
        if not trial.count(event, is_shrinking=is_shrinking and trial.share is not None):
            return None
        if trial.share is None:
            trial.share, self.n_limit = trial.share_seen, trial.n_limit
            trial.begin(event.now_s)
            return None
        helps = trial.share_seen < HELPS * trial.share
        if not helps:
            self.n_limit, self.is_settled = trial.n_before, True
        self.trial = None
        return helps

    def _count(self, n_items: int, n_failed: int) -> None:
        self.n_items += n_items
        self.n_failed += n_failed


class Trial:
    """As many items at once as before, and then fewer: the share of failures of either."""

    def __init__(self, n_limit: int, n_before: int | None, now_s: float) -> None:
        self.n_limit, self.n_before = n_limit, n_before
        self.share: float | None = None  # of those before; the reading that led here was a high one
        self.begin(now_s)

    def begin(self, now_s: float) -> None:
        """Count from now on."""
        self._since_s = now_s
        self._n_items = self._n_failed = 0

    def count(self, event: Report, *, is_shrinking: bool) -> bool:
        """Take in items that were begun since then; whether they are enough."""
        if is_shrinking:
            self.begin(event.now_s)
        elif event.begun_s >= self._since_s:
            self._n_items += event.n_items
            self._n_failed += event.n_failed
        return self._n_items >= TRIAL_ITEMS

    @property
    def share_seen(self) -> float:
        """Of those counted."""
        return self._n_failed / max(1, self._n_items)
