"""What `explain()` returns: the last call of a function in words, as a picture, or as a page."""

from __future__ import annotations

from amorsize import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from pathlib import Path

    from matplotlib.axes import Axes

    from amorsize.policy.trace import Trace


class Explanation:
    """How the last call of a function went: print it, plot it, or save it as a page.

    Example:
        >>> area = autotune(lambda side: side * side)
        >>> area.explain()
        <lambda>: no call with items has ended in this process yet.
        >>> area(range(1000))[-1]
        998001
        >>> print(area.explain())
        <lambda>: 1000 items in ...
        measured ...
    """

    def __init__(self, name: str, trace: Trace | None) -> None:
        self.name, self.trace = name, trace

    def rows(self) -> list[tuple[str, str]]:
        """Headings, with the text under each."""
        return [] if self.trace is None else list(report.rows(self.trace))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw what each worker did, and how many cores were busy.

        Each worker has a row, the caller too; a bar stands for a chunk. The dark part of its height
        is the share of its time in which items computed. Signs mark decisions, deaths and
        items that ran again.

        Args:
            ax: Where to draw; None for a new figure of pyplot.

        Returns:
            The axes of the workers; those of the cores come after them in their figure.

        Raises:
            MissingExtraError: matplotlib is not installed: `pip install 'amorsize[plot]'`.
        """
        from amorsize._plots import timeline

        return timeline.plot(self.trace, self.name, ax)

    def plot_drift(self, *, ax: Axes | None = None) -> Axes:
        """Draw what an item cost in this process's latest calls, and which changes were noticed.

        Calls that were the plain loop at once, because they were known to take under 1 ms, are not
        among them.

        Args:
            ax: Where to draw; None for a new figure of pyplot.

        Raises:
            MissingExtraError: matplotlib is not installed: `pip install 'amorsize[plot]'`.
        """
        from amorsize._plots import drift

        return drift.plot(() if self.trace is None else self.trace.costs, self.name, ax)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all that is known of the call as one page, to be opened in a browser.

        It has the decisions with their reasons, the picture of `plot`, tables of workers and
        chunks, the machine, and what to try next. It needs no network, and has 2 MB at most.

        Args:
            path: Where to write the page; it ends with .html or .htm.

        Returns:
            The path of the page.

        Raises:
            InvalidOptionError: The path has another ending.
            MissingExtraError: An extra is not installed: `pip install 'amorsize[plot]'`.
            OSError: It cannot be written.
        """
        from amorsize._page import call_page, page

        return page.write(call_page.page_of(self.trace, self.name), page.check_path(path))

    def __str__(self) -> str:
        if self.trace is None:
            return f"{self.name}: no call with items has ended in this process yet."
        return "\n".join([report.headline(self.trace), *report.aligned(self.rows())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        if self.trace is None:
            return f"<p>{escape(str(self))}</p>"
        trace, head = self.trace, escape(report.headline(self.trace))
        text = f"<p><b>{head}</b></p>{report.html_table(self.rows())}"
        if not trace.chunks:
            return text
        from amorsize._plots import inset, timeline

        drawn = inset.image(
            lambda at: timeline.plot(trace, self.name, at), timeline.in_words(trace)
        )
        return f"{text}{drawn}"
