"""What a chunk costs on an engine beside its items is measured where it is paid."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from amorsize._clusters.plain import PlainAdapter
from amorsize._workers.executors.costs import ChunkCosts
from amorsize._workers.executors.submissions import Submission
from amorsize._workers.protocol import Chunk, ChunkDone


@pytest.fixture
def adapter():
    with ThreadPoolExecutor(1) as executor:
        yield PlainAdapter(executor)


def submission(*, is_first):
    """A chunk that came back 60 ms after it was sent."""
    made = Submission(0, Chunk(start=0, stop=5, items=None), 1.0, b"", [], [])
    made.is_first, made.sent_s, made.back_s = is_first, 10.0, 10.06
    return made


def done(idle_s):
    """What it took: 50 ms in its worker."""
    return ChunkDone(
        worker=0,
        start=0,
        results=[None] * 5,
        n_sent=5,
        wall_s=0.05,
        cpu_s=0.05,
        pickle_s=0.0,
        last=True,
        idle_s=idle_s,
    )


def test_the_way_of_a_chunk_counts_if_none_was_before_it(adapter):
    """And if the worker has run one before, so that all modules are loaded."""
    costs = ChunkCosts(adapter)

    lags_s = [costs.of(submission(is_first=first), done(3e-3))[0] for first in (True, True, False)]

    assert lags_s == [None, pytest.approx(0.01), None]


def test_where_a_chunk_does_not_wait_in_a_worker_the_worker_says_what_that_has_cost(adapter):
    """Its way there and back holds the time for which it was behind other workers' chunks."""
    adapter.overlaps = False
    costs = ChunkCosts(adapter)

    lags_s = [
        costs.of(submission(is_first=first), done(idle_s))[0]
        for first, idle_s in ((True, None), (True, 3e-3), (False, 3e-3), (False, None))
    ]

    assert lags_s == [None, None, 3e-3, None]
