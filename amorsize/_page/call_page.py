"""The page of one call: what was decided, what happened, what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize import report
from amorsize._page import machine
from amorsize._page.advice import advice
from amorsize._page.page import Page, Section, Table
from amorsize._plots import drift, timeline
from amorsize._plots.picture import picture
from amorsize.policy.counted import counted
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amorsize.policy.trace import ChunkTrace, Trace, WorkerEvent

#: Rows of a table.
MOST_ROWS = 64
#: Chunks of which each has its row; of more, those that cost most.
MOST_CHUNKS = 24
#: Decisions and changes that are told one by one.
MOST_LISTED = 100


def page_of(trace: Trace | None, name: str) -> Page:
    """All that the trace of a call tells."""
    if trace is None:
        return Page(
            title=f"{name}: no call with items has ended in this process yet",
            lead="A page tells of the last call of a function. There is none so far.",
            sections=(_machine(),),
            foot=machine.foot(),
        )
    return Page(
        title=report.headline(trace),
        lead=lead(trace),
        sections=tuple(_sections(trace)),
        foot=machine.foot(),
    )


def lead(trace: Trace) -> str:
    """The call in a sentence or two."""
    how = report.plan_of(trace)
    times = "" if trace.speedup is None else f" That was {trace.speedup:.2f} x the loop."
    when = "" if trace.ended_at_s is None else f" Ended {machine.moment(trace.ended_at_s)}."
    return f"Chosen: {how}.{times}{when}"


def _sections(trace: Trace) -> Iterator[Section]:
    told = [one for one in report.rows(trace) if one[0] not in ("why", "warning")]
    yield Section(
        key="decisions",
        heading="What was decided, and why",
        points=tuple(_decisions(trace)),
        facts=tuple(told),
    )
    if trace.warnings:
        yield Section(key="warnings", heading="Warnings", points=trace.warnings[:MOST_LISTED])
    if trace.chunks:
        alt = timeline.in_words(trace)
        yield Section(
            key="timeline",
            heading="What happened",
            paragraphs=(HOW_TO_READ,),
            picture=picture(lambda at: timeline.plot(trace, trace.name, at), alt),
        )
        yield Section(
            key="tables",
            heading="Workers, chunks and items",
            tables=(_workers(trace), _costs(trace.chunks), _chunks(trace.chunks)),
        )
    if len(trace.costs) > 1:
        yield _drift(trace)
    yield Section(key="next", heading="What to try next", points=tuple(advice(trace)))
    yield _machine()


HOW_TO_READ = (
    "Each bar stands for a chunk of items. How high its dark part is says for how much of its time "
    "the items computed; light means that they waited, lines that other programs had the core."
)


def _decisions(trace: Trace) -> Iterator[str]:
    notes = [note for note in trace.notes if note.what != "drift"]
    for note in notes[:MOST_LISTED]:
        yield f"After {seconds(note.now_s)}, {note.what}: {note.why}."
    for one in trace.drifts[:MOST_LISTED]:
        yield f"After {seconds(one.now_s)}, a change was noticed: {one}."
    if notes or trace.drifts:
        return
    if trace.plan.backend == "serial":
        yield "Nothing was decided: the items were done before workers could have paid."
    else:
        yield "Nothing was left to decide: the options of the call say how it runs."


def _machine() -> Section:
    return Section(key="machine", heading="The machine", facts=tuple(machine.facts()))


def _drift(trace: Trace) -> Section:
    costs = trace.costs
    n_changes = sum(len(one.drifts) for one in costs)
    least, most = (seconds(bound(one.item_s for one in costs)) for bound in (min, max))
    alt = (
        f"Cost of an item in {counted(len(costs), 'call')}: from {least} to {most}; "
        f"{counted(n_changes, 'change')} noticed."
    )
    return Section(
        key="drift",
        heading="What an item cost from call to call",
        picture=picture(lambda at: drift.plot(costs, trace.name, at), alt),
    )


def _workers(trace: Trace) -> Table:
    """The caller and each worker, with what it did."""
    chunks: dict[int, list[ChunkTrace]] = {}
    for chunk in trace.chunks:
        chunks.setdefault(chunk.worker, []).append(chunk)
    events: dict[int, list[WorkerEvent]] = {}
    for event in trace.worker_events:
        events.setdefault(event.worker, []).append(event)
    numbers = sorted({*chunks, *events})
    rows = [_worker(one, chunks.get(one, ()), events.get(one, ())) for one in numbers[:MOST_ROWS]]
    return Table(
        caption="Workers",
        header=("worker", "started", "items", "chunks", "computed", "waited", "delayed", "end"),
        rows=tuple(rows),
        n_left_out=len(numbers) - len(rows),
    )


def _worker(
    number: int, chunks: Sequence[ChunkTrace], events: Sequence[WorkerEvent]
) -> tuple[str, ...]:
    backend = chunks[0].backend if chunks else events[0].backend
    started = next((seconds(one.now_s) for one in events if one.what == "started"), "")
    ends = [one for one in events if one.what in ("died", "retired")]
    words = {"died": "died", "retired": "replaced"}
    end = "; ".join(f"{words[one.what]}{f': {one.why}' if one.why else ''}" for one in ends)
    cpu_s, delay_s = sum(c.cpu_s for c in chunks), sum(c.run_delay_s for c in chunks)
    wait_s = max(0.0, sum(c.wall_s for c in chunks) - cpu_s - delay_s)
    return (
        "caller" if number < 0 else f"{backend} {number}",
        started,
        str(sum(c.n_items for c in chunks)),
        str(sum(c.n_chunks for c in chunks)),
        *(seconds(spent_s) if spent_s else "0 s" for spent_s in (cpu_s, wait_s, delay_s)),
        end,
    )


def _costs(chunks: Sequence[ChunkTrace]) -> Table:
    """How chunks and items are spread: the least, the usual and the most."""
    ran = [chunk for chunk in chunks if chunk.n_items]
    sizes = sorted(chunk.n_items / chunk.n_chunks for chunk in ran)
    lengths = sorted(chunk.wall_s / chunk.n_chunks for chunk in ran)
    items = sorted(chunk.wall_s / chunk.n_items for chunk in ran)
    return Table(
        caption="How chunks and items differ",
        header=("of all chunks", "least", "10th percentile", "median", "90th percentile", "most"),
        rows=(
            ("items in a chunk", *(f"{value:.3g}" for value in _quantiles(sizes))),
            ("time of a chunk", *(seconds(value) for value in _quantiles(lengths))),
            ("time of an item", *(seconds(value) for value in _quantiles(items))),
        ),
    )


def _quantiles(ordered: Sequence[float]) -> list[float]:
    last = len(ordered) - 1
    return [ordered[round(share * last)] for share in (0, 0.1, 0.5, 0.9, 1)] if ordered else []


def _chunks(chunks: Sequence[ChunkTrace]) -> Table:
    """Each chunk; where they are many, those of which an item took longest."""
    shown, caption = list(chunks), "All chunks"
    if len(chunks) > MOST_CHUNKS:
        shown = sorted(chunks, key=lambda one: -one.wall_s / max(1, one.n_items))[:MOST_CHUNKS]
        caption = "The chunks whose items took longest"
    return Table(
        caption=caption,
        header=("began", "worker", "items", "took", "an item", "computed"),
        rows=tuple(
            (
                seconds(one.begun_s),
                "caller" if one.worker < 0 else f"{one.backend} {one.worker}",
                str(one.n_items),
                seconds(one.wall_s),
                seconds(one.wall_s / one.n_items) if one.n_items else "",
                f"{min(1.0, one.cpu_s / one.wall_s):.0%}" if one.wall_s else "",
            )
            for one in shown
        ),
        n_left_out=len(chunks) - len(shown),
    )
