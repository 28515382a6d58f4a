"""Sizes chunks: large ones in the bulk, small ones in the tail, each with a time budget."""

from __future__ import annotations

#: The largest share of a bulk chunk's time that sending it may take.
BULK_LOSS_SHARE = 0.005

#: The largest share of a tail chunk's time that sending it may take. Short chunks even out the end.
TAIL_LOSS_SHARE = 0.08

#: A chunk is at most 1/3 of a worker's share of what is left. Factors of 2 to 4 perform alike.
GUIDE = 3.0

#: The caller spends at most half its time on sending chunks, at the end as in the bulk.
CALLER_SHARE = 0.5

#: The least time that an item is taken to cost.
LEAST_S = 1e-9

#: A chunk comes back after this many times its planned time. Factors of 1.5 to 3 perform alike.
OVERRUN_FACTOR = 2.0

#: A chunk is at most this many times the largest one that came back.
GROWTH = 4

#: Chunks shorter than this many overheads are sent ahead.
DEEP_OVERHEADS = 10

#: Length of a chunk whose report is worth more than its work.
WATCHED_CHUNK_S = 5e-3


def chunk_of(
    *,
    n_left: int,
    item_s: float,
    n_workers: int,
    dispatch_s: float,
    overhead_s: float,
    n_largest: int,
    is_watched: bool,
) -> tuple[int, float]:
    """The number of items of the next chunk, and the seconds after which its rest comes back.

    Args:
        n_left: Items not handed out yet.
        item_s: Mean seconds of one.
        n_workers: How many share them.
        dispatch_s: What a chunk costs the caller.
        overhead_s: What a chunk costs in all, the way through the pipe included.
        n_largest: Items of the largest chunk seen so far.
        is_watched: Whether its report is awaited: a worker's first, or one of a trial.

    Source:
        Guided self-scheduling, Polychronopoulos & Kuck (1987), with the lower bound and box of
        this package's policy notes.
    """
    # Plain comparisons: this is asked for every chunk, and a call of min() or max() takes 0.1 us.
    left_s = n_left * item_s if item_s > LEAST_S else n_left * LEAST_S
    item_s = item_s if item_s > LEAST_S else LEAST_S
    n_served: float = (left_s / dispatch_s) ** 0.5
    n_served = 1.0 if n_served < 1.0 else n_workers if n_served > n_workers else n_served

    bulk_s, caller_s = overhead_s / BULK_LOSS_SHARE, n_workers * dispatch_s / CALLER_SHARE
    bulk_s = caller_s if caller_s > bulk_s else bulk_s
    if is_watched and bulk_s > WATCHED_CHUNK_S:
        bulk_s = WATCHED_CHUNK_S

    tail_s, least_s = overhead_s / TAIL_LOSS_SHARE, n_served * dispatch_s / CALLER_SHARE
    shortened = left_s / n_workers * TAIL_LOSS_SHARE / (3 * overhead_s)
    tail_s = tail_s * shortened if shortened < 1.0 else tail_s
    tail_s = max(tail_s, least_s, overhead_s)

    guided = max(1.0, tail_s / item_s, n_left / (GUIDE * n_workers))
    most = min(bulk_s / item_s, -(-n_left // n_served), GROWTH * n_largest if n_largest else GROWTH)
    n_items = round(guided if guided < most else most) or 1
    planned_s = n_items * item_s
    return n_items, OVERRUN_FACTOR * (planned_s if planned_s > tail_s else tail_s)


def bulk_chunksize(item_s: float, overhead_s: float) -> int:
    """Items of a full chunk at this item cost."""
    return max(1, int(overhead_s / BULK_LOSS_SHARE / max(item_s, 1e-9)))
