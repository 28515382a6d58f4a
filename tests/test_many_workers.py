"""What a chunk costs the caller does not grow with the number of workers."""

import cProfile
import pstats
import time

import pytest
from test_tuner import play

from amorsize import tuned_map

FEW, MANY = 16, 128


def calls_of(act, *, within=""):
    """Functions of Python and C that were called, those that are defined in some files."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        result = act()
    finally:
        profile.disable()
    stats = pstats.Stats(profile).stats
    return sum(n for (path, *_), (_, n, *_) in stats.items() if within in path), result


@pytest.mark.parametrize("given", [{}, {"backend": "process"}, {"backend": "thread"}])
@pytest.mark.parametrize("cpu_share", [1.0, 0.01])
def test_a_decision_takes_as_many_steps_with_many_workers(given, cpu_share):
    """Counted by call, over a whole simulated call."""
    per_chunk = []
    n_items = 500 if given else 2000  # which workers to start is decided in as many steps
    for n_workers in (FEW, MANY):
        asked = {**given, "n_jobs": n_workers, "chunksize": 1} if given else {"chunksize": 1}
        n_calls, outcome = calls_of(
            lambda asked=asked, n_workers=n_workers: play(
                costs_s=[20e-3] * n_items, n_cores=n_workers, cpu_share=cpu_share, request=asked
            ),
            within="amorsize/policy/",
        )
        per_chunk.append(n_calls / outcome.tuner.costs.n_reports)

    assert per_chunk[1] < 1.1 * per_chunk[0]


@pytest.mark.parametrize("backend", ["process", "thread"])
def test_a_chunk_takes_as_many_steps_with_many_workers(backend):
    """Counted by call in the caller, beyond those of a call that has a chunk for each worker."""

    def nap(x):
        time.sleep(4e-3)
        return x

    def n_calls(n_workers, n_chunks):
        options = {"backend": backend, "n_jobs": n_workers, "chunksize": 1}
        found, results = calls_of(lambda: tuned_map(nap, range(n_chunks), **options))
        assert results == list(range(n_chunks))
        return found

    few, many = (
        n_calls(n_workers, 1000 + n_workers) - n_calls(n_workers, n_workers)
        for n_workers in (FEW, MANY)
    )

    assert many < 1.2 * few
