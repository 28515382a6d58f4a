"""Compares the speedup that a plan has achieved in a call with that of earlier calls."""

from __future__ import annotations

from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.profile import MOST_WAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.profile import Profile

#: Below this share of what the same plan achieved before, a call falls short.
SHORT_SHARE = 0.85

#: Calls in a row that must fall short: a busy host makes one call slow, a worse plan all of them.
SHORT_CALLS = 2

#: Only calls whose numbers of items differ by at most this factor are compared: short ones mostly
#: start up.
ALIKE = 2.0


def compared(
    known: Profile | None,
    learned: Profile,
    speedup: float,
    now_s: float,
    *,
    is_busy: bool = False,
) -> tuple[Profile, Drift | None]:
    """A call's profile with what its plan achieved, beside what it achieved before.

    Args:
        known: What the call began with.
        learned: What it ended with.
        speedup: Seconds of items / seconds of wall time.
        now_s: When it ended.
        is_busy: Others wanted the cores as well: then it is no fault of the plan's.
    """
    way = f"{learned.plan.backend} x {learned.plan.n_jobs}"
    earlier = dict((known.sharing.achieved if known is not None else None) or {})
    before = earlier.pop(way, None)
    n_short, told = 0, None
    if known is not None and before is not None and learned.plan.backend != "serial":
        is_alike = 1 / ALIKE <= learned.n_items / known.n_items <= ALIKE
        if not is_alike or (is_busy and speedup < before):
            n_short = known.sharing.n_short
            speedup = before
        elif speedup < SHORT_SHARE * before:
            n_short = known.sharing.n_short % SHORT_CALLS + 1
            if n_short < SHORT_CALLS:
                speedup = before
            else:
                from amorsize.policy.evidence.drift import Drift  # few calls fall short

                told = Drift(
                    now_s=now_s,
                    what="throughput",
                    factor=speedup / before,
                    n_chunks=learned.level.n_chunks,
                    answer="the next call counts anew how many workers are worth having",
                )
    while len(earlier) >= MOST_WAYS:
        del earlier[next(iter(earlier))]
    return learned.replace(achieved={**earlier, way: speedup}, n_short=n_short), told


def booked(profile: Profile, makespan_s: float, at_s: float) -> Profile:
    """A call's profile with the time of the call added; the first call starts the clock."""
    explored = Explored.of(profile)
    since_s = at_s if explored.at_s is None else explored.at_s
    counted = explored.replace(used_s=explored.used_s + makespan_s, at_s=since_s)
    return profile.replace(explored=counted.as_dict())
