"""When a plan that was measured deliberately applies, what ends it, and that it is kept."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.host_job import Job
    from amorsize.policy.profile import Profile

SOURCE = "tuned"
OTHER_COST = 2.0  # a lasting change of cost by this factor: the chunksize was measured at another


def applies(known: Profile, job: Job) -> bool:
    """Whether a call is one that the plan was measured for.

    It was measured for so many items, or about as many: the same whole number of bits. Who asks for
    a number of jobs or a chunksize gets that instead.
    """
    if known.source != SOURCE or job.n_items is None:
        return False
    is_open = job.backend == "auto" and job.n_jobs is None and job.chunksize is None
    return is_open and job.n_items.bit_length() == known.n_items.bit_length()


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
    if known is None or known.source != SOURCE or learned.source == SOURCE:
        return learned
    if any(map(ends, drifts)):
        return learned
    return known.but(n_calls=learned.n_calls)
