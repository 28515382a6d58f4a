"""What to try next, as far as the trace of a call tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.policy.counted import counted
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.policy.trace import Trace

#: If other programs had the cores for this share of the items' time, a plan cannot be judged.
BUSY_SHARE = 0.1
#: In a call shorter than this, in seconds, nobody would notice another plan.
SHORT_S = 0.05
#: From this share of an item's time on, sending is worth making cheaper.
SENDING_SHARE = 0.2
#: From this share of a call on, the end in which workers are idle is worth shortening.
TAIL_SHARE = 0.15


def advice(trace: Trace) -> list[str]:
    """Sentences, the most important first; one that says so where nothing stands out."""
    found = list(_found(trace))
    if found:
        return found
    return [
        "Nothing stands out. f.tune(items) measures other plans on purpose; "
        "history.save('name', f) keeps this call, to be compared with a later one."
    ]


def _found(trace: Trace) -> Iterator[str]:
    yield from _of_the_cores(trace)
    if trace.makespan_s < SHORT_S and not trace.warnings:
        yield (
            f"The whole call took {seconds(trace.makespan_s)}: too short for workers to save "
            "anything. Pass more items in one call rather than few in many."
        )
        return
    yield from _of_rejections(trace)
    yield from _of_deaths(trace)
    yield from _of_costs(trace)
    yield from _of_the_end(trace)


def _of_the_cores(trace: Trace) -> Iterator[str]:
    delayed_s = sum(chunk.run_delay_s for chunk in trace.chunks)
    if trace.work_s and delayed_s > BUSY_SHARE * trace.work_s:
        yield (
            f"Other programs had the cores for {delayed_s / trace.work_s:.0%} of the items' time. "
            "Figures of a quieter machine say more about the plan."
        )


def _of_rejections(trace: Trace) -> Iterator[str]:
    for reason in trace.rejected:
        what, _, why = reason.partition(": ")
        if what == "threads and processes":
            yield (
                f"All items stayed in the caller: {why}. If that does no harm, pass "
                "thread_safe=True or backend='process'; else return what was found instead."
            )
        elif what == "processes" and trace.plan.backend != "process":
            yield f"Processes were ruled out: {why}."


def _of_deaths(trace: Trace) -> Iterator[str]:
    deaths = [one for one in trace.worker_events if one.what == "died"]
    if deaths:
        ways = ", ".join(dict.fromkeys(one.why or "an unknown end" for one in deaths))
        again = counted(trace.n_repeated, "item")
        yield (
            f"{counted(len(deaths), 'worker')} ended with items in hand ({ways}), and {again} ran "
            "again. After signal 9, look at the memory that items take; max_worker_memory= "
            "replaces workers that grow. retries=0 forbids running an item again."
        )


def _of_costs(trace: Trace) -> Iterator[str]:
    if trace.profile is None:
        return
    traits = trace.profile.traits
    sending = traits.pickle_s or 0.0
    if trace.plan.backend == "process" and sending > SENDING_SHARE * traits.item_s:
        yield (
            f"To send an item and its result takes {seconds(sending)}, beside "
            f"{seconds(traits.item_s)} of work. Send less: a path instead of what is in the file, "
            "a summary instead of a table."
        )
    n_workers = sum(trace.n_started.values())
    if n_workers and traits.warmup_s * 4 > trace.makespan_s:
        yield (
            f"Each new worker takes {seconds(traits.warmup_s)} more for its first item. A longer "
            "call pays that once; `with amorsize.workers():` keeps new interpreters for the calls "
            "within."
        )


def _of_the_end(trace: Trace) -> Iterator[str]:
    """What the last workers did while others had nothing left."""
    last: dict[int, float] = {}
    for chunk in trace.chunks:
        if chunk.worker >= 0:
            last[chunk.worker] = max(last.get(chunk.worker, 0.0), chunk.now_s)
    if len(last) < 2 or any(one.what in ("died", "retired") for one in trace.worker_events):
        return
    idle_s = sum(max(last.values()) - one for one in last.values()) / len(last)
    if idle_s > TAIL_SHARE * trace.makespan_s:
        yield (
            f"At the end, workers waited {seconds(idle_s)} on average for the last of them. Items "
            "that take long belong at the front of the data."
        )
