"""What all pictures share: axes to draw on, colours, units of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._host import extras

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: By where items run. Printed in grey they differ as well: the darkest is the caller.
COLOURS = {"caller": "#16324a", "process": "#2f7ebc", "thread": "#d9822b", "serial": "#16324a"}
#: Backends that another library brings.
OTHER = "#6a7f3f"
MARKERS = {"caller": "s", "serial": "s", "process": "o", "thread": "^"}
DARK, GREY, FAINT = "#222222", "#777777", "#dddddd"
#: Inches: 720 pixels at 100 an inch. At 600 pixels, letters are still 10 pixels high.
WIDTH = 7.2
SMALL, NORMAL = 8.5, 10.0
#: Inches of an entry of the legend.
ENTRY = 1.5
#: Inches of a line of the legend, of the title.
LINE, HEADING = 0.2, 0.42
#: Marks axes that have a figure of their own, of pyplot or on a page.
OWN, ON_SHEET = "amorsize", "amorsize on a page"


def load() -> Any:
    """matplotlib.

    Raises:
        MissingExtraError: It is not installed.
    """
    return extras.load("matplotlib", extra="plot", need="pictures need")


class Sheet:
    """Room for a picture on a page, whose heading stands above it."""

    def __init__(self, width: float) -> None:
        self.width = width  # inches


def axes(place: Axes | Sheet | None, height: float, *, left: float, **margins: float) -> Axes:
    """What to draw on: axes that were given, or those of a new figure.

    Args:
        place: The caller's axes; a sheet for a figure that no window shows; None for one of pyplot.
        height: Of a new figure, in inches.
        left: What its labels need, in inches.
        margins: The other margins, as shares of it.
    """
    load()
    if place is not None and not isinstance(place, Sheet):
        return place
    own: Axes
    if place is None:
        from matplotlib import pyplot

        width = WIDTH
        figure, own = pyplot.subplots(figsize=(width, height))
        own.set_gid(OWN)
    else:
        from matplotlib.figure import Figure

        width = place.width
        figure = Figure(figsize=(width, height))
        own = figure.add_subplot()
        own.set_gid(ON_SHEET)
    figure.subplots_adjust(**{"left": left / width, "right": 1 - 0.2 / width, **margins})
    return own


def below(ax: Axes, ratio: float, pad: float, *, share_x: bool) -> Axes:
    """Further axes that take their room from the bottom of these.

    Args:
        ax: What gives room; where it is part of a grid, its cell is parted, so that layout engines
            know of both.
        ratio: Of their heights.
        pad: Between them, in inches.
        share_x: Whether both have one scale from left to right.
    """
    more: dict[str, Any] = {"sharex": ax} if share_x else {}
    cell = ax.get_subplotspec()
    own: Axes
    if cell is None:
        from mpl_toolkits.axes_grid1 import make_axes_locatable

        size = f"{100 * ratio:.0f}%"
        own = make_axes_locatable(ax).append_axes("bottom", size=size, pad=pad, **more)
        return own
    height = ax.get_window_extent().height / ax.figure.dpi
    hspace = pad / max(0.1, (height - pad) / 2)
    rows = cell.subgridspec(2, 1, height_ratios=(1, ratio), hspace=hspace)
    ax.set_subplotspec(rows[0])
    own = ax.figure.add_subplot(rows[1], **more)
    return own


def bare(ax: Axes) -> None:
    """Draw no frame but the two axes, with small letters."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
    ax.tick_params(labelsize=SMALL, color=GREY, length=3)
    ax.xaxis.label.set_fontsize(SMALL + 0.5)
    ax.yaxis.label.set_fontsize(SMALL + 0.5)


def width_of(ax: Axes) -> float:
    """Inches between the left and the right of the axes."""
    return float(ax.get_window_extent().width / ax.figure.dpi)


def whole_numbers(axis: Any, n_most: int = 8) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=n_most, integer=True, min_n_ticks=1))


def title(ax: Axes, text: str) -> None:
    """A line above the picture with the legend below it; a sheet has its heading elsewhere."""
    n_columns = max(2, int(width_of(ax) / ENTRY))
    n_entries = len(ax.get_legend_handles_labels()[0])
    if n_entries:
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
    above = LINE * -(-n_entries // n_columns)
    if ax.get_gid() in (OWN, ON_SHEET):
        ax.figure.subplots_adjust(top=1 - (above + HEADING) / height_of(ax))
    if ax.get_gid() != ON_SHEET:
        pad = 72 * above + 8
        ax.set_title(text, loc="left", fontsize=NORMAL, fontweight="bold", color=DARK, pad=pad)


def height_of(ax: Axes) -> float:
    """Inches of the whole figure."""
    return float(ax.figure.bbox.height / ax.figure.dpi)


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
