"""Which plans come into question: what the user names, or what the policy thinks worth trying."""

from __future__ import annotations

from amorsize.policy import best_backend, chunk_sizing, plan_prediction
from amorsize.policy.actions import Plan
from amorsize.policy.evidence import io_concurrency
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from amorsize.policy.plan_prediction import Basis

FEWEST_SHARE = (
    8  # numbers of jobs go down to 1/8 of the cores: fewer are never best but by accident
)
FEWEST_WAITING = 8
#: How many chunks each worker gets in plans to try, if nothing is known of the items.
SHARES = (4, 16, 64)
#: Chunksizes to try, as multiples of the one whose sending costs a hundredth.
FACTORS = (0.25, 1.0, 4.0)
QUICK_FEWEST_SHARE = 2


class Space(Value):
    """Backends, and numbers of jobs and chunksizes that are tried on each."""

    backends: tuple[str, ...]
    n_jobs: tuple[int, ...] | None  # None: those worth trying, for each backend
    chunksizes: tuple[int, ...] | None  # None: those worth trying, for each number of jobs

    def allows(self, plan: Plan) -> bool:
        """Whether nothing that the user has named leaves this plan out."""
        return (
            plan.backend in self.backends
            and (self.n_jobs is None or plan.n_jobs in self.n_jobs)
            and (self.chunksizes is None or plan.chunksize in self.chunksizes)
        )


def plans(
    space: Space,
    basis: Basis | None,
    *,
    n_items: int,
    n_cores: int,
    is_quick: bool = False,
    predicted: Plan | None = None,
) -> list[Plan]:
    """Every cell of a space, each once; what was predicted is one of them where it is allowed.

    Args:
        space: What was asked for.
        basis: What a few items have told; None where none were looked at.
        n_items: Of the data.
        n_cores: That may compute at once.
        is_quick: As few as will do.
        predicted: What a few items predict.
    """
    found: dict[Plan, None] = {}
    if predicted is not None and space.allows(predicted):
        found[predicted.replace(source="tuned")] = None
    for backend in space.backends:
        numbers = space.n_jobs or _numbers(backend, basis, n_items, n_cores, is_quick=is_quick)
        for n_jobs in numbers:
            sizes = space.chunksizes or _sizes(backend, n_jobs, basis, n_items, is_quick=is_quick)
            for chunksize in sizes:
                plan = Plan(backend=backend, n_jobs=n_jobs, chunksize=chunksize, source="tuned")
                found[plan] = None
    return list(found)


def _numbers(
    backend: str, basis: Basis | None, n_items: int, n_cores: int, *, is_quick: bool
) -> Sequence[int]:
    """Numbers of jobs worth trying, without 1, which the loop stands for."""
    waits = basis is not None and basis.waits
    if waits and backend == "thread":
        most = max(2, min(io_concurrency.MOST, n_items))
        return _powers(most, min(FEWEST_WAITING, most))
    most = n_cores
    if waits and basis is not None:
        most = best_backend.waiting_processes(basis.host, basis.item_s, basis.work_s)
    share = QUICK_FEWEST_SHARE if is_quick else FEWEST_SHARE
    most = max(2, min(most, n_items)) if n_cores > 1 or waits else 1
    return _powers(most, max(2, most // share)) if most > 1 else ()


def _powers(most: int, fewest: int) -> list[int]:
    """Powers of two from the fewest on, and the most."""
    powers = {1 << bit for bit in range(most.bit_length())}
    return sorted(n for n in powers | {most} if n >= fewest)


def _sizes(
    backend: str, n_jobs: int, basis: Basis | None, n_items: int, *, is_quick: bool
) -> Iterable[int]:
    """Chunksizes worth trying: from what sending costs, and from a worker's share."""
    most = max(1, n_items // (SHARES[0] * n_jobs))
    if basis is None:
        sizes = [n_items // (share * n_jobs) for share in SHARES]
    else:
        # A few items may well be among the cheap ones: as many to a chunk as they suggest, and one
        # chunk has most of the work. More chunks than need be cost next to nothing, unless they go
        # to more workers than there are cores.
        enough = most if basis.waits else max(1, n_items // (SHARES[1] * n_jobs))
        overhead_s = plan_prediction.worker_cost_of(backend, basis.host).overhead_s
        bulk = chunk_sizing.bulk_chunksize(basis.item_s, overhead_s)
        sizes = [min(enough, round(factor * bulk)) for factor in FACTORS]
        if not is_quick:
            sizes.append(most)
    return sorted({min(most, max(1, size)) for size in sizes})
