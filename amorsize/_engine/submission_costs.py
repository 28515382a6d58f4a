"""What chunks have cost on an executor in earlier calls, beside their items."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A chunk that is on its way for longer than this, in seconds, has waited for something else.
MOST_LAG_S = 1.0
#: More CPU seconds than this for a chunk mean that this process did something else as well.
MOST_SUBMIT_S = 0.1
#: How much a chunk counts that costs less than was known, or more. Other programs can only make it
#: costlier, so what is usual has to count more than what is costly now and then.
LESS_SHARE, MORE_SHARE = 0.45, 0.05
#: By how much what is known must have changed to be written again.
CHANGED_SHARE = 0.25


class SubmissionCosts(Value):
    """What a chunk costs besides its items."""

    lag_s: float  # on its way there and back
    submit_s: float  # CPU seconds of this process

    def moved(self, *, lag_s: float | None, submit_s: float | None) -> SubmissionCosts:
        """The costs after one more chunk; None: that chunk tells nothing."""
        lag_s = self.lag_s if lag_s is None else min(lag_s, MOST_LAG_S)
        submit_s = self.submit_s if submit_s is None else min(submit_s, MOST_SUBMIT_S)
        return SubmissionCosts(
            lag_s=_moved(self.lag_s, lag_s), submit_s=_moved(self.submit_s, submit_s)
        )

    def differ(self, others: SubmissionCosts, share: float) -> bool:
        """Whether one of them differs by more than a share from what others are."""
        pairs = (self.lag_s, others.lag_s), (self.submit_s, others.submit_s)
        return any(abs(mine_s - other_s) > share * other_s for mine_s, other_s in pairs)


def _moved(before_s: float, measured_s: float) -> float:
    share = LESS_SHARE if measured_s < before_s else MORE_SHARE
    return before_s + share * (measured_s - before_s)


_known: dict[str, SubmissionCosts] = {}  # by fingerprint of the executor


def known(fingerprint: str, otherwise: SubmissionCosts, *, on_disk: bool) -> SubmissionCosts:
    """What earlier calls have measured; `otherwise` where there was none.

    Args:
        fingerprint: Of the executor.
        otherwise: A first guess.
        on_disk: Whether earlier processes are asked as well.
    """
    if fingerprint not in _known and on_disk:
        from amorsize import cache

        key = _key(fingerprint)
        record = cache.recent(key).get(key) or cache.get(key)
        if (found := _believed(record)) is not None:
            _known[fingerprint] = found
    return _known.get(fingerprint, otherwise)


def keep(fingerprint: str, measured: SubmissionCosts, *, on_disk: bool) -> None:
    """Remember what this call has measured."""
    before = _known.get(fingerprint)
    if before is not None and not measured.differ(before, CHANGED_SHARE):
        return
    _known[fingerprint] = measured
    if on_disk:
        from amorsize import cache

        cache.note(_key(fingerprint), measured.as_dict())


def forget() -> None:
    """Know nothing any more in this process."""
    _known.clear()


def _key(fingerprint: str) -> str:
    return f"engine:{fingerprint}"


def _believed(record: dict[str, Any] | None) -> SubmissionCosts | None:
    """Costs from the disk, where they can be some."""
    fields = record or {}
    lag_s, submit_s = fields.get("lag_s"), fields.get("submit_s")
    if type(lag_s) is not float or type(submit_s) is not float:
        return None
    if not (0.0 < lag_s <= MOST_LAG_S and 0.0 < submit_s <= MOST_SUBMIT_S):
        return None
    return SubmissionCosts(lag_s=lag_s, submit_s=submit_s)
