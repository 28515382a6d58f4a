"""Draws saved results in the order in which they were saved, with the changes between them."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from amorsize._plots import canvas
from amorsize.history.compare import compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from amorsize.history.result import Figure, Saved

#: What can be drawn, in words.
WORDS = {"total": "time of the whole", "loop": "time of the loop", "item": "cost of an item"}
#: From this factor between the least and the largest time on, the scale is logarithmic.
LOG_FROM = 20.0
#: Results that all have their name below them.
LABELLED = 16
#: Names that fit beside each other.
UPRIGHT = 6
SIGNS = ("o", "^", "s", "D", "v", "P")
COLOURS = ("#16324a", "#d9822b", "#2f7ebc", "#6a7f3f", "#8c5a9e", "#777777")


def plot(results: Sequence[Saved], what: str, place: Axes | None = None) -> Axes:
    """Draw these results by the time that they were saved."""
    shown = [one for one in sorted(results, key=lambda one: one.saved_at_s) if _time(one, what)]
    if not shown:
        ax = canvas.axes(place, 1.6, left=0.2)
        canvas.say(ax, "there is no saved result that has such a time")
        return ax
    ax = canvas.axes(place, 3.8, left=0.85, bottom=0.27)
    times = [_time(one, what) for one in shown]
    factor, unit = canvas.unit_of(max(times))
    functions = list(dict.fromkeys(one.function for one in shown))
    for number, function in enumerate(functions):
        own = [(x, one) for x, one in enumerate(shown) if one.function == function]
        _draw_function(ax, own, what, factor, number)
        _draw_changes(ax, own, what, number % 3)
    if max(times) / min(times) > LOG_FROM:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, ax.get_ylim()[1] * 1.12)
    _label(ax, shown)
    ax.set_ylabel(f"{WORDS[what]} ({unit})")
    canvas.bare(ax)
    canvas.title(ax, f"saved results: {WORDS[what]}")
    return ax


def _figures(one: Saved, what: str) -> list[Figure]:
    return [figure for figure in one.figures if figure.what == what and figure.time_s]


def _time(one: Saved, what: str) -> float:
    figure = one.figure(what)
    return (figure.time_s or 0.0) if figure is not None else 0.0


def _draw_function(
    ax: Axes, own: Sequence[tuple[int, Saved]], what: str, factor: float, number: int
) -> None:
    """The results of one function: single runs are faint, means have their interval."""
    colour, sign = COLOURS[number % len(COLOURS)], SIGNS[number % len(SIGNS)]
    runs = [
        (x, (run.time_s or 0.0) * factor)
        for x, one in own
        if one.n_added > 1
        for run in _figures(one, what)
    ]
    if runs:
        ax.plot(
            [x for x, _ in runs],
            [y for _, y in runs],
            linestyle="none",
            marker=sign,
            markersize=4,
            alpha=0.4,
            color=colour,
            label="single results" if number == 0 else None,
        )
    means = [one.figure(what) for _, one in own]
    times = [(mean.time_s or 0.0) * factor for mean in means if mean is not None]
    lows = [_bound(mean, mean.low_s, factor) for mean in means if mean is not None]
    highs = [_bound(mean, mean.high_s, factor) for mean in means if mean is not None]
    ax.errorbar(
        [x for x, _ in own],
        times,
        yerr=(
            [max(0.0, at - low) for at, low in zip(times, lows, strict=True)],
            [max(0.0, high - at) for at, high in zip(times, highs, strict=True)],
        ),
        color=colour,
        marker=sign,
        markersize=6,
        linewidth=1.1,
        elinewidth=1,
        capsize=3,
        label=f"{canvas.shortened(own[0][1].function, 28)}, 95 %",
    )


def _bound(mean: Figure, bound_s: float | None, factor: float) -> float:
    return (bound_s if bound_s is not None else mean.time_s or 0.0) * factor


def _draw_changes(ax: Axes, own: Sequence[tuple[int, Saved]], what: str, number: int) -> None:
    """A line between two results where the second is another beyond the noise."""
    n_found = 0
    for (x, before), (other_x, after) in pairwise(own):
        changes = compared(before, after).changes
        factor = _time(after, what) / _time(before, what)
        if not changes or not changes[0].exceeds_noise:
            continue
        n_found += 1
        middle = (x + other_x) / 2
        is_first = "change beyond the noise" not in ax.get_legend_handles_labels()[1]
        ax.axvline(
            middle,
            color=canvas.DARK,
            linestyle=":",
            linewidth=1,
            label="change beyond the noise" if is_first else None,
        )
        ax.annotate(
            f"x {factor:.2f}",
            (middle, 1),
            xycoords=("data", "axes fraction"),
            xytext=(2, -2 - 11 * (n_found % 2) - 22 * number),
            textcoords="offset points",
            va="top",
            fontsize=canvas.SMALL - 0.5,
            color=canvas.DARK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )


def _label(ax: Axes, shown: Sequence[Saved]) -> None:
    """Names and days below the results; where they are many, names aslant and the first day."""
    days = [time.strftime("%Y-%m-%d", time.localtime(min(one.saved_at_s, 4e9))) for one in shown]
    names = [canvas.shortened(one.name, 18) for one in shown]
    ax.set_xlim(-0.5, len(shown) - 0.5)
    if len(shown) <= UPRIGHT:
        ax.set_xticks(range(len(shown)), [f"{a}\n{b}" for a, b in zip(names, days, strict=True)])
        ax.set_xlabel("saved result, in order of time")
        return
    places = list(range(0, len(shown), -(-len(shown) // LABELLED)))
    look: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(places, [names[place] for place in places], **look)
    ax.set_xlabel(f"saved result, in order of time, from {days[0]} to {days[-1]}")
