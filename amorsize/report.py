"""Tells in words how a call went."""

from __future__ import annotations

from amorsize.policy.best_backend import THE_LOOP
from amorsize.policy.counted import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amorsize.policy.profile import Profile
    from amorsize.policy.state import Note
    from amorsize.policy.trace import Trace


#: Changes that are told one by one.
MOST_CHANGES = 3


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Headings and what there is to say under each, as lines with all texts below each other."""
    width = max((len(heading) for heading, _ in rows), default=0)
    return [f"{heading:<{width}}  {text}" for heading, text in rows]


def html_table(rows: Sequence[tuple[str, str]]) -> str:
    """The same as a table of a notebook."""
    from html import escape

    cells = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{escape(heading)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for heading, text in rows
    )
    return f"<table>{cells}</table>"


def seconds(value_s: float) -> str:
    """A duration with three digits and the unit that suits it."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if abs(value_s * factor) >= 1:
            return f"{value_s * factor:.3g} {unit}"
    return f"{value_s * 1e9:.3g} ns"


def plan_in_short(backend: str, n_jobs: object, chunksize: object) -> str:
    """A plan in a few words, as far as it is known."""
    if backend == "serial":
        return "the loop"
    if n_jobs is None:
        return backend
    return f"{backend} x {n_jobs}" + ("" if chunksize is None else f", {chunksize} a chunk")


def plan_in_words(backend: str, n_jobs: int, chunksize: int) -> str:
    """A plan as it is told once."""
    if backend == "serial":
        return "the loop, in the caller"
    worker = {"thread": "thread", "process": "worker process"}[backend]
    return f"{counted(n_jobs, worker)}, {counted(chunksize, 'item')} in a full chunk"


def plan_of(trace: Trace) -> str:
    """The plan of a call; its chunks have no more items than the call had."""
    plan = trace.plan
    return plan_in_words(plan.backend, plan.n_jobs, min(plan.chunksize, max(1, trace.n_items)))


def headline(trace: Trace) -> str:
    """What was called, and how long it took."""
    return f"{trace.name}: {counted(trace.n_items, 'item')} in {seconds(trace.makespan_s)}"


def rows(trace: Trace) -> Iterator[tuple[str, str]]:
    """Headings and what there is to say under each."""
    if trace.profile is not None:
        yield "measured", measured(trace.profile)
    yield "remembered", _remembered(trace)
    yield "chosen", plan_of(trace)
    for note in trace.notes:
        if note.what != "drift":  # those are told as changes
            yield "why", f"after {seconds(note.now_s)}: {note.what} - {_why(note, trace)}"
    if (why := why_the_loop(trace)) is not None:
        yield "why", why
    for one in trace.drifts[:MOST_CHANGES]:
        yield "changed", str(one)
    if (n_more := len(trace.drifts) - MOST_CHANGES) > 0:
        yield "changed", f"{counted(n_more, 'time')} more: the whole list is in the call's trace"
    for reason in trace.rejected:
        yield "rejected", reason
    yield "ran", _places(trace)
    yield "achieved", _achieved(trace)
    if trace.n_repeated:
        yield (
            "repeated",
            f"{counted(trace.n_repeated, 'item')} ran again: results were lost in a worker",
        )
    for warning in trace.warnings:
        yield "warning", warning


def _why(note: Note, trace: Trace) -> str:
    """The reason of a decision; one that stands below for what was rejected is not told twice."""
    reasons = {why: what for what, _, why in (one.partition(": ") for one in trace.rejected)}
    told = [reasons.get(why) for why in note.why.split("; ")]
    if None in told:
        return note.why
    return f"{' and '.join(dict.fromkeys(told))} are rejected, see below"  # type: ignore[arg-type]


def why_the_loop(trace: Trace) -> str | None:
    """Why the caller ran all items, where no decision says so; None: one does."""
    choices = [note.what for note in trace.notes if note.what in (THE_LOOP, "thread", "process")]
    is_open = trace.plan.backend == "serial" and trace.plan.source == "learned"
    is_bound = any(one.startswith("threads and processes: ") for one in trace.rejected)
    if not is_open or is_bound or trace.n_items < 2 or choices[-1:] == [THE_LOOP]:
        return None
    what = f"{THE_LOOP} all the same" if choices else THE_LOOP
    return f"{what} - the items were done before workers could have paid"


def measured(profile: Profile) -> str:
    """What items were seen to cost and to do."""
    traits = profile.traits
    share = traits.item_cpu_s / traits.item_s if traits.item_s else 0.0
    if traits.waits:
        kind = f"waiting {1 - min(1.0, share):.0%} of the time"
    else:
        kind = f"computing {min(1.0, share):.0%} of the time"
    parts = [f"{seconds(traits.item_s)} an item, {kind}"]
    if traits.holds_gil is not None and not traits.waits:
        parts.append("holding the GIL" if traits.holds_gil else "releasing the GIL")
    if traits.pickle_s:  # nothing is pickled for threads
        parts.append(f"{seconds(traits.pickle_s)} to send one result")
    if traits.warmup_s:
        parts.append(f"{seconds(traits.warmup_s)} to warm up")
    return ", ".join(parts)


def _remembered(trace: Trace) -> str:
    if trace.known is None:
        return "nothing from earlier calls"
    where = "an earlier call" if trace.known_from == "memory" else "an earlier process"
    fits = {True: "and it fits", False: "but it does not fit: measured anew", None: "not needed"}
    return f"what {where} learned, {fits[trace.known_fits]}"


def _places(trace: Trace) -> str:
    places = (("caller", "in the caller"), ("thread", "in threads"), ("process", "in processes"))
    ran = [
        f"{n} {where} ({counted(trace.n_chunks_by(place), 'chunk')})"
        for place, where in places
        if (n := trace.n_items_by(place))
    ]
    return ", ".join(ran) or "nothing"


def _achieved(trace: Trace) -> str:
    times = "in the loop" if trace.speedup is None else f"{trace.speedup:.2f} x"
    n = trace.n_cores or 1
    cores = "one core" if n == 1 else f"{n} usable cores"
    return (
        f"{seconds(trace.loop_s)} of items in {seconds(trace.makespan_s)}, {times}; "
        f"{trace.busy_share:.0%} of {cores} busy with items"
    )
