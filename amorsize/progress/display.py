"""Where the progress of a call is shown."""

from __future__ import annotations

import sys

from amorsize._host.signals import in_words, reraise_from_handler
from amorsize.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Display(Protocol):
        """A place where progress is shown, again and again."""

        first_s: float  # since the call began: what is over sooner shows nothing
        every_s: float
        is_users: bool  # it runs code of the user's, which belongs into the calling thread

        def show(self, progress: Progress) -> None:
            """Show a progress in place of the last one."""

        def end(self, progress: Progress) -> None:
            """Show it for the last time."""


def chosen() -> Display | None:
    """The display for whoever sees stderr; None where nobody does, or another call has it."""
    if _is_notebook():
        from amorsize.progress.notebook import Widget

        return Widget(sys.modules["IPython"].display.display)
    stream = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return None
    from amorsize.progress.terminal import TerminalLine, is_taken, is_terminal

    if not is_terminal(stream):
        return LineAMinute(stream)
    return None if is_taken() else TerminalLine(stream)


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class LineAMinute:
    """Lines in a log, or in a pipe: few of them, and none of a call that is soon over."""

    first_s = every_s = 60.0
    is_users = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._has_shown = False

    def show(self, progress: Progress) -> None:
        """Write a line."""
        self._has_shown = True
        text = str(progress).encode(getattr(self._stream, "encoding", None) or "utf-8", "replace")
        self._stream.write(f"{text.decode(self._stream.encoding or 'utf-8')}\n")
        self._stream.flush()

    def end(self, progress: Progress) -> None:
        """Write how it ended, if anything was written before."""
        if self._has_shown:
            self.show(progress)


class Callback:
    """A function of the user's, which is given each progress.

    Args:
        function: What to call.
        warn: Callback once if it fails: no result is lost for that.
        name: Of what is mapped, for that warning.
    """

    first_s = every_s = 0.1
    is_users = True

    def __init__(
        self, function: Callable[[Progress], object], warn: Callable[[str], None], name: str
    ) -> None:
        self._function: Callable[[Progress], object] | None = function
        self._warn, self._name = warn, name

    def show(self, progress: Progress) -> None:
        """Call it, unless it has failed before."""
        if self._function is None:
            return
        try:
            self._function(progress)
        except Exception as error:
            reraise_from_handler(error)
            self._function = None
            self._warn(
                f"progress= of {self._name} raised {in_words(error)}. It is not called again."
            )

    def end(self, progress: Progress) -> None:
        """Call it once more."""
        self.show(progress)
