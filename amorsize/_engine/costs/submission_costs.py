"""Remembers what chunks have cost on an executor beyond their items."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A chunk whose way takes longer than this, in seconds, has waited for something else.
MOST_LAG_S = 1.0
#: More CPU seconds than this for a chunk mean that this process did something else as well.
MOST_SUBMIT_S = 0.1
#: The weight of a chunk that costs less than was known, and of one that costs more. Other programs
#: can only raise the cost, so low observations count more.
LESS_SHARE, MORE_SHARE = 0.45, 0.05
#: The share by which a cost must have changed to be written again.
CHANGED_SHARE = 0.25


class SubmissionCosts(Value):
    """What a chunk costs beyond its items."""

    lag_s: float  # seconds on its way there and back
    submit_s: float  # CPU seconds of this process

    def moved(self, *, lag_s: float | None, submit_s: float | None) -> SubmissionCosts:
        """The costs after one more chunk; None: that chunk tells nothing."""
        lag_s = self.lag_s if lag_s is None else min(lag_s, MOST_LAG_S)
        submit_s = self.submit_s if submit_s is None else min(submit_s, MOST_SUBMIT_S)
        return SubmissionCosts(
            lag_s=_moved(self.lag_s, lag_s), submit_s=_moved(self.submit_s, submit_s)
        )

    def differ(self, others: SubmissionCosts, share: float) -> bool:
        """Whether one of the costs differs by more than a share from the others'."""
        pairs = (self.lag_s, others.lag_s), (self.submit_s, others.submit_s)
        return any(abs(mine_s - other_s) > share * other_s for mine_s, other_s in pairs)


def _moved(before_s: float, measured_s: float) -> float:
    share = LESS_SHARE if measured_s < before_s else MORE_SHARE
    return before_s + share * (measured_s - before_s)


_known: dict[str, SubmissionCosts] = {}  # by fingerprint of the executor


def known(fingerprint: str, otherwise: SubmissionCosts, *, on_disk: bool) -> SubmissionCosts:
    """The costs that earlier calls have measured.

    Args:
        fingerprint: Identifies the executor.
        otherwise: The result if there was no earlier call.
        on_disk: Whether the records of earlier processes are read as well.
    """
    if fingerprint not in _known and on_disk:
        from amorsize import cache

        key = _key(fingerprint)
        record = cache.recent(key).get(key) or cache.get(key)
        if (found := _believed(record)) is not None:
            _known[fingerprint] = found
    return _known.get(fingerprint, otherwise)


def keep(fingerprint: str, measured: SubmissionCosts, *, on_disk: bool) -> None:
    """Remember the costs that this call has measured."""
    before = _known.get(fingerprint)
    if before is not None and not measured.differ(before, CHANGED_SHARE):
        return
    _known[fingerprint] = measured
    if on_disk:
        from amorsize import cache

        cache.note(_key(fingerprint), measured.as_dict())


def forget() -> None:
    """Forget all costs in this process."""
    _known.clear()


def _key(fingerprint: str) -> str:
    return f"engine:{fingerprint}"


def _believed(record: dict[str, Any] | None) -> SubmissionCosts | None:
    """Costs from the disk; None: the record holds no possible costs."""
    fields = record or {}
    lag_s, submit_s = fields.get("lag_s"), fields.get("submit_s")
    if type(lag_s) is not float or type(submit_s) is not float:
        return None
    if not (0.0 < lag_s <= MOST_LAG_S and 0.0 < submit_s <= MOST_SUBMIT_S):
        return None
    return SubmissionCosts(lag_s=lag_s, submit_s=submit_s)
