"""Traces of calls that nobody has made, for pictures and pages of them."""

from amorsize.policy.actions import Plan
from amorsize.policy.profile import Profile
from amorsize.policy.state import Note
from amorsize.policy.trace import ChunkTrace, Trace, WorkerEvent


def chunk(worker, begun_s, wall_s, *, backend="process", cpu=1.0, n_items=10, delay_s=0.0):
    """Items from `begun_s` on, which computed for a share `cpu` of their time."""
    return ChunkTrace(
        worker=worker,
        backend="caller" if worker < 0 else backend,
        n_items=n_items,
        wall_s=wall_s,
        cpu_s=cpu * wall_s,
        now_s=begun_s + wall_s,
        run_delay_s=delay_s,
    )


def event(worker, what, now_s, *, backend="process", n_items=0, why=None):
    return WorkerEvent(
        worker=worker, what=what, now_s=now_s, backend=backend, n_items=n_items, why=why
    )


def trace(*chunks, makespan_s=None, events=(), name="parse", warmup_s=0.0, n_cores=2, **more):
    """One call with these chunks."""
    profile = Profile.of(
        backend="process",
        n_jobs=2,
        chunksize=10,
        item_s=0.1,
        item_cpu_s=0.1,
        spread_log=0.1,
        pickle_s=None,
        warmup_s=warmup_s,
        holds_gil=True,
        waits=False,
        n_items=100,
    )
    fields = {
        "name": name,
        "n_items": sum(one.n_items for one in chunks),
        "makespan_s": makespan_s or max((one.now_s for one in chunks), default=1e-3),
        "n_cores": n_cores,
        "plan": Plan(backend="process", n_jobs=2, chunksize=10),
        "profile": profile,
        "known": None,
        "known_from": None,
        "known_fits": None,
        "notes": (Note(now_s=0.5, what="process", why="the items hold the GIL"),),
        "chunks": chunks,
        "n_started": {"process": 2},
        "n_repeated": 0,
        "rejected": (),
        "warnings": (),
        "worker_events": tuple(events),
        "ended_at_s": 1.79e9,
    }
    return Trace(**{**fields, **more})


def two_workers(**more):
    """A call of ten seconds: the caller first, then two workers, the second of which dies."""
    return trace(
        chunk(-1, 0.0, 1.0),
        chunk(0, 2.0, 3.0),
        chunk(0, 5.0, 4.0, cpu=0.5),
        chunk(1, 2.0, 2.0, delay_s=0.5, cpu=0.75),
        chunk(2, 6.0, 4.0),
        events=(
            event(0, "started", 1.0),
            event(1, "started", 1.2),
            event(0, "ready", 2.0),
            event(1, "ready", 2.0),
            event(1, "died", 5.0, n_items=10, why="signal 9 (SIGKILL)"),
            event(2, "started", 5.2),
            event(2, "ready", 6.0),
            event(2, "retried", 6.0, n_items=10),
        ),
        **{"warmup_s": 0.5, "n_repeated": 10, **more},
    )


def many_workers(n_workers, *, backend="thread", n_chunks=20):
    """So many workers side by side, each with some chunks of items that wait."""
    chunks = [
        chunk(worker, number + worker / n_workers, 0.9, backend=backend, cpu=0.1)
        for number in range(n_chunks)
        for worker in range(n_workers)
    ]
    return trace(*chunks, n_started={backend: n_workers})


def short_lived(n_workers):
    """Two workers at any time, each of which is replaced after a second."""
    chunks = [chunk(worker, worker // 2, 0.9) for worker in range(n_workers)]
    events = [event(worker, "started", worker // 2) for worker in range(n_workers)]
    events += [event(worker, "retired", worker // 2 + 0.95) for worker in range(n_workers)]
    return trace(*chunks, events=events)
