"""Chooses small parts of the data that stand for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.tuning.bench import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.actions import Plan

#: The loop is first timed on every 16th item.
FIRST_STRIDE = 16
#: The loop is first timed on at least this many items, where there are as many.
FIRST_LEAST = 8
#: Parts between whose items the loop may be timed again.
N_FIRST_PARTS = 4
#: A prime, so that successive blocks begin at places far apart.
OFFSET_STEP = 7919
#: Chunks of a worker, at least. With fewer a run tells more of its end than of the plan.
CHUNKS_EACH = 2


def first_part(n_items: int) -> Part:
    """The part of the data that the loop is first timed on."""
    stride = max(1, min(FIRST_STRIDE, n_items // FIRST_LEAST))
    return Part(stride=stride, offset=stride // 2)


def first_parts(n_items: int) -> list[Part]:
    """That part, and others between its items, in case the first one is not typical."""
    first = first_part(n_items)
    places = (first.offset + n * OFFSET_STEP for n in range(N_FIRST_PARTS))
    offsets = dict.fromkeys(place % first.stride for place in places)
    return [first.replace(offset=offset) for offset in offsets]


def with_enough_chunks(n_items: int, plans: Sequence[Plan], stride: int) -> int:
    """Parts large enough that every worker of every plan gets some chunks."""
    in_chunks = (plan for plan in plans if plan.backend != "serial")
    most = max((plan.n_jobs * plan.chunksize for plan in in_chunks), default=1)
    return max(1, min(stride, n_items // min(n_items, CHUNKS_EACH * most)))


def in_turn(stride: int, number: int) -> Part:
    """The parts that blocks take turns at."""
    return Part(stride=stride, offset=(number * OFFSET_STEP) % stride)
