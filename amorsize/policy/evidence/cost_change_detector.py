"""A two-sided CUSUM over what chunks cost, which finds lasting changes.

Each chunk's log cost is compared with a profile, in standard deviations of the profile's own
chunks. What exceeds one of them is summed up, either way; a sum of eight is an alarm. So single
slow chunks tell nothing, three clearly slower ones in a row do, and a small change that lasts is
found as well. That is why an alarm counts only if the change is worth knowing.

Source:
    Page (1954), Continuous inspection schemes, Biometrika 41. The constants are not those of the
    textbook, whose false alarms assume a baseline that is known: docs/dev/drift.md has what they
    give.
"""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

#: A chunk counts for at most this many standard deviations: one stopped worker is no drift.
CLIP = 4.0

#: Standard deviations that are noise. At 0.5, 25 to 70 % of calls without drift gave an alarm.
SLACK = 1.0

#: A sum above this is an alarm.
THRESHOLD = 8.0

#: The least standard deviation of chunks that are even: the host alone varies by that much.
LEAST_SD = 0.05

#: An alarm counts from this factor on. A change by 1.5 is seen as 1.4 to 1.6.
EFFECT = 1.35

#: From this many chunks on, the spread of a profile is believed as it is.
WELL_KNOWN = 40

#: Chunks without another alarm after one: the new level is only being learned.
REST = 20


class Shift(Value):
    """A lasting change of cost."""

    factor: float  # new cost / old cost
    n_chunks: int  # since it began, as far as that can be told


class Detector:
    """CUSUM over costs of chunks, each the mean of its items.

    Args:
        typical_s: Geometric mean of what items cost, chunk by chunk, when the profile was learned.
        spread_log: Standard deviation of the logs of these.
        n_chunks: How many there were.
    """

    def __init__(self, typical_s: float, spread_log: float, n_chunks: int) -> None:
        from math import exp, log

        self._log, self._exp = log, exp
        self._typical = log(typical_s)
        self._sd = max(LEAST_SD, spread_log) * max(1.0, (WELL_KNOWN / n_chunks) ** 0.5)
        self._up, self._down = _Sum(1), _Sum(-1)
        self._n_rest = 0

    def see(
        self,
        item_s: float,
        now_s: float = 0.0,
        *,
        effect: float | None = None,
        n_least: int = 1,
        least_s: float = 0.0,
    ) -> Shift | None:
        """Take in one chunk; the shift, once there is one worth knowing.

        Args:
            item_s: What an item of it cost.
            now_s: When it was told.
            effect: The factor from which a change counts; None: as on a quiet host.
            n_least: Chunks that must agree,
            least_s: and for how long.
        """
        off = self._log(max(item_s, 1e-9)) - self._typical
        z = min(CLIP, max(-CLIP, off / self._sd))
        for side in (self._up, self._down):
            is_over = side.add(z, off, now_s) and self._n_rest <= 0
            if is_over and side.n >= n_least and now_s - side.began_s >= least_s:
                shift, n_chunks = side.mean, side.n
                self._up.clear()
                self._down.clear()
                if abs(shift) < self._log(effect or EFFECT):
                    return None
                self._typical += shift
                self._n_rest = REST
                return Shift(factor=self._exp(shift), n_chunks=n_chunks)
        self._n_rest -= 1
        return None


class _Sum:
    """What exceeds the slack in one direction, summed up since it last vanished."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self.clear()

    def clear(self) -> None:
        self._sum = self._off = self.began_s = 0.0
        self.n = 0

    @property
    def mean(self) -> float:
        """Mean distance from the profile, in logs, since the sum left zero."""
        return self._off / self.n

    def add(self, z: float, off: float, now_s: float) -> bool:
        """Whether the sum is over the threshold now."""
        self._sum += self._sign * z - SLACK
        if self._sum <= 0:
            self.clear()
            return False
        self.began_s = self.began_s if self.n else now_s
        self.n += 1
        self._off += off
        return self._sum > THRESHOLD
