"""Tell whether a plan that was measured deliberately holds for a call."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.profile import Profile
    from amorsize.policy.request import Request

SOURCE = "tuned"

#: A lasting change of cost by this factor ends a plan, since its chunksize was measured at another
#: cost.
OTHER_COST = 2.0


def applies(known: Profile, request: Request) -> bool:
    """Whether a call is one that the plan was measured for.

    It applies to item counts within a factor of two. An explicit `n_jobs` or chunksize wins.
    """
    if known.plan.source != SOURCE or request.n_items is None:
        return False
    is_open = request.backend == "auto" and request.n_jobs is None and request.chunksize is None
    return is_open and request.n_items.bit_length() == known.n_items.bit_length()


def ends(found: Drift) -> bool:
    """Whether a change is one that the plan was not measured for."""
    if found.what == "cost":
        return not 1 / OTHER_COST < found.factor < OTHER_COST
    return found.what in ("waiting", "profile", "throughput")


def kept(known: Profile | None, learned: Profile, drifts: Sequence[Drift]) -> Profile:
    """What is known after a call: a plan that was measured outlives one that was only learned.

    Args:
        known: What the call began with, if its items agreed with that.
        learned: What it ended with.
        drifts: What turned out to differ on the way.
    """
    if known is None or known.plan.source != SOURCE or learned.plan.source == SOURCE:
        return learned
    if any(map(ends, drifts)):
        return learned
    return known.replace(n_calls=learned.n_calls)
