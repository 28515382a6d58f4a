"""Pictures show what was recorded: tested by what is drawn where, never by pixels."""

import math
import subprocess
import sys
from itertools import pairwise

import pytest
import traces
from conftest import ROOT

from amorsize import InvalidOptionError, TuningResult, UnknownResultError, autotune, history
from amorsize._plots import canvas
from amorsize._plots.timeline_rows import timeline_of
from amorsize.explanation import Explanation
from amorsize.history.result import Figure, Saved
from amorsize.policy.evidence.drift import Drift
from amorsize.policy.trace import CallCost
from amorsize.tuning.configuration import FAILED, NOT_MEASURED, Configuration

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def _no_window():
    from matplotlib import pyplot

    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def texts(ax):
    """All that can be read in axes and those that came with them."""
    from matplotlib.text import Text

    every = [found for one in ax.figure.axes for found in one.findobj(Text)]
    return [found.get_text() for found in every if found.get_text() and found.get_visible()]


def entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def labelled(ax, label):
    """What was drawn under an entry of the legend."""
    every = [*ax.get_children(), *ax.containers]
    (found,) = [one for one in every if one.get_label() == label]
    return found


def boxes(ax, label):
    """The rectangles of an entry: left, right, low, high."""
    paths = [path.vertices for path in labelled(ax, label).get_paths()]
    return [
        (min(v[:, 0]), max(v[:, 0]), max(v[:, 1]), min(v[:, 1])) for v in paths
    ]  # y grows downwards


# -- a call ------------------------------------------------------------------------------------


def test_each_worker_has_a_row():
    """The caller first; its bars are where its chunks were."""
    ax = Explanation("parse", traces.two_workers()).plot()

    rows = [text.get_text() for text in ax.get_yticklabels()]
    assert rows == ["caller", "process 0", "process 1", "process 2"]
    ((left, right, low, high),) = boxes(ax, "caller")
    assert (left, right) == pytest.approx((0.0, 1.0))
    assert low > 0 > high
    spans = [
        (left, right, round((low + high) / 2)) for left, right, low, high in boxes(ax, "process")
    ]
    assert [span[:2] for span in spans] == [(2, 5), (5, 9), (2, 4), (6, 10)]
    assert ax.get_xlim() == (0, 10)


def test_the_height_of_a_bar_is_what_its_time_went_to():
    """Computing at the bottom, then what others had of the core, then waiting."""
    ax = Explanation("parse", traces.two_workers()).plot()

    heights = {
        label: [round(low - high, 3) for _, _, low, high in boxes(ax, label)]
        for label in ("process", "process: waiting", "others had the core")
    }
    assert heights["process"] == [0.78, 0.39, 0.585, 0.78]
    assert heights["process: waiting"] == [0.39]
    assert heights["others had the core"] == [0.195]


def test_starts_deaths_and_what_ran_again_are_marked():
    """Each at its time, in the row of its worker."""
    ax = Explanation("parse", traces.two_workers()).plot()

    assert [box[:2] for box in boxes(ax, "starting")] == [(1, 2), (1.2, 2), (5.2, 6)]
    assert [box[:2] for box in boxes(ax, "warm-up")] == [(2, 2.5), (2, 2.5), (6, 6.5)]
    assert labelled(ax, "worker died").get_xydata().tolist() == [[5.0, 2.0]]
    assert labelled(ax, "items run again").get_xydata().tolist() == [[6.0, 3.0]]
    assert labelled(ax, "decision").get_xydata().tolist() == [[0.5, -0.5]]


def test_cores_are_counted_below():
    """What computed at each time, beside the cores that may be used; axes have their units."""
    ax = Explanation("parse", traces.two_workers()).plot()

    cores = ax.figure.axes[-1]
    computing, at_once = (one.get_data() for one in cores.patches)
    step = len(computing.values) / 10  # a second
    by_second = [
        sum(computing.values[int(s * step) : int((s + 1) * step)]) / step for s in range(10)
    ]
    assert by_second == pytest.approx([1, 0, 1.75, 1.75, 1, 0.5, 1.5, 1.5, 1.5, 1])
    assert max(at_once.values) == pytest.approx(2)
    assert cores.get_xlabel() == "time since the call began (s)"
    assert "2 usable" in texts(ax)
    assert cores.get_xlim() == ax.get_xlim()


def test_the_title_says_what_it_took():
    ax = Explanation("parse", traces.two_workers()).plot()

    assert ax.get_title(loc="left").startswith("parse: 50 items in 10 s, speed-up 1.")


@pytest.mark.parametrize("n_items", [0, 1, 3000])
def test_a_real_loop_is_drawn(n_items):
    """An empty call, a single item, a serial loop: nothing fails, nothing is left out."""

    def same(item):
        return item

    tuned = autotune(same, backend="serial")
    tuned(list(range(n_items)))
    ax = tuned.explain().plot()

    if n_items == 0:
        assert any("no item was run" in text or "no call with items" in text for text in texts(ax))
    else:
        assert [text.get_text() for text in ax.get_yticklabels()] == ["caller"]


def test_a_function_that_was_never_called_says_so():
    ax = autotune(lambda item: item).explain().plot()

    assert texts(ax) == ["<lambda>: no call with items has ended in this process yet"]


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_a_real_call_with_workers_is_drawn(backend):
    """Rows are the workers of the trace, and their bars add up to its items."""

    def same(item):
        return item

    tuned = autotune(same, backend=backend, n_jobs=2, chunksize=5)
    tuned(range(60))
    trace = tuned.explain().trace
    ax = tuned.explain().plot()

    rows = timeline_of(trace).rows
    assert sum(bar.n_items for row in rows for bar in row.bars) == 60
    assert [text.get_text() for text in ax.get_yticklabels()] == [row.label for row in rows]


def test_sixty_four_workers_stay_readable():
    """A row each, and labels for no more of them than fit."""
    ax = Explanation("fetch", traces.many_workers(64)).plot()

    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert ax.get_ylim() == (63.5, -0.5)
    assert 10 <= len(labels) <= 18
    assert ax.figure.get_size_inches()[1] <= 8


def test_workers_that_come_one_after_the_other_share_rows():
    """A thousand that are replaced each second do with as few rows as there were at once."""
    ax = Explanation("grow", traces.short_lived(1000)).plot()
    assert ax.get_ylabel() == "1000 workers in 2 rows"
    assert len(labelled(ax, "worker replaced").get_xdata()) == 1000


def test_a_picture_goes_where_it_is_told():
    """`ax=` of the caller is what is returned, and no other figure is made."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2)

    assert Explanation("parse", traces.two_workers()).plot(ax=left) is left
    assert result().plot(ax=right) is right
    assert len(figure.axes) == 4
    assert pyplot.get_fignums() == [figure.number]


@pytest.mark.parametrize("layout", ["constrained", "tight", None])
def test_a_picture_keeps_to_its_cell(layout):
    """Whichever engine places the axes, both parts are within, and above each other."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 6), layout=layout)
    Explanation("parse", traces.two_workers()).plot(ax=left)
    result().plot(ax=right)
    figure.canvas.draw()

    for ax, part in ((left, figure.axes[2]), (right, figure.axes[3])):
        above, below = ax.get_position(), part.get_position()
        assert above.y0 > below.y1
        assert (above.x0, above.x1) == pytest.approx((below.x0, below.x1))
        box = part.get_tightbbox()
        assert layout is None or box.y0 >= 0


def test_axes_outside_of_a_grid_are_drawn_on():
    """Those that were placed by hand, and those of a figure within a figure."""
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(10, 5))
    inner, _ = figure.subfigures(1, 2)
    by_hand = figure.add_axes((0.6, 0.2, 0.35, 0.5))

    for ax in (inner.subplots(), by_hand):
        assert Explanation("parse", traces.two_workers()).plot(ax=ax) is ax
    figure.canvas.draw()
    assert len(figure.axes) == 4


def test_names_are_no_formulas_and_fit():
    """A `$` is a `$`, and a long name leaves its middle out."""
    ax = Explanation("x", traces.two_workers(name="$" + "long_" * 40 + "$")).plot()
    ax.figure.canvas.draw()

    assert len(ax.get_title(loc="left")) < 90


def test_colours_are_told_apart_in_grey():
    """By how light they are, the caller's, those of processes and those of threads."""
    from matplotlib.colors import to_rgb

    def lightness(colour):
        red, green, blue = to_rgb(colour)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = sorted(lightness(canvas.COLOURS[one]) for one in ("caller", "process", "thread"))
    assert all(other - one > 0.1 for one, other in pairwise(shades))


def test_without_matplotlib_the_extra_is_named():
    """What to install stands in the error; the package itself does without."""
    script = """
import sys
sys.modules["matplotlib"] = None
from amorsize import MissingExtraError, autotune
tuned = autotune(len)
tuned(["a"])
assert "matplotlib" in sys.modules and not sys.modules["matplotlib"]
try:
    tuned.explain().plot()
except MissingExtraError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "pip install 'amorsize[plot]'" in told.stdout


# -- a tuning ----------------------------------------------------------------------------------


def plan(n_jobs, chunksize, time_s, backend="process", **more):
    return Configuration(
        backend=backend,
        n_jobs=n_jobs,
        chunksize=chunksize,
        time_s=time_s,
        **{"low_s": time_s * 0.9, "high_s": time_s * 1.2, "n_runs": 3, **more},
    )


def result(*plans, **more):
    plans = plans or (plan(1, 10, 8.4), plan(2, 10, 5.0), plan(2, 100, 4.0), plan(4, 10, 2.0))
    best = min(plans, key=lambda one: one.time_s)
    fields = {
        "best_n_jobs": best.n_jobs,
        "best_chunksize": best.chunksize,
        "best_time": best.time_s,
        "best_speedup": 8.0 / best.time_s,
        "serial_time": 8.0,
        "configurations_tested": len(plans) + 1,
        "all_results": {},
        "configurations": plans,
        "best_backend": best.backend,
        "function": "parse",
    }
    return TuningResult(**{**fields, **more})


def test_a_tuning_shows_speedup_by_jobs_with_intervals():
    """The best chunksize of each, with 95 % to both sides, beside the ideal."""
    ax = result().plot()

    bars = labelled(ax, "process, best chunksize, 95 %")
    line, _, (errors,) = bars.lines
    assert line.get_xydata().tolist() == [[1, pytest.approx(8 / 8.4)], [2, 2], [4, 4]]
    (_, low), (_, high) = errors.get_segments()[2]
    assert (low, high) == pytest.approx((8 / 2.4, 8 / 1.8))
    assert labelled(ax, "ideal").get_ydata().tolist() == [1, 2, 4]
    assert ax.get_xlabel() == "n_jobs (items at once)"
    assert ax.get_ylabel() == "speed-up (loop / plan)"
    assert ax.get_title(loc="left") == "parse: best is process x 4, 10 a chunk, speed-up 4"


def test_the_map_has_a_cell_for_each_pair():
    """With its number; what was not measured is empty, what failed says so; the best is framed."""
    ax = result(
        plan(2, 10, 4.0),
        plan(2, 100, math.inf, status=FAILED),
        plan(4, 10, 2.0),
        plan(4, 100, math.inf, status=NOT_MEASURED),
    ).plot()
    cells = ax.figure.axes[-1]

    (image,) = cells.images
    shown = image.get_array()
    assert shown[0].tolist() == [2.0, 4.0]
    assert shown.mask[1].all()
    assert sorted(text.get_text() for text in cells.texts if text.get_text()) == [
        "2.00",
        "4.00",
        "failed",
    ]
    (frame,) = [one for one in cells.patches if one.get_label() == "best"]
    assert frame.get_xy() == (0.5, -0.5)
    assert [text.get_text() for text in cells.get_yticklabels()] == ["10", "100"]


def test_two_backends_are_told_apart():
    """By colour, by sign and in each cell of the map by a letter."""
    ax = result(plan(2, 10, 4.0), plan(2, 10, 3.0, backend="thread"), plan(4, 10, 2.0)).plot()

    signs = {
        backend: labelled(ax, f"{backend}, best chunksize, 95 %").lines[0].get_marker()
        for backend in ("process", "thread")
    }
    assert signs["process"] != signs["thread"]
    assert {text.get_text() for text in ax.figure.axes[-1].texts} == {"2.67 t", "4.00 p"}


def test_many_plans_get_a_scale_instead_of_numbers():
    """Fourteen chunksizes by ten numbers of jobs."""
    plans = [plan(2**n, 3**m, 8.0 / (n + m + 1)) for n in range(10) for m in range(14)]
    ax = result(*plans).plot()

    _, cells, *others = ax.figure.axes
    assert not cells.texts
    assert others or cells.child_axes
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"serial_time": math.inf}, "the loop was not measured to its end"),
        ({"configurations": (), "all_results": {}}, "no plan was measured"),
    ],
)
def test_a_tuning_without_figures_says_so(more, text):
    assert texts(result(**more).plot()) == [f"parse: {text}"]


def test_a_result_made_by_hand_is_drawn():
    """From the times by n_jobs and chunksize alone."""
    ax = result(configurations=(), all_results={(2, 10): 4.0, (4, 10): 2.0}).plot()

    line = labelled(ax, "process, best chunksize, 95 %").lines[0]
    assert line.get_xydata().tolist() == [[2, 2], [4, 4]]


# -- saved results -----------------------------------------------------------------------------


def saved(name, day, *times, function="parse"):
    return Saved(
        name=name,
        kind="call",
        function=function,
        code="x",
        saved_at_s=1.79e9 + 86_400 * day,
        note="",
        n_items=1000,
        backend="process",
        n_jobs=2,
        chunksize=10,
        figures=tuple(Figure(what="total", time_s=time_s) for time_s in times),
        machine={},
        result={},
    )


def test_saved_results_are_drawn_in_order_of_time():
    """With single results, means and the change that exceeds the noise."""
    before, after = saved("before", 0, 2.0, 2.1, 1.9), saved("after", 1, 1.0, 1.02, 0.98)
    ax = history.plot([after, before])

    line = labelled(ax, "parse, 95 %").lines[0]
    assert line.get_xdata().tolist() == [0, 1]
    assert line.get_ydata().tolist() == pytest.approx([2.0, 1.0], rel=0.01)
    assert len(labelled(ax, "single results").get_xdata()) == 6
    assert list(labelled(ax, "change beyond the noise").get_xdata()) == [0.5, 0.5]
    assert "x 0.50" in texts(ax)
    assert [text.get_text().split("\n")[0] for text in ax.get_xticklabels()] == ["before", "after"]
    assert ax.get_ylabel() == "time of the whole (s)"


def test_what_is_within_the_noise_is_not_marked():
    ax = history.plot([saved("a", 0, 2.0, 2.1, 1.9), saved("b", 1, 2.05, 2.0, 1.95)])

    assert "change beyond the noise" not in entries(ax)


def test_results_of_other_functions_are_other_lines():
    """No change is told between what cannot be compared."""
    ax = history.plot([saved("a", 0, 2, 2.1, 1.9), saved("b", 1, 0.1, 0.11, 0.1, function="load")])

    assert {"parse, 95 %", "load, 95 %"} <= set(entries(ax))
    assert "change beyond the noise" not in entries(ax)


def test_saved_results_are_found_by_name():
    """One name, several, or all there are; one that is not there is an error."""
    tuned = autotune(len)
    tuned(["a", "bb"])
    history.save("first", tuned)
    history.save("second", tuned)

    assert (
        len(history.plot().get_xticks()) == len(history.plot(["first", "second"]).get_xticks()) == 2
    )
    assert len(history.plot("first").get_xticks()) == 1
    with pytest.raises(UnknownResultError, match="Nearest: 'first'"):
        history.plot(["firts"])
    with pytest.raises(InvalidOptionError, match="'total', 'loop', 'item'"):
        history.plot(what="speed")


def test_no_saved_result_says_so():
    assert texts(history.plot([])) == ["there is no saved result that has such a time"]


def test_many_saved_results_have_few_labels():
    """Thirty are all drawn; every second has its name."""
    ax = history.plot([saved(f"run {day}", day, 2.0) for day in range(30)])

    assert len(labelled(ax, "parse, 95 %").lines[0].get_xdata()) == 30
    assert len(ax.get_xticks()) == 15


# -- drift -------------------------------------------------------------------------------------


def cost(item_s, *drifts, backend="process"):
    return CallCost(
        n_items=10,
        item_s=item_s,
        spread_log=math.log(1.5),
        backend=backend,
        ended_at_s=1.79e9,
        drifts=drifts,
    )


def test_cost_from_call_to_call_with_what_was_noticed():
    """Means with their spread, by backend; a line where a change was noticed."""
    twice = Drift(now_s=0.1, what="cost", factor=2.0, n_chunks=9)
    costs = (cost(2e-3, backend="serial"), cost(2e-3), cost(4e-3, twice))
    ax = Explanation("parse", traces.two_workers(costs=costs)).plot_drift()

    line, _, (errors,) = labelled(ax, "with process workers").lines
    assert line.get_xydata().tolist() == [[2, 2], [3, 4]]
    (_, low), (_, high) = errors.get_segments()[1]
    assert (low, high) == pytest.approx((4 / 1.5, 6))
    assert list(labelled(ax, "change noticed").get_xdata()) == [3, 3]
    assert "cost x 2" in texts(ax)
    assert ax.get_ylabel() == "cost of an item (ms)"


def test_real_calls_are_remembered():
    """Each call of this process is a point; another function has its own."""

    def same(item):
        return item

    tuned = autotune(same, backend="thread", n_jobs=2)
    for _ in range(3):
        tuned(range(20))

    costs = tuned.explain().trace.costs
    assert len(costs) == 3
    assert costs[-1].item_s == tuned.explain().trace.profile.traits.item_s
    assert autotune(lambda item: item).explain().trace is None


def test_without_calls_there_is_no_cost_to_draw():
    ax = Explanation("parse", None).plot_drift()

    assert texts(ax) == ["parse: no call in this process has measured its items"]


# -- pictures of the documentation -------------------------------------------------------------


@pytest.mark.parametrize("name", ["call", "tuning"])
def test_pictures_of_the_pages_are_of_what_was_recorded(name, tmp_path):
    """Each says from which record it was drawn; it can be drawn again, and stays small."""
    from benchmarks import pictures

    source = {"call": pictures.CALL, "tuning": pictures.TUNING}[name]
    pictures.draw_all(tmp_path)
    for place in (pictures.PLACE, tmp_path):
        text = (place / f"{name}.svg").read_text(encoding="utf-8")
        assert f"{source.name} {pictures.digest(source)}" in text
        assert len(text) < 300_000
