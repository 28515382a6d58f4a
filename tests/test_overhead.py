"""A call learns what workers cost on this host, and the next ones reckon with it."""

import json

import pytest

from amorsize import tuned_map
from amorsize._engine.costs import overhead
from amorsize._engine.costs.overhead import LEAST_CHUNKS, OverheadMeter
from amorsize._host import costs, resources


@pytest.fixture
def unlearned(monkeypatch):
    """A host of which nothing is known but the priors."""
    monkeypatch.setattr(costs, "_HOST", costs.HostCosts())


def spin(n):
    """Some 50 us of computing."""
    return sum(range(2_000 + n % 7))


@pytest.mark.usefixtures("unlearned")
@pytest.mark.parametrize(
    ("backend", "names"),
    [
        pytest.param(  # a clean start is told by another name
            *("process", {"start_s", "ready_s", "dispatch_s"}), marks=pytest.mark.forks
        ),
        ("thread", {"thread_start_s", "thread_dispatch_s"}),
    ],
)
def test_a_call_tells_what_its_workers_cost(backend, names):
    """Every name that this kind of worker can tell of, and no other."""
    for _ in range(30):  # beside other programs, what pickling took may hide what chunks did
        tuned_map(spin, range(400), backend=backend, n_jobs=2, chunksize=8, retune=True)
        if len(resources.costs_as_dict()) == len(names):
            break

    assert set(resources.costs_as_dict()) == names


@pytest.mark.usefixtures("unlearned")
@pytest.mark.forks
def test_few_chunks_tell_nothing_of_chunks():
    """What is done once per call would be taken for the cost of a chunk."""
    tuned_map(spin, range(8), backend="process", n_jobs=2, chunksize=4)

    assert set(resources.costs_as_dict()) == {"start_s", "ready_s"}


@pytest.mark.usefixtures("unlearned")
def test_a_call_without_workers_tells_nothing():
    """Nothing was seen."""
    tuned_map(spin, range(20), backend="serial")

    assert not resources.costs_as_dict()


def test_workers_of_two_kinds_tell_nothing_clear():
    """Whose chunks cost what cannot be told apart."""
    meter = OverheadMeter()
    meter.started(0, "process", 0.0, 0.0)
    meter.started(1, "thread", 0.0, 0.0)

    assert not meter.costs_s(forks=True, pickle_s=0.0)


def test_items_of_the_callers_own_are_no_cost_of_serving():
    """An hour of items between chunks leaves nothing over."""
    meter = OverheadMeter()
    meter.started(0, "process", 0.0, 0.0)
    meter.spent(3600.0)
    for _ in range(LEAST_CHUNKS):
        meter.served(1)
    meter.over()

    assert "dispatch_s" not in meter.costs_s(forks=True, pickle_s=0.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when it is told to; CPU time is the same."""
    now = [0.0]
    for name in ("perf_counter", "thread_time"):
        monkeypatch.setattr(overhead, name, lambda: now[0])
    return now


def served(clock, *, n_chunks, n_items, each_s, n_bytes=100):
    """The meter of a call in which every chunk took so long."""
    meter = OverheadMeter()
    meter.started(0, "process", clock[0], clock[0])
    for _ in range(n_chunks):
        clock[0] += each_s
        meter.served(n_items, n_bytes)
    meter.over()
    return meter


def test_what_a_chunk_takes_is_told_without_its_items(clock):
    """Reading a result costs 1 us: of 50 us a chunk of four leaves 46."""
    meter = served(clock, n_chunks=20, n_items=4, each_s=50e-6)

    assert meter.costs_s(forks=True, pickle_s=1e-6)["dispatch_s"] == pytest.approx(46e-6)


def test_large_results_tell_nothing_of_chunks(clock):
    """What reading them takes is known from a few: the error of that is not the host's."""
    meter = served(clock, n_chunks=20, n_items=4, each_s=8e-3)

    assert "dispatch_s" not in meter.costs_s(forks=True, pickle_s=1e-3)


def test_what_takes_many_bytes_tells_nothing_of_chunks(clock):
    """Reading them costs more than was seen of writing them."""
    meter = served(clock, n_chunks=20, n_items=4, each_s=8e-3, n_bytes=100_000)

    assert "dispatch_s" not in meter.costs_s(forks=True, pickle_s=1e-6)


def test_to_end_workers_is_a_part_of_what_they_cost(clock):
    """A start of nothing, and 4 ms for the end of two."""
    meter = OverheadMeter()
    for worker in range(2):
        meter.started(worker, "process", clock[0], clock[0])
    meter.over()
    meter.ended(4e-3)

    assert meter.costs_s(forks=True, pickle_s=0.0)["start_s"] == pytest.approx(2e-3)


def test_a_first_fork_that_is_dear_is_not_what_a_start_costs(clock):
    """Of two workers the second one tells."""
    meter = OverheadMeter()
    for worker, start_s in enumerate((30e-3, 1e-3)):
        began = clock[0]
        clock[0] += start_s
        meter.started(worker, "process", began, began)

    assert meter.costs_s(forks=True, pickle_s=0.0)["start_s"] == pytest.approx(1e-3)


SCRIPT = """
import json, sys
from amorsize._host import resources
from amorsize import tuned_map
def spin(n): return sum(range(30_000 + n % 7))  # a call of under 0.4 s is not written down
tuned_map(spin, range(2_400), chunksize=int(sys.argv[1]))
print(json.dumps(resources.costs_as_dict()))
"""


def test_a_new_process_starts_from_what_was_seen(run_script, tmp_path):
    """Costs are kept beside the function's profile; the second call's own few chunks tell none."""
    for n in range(12):  # as above, and each time nothing is known
        home = {"AMORSIZE_HOME": str(tmp_path / str(n))}
        first = json.loads(run_script(SCRIPT, "30", environ=home).stdout)
        if "dispatch_s" in first:
            break
    second = json.loads(run_script(SCRIPT, "600", environ=home).stdout)

    assert first["dispatch_s"] == second["dispatch_s"]
