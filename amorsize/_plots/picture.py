"""Pictures as texts that a page can hold: drawn for wide windows, again for narrow ones."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from amorsize._plots import canvas
from amorsize.policy.frozen_record import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

#: Inches of the picture for wide windows, and for those below 640 pixels.
WIDE, NARROW = 8.6, 4.5
#: Of what is drawn as pixels: many bars.
DPI = 160
#: So that one picture is the same text each time.
SALT = "amorsize"


class Picture(Value):
    """A picture in two widths, with what it shows in words."""

    alt: str
    wide: str  # a data: address
    narrow: str


def picture(draw: Callable[[canvas.Sheet], Axes], alt: str) -> Picture:
    """Draw something for both widths.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return Picture(alt=alt, wide=address(draw, WIDE), narrow=address(draw, NARROW))


def address(draw: Callable[[canvas.Sheet], Axes], width: float) -> str:
    """A picture of so many inches as a data: address."""
    from io import BytesIO

    matplotlib, file = canvas.load(), BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": SALT, "svg.fonttype": "path"}):
        figure: Any = draw(canvas.Sheet(width)).figure
        figure.savefig(file, format="svg", dpi=DPI, bbox_inches="tight", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{b64encode(file.getvalue()).decode()}"
