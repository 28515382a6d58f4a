"""Whether items are so short, or so few, that workers cannot be worth a look."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

#: Items shorter than this stay in the loop: to pickle and read back the smallest result takes
#: about 0.15 us.
LEAST_ITEM_S = 0.25e-6

#: With less work left, no worker was ever worth starting, so nothing is inspected.
LEAST_LEFT_S = 2e-3

#: Seconds that new interpreters must be able to save before they are worth a look: to load what
#: starts them takes 50 ms, and their own start 60 ms at least.
LEAST_SAVED_S = 0.15

#: The CPU share from which on items compute, rather than wait for something.
COMPUTING_SHARE = 0.8

#: A call that takes longer is one to tell of, and to learn from, while it goes on.
LONGEST_S = 0.1


class LoopRun(Value):
    """A call that was over in the plain loop.

    Attributes:
        n_items: How many there were.
        wall_s: Wall seconds that they took.
        cpu_s: CPU seconds of the calling thread meanwhile.
        ended_at_s: When that was, as `time.time` counts.
    """

    n_items: int
    wall_s: float
    cpu_s: float
    ended_at_s: float


def stay_in_plain_loop(item_s: float, n_left: int) -> bool:
    """Whether the loop alone is best, by what the items so far have cost in the mean."""
    left_s = n_left * item_s
    return left_s < LEAST_LEFT_S or (item_s < LEAST_ITEM_S and left_s < LONGEST_S)


def stay_without_end_in_sight(item_s: float, spent_s: float) -> bool:
    """The same where nobody knows how many items are left, by what all so far have taken."""
    return item_s < LEAST_ITEM_S and spent_s < LONGEST_S


def stay_beside_threads(run: LoopRun, waited_s: float, n_left: int, n_cores: int) -> bool:
    """Whether new interpreters, all that there is beside other threads, would save too little.

    Args:
        run: What the items so far have taken.
        waited_s: Wall seconds of these for which the thread had no core.
        n_left: How many items are left.
        n_cores: How many cores there are.
    """
    left_s = n_left * run.cpu_s / run.n_items
    is_computing = run.cpu_s >= COMPUTING_SHARE * (run.wall_s - waited_s)
    return is_computing and left_s * (1 - 1 / n_cores) < LEAST_SAVED_S
