"""A real call as a world: its saved trace, played on other hosts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amorsize._engine.options import call_checks
from amorsize._function import callables
from amorsize._host import resources
from amorsize._profiles import memory_store
from amorsize.errors import AmorsizeError
from amorsize.policy.best_backend import THE_LOOP
from amorsize.policy.stored_field_checks import (
    count,
    is_text,
    number,
    one_of,
    optional,
    record,
    row,
    sequence,
    unfit,
)
from amorsize.simulate.baselines import tuner_for
from amorsize.simulate.engine import Engine
from amorsize.simulate.oracle import Best, oracle
from amorsize.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.policy.tuner import Tuner

VERSION = 1
#: How a trace begins to tell that threads were ruled out.
WHY_NO_THREADS = "threads: threads would share"
COSTS = ("start_s", "ready_s", "thread_start_s", "dispatch_s", "thread_dispatch_s", "latency_s")


class TraceError(AmorsizeError, ValueError):
    """There is no trace, or its file is damaged or of another version."""


def save(func: Callable[..., Any], path: str | Path) -> None:
    """Write what the last call of a function did as one readable JSON file.

    Args:
        func: A tuned function, or one that `tuned_map` has run in this process.
        path: Overwritten if it exists.

    Raises:
        TraceError: The function has not been called in this process yet.
        OSError: The file cannot be written.
    """
    trace = memory_store.last_trace(callables.raw(func))
    if trace is None:
        name = call_checks.name_of(func)
        raise TraceError(f"{name} has not been called in this process: there is nothing to save.")
    profile = trace.profile
    document = {
        "version": VERSION,
        "name": trace.name,
        "n_cores": trace.n_cores or resources.usable_cpus().n_cores,
        "makespan_s": trace.makespan_s,
        "waits": profile is not None and profile.traits.waits,
        "holds_gil": None if profile is None else profile.traits.holds_gil,
        "pickle_s": None if profile is None else profile.traits.pickle_s,
        "warmup_s": 0.0 if profile is None else profile.traits.warmup_s,
        "rejected": list(trace.rejected),
        "costs": {name: getattr(resources.costs(), name) for name in COSTS},
        "chunks": [
            [chunk.worker, chunk.backend, chunk.n_items, chunk.wall_s, chunk.cpu_s, chunk.now_s]
            for chunk in trace.chunks
        ],
    }
    Path(path).write_text(json.dumps(document) + "\n", encoding="utf-8")


def load(path: str | Path) -> World:
    """The world a saved trace tells of: its items in the order they came back, and its host.

    Items of one chunk are taken to be alike: a trace knows no more. What computes is counted in
    CPU time, which a crowded core does not inflate.

    Raises:
        TraceError: The file is damaged, or another version of amorsize has written it.
        OSError: It cannot be read.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} is no trace: {error}") from None
    if not isinstance(document, dict) or "version" not in document:
        raise TraceError(f"{path} is no trace: it does not say which version wrote it.")
    if document["version"] != VERSION:
        raise TraceError(
            f"{path} is a trace of version {document['version']!r}; this amorsize reads "
            f"version {VERSION}. Record the call once more."
        )
    if (name := unfit(document, DOCUMENT)) is not None:
        raise TraceError(f"{path} is damaged: its {name} cannot be right.")
    if not any(n_items for _, _, n_items, *_ in document["chunks"]):
        raise TraceError(f"{path} has nothing to play: no item was run.")
    return _world(document)


#: Beyond, a stored figure is a mistake.
MOST_S, MOST_ITEMS, MOST_CHUNKS = 1e9, 10**9, 10**7
SECONDS = number(MOST_S)
#: A chunk: its worker, where that was, how many items it ran, wall and CPU time, when it came back.
CHUNK = row(
    count(MOST_CHUNKS, least=-1), is_text, count(MOST_ITEMS, least=0), SECONDS, SECONDS, SECONDS
)
#: What the fields of a saved trace may hold.
DOCUMENT = {
    "name": is_text,
    "n_cores": count(MOST_CHUNKS),
    "makespan_s": SECONDS,
    "waits": one_of(True, False),
    "holds_gil": one_of(True, False, None),
    "pickle_s": optional(SECONDS),
    "warmup_s": SECONDS,
    "rejected": sequence(is_text, MOST_CHUNKS),
    "costs": record(dict.fromkeys(COSTS, SECONDS)),
    "chunks": sequence(CHUNK, MOST_CHUNKS),
}


def _world(document: dict[str, Any]) -> World:
    """The world that a document tells of, all of whose fields were checked."""
    waits = document["waits"]
    costs_s: list[float] = []
    wall_s = cpu_s = 0.0
    for _, _, n_items, chunk_wall_s, chunk_cpu_s, _ in sorted(
        document["chunks"], key=lambda chunk: chunk[5]
    ):
        if not n_items:  # its first item has failed
            continue
        used_s = chunk_wall_s if waits else min(chunk_wall_s, chunk_cpu_s)
        costs_s.extend([used_s / n_items] * n_items)
        wall_s, cpu_s = wall_s + chunk_wall_s, cpu_s + chunk_cpu_s
    no_threads = [one for one in document["rejected"] if one.startswith(WHY_NO_THREADS)]
    pickle_s = document["pickle_s"] or 0.0
    return World(
        name=document["name"],
        costs_s=tuple(costs_s),
        n_cores=document["n_cores"],
        waits=waits,
        cpu_share=min(1.0, cpu_s / wall_s) if wall_s else 1.0,
        holds_gil=document["holds_gil"] is not False,
        thread_reason=no_threads[0] if no_threads else None,
        warmup_s=document["warmup_s"],
        pickle_s=pickle_s / 2,
        remote_pickle_s=pickle_s / 2,
        told_error=1.0,
    ).replace(**document["costs"])


# -- what other hosts would bring ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the tuner and the best fixed plan would make of a world with so many cores."""

    n_cores: int
    loop_s: float
    makespan_s: float
    best: Best
    n_started: int
    backend: str
    limit: str  # what keeps it from being quicker

    @property
    def speedup(self) -> float:
        """Loop / makespan."""
        return self.loop_s / self.makespan_s


def forecast(world: World, n_cores: Sequence[int]) -> list[Forecast]:
    """Play a world on hosts with other numbers of cores."""
    return [
        _forecast(world.replace(n_cores=n, n_cores_told=None, quota_cores=None)) for n in n_cores
    ]


def _forecast(world: World) -> Forecast:
    tuner = tuner_for(world)
    outcome = Engine(world, tuner).play()
    best = oracle(world)
    backend = tuner.backend_used()
    return Forecast(
        n_cores=world.n_cores,
        loop_s=best.serial_s,
        makespan_s=outcome.makespan_s,
        best=best,
        n_started=outcome.n_started.get(backend, 0),
        backend=backend,
        limit=_limit(world, tuner, outcome.makespan_s, outcome.n_started),
    )


def _limit(world: World, tuner: Tuner, makespan_s: float, n_started: dict[str, int]) -> str:
    """What keeps the call from being quicker, the plainest first."""
    backend = tuner.backend_used()
    if backend == "serial":
        notes = [note.why for note in tuner.notes if note.what == THE_LOOP]
        return notes[-1] if notes else "so little work that workers would not pay"
    longest_s = max(world.costs_s)
    if longest_s > 0.6 * makespan_s:
        return f"one item takes {longest_s:.3g} s of it: split it"
    if world.waits:
        return f"{n_started[backend]} items wait at once"
    sending_s = world.pickle_s * len(world.costs_s)
    if sending_s > 0.4 * makespan_s:
        return f"sending and collecting takes {sending_s:.3g} s of the caller: send less"
    if len(world.costs_s) < 2 * world.n_cores:
        return f"{len(world.costs_s)} items are few for {world.n_cores} cores"
    cores_s = sum(world.costs_s) / world.n_cores
    if cores_s > 0.8 * makespan_s:
        return "the cores: more of them would help"
    return "starting workers, and looking for what is worth it"
