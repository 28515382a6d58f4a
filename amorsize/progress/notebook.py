"""A widget in a notebook, which stays there as it was in the end."""

from __future__ import annotations

from html import escape

from amorsize.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Widget:
    """An output of the cell that is replaced again and again; ipywidgets is not needed."""

    first_s, every_s = 0.5, 0.25
    is_users = False

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display  # IPython's, which is there before we are
        self._handle: Any = None

    def show(self, progress: Progress) -> None:
        """Put it below the cell, or in the place of the one that is there."""
        if self._handle is None:
            self._handle = self._display(Shown(progress), display_id=True)
        else:
            self._handle.update(Shown(progress))

    def end(self, progress: Progress) -> None:
        """Leave the last one there, if there was any."""
        if self._handle is not None:
            self.show(progress)


class Shown:
    """A progress as notebooks show it, and as text elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __repr__(self) -> str:
        return str(self._progress)

    def _repr_html_(self) -> str:
        progress = self._progress
        label, share = escape(f"{progress.name}: progress", quote=True), progress.done_share
        value = "" if share is None else f' value="{share:.3f}"'
        bar = (
            ""
            if progress.is_over
            else f'<progress max="1"{value} aria-label="{label}"></progress> '
        )
        return f"<div>{bar}{escape(str(progress))}</div>"
