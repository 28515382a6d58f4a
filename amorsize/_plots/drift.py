"""Draws what an item cost from call to call, with the changes that were noticed."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from amorsize._plots import canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from amorsize.policy.trace import CallCost

#: From this factor between the least and the largest cost on, the scale is logarithmic.
LOG_FROM = 5.0
#: Changes that are told in words; all have their line.
MOST_LISTED = 8


def plot(costs: Sequence[CallCost], name: str, place: Axes | canvas.Sheet | None = None) -> Axes:
    """Draw the cost of an item over calls, with the spread within each."""
    if not costs:
        ax = canvas.axes(place, 1.6, left=0.2)
        canvas.say(ax, f"{canvas.shortened(name)}: no call in this process has measured its items")
        return ax
    ax = canvas.axes(place, 3.2, left=0.85, bottom=0.16)
    factor, unit = canvas.unit_of(max(one.item_s for one in costs))
    ax.plot(
        range(1, len(costs) + 1),
        [one.item_s * factor for one in costs],
        color=canvas.GREY,
        linewidth=0.9,
        zorder=2,
    )
    for backend in dict.fromkeys(one.backend for one in costs):
        _draw_backend(ax, costs, backend, factor)
    _draw_changes(ax, costs)
    largest, least = (bound(one.item_s for one in costs) for bound in (max, min))
    if least > 0 and largest / least > LOG_FROM:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, ax.get_ylim()[1])
    ax.set_xlim(0.5, len(costs) + 0.5)
    canvas.whole_numbers(ax.xaxis)
    ax.set_xlabel("call in this process" + (", the latest" if len(costs) >= 100 else ""))
    ax.set_ylabel(f"cost of an item ({unit})")
    canvas.bare(ax)
    canvas.title(ax, f"{canvas.shortened(name)}: cost of an item from call to call")
    return ax


def _draw_backend(ax: Axes, costs: Sequence[CallCost], backend: str, factor: float) -> None:
    """The calls that ended with this backend: their means, with the spread of their chunks."""
    own = [(number, one) for number, one in enumerate(costs, 1) if one.backend == backend]
    means = [one.item_s * factor for _, one in own]
    spreads = [one.spread_log or 0.0 for _, one in own]
    ax.errorbar(
        [number for number, _ in own],
        means,
        yerr=(
            [mean * (1 - exp(-spread)) for mean, spread in zip(means, spreads, strict=True)],
            [mean * (exp(spread) - 1) for mean, spread in zip(means, spreads, strict=True)],
        ),
        linestyle="none",
        marker=canvas.MARKERS.get(backend, "D"),
        markersize=5,
        color=canvas.COLOURS.get(backend, canvas.OTHER),
        elinewidth=1,
        label={"serial": "in the loop"}.get(backend, f"with {backend} workers"),
        zorder=3,
    )


def _draw_changes(ax: Axes, costs: Sequence[CallCost]) -> None:
    found = [(number, one) for number, call in enumerate(costs, 1) for one in call.drifts]
    for place, (number, one) in enumerate(found):
        label = "change noticed" if place == 0 else None
        ax.axvline(number, color=canvas.DARK, linestyle=":", linewidth=1, label=label, zorder=1)
        if place < MOST_LISTED:
            ax.annotate(
                f"{one.what} x {one.factor:.2g}",
                (number, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -2 - 10 * (place % 3)),
                textcoords="offset points",
                va="top",
                fontsize=canvas.SMALL - 0.5,
                color=canvas.DARK,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
            )
