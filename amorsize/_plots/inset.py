"""A picture beside the text that a notebook shows of something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize._plots import picture
from amorsize.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from amorsize._plots.canvas import Sheet

#: Inches; 600 pixels and a little.
WIDTH = 6.4


def image(draw: Callable[[Sheet], Axes], alt: str) -> str:
    """The picture as HTML; a line that says how to get it where matplotlib is not installed."""
    from html import escape

    try:
        address = picture.address(draw, WIDTH)
    except MissingExtraError:
        return "<p><small>pip install 'amorsize[plot]' adds a picture here.</small></p>"
    return f"<p><img src='{address}' alt='{escape(alt)}' style='max-width:100%'></p>"
