"""The rows of a timeline follow from the trace of a call, and are bounded."""

import pytest
import traces

from amorsize._plots.timeline_rows import MANY_BARS, MOST_ROWS, N_BINS, apart, timeline_of


def test_workers_that_come_one_after_the_other_share_rows():
    """A thousand that are replaced each second do with as few rows as there were at once."""
    timeline = timeline_of(traces.short_lived(1000))

    assert len(timeline.rows) == 2
    assert timeline.n_workers == 1000


def test_each_worker_of_few_has_a_row_of_its_own():
    """The caller first, also where another began earlier."""
    timeline = timeline_of(traces.two_workers())

    assert [row.label for row in timeline.rows] == ["caller", "process 0", "process 1", "process 2"]


def test_cores_add_up_to_what_was_computed():
    """Whatever the steps are that they are counted in."""
    call = traces.two_workers()
    timeline = timeline_of(call)

    step_s = call.makespan_s / N_BINS
    assert sum(timeline.busy) * step_s == pytest.approx(call.busy_s)
    assert sum(timeline.running) * step_s == pytest.approx(call.work_s)


def test_many_chunks_become_few_bars():
    """20 000 chunks are drawn as some 4000 bars, without a second or an item getting lost."""
    trace = traces.many_workers(MOST_ROWS, n_chunks=320)

    rows = timeline_of(trace).rows

    bars = [bar for row in rows for bar in row.bars]
    assert len(bars) <= 1.5 * MANY_BARS
    assert sum(bar.n_items for bar in bars) == trace.n_items
    assert sum(bar.wall_s for bar in bars) == pytest.approx(trace.work_s)


def test_reports_that_came_together_are_set_apart():
    """A worker runs one chunk after the other, whenever the caller had time to listen."""
    late = [traces.chunk(0, 2.0, 1.0), traces.chunk(0, 1.5, 1.5)]

    bars = apart(late)

    assert [(bar.begun_s, bar.ended_s) for bar in bars] == [(0.5, 1.5), (1.5, 3.0)]
