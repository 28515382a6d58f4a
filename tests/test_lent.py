"""Large tables that a function reaches: one copy for all workers, freed after the call."""

import functools
import os

import large_items
import pytest

import amorsize
from amorsize import autotune, tuned_map
from amorsize._engine.costs import spawn_costs
from amorsize._engine.engine import Engine
from amorsize._engine.state.call import Invocation
from amorsize._host.resources import Memory
from amorsize._workers.protocol import Task
from amorsize._workers.tasks import shared_data
from amorsize._workers.tasks.payload import Payload
from amorsize.policy.trace import ChunkTrace

np = pytest.importorskip("numpy")
N_BYTES = 12 << 20

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memory without a name"),
    pytest.mark.filterwarnings("ignore::amorsize.errors.AmorsizeWarning"),
]


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """No worker is forked in these tests."""
    monkeypatch.setenv("AMORSIZE_START", "clean")


@pytest.fixture
def table():
    """More than is sent without asking."""
    return np.arange(N_BYTES // 8, dtype=float)


def in_workers(function, n_items=4, **keywords):
    """What it gives in two worker processes."""
    return tuned_map(
        function, range(n_items), item_kwargs=keywords, backend="process", n_jobs=2, cache=False
    )


def own_bytes():
    """Memory that is this process's own: of no file, and of none without a name."""
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Anonymous"))


def test_a_keyword_is_in_no_workers_own_memory(table):
    """Both read the same memory, all of it."""

    def look(k, table):
        before = own_bytes()
        total = float(table.sum())
        return k, total, own_bytes() - before < N_BYTES / 4

    total = float(table.sum())
    assert in_workers(look, table=table) == [(k, total, True) for k in range(4)]


@pytest.mark.parametrize("kind", ["array", "dict", "bytes", "object"])
def test_whatever_it_is_it_arrives_as_it_is(kind, table):
    """Arrays and their like by memory; other data too, rebuilt from it."""
    made = {
        "array": lambda: table,
        "dict": lambda: {"x": table, "y": [table[::-1], 1]},
        "bytes": lambda: b"x" * N_BYTES + b"end",
        "object": lambda: large_items.Model(table),
    }
    value = made[kind]()
    assert in_workers(large_items.facts_of, 2, value=value) == [large_items.facts_of(0, value)] * 2


def test_memory_is_free_again_while_the_worker_stays(table):
    """The same process serves the next call, and has nothing of the table."""
    amorsize.shutdown()  # workers of earlier tests
    ((pid, during),) = tuned_map(
        large_items.lent_bytes, [0], item_kwargs={"value": table}, backend="process", n_jobs=1
    )
    ((again, after),) = tuned_map(large_items.lent_bytes, [0], backend="process", n_jobs=1)

    assert during >= N_BYTES
    assert (again, after) == (pid, 0)


def test_a_worker_that_has_kept_a_part_serves_no_other_call(table):
    """What it has cached refers to memory that is to be freed: it ends."""
    (kept,) = tuned_map(
        large_items.keeps_a_part, [3], item_kwargs={"table": table}, backend="process", n_jobs=1
    )
    ((pid, n_bytes),) = tuned_map(large_items.lent_bytes, [0], backend="process", n_jobs=1)

    assert kept[0] != pid
    assert n_bytes == 0


def test_its_module_is_not_imported_again(monkeypatch, tmp_path):
    """Each worker would make the table once more."""
    log = tmp_path / "imports"
    monkeypatch.setenv("LARGE_ITEMS_LOG", str(log))

    assert in_workers(large_items.from_global) == [large_items.from_global(k) for k in range(4)]
    assert not log.exists()


def test_what_needs_longer_than_it_saves_is_not_sent(table):
    """12 ms for what it reaches are too long for 20 ms of work, and nothing for a second."""

    def look(k):
        return table[k]

    payload = Payload(Task(look), look)
    assert payload.array_bytes >= N_BYTES
    assert "would have to be sent to workers" in spawn_costs.why_not_send(payload, 0.02, 2)
    assert spawn_costs.why_not_send(payload, 1.0, 2) is None


def test_what_others_leave_of_the_cores_is_reckoned_with(table):
    """Where items compute a quarter of their time, laying a table takes four times as long."""
    payload = Payload(Task(table.sum), table.sum)
    enough_s = 5 * spawn_costs.sending_s(payload)

    assert spawn_costs.why_not_send(payload, enough_s, 2) is None
    assert "would have to be sent" in spawn_costs.why_not_send(payload, enough_s, 2, 4.0)


@pytest.mark.parametrize(("run_delay_s", "expected"), [(0.0, 1.0), (1.5, 4.0), (2.0, 8.0)])
def test_the_first_items_tell_how_busy_the_host_is(run_delay_s, expected):
    """Items in workers say nothing of that: they have cores of their own, if any."""
    engine = Engine(Invocation(func=abs, iterables=(range(3),)))
    for backend, late_s in (("caller", run_delay_s), ("process", 2.0)):
        engine.recorder.chunks.append(
            ChunkTrace(
                worker=0,
                backend=backend,
                n_items=1,
                wall_s=2.0,
                cpu_s=2.0 - late_s,
                run_delay_s=late_s,
                now_s=2.0,
            )
        )

    assert engine.action_runner.inspection.interpreters.stretch() == expected


def test_what_there_is_no_room_for_is_not_sent(table, monkeypatch):
    """It would have to be held twice."""
    little = Memory(total_bytes=N_BYTES, limit_bytes=None, available_bytes=N_BYTES)
    monkeypatch.setattr(spawn_costs.resources, "memory", lambda: little)
    payload = Payload(Task(table.sum), table.sum)

    assert "no room in memory" in spawn_costs.why_not_send(payload, 100.0, 2)


@pytest.mark.parametrize("name", ["stores", "adds_in_place", "sorts"])
def test_a_function_that_writes_into_one_stays_in_the_caller(name, table):
    """Its changes are there afterwards, all of them."""
    function = getattr(large_items, name)
    expected = table.copy()
    for k in range(60):
        function(k, expected)

    autotune(functools.partial(function, table=table), cache=False)(range(60))

    assert np.array_equal(table, expected)


def test_where_there_is_no_such_memory_it_goes_through_the_pipe(monkeypatch, table):
    """A limit, or another system: slower, and as right."""

    def refused(parts):
        raise OSError("no memory without a name")

    monkeypatch.setattr("amorsize._workers.processes.spawn_pool.Lent", refused)

    assert in_workers(large_items.facts_of, 2, value=table) == [large_items.facts_of(0, table)] * 2


def test_a_worker_that_may_not_open_it_gets_it_through_the_pipe(monkeypatch, table):
    """The program has become one that others may not look into."""
    monkeypatch.setattr(shared_data.Lent, "location", ("/proc/self/fd/999", [(0, 1)]))

    assert in_workers(large_items.facts_of, 2, value=table) == [large_items.facts_of(0, table)] * 2


def test_nothing_stays_open_in_the_caller(table):
    """As many descriptors as before, whether the call ends well or not."""

    def fails(k, table):
        raise ValueError(k)

    in_workers(large_items.facts_of, 2, value=table)
    before = len(os.listdir("/proc/self/fd"))
    in_workers(large_items.facts_of, 2, value=table)
    with pytest.raises(ValueError, match="0"):
        in_workers(fails, table=table)
    amorsize.shutdown()

    assert len(os.listdir("/proc/self/fd")) <= before
