"""What the timeline of a call shows: a row for each worker, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.policy.frozen_record import Value, inf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from amorsize.policy.trace import ChunkTrace, Trace, WorkerEvent

#: Bars that touch within this share of the call are drawn as one: less than a pixel of 800.
FINEST = 1 / 800
#: Bars of all rows together, about: more take long to draw, and nobody could tell them apart.
MANY_BARS = 4_000
#: Workers that have a row each. Beyond, a row has one after the other.
MOST_ROWS = 64
#: Times at which cores are counted.
N_BINS = 240
CALLER = "caller"


class Bar(Value):
    """Items that ran one after the other, on one worker."""

    begun_s: float
    ended_s: float
    wall_s: float  # of chunks: less than the bar is long where these have pauses between them
    cpu_s: float
    run_delay_s: float  # of `wall_s`: others had the core
    n_items: int
    n_chunks: int

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of the bar's length: computing, kept from a core by others, waiting for something."""
        computing = min(1.0, self.cpu_s / self.length_s)
        delayed = min(1.0 - computing, self.run_delay_s / self.length_s)
        waiting = min(1.0, self.wall_s / self.length_s) - computing - delayed
        return computing, delayed, max(0.0, waiting)

    @property
    def length_s(self) -> float:
        """From the first item begun to the last one ended."""
        return max(1e-12, self.ended_s - self.begun_s)


class Mark(Value):
    """A moment of a worker that is worth a sign."""

    now_s: float
    what: str  # "died", "retired" or "retried"
    n_items: int
    why: str | None


class Row(Value):
    """One worker, or several that were there one after the other."""

    label: str
    backend: str
    bars: tuple[Bar, ...]
    starts: tuple[tuple[float, float], ...] = ()  # from the start until it could take a chunk
    warmups: tuple[tuple[float, float], ...] = ()  # what the first item took on top
    marks: tuple[Mark, ...] = ()

    @property
    def begun_s(self) -> float:
        """When there was something to show first."""
        firsts = [self.bars[0].begun_s] if self.bars else []
        firsts += [begun for begun, _ in self.starts] + [one.now_s for one in self.marks]
        return min(firsts, default=0.0)

    @property
    def ended_s(self) -> float:
        """When there was something to show last."""
        lasts = [self.bars[-1].ended_s] if self.bars else []
        lasts += [ended for _, ended in self.starts] + [one.now_s for one in self.marks]
        return max(lasts, default=0.0)


class Timeline(Value):
    """All that the picture of a call shows."""

    rows: tuple[Row, ...]
    n_workers: int
    makespan_s: float
    n_cores: int | None
    busy: tuple[float, ...]  # cores that items computed on, at equal steps through the call
    running: tuple[float, ...]  # items that ran or waited at once, at the same steps

    @property
    def is_shared(self) -> bool:
        """Whether rows have several workers."""
        return self.n_workers > MOST_ROWS


def timeline_of(trace: Trace) -> Timeline:
    """The rows of a call, the caller's first."""
    makespan_s = max(trace.makespan_s, 1e-9)
    by_worker: dict[int, list[ChunkTrace]] = {}
    for chunk in trace.chunks:
        by_worker.setdefault(chunk.worker, []).append(chunk)
    events: dict[int, list[WorkerEvent]] = {}
    for event in trace.worker_events:
        events.setdefault(event.worker, []).append(event)
    numbers = sorted({*by_worker, *events} | ({-1} if not by_worker else set()))
    n_workers = sum(number >= 0 for number in numbers)
    finest_s = makespan_s * max(FINEST, min(n_workers + 1, MOST_ROWS) / MANY_BARS)
    warmup_s = trace.profile.traits.warmup_s if trace.profile is not None else 0.0
    every_bar, rows = [], []
    for number in numbers:
        bars = apart(by_worker.get(number, ()))
        every_bar += bars
        backend = next((one.backend for one in by_worker.get(number, ())), "worker")
        own = events.get(number, ())
        rows.append(_row(number, backend, bars, own, warmup_s, finest_s, makespan_s))
    is_many = n_workers > MOST_ROWS
    return Timeline(
        rows=tuple(_shared(rows) if is_many else rows),
        n_workers=n_workers,
        makespan_s=makespan_s,
        n_cores=trace.n_cores,
        busy=_at_once(((one, one.cpu_s) for one in every_bar), makespan_s),
        running=_at_once(((one, one.wall_s) for one in every_bar), makespan_s),
    )


def apart(chunks: Sequence[ChunkTrace]) -> list[Bar]:
    """A worker's chunks as bars that do not overlap.

    A report may come late, and several at once. A worker runs one chunk after the other, so each
    has ended when the next was begun, at the latest.
    """
    bars: list[Bar] = []
    next_s = inf
    for chunk in reversed(chunks):
        ended_s = max(0.0, min(chunk.now_s, next_s))
        length_s = max(chunk.wall_s, chunk.now_s - chunk.begun_s)
        begun_s = next_s = max(0.0, ended_s - length_s)
        bars.append(
            Bar(
                begun_s=begun_s,
                ended_s=ended_s,
                wall_s=min(chunk.wall_s, ended_s - begun_s),
                cpu_s=chunk.cpu_s,
                run_delay_s=chunk.run_delay_s,
                n_items=chunk.n_items,
                n_chunks=chunk.n_chunks,
            )
        )
    return bars[::-1]


def merged(bars: Iterable[Bar], finest_s: float) -> tuple[Bar, ...]:
    """The same with bars put together that nobody could tell apart."""
    kept: list[Bar] = []
    for bar in bars:
        if kept and bar.ended_s - kept[-1].begun_s < finest_s:
            kept[-1] = _together(kept[-1], bar)
        else:
            kept.append(bar)
    return tuple(kept)


def _together(one: Bar, other: Bar) -> Bar:
    return Bar(
        begun_s=one.begun_s,
        ended_s=other.ended_s,
        wall_s=one.wall_s + other.wall_s,
        cpu_s=one.cpu_s + other.cpu_s,
        run_delay_s=one.run_delay_s + other.run_delay_s,
        n_items=one.n_items + other.n_items,
        n_chunks=one.n_chunks + other.n_chunks,
    )


def _row(
    number: int,
    backend: str,
    bars: list[Bar],
    events: Sequence[WorkerEvent],
    warmup_s: float,
    finest_s: float,
    makespan_s: float,
) -> Row:
    if number < 0:
        return Row(label=CALLER, backend=CALLER, bars=merged(bars, finest_s))
    backend = events[0].backend if events else backend
    started = [one.now_s for one in events if one.what == "started"]
    ready = [one.now_s for one in events if one.what == "ready"]
    starts: tuple[tuple[float, float], ...] = ()
    if started:
        until_s = ready[0] if ready else (bars[0].begun_s if bars else makespan_s)
        ends = [one.now_s for one in events if one.what in ("died", "retired")]
        starts = ((started[0], max(started[0], min(until_s, *ends, makespan_s))),)
    warm_s = min(warmup_s, bars[0].wall_s) if bars else 0.0
    return Row(
        label=f"{backend} {number}",
        backend=backend,
        bars=merged(bars, finest_s),
        starts=starts,
        warmups=((bars[0].begun_s, bars[0].begun_s + warm_s),) if warm_s > finest_s else (),
        marks=tuple(
            Mark(now_s=min(one.now_s, makespan_s), what=one.what, n_items=one.n_items, why=one.why)
            for one in events
            if one.what in ("died", "retired", "retried")
        ),
    )


def _shared(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows that take the next worker when one has ended, so that there are as few as can be."""
    caller = [row for row in rows if row.backend == CALLER]
    free: list[list[Row]] = []
    for row in sorted((row for row in rows if row.backend != CALLER), key=lambda one: one.begun_s):
        place = next((one for one in free if one[-1].ended_s <= row.begun_s), None)
        if place is None:
            free.append([row])
        else:
            place.append(row)
    yield from caller
    for number, group in enumerate(free):
        yield Row(
            label=f"place {number}",
            backend=group[0].backend,
            bars=tuple(bar for row in group for bar in row.bars),
            starts=tuple(one for row in group for one in row.starts),
            warmups=tuple(one for row in group for one in row.warmups),
            marks=tuple(one for row in group for one in row.marks),
        )


def _at_once(bars: Iterable[tuple[Bar, float]], makespan_s: float) -> tuple[float, ...]:
    """Seconds of bars by seconds of the clock, at equal steps through the call."""
    step_s = makespan_s / N_BINS
    edges, inside = [0.0] * (N_BINS + 1), [0.0] * (N_BINS + 2)
    for bar, spent_s in bars:
        rate = spent_s / bar.length_s
        begun, ended = bar.begun_s / step_s, min(bar.ended_s / step_s, float(N_BINS))
        first, last = min(N_BINS - 1, int(begun)), min(N_BINS - 1, int(ended))
        if first == last:
            edges[first] += rate * max(0.0, ended - begun)
            continue
        edges[first] += rate * (first + 1 - begun)
        edges[last] += rate * (ended - last)
        inside[first + 1] += rate
        inside[last] -= rate
    found, level = [], 0.0
    for number in range(N_BINS):
        level += inside[number]
        found.append(max(0.0, level + edges[number]))
    return tuple(found)
