"""Draws the timeline of a call: what each worker did, with the cores that were busy below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._plots import canvas
from amorsize._plots.timeline_rows import N_BINS, Row, Timeline, timeline_of
from amorsize.policy.counted import counted
from amorsize.report import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from amorsize.policy.trace import Trace

#: Of the distance between two rows.
BAR_HEIGHT = 0.78
#: The same for hatched ones, each of which is a pattern of its own there.
MANY_HATCHED = 30
#: Bars up to which there is room for a line between them.
FEW_BARS = 400
#: A part of a bar below this share of its height is left out.
LEAST_SHARE = 0.02
#: Rows that all have their label.
LABELLED = 18
#: Bars from which on they are drawn as pixels in a file of vectors.
MANY_SHAPES = 600
#: What the time of a bar went to: its place in `shares`, how strong that is drawn, its label.
TONES = ((0, 1.0, ""), (2, 0.35, ": waiting"))


def height_of(timeline: Timeline) -> float:
    """Inches for a picture with so many rows."""
    return 2.5 + min(4.9, 0.26 * len(timeline.rows))


def plot(trace: Trace | None, name: str, place: Axes | canvas.Sheet | None = None) -> Axes:
    """Draw a call; the axes of the workers, below which are those of the cores."""
    if trace is None or not trace.chunks:
        ax = canvas.axes(place, 1.6, left=0.2)
        what = (
            "no call with items has ended in this process yet"
            if trace is None
            else "no item was run"
        )
        canvas.say(ax, f"{canvas.shortened(name)}: {what}")
        return ax
    timeline = timeline_of(trace)
    height = height_of(timeline)
    ax = canvas.axes(place, height, left=1.1, bottom=0.5 / height)
    cores = canvas.below(ax, 0.38 if len(timeline.rows) < 6 else 0.22, 0.12, share_x=True)
    factor, unit = canvas.unit_of(timeline.makespan_s)
    _draw_rows(ax, timeline, factor)
    _draw_decisions(ax, trace, factor)
    _draw_cores(cores, timeline, factor)
    ax.set_xlim(0, timeline.makespan_s * factor)
    ax.tick_params(labelbottom=False)
    cores.set_xlabel(f"time since the call began ({unit})")
    canvas.title(ax, _headline(trace))
    return ax


def in_words(trace: Trace) -> str:
    """What the picture of a call shows, for those who do not see it."""
    shown = timeline_of(trace)
    words = [
        f"Timeline of a call of {seconds(trace.makespan_s)}: what the caller and "
        f"{counted(shown.n_workers, 'worker')} did, one row each.",
        f"On average {sum(shown.busy) / len(shown.busy):.1f} cores computed"
        + ("." if trace.n_cores is None else f", of {trace.n_cores} that may be used."),
    ]
    if n_dead := sum(one.what == "died" for one in trace.worker_events):
        words.append(f"{counted(n_dead, 'worker')} died.")
    return " ".join(words)


def _headline(trace: Trace) -> str:
    times = "" if trace.speedup is None else f", speed-up {trace.speedup:.2g}"
    ran = f"{counted(trace.n_items, 'item')} in {seconds(trace.makespan_s)}"
    return f"{canvas.shortened(trace.name)}: {ran}{times}"


def _draw_rows(ax: Axes, timeline: Timeline, factor: float) -> None:
    n_bars = sum(len(row.bars) for row in timeline.rows)
    is_many = n_bars > MANY_SHAPES
    for backend in dict.fromkeys(row.backend for row in timeline.rows):
        colour = canvas.COLOURS.get(backend, canvas.OTHER)
        of_backend = [(y, row) for y, row in enumerate(timeline.rows) if row.backend == backend]
        for part, alpha, label in TONES:
            look = {"facecolor": colour, "alpha": alpha, "label": f"{backend}{label}"}
            if n_bars <= FEW_BARS:  # then each can be told from the next
                look |= {"edgecolor": "white", "linewidth": 0.4}
            _add_shapes(ax, _shapes(of_backend, part, factor), rasterized=is_many, **look)
    kept = _shapes(list(enumerate(timeline.rows)), 1, factor)
    look = {"facecolor": "#f4f4f4", "edgecolor": "#a2a2a2", "hatch": "---"}
    _add_shapes(ax, kept, rasterized=is_many, label="others had the core", **look)
    _draw_starts(ax, timeline, factor)
    _draw_marks(ax, timeline, factor)
    n_rows = len(timeline.rows)
    ax.set_ylim(n_rows - 0.5, -0.5)
    shown = range(n_rows) if n_rows <= LABELLED else range(0, n_rows, -(-n_rows // LABELLED))
    ax.set_yticks(list(shown), [timeline.rows[y].label for y in shown])
    if timeline.is_shared:
        ax.set_ylabel(f"{timeline.n_workers} workers in {counted(n_rows, 'row')}")
    canvas.bare(ax)


Shape = list[tuple[float, float]]


def _shapes(rows: list[tuple[int, Row]], part: int, factor: float) -> list[Shape]:
    """Rectangles as high as the share of its time that a bar spent in one way, stacked."""
    found = []
    for y, row in rows:
        for bar in row.bars:
            shares = bar.shares
            if shares[part] < LEAST_SHARE:
                continue
            low = y + BAR_HEIGHT * (0.5 - sum(shares[:part]))
            span = (bar.begun_s * factor, bar.ended_s * factor)
            found.append(_rectangle(span, low, low - BAR_HEIGHT * shares[part]))
    return found


def _rectangle(span: tuple[float, float], low: float, high: float) -> Shape:
    left, right = span
    return [(left, low), (right, low), (right, high), (left, high)]


def _add_shapes(ax: Axes, shapes: list[Shape], **look: Any) -> None:
    from matplotlib.collections import PolyCollection

    if "hatch" in look and len(shapes) > MANY_HATCHED:
        look["rasterized"] = True
    if shapes:
        ax.add_collection(PolyCollection(shapes, **{"linewidth": 0, **look}), autolim=False)


def _draw_starts(ax: Axes, timeline: Timeline, factor: float) -> None:
    for what, label, look in (
        ("starts", "starting", {"edgecolor": canvas.GREY, "hatch": "/////"}),
        ("warmups", "warm-up", {"edgecolor": canvas.DARK, "hatch": "xxxx"}),
    ):
        shapes = [
            _rectangle((begun_s * factor, ended_s * factor), y + BAR_HEIGHT / 2, y - BAR_HEIGHT / 2)
            for y, row in enumerate(timeline.rows)
            for begun_s, ended_s in getattr(row, what)
        ]
        _add_shapes(ax, shapes, facecolor="none", linewidth=0.6, label=label, **look)


def _draw_marks(ax: Axes, timeline: Timeline, factor: float) -> None:
    signs = (("died", "X", "worker died"), ("retired", "s", "worker replaced"))
    for what, sign, label in (*signs, ("retried", "^", "items run again")):
        found = [
            (mark.now_s * factor, y)
            for y, row in enumerate(timeline.rows)
            for mark in row.marks
            if mark.what == what
        ]
        if found:
            ax.plot(
                [x for x, _ in found],
                [y for _, y in found],
                linestyle="none",
                marker=sign,
                markersize=7,
                color="white",
                markeredgecolor="black",
                markeredgewidth=1.2,
                label=label,
                clip_on=False,
                zorder=5,
            )


def _draw_decisions(ax: Axes, trace: Trace, factor: float) -> None:
    """A sign at the top where something was decided, and where a change was noticed."""
    decided = [note.now_s for note in trace.notes if note.what != "drift"]
    for label, times, sign in (
        ("decision", decided, "v"),
        ("change noticed", [one.now_s for one in trace.drifts], "D"),
    ):
        if times:
            ax.plot(
                [now_s * factor for now_s in times],
                [-0.5] * len(times),
                linestyle="none",
                marker=sign,
                markersize=5,
                color=canvas.DARK,
                label=label,
                clip_on=False,
                zorder=6,
            )


def _draw_cores(ax: Axes, timeline: Timeline, factor: float) -> None:
    edges = [timeline.makespan_s * factor * number / N_BINS for number in range(N_BINS + 1)]
    ax.stairs(timeline.busy, edges, fill=True, color=canvas.GREY, label="cores computing")
    ax.stairs(timeline.running, edges, color=canvas.DARK, linewidth=0.9, label="items at once")
    highest = max(*timeline.running, *timeline.busy, 1.0)
    if timeline.n_cores is not None:
        ax.axhline(timeline.n_cores, color=canvas.DARK, linestyle="--", linewidth=0.9)
        highest = max(highest, timeline.n_cores)
        ax.annotate(
            f"{timeline.n_cores} usable",
            (1, timeline.n_cores),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize=canvas.SMALL - 1,
            color=canvas.DARK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )
    ax.set_ylim(0, highest * 1.3)
    ax.set_ylabel("cores busy\n(line: items\nat once)")
    canvas.whole_numbers(ax.yaxis, 4)
    canvas.bare(ax)
