"""What all pictures share: axes to draw on, colours, units of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: By where items run. Printed in grey they differ as well: the darkest is the caller.
COLOURS = {"caller": "#16324a", "process": "#2f7ebc", "thread": "#d9822b", "serial": "#16324a"}
#: Backends that another library brings.
OTHER = "#6a7f3f"
MARKERS = {"caller": "s", "serial": "s", "process": "o", "thread": "^"}
DARK, GREY, FAINT = "#222222", "#777777", "#dddddd"
#: Inches: 720 pixels at 100 a inch. At 600 pixels, letters are still 10 high.
WIDTH = 7.2
SMALL, NORMAL = 8.5, 10.0


def load() -> Any:
    """matplotlib.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError(
            "pictures need matplotlib, which is not installed: pip install 'amorsize[plot]'"
        ) from error
    return matplotlib


def axes(ax: Axes | None, height: float, **margins: float) -> Axes:
    """What to draw on: what was given, or the axes of a new figure of pyplot.

    Args:
        ax: Of the caller.
        height: Of a new figure, in inches.
        margins: Of a new figure, as shares of it.
    """
    load()
    if ax is not None:
        return ax
    from matplotlib import pyplot

    own: Axes
    figure, own = pyplot.subplots(figsize=(WIDTH, height))
    figure.subplots_adjust(**{"left": 0.15, "right": 0.97, **margins})
    return own


def below(ax: Axes, size: str, pad: float, *, share_x: bool) -> Axes:
    """Further axes that take their room from the bottom of these."""
    from mpl_toolkits.axes_grid1 import make_axes_locatable

    more: dict[str, Any] = {"sharex": ax} if share_x else {}
    own: Axes = make_axes_locatable(ax).append_axes("bottom", size=size, pad=pad, **more)
    return own


def bare(ax: Axes) -> None:
    """No frame but the two axes, and small letters."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
    ax.tick_params(labelsize=SMALL, color=GREY, length=3)
    ax.xaxis.label.set_fontsize(SMALL + 0.5)
    ax.yaxis.label.set_fontsize(SMALL + 0.5)


def whole_numbers(axis: Any, n_most: int = 8) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=n_most, integer=True, min_n_ticks=1))


def title(ax: Axes, text: str, *, pad: float = 8.0) -> None:
    """A line above the picture, at its left; a name that is too long is cut in its middle."""
    ax.set_title(text, loc="left", fontsize=NORMAL, fontweight="bold", color=DARK, pad=pad)


def say(ax: Axes, text: str) -> None:
    """A sentence in place of a picture, where there is nothing to draw."""
    ax.set_axis_off()
    ax.text(
        *(0.5, 0.5),
        text,
        ha="center",
        va="center",
        fontsize=NORMAL,
        color=DARK,
        transform=ax.transAxes,
        wrap=True,
    )


def shortened(name: str, most: int = 40) -> str:
    """A name that fits into a title: the middle of a long one is left out, and `$` is plain."""
    if len(name) > most:
        name = f"{name[: most // 2]}...{name[-(most // 2 - 3) :]}"
    return name.replace("$", r"\$")


def unit_of(longest_s: float) -> tuple[float, str]:
    """What to multiply seconds with, and the unit that they then have."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if longest_s * factor >= 1:
            return factor, unit
    return 1e9, "ns"


def legend_above(ax: Axes, n_columns: int = 4) -> None:
    """The legend between the title and the picture, in lines."""
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=n_columns,
        frameon=False,
        fontsize=SMALL - 0.5,
        borderaxespad=0.3,
        handlelength=1.4,
        columnspacing=1.2,
    )
