"""`explain()` says what a call measured, chose and achieved; each number is the trace's own."""

import contextlib
import os
import re
import signal

import pytest
from witness import MANY_CORES, compute

from amorsize import autotune
from amorsize._profiles.memory_store import last_trace
from amorsize.explanation import Explanation
from amorsize.policy.actions import Plan
from amorsize.policy.profile import Profile
from amorsize.policy.trace import ChunkTrace, Trace


def spend(item):
    compute(1e-3)
    return item


def rows(tuned):
    return tuned.explain().rows()


def row(tuned, heading):
    return [text for found, text in rows(tuned) if found == heading]


def test_before_the_first_call_there_is_nothing_to_tell():
    """A sentence, and no plan. It holds after a call without items and while a stream lasts."""
    tuned = autotune(lambda item: item)
    told = "<lambda>: no call with items has ended in this process yet."

    assert str(tuned.explain()) == told
    assert rows(tuned) == []
    assert tuned.plan is None
    assert tuned([]) == []
    assert str(tuned.explain()) == told
    with contextlib.closing(tuned.stream(range(9))) as results:
        assert next(results) == 0
        assert str(tuned.explain()) == told
    assert str(tuned.explain()) != told


@pytest.mark.parametrize("backend", ["auto", "serial", "thread", "process"])
def test_every_item_is_accounted_for(backend):
    """The places in the text add up to the items of the call."""
    tuned = autotune(spend, backend=backend)

    tuned(range(150))

    (ran,) = row(tuned, "ran")
    assert sum(int(n) for n in re.findall(r"(\d+) in ", ran)) == 150
    trace = last_trace(spend)
    assert sum(chunk.n_items for chunk in trace.chunks) == trace.n_items == 150
    assert str(tuned.explain()).startswith("spend: 150 items in ")


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.cores
def test_a_shared_call_says_what_was_chosen_and_why():
    """Cost, backend, the reason for it, what was rejected, and the plan."""
    tuned = autotune(spend)
    tuned.forget()
    tuned(range(300))

    text, plan = str(tuned.explain()), tuned.plan
    assert "holding the GIL" in text
    assert f"{plan.n_jobs} worker processes, {plan.chunksize} items in a full chunk" in text
    assert row(tuned, "rejected") == ["threads: the items hold the GIL"]
    assert any("process - " in why for why in row(tuned, "why"))
    assert "nothing from earlier calls" in text
    (measured,) = row(tuned, "measured")
    cost, unit = re.match(r"([\d.]+) (\S+) an item", measured).groups()
    shown_s = float(cost) * {"s": 1, "ms": 1e-3, "us": 1e-6}[unit]
    assert shown_s == pytest.approx(last_trace(spend).profile.traits.item_s, rel=0.01)


def test_the_loop_says_so():
    """Cheap items: the caller ran them all, and that was the choice."""

    def cheap(item):
        return item + 1

    tuned = autotune(cheap)
    tuned(list(range(20_000)))

    assert row(tuned, "chosen") == ["the loop, in the caller"]
    assert row(tuned, "ran")[0].startswith("20000 in the caller")


def test_a_second_call_says_what_it_started_from():
    """Remembered, and whether it fitted."""
    tuned = autotune(spend)
    tuned(range(100))
    tuned(range(100))

    assert row(tuned, "remembered") == ["what an earlier call learned, and it fits"]


def test_repeated_items_are_counted(tmp_path):
    """Items that ran again after a worker died stand in the text, with their number."""
    marker = tmp_path / "died"

    def dies_once(item):
        if item == 7 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    tuned = autotune(dies_once, backend="process", chunksize=1)
    tuned(range(30))

    assert row(tuned, "repeated") == ["1 item ran again: results were lost in a worker"]


def test_in_a_notebook_it_is_a_table():
    """HTML, with what the function is called escaped."""

    def shape(item):
        return item

    shape.__name__ = "<b>shape"
    tuned = autotune(shape)
    tuned([1, 2, 3])

    html = tuned.explain()._repr_html_()
    assert html.count("<tr>") == len(rows(tuned)) > 2
    assert "&lt;b&gt;shape: 3 items" in html
    assert "<b>shape" not in html


def test_a_failed_call_is_explained_as_well():
    """What it did until an item failed."""

    def fails(item):
        if item == 50:
            raise ValueError(item)
        return item

    tuned = autotune(fails)
    with pytest.raises(ValueError, match="50"):
        tuned(list(range(100)))

    assert str(tuned.explain()).startswith("fails: 50 items in ")


# -- what was achieved -------------------------------------------------------------------------


def chunk(backend, wall_s, cpu_s, *, worker=0, run_delay_s=0.0, now_s=1.0, n_items=10):
    return ChunkTrace(
        worker=worker,
        backend=backend,
        n_items=n_items,
        wall_s=wall_s,
        cpu_s=cpu_s,
        now_s=now_s,
        run_delay_s=run_delay_s,
    )


def trace_of(*chunks, waits=False):
    profile = Profile.of(
        backend="thread",
        n_jobs=6,
        chunksize=1,
        item_s=1e-3,
        item_cpu_s=1e-3,
        spread_log=None,
        pickle_s=None,
        warmup_s=0.0,
        holds_gil=None,
        waits=waits,
        n_items=60,
    )
    return Trace(
        name="f",
        n_items=sum(one.n_items for one in chunks),
        makespan_s=1.0,
        n_cores=2,
        plan=Plan(backend="thread", n_jobs=6, chunksize=1),
        profile=profile,
        known=None,
        known_from=None,
        known_fits=None,
        notes=(),
        chunks=chunks,
        n_started=dict.fromkeys({one.backend for one in chunks} - {"caller"}, 1),
        n_repeated=0,
        rejected=(),
        warnings=(),
    )


def test_threads_in_each_others_way_achieve_what_they_computed():
    """Six that each took a second of two cores achieve two, not six."""
    crowded = [chunk("thread", 1.0, 2 / 6, worker=n) for n in range(6)]

    assert trace_of(*crowded).speedup == pytest.approx(2.0)


def test_workers_without_a_core_achieve_what_they_would_have_taken_with_one():
    """What the kernel says others had of their time is left out."""
    starved = [chunk("process", 1.0, 0.5, worker=n, run_delay_s=0.5) for n in range(3)]

    assert trace_of(*starved).speedup == pytest.approx(1.5)


def test_items_that_wait_achieve_their_waiting():
    """Six at once, each for a second."""
    waiting = [chunk("thread", 1.0, 0.01, worker=n) for n in range(6)]

    assert trace_of(*waiting, waits=True).speedup == pytest.approx(6.0)


def test_what_items_wait_for_is_told_from_those_that_ran_alone():
    """The caller's first items computed for half of their time: so do all."""
    alone = chunk("caller", 0.2, 0.1, worker=-1, now_s=0.2)
    crowded = [chunk("thread", 0.7, 0.2, worker=n, now_s=1.0) for n in range(2)]

    assert trace_of(alone, *crowded).loop_s == pytest.approx(0.2 + 2 * 0.4)


def test_a_loop_achieves_no_speedup_and_no_slowdown():
    """What a first call loads is told as its makespan, and is no factor."""
    trace = trace_of(chunk("caller", 1e-3, 1e-3, worker=-1))

    assert trace.speedup is None
    assert "in the loop" in str(Explanation("f", trace))
    assert " x;" not in str(Explanation("f", trace))
