"""Strategies: which plans run next on which part of the data.

The loop is a plan like the others, and the first. Every strategy runs its plans in blocks, one
after the other on the same items in an order of chance, so that a mood of the host or a costly part
of the data falls on all of them; what is repeated is what the noise leaves open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.tuning import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.actions import Plan
    from amorsize.tuning.search import Search

#: The most blocks of one set of plans: what is open after them differs by next to nothing.
MOST_BLOCKS = 12


def grid(
    search: Search,
    plans: Sequence[Plan],
    *,
    stride: int = 1,
    repeats: int | None = None,
    has_to: bool = False,
) -> None:
    """Run every plan; then again those that could still be the best.

    Args:
        search: Where to run them.
        plans: All cells, without the loop.
        stride: Blocks take turns at so many parts of the data; 1: each takes all of it.
        repeats: Blocks of all plans; None: as many as the noise demands and the limits allow.
        has_to: The first block, or all that were asked for, are run whatever they cost.
    """
    everything = [search.loop, *plans]
    for number in range(repeats or 1):
        search.run_block(
            everything, parts.in_turn(stride, number), is_first=number == 0, has_to=has_to
        )
    if repeats is not None:
        return
    n_blocks = 1
    while not search.is_settled() and n_blocks < MOST_BLOCKS:
        left = search.contenders(everything)
        if not search.run_block(left, parts.in_turn(stride, n_blocks)):
            return
        n_blocks += 1


def halving(search: Search, plans: Sequence[Plan], *, has_to: bool = False) -> None:
    """Run all plans on a small part, the better half on a larger one, and so on.

    Every round may cost the same, so the fewer are left, the more of the data each of them gets.

    Args:
        search: Where to run them; what it may still spend is shared out.
        plans: Candidates, without the loop.
        has_to: Each of them is run once, whatever that costs.

    Source:
        Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
        optimization, AISTATS.
    """
    left = [search.loop, *plans]
    if search.loop_s is None:
        search.new_block()
        search.run(search.loop, parts.first_part(search.bench.n_items))
    n_rounds = max(1, (len(left) - 1).bit_length())
    for number in range(n_rounds):
        share_s = (search.most_s - search.spent_s) / (n_rounds - number)
        loop_s = search.likely_s(search.loop) if search.loop in left else 0.0
        cost_s = sum(map(search.likely_s, left))
        stride = parts.with_enough_chunks(search.bench.n_items, left, _stride(cost_s, share_s))
        of_loop = max(stride, _stride(loop_s, share_s / len(left)))
        if search.is_uneven:
            of_loop = stride  # of other items, the loop would tell of other costs
        if not search.run_block(
            left,
            parts.in_turn(stride, number),
            loop_part=parts.in_turn(of_loop, number),
            is_first=number == 0,
            has_to=has_to and number == 0,
        ):
            return
        left = _better_half(search, left)
        if len(left) < 2:
            return
    for number in range(n_rounds, n_rounds + MOST_BLOCKS):
        if search.is_settled() or not search.run_block(left, parts.in_turn(stride, number)):
            return
        left = search.contenders(left)
        if len(left) < 2:
            return


def _stride(cost_s: float, share_s: float) -> int:
    """The part of the data that costs no more than a share."""
    return int(max(1.0, -(-min(1e9, cost_s / max(share_s, 1e-9)) // 1)))


def _better_half(search: Search, plans: Sequence[Plan]) -> list[Plan]:
    """The better half, and of the others those that the noise does not tell from the best."""
    ranked = search.ranked(plans)
    open_yet = search.contenders(plans)
    return [plan for plan in ranked[: max(2, (len(ranked) + 1) // 2)] if plan in open_yet]
