"""Draws a tuning: how many times quicker than the loop each plan was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from amorsize._plots import canvas
from amorsize.report import plan_in_short
from amorsize.tuning.configuration import FAILED, NOT_MEASURED, TIMED_OUT, Configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from amorsize.tuning.figures import Figures

#: From so many jobs on, their scale is logarithmic.
LOG_FROM = 16
#: Cells of the map that have their number written in them.
MOST_NUMBERS = 120
#: Inches below which a line of text is broken.
NARROW = 5.0
#: Rows of the map that all have their label.
LABELLED = 16


def plot(result: Figures, place: Axes | canvas.Sheet | None = None) -> Axes:
    """Draw a tuning; the axes of speed-up by `n_jobs`, below which is the map with `chunksize`."""
    plans = plans_of(result)
    timed = [one for one in plans if math.isfinite(one.time_s) and one.time_s > 0]
    name = canvas.shortened(result.function or "the function")
    if not timed or not 0 < result.serial_time < math.inf:
        ax = canvas.axes(place, 1.6, left=0.2)
        what = "the loop was not measured to its end" if timed else "no plan was measured"
        canvas.say(ax, f"{name}: {what}")
        return ax
    n_rows = len({one.chunksize for one in plans})
    map_height = 0.7 + min(3.2, 0.26 * n_rows)
    height = 3.6 + map_height
    ax = canvas.axes(place, height, left=0.9, right=0.93, bottom=0.5 / height)
    share = map_height / (2.1 + map_height)
    cells = canvas.below(ax, share / (1 - share), 0.75, share_x=False)
    _draw_speedups(ax, result, timed)
    _draw_map(cells, result, plans)
    decided = "" if result.is_decided else " (too noisy to decide)"
    best = plan_in_short(result.backend, result.best_n_jobs, result.best_chunksize)
    canvas.title(ax, f"{name}: best is {best}, speed-up {result.best_speedup:.3g}{decided}")
    return ax


def is_drawable(result: Figures) -> bool:
    """Whether there is anything that a picture could show."""
    timed = any(math.isfinite(one.time_s) and one.time_s > 0 for one in plans_of(result))
    return timed and 0 < result.serial_time < math.inf


def in_words(result: Figures) -> str:
    """What the picture of a tuning shows, for those who do not see it."""
    timed = [one for one in plans_of(result) if math.isfinite(one.time_s) and one.time_s > 0]
    jobs = sorted({one.n_jobs for one in timed})
    return (
        f"Speed-up over the loop of {len(timed)} plans with {jobs[0]} to {jobs[-1]} jobs. The best "
        f"is {plan_in_short(result.backend, result.best_n_jobs, result.best_chunksize)}, with "
        f"{result.best_speedup:.2f} x. Below, a map over n_jobs and chunksize; the table has the "
        "numbers."
    )


def plans_of(result: Figures) -> list[Configuration]:
    """All that were to be measured but the loop, of a result made by hand as well."""
    if result.configurations:
        return [one for one in result.configurations if one.backend != "serial"]
    return [
        Configuration(
            backend=result.executor_type, n_jobs=n_jobs, chunksize=chunksize, time_s=time_s
        )
        for (n_jobs, chunksize), time_s in result.all_results.items()
    ]


def _draw_speedups(ax: Axes, result: Figures, timed: Sequence[Configuration]) -> None:
    """For each number of jobs the best plan with its interval; the others are faint."""
    serial_s = result.serial_time
    numbers = sorted({1, *(one.n_jobs for one in timed)})
    ax.plot(numbers, numbers, color=canvas.GREY, linestyle="--", linewidth=0.9, label="ideal")
    ax.axhline(1, color=canvas.GREY, linewidth=0.9, linestyle=":", label="the loop")
    for backend in dict.fromkeys(one.backend for one in timed):
        own = [one for one in timed if one.backend == backend]
        best = [
            min((one for one in own if one.n_jobs == n), key=lambda one: one.time_s)
            for n in sorted({one.n_jobs for one in own})
        ]
        colour, sign = canvas.COLOURS.get(backend, canvas.OTHER), canvas.MARKERS.get(backend, "D")
        look: dict[str, Any] = {"color": colour, "marker": sign}
        others = [one for one in own if one not in best]
        ax.plot(*_points(others, serial_s), **look, alpha=0.35, markersize=4, linestyle="none")
        jobs, ups = _points(best, serial_s)
        lows = [serial_s / (one.high_s or one.time_s) for one in best]
        highs = [serial_s / (one.low_s or one.time_s) for one in best]
        ax.errorbar(
            jobs,
            ups,
            yerr=(
                [up - low for up, low in zip(ups, lows, strict=True)],
                [high - up for up, high in zip(ups, highs, strict=True)],
            ),
            **look,
            markersize=6,
            linewidth=1.4,
            elinewidth=1,
            capsize=3,
            label=f"{backend}, best chunksize, 95 %",
        )
    _scale_jobs(ax, numbers)
    highest = max(serial_s / (one.low_s or one.time_s) for one in timed)
    ax.set_ylim(0, max(1.2, min(highest * 1.6, max(highest * 1.15, numbers[-1] * 1.05))))
    ax.set_ylabel("speed-up (loop / plan)")
    ax.set_xlabel("n_jobs (items at once)")
    canvas.bare(ax)


def _points(plans: Sequence[Configuration], serial_s: float) -> tuple[list[int], list[float]]:
    return [one.n_jobs for one in plans], [serial_s / one.time_s for one in plans]


def _scale_jobs(ax: Axes, numbers: Sequence[int]) -> None:
    if numbers[-1] > LOG_FROM:
        ax.set_xscale("log", base=2)
        ax.minorticks_off()
    step = -(-len(numbers) // LABELLED)
    shown = numbers[::-1][::step][::-1]
    ax.set_xticks(shown, [str(n) for n in shown])


def _draw_map(ax: Axes, result: Figures, plans: Sequence[Configuration]) -> None:
    """A cell for each pair: how dark it is says how quick the best backend was there."""
    jobs = sorted({one.n_jobs for one in plans})
    sizes = sorted({one.chunksize for one in plans})
    best: dict[tuple[int, int], Configuration] = {}
    for one in plans:
        cell = (jobs.index(one.n_jobs), sizes.index(one.chunksize))
        if cell not in best or one.time_s < best[cell].time_s:
            best[cell] = one
    ups = [
        [_speedup(result, best.get((x, y))) for x in range(len(jobs))] for y in range(len(sizes))
    ]
    highest = max(up for row in ups for up in row if up == up)
    image = ax.imshow(ups, aspect="auto", cmap="Blues", vmin=0, vmax=highest * 1.2, origin="lower")
    ax.set_facecolor(canvas.FAINT)
    has_numbers = len(jobs) * len(sizes) <= MOST_NUMBERS
    is_mixed = len({one.backend for one in plans}) > 1
    if has_numbers:
        for (x, y), one in best.items():
            _write_cell(ax, x, y, one, ups[y][x], highest, is_mixed=is_mixed)
    else:
        bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.015, 0, 0.025, 1)))
        bar.ax.tick_params(labelsize=canvas.SMALL)
    _frame_winner(ax, result, jobs, sizes)
    ax.set_xticks(range(len(jobs)), [str(n) for n in jobs])
    step = -(-len(sizes) // LABELLED)
    ax.set_yticks(range(0, len(sizes), step), [str(size) for size in sizes[::step]])
    ax.set_xlabel("n_jobs (items at once)")
    ax.set_ylabel("chunksize (items)")
    canvas.bare(ax)
    told = ["frame: best"]
    told += ["grey: not measured"] if any(up != up for row in ups for up in row) else []
    told += ["p: processes, t: threads"] if is_mixed and has_numbers else []
    ax.set_title(
        "speed-up by n_jobs and chunksize"
        + ("\n" if canvas.width_of(ax) < NARROW else " ")
        + f"({'; '.join(told)})",
        loc="left",
        fontsize=canvas.SMALL,
        color=canvas.DARK,
        pad=4,
    )


def _speedup(result: Figures, one: Configuration | None) -> float:
    if one is None or not math.isfinite(one.time_s) or one.time_s <= 0:
        return math.nan
    return result.serial_time / one.time_s


def _write_cell(
    ax: Axes, x: int, y: int, one: Configuration, up: float, highest: float, *, is_mixed: bool
) -> None:
    text = {FAILED: "failed", TIMED_OUT: "too slow", NOT_MEASURED: ""}.get(one.status)
    if up == up:
        text = f"{up:.2f}" + (f" {one.backend[0]}" if is_mixed else "")
    colour = "white" if up == up and up > 0.75 * highest else canvas.DARK
    ax.text(x, y, text or "", ha="center", va="center", fontsize=canvas.SMALL - 1, color=colour)


def _frame_winner(ax: Axes, result: Figures, jobs: Sequence[int], sizes: Sequence[int]) -> None:
    if result.best_n_jobs not in jobs or result.best_chunksize not in sizes:
        return
    from matplotlib.patches import Rectangle

    if result.backend != "serial":
        x, y = jobs.index(result.best_n_jobs), sizes.index(result.best_chunksize)
        frame = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=2)
        frame.set_label("best")
        ax.add_patch(frame)
