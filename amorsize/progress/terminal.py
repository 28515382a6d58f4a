"""One line at the bottom of a terminal.

It is written over itself, in one piece and only where it differs, so that it does not flicker. What
a program prints meanwhile takes its place, and the line is drawn again below: the `write` of stdout
and of stderr is ours for so long. Workers that were forked have it as well.
"""

from __future__ import annotations

import _thread
import os
import sys

from amorsize._host.signals import reraise_from_handler
from amorsize.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: To the first column, and delete what is there.
ERASE = "\r\x1b[K"
#: Columns where the terminal does not tell how many it has.
USUAL_COLUMNS = 80

#: The call that has the terminal; others show nothing.
_owner: TerminalLine | None = None
#: Streams that a program writes to beside stdout and stderr, which may be the same terminal.
watched: list[Any] = []


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal in which a line can be written over."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM", "") != "dumb"
    except (AttributeError, ValueError):  # it is closed, or somebody's own
        return False


def is_taken() -> bool:
    """Whether another call shows a line."""
    return _owner is not None


class TerminalLine:
    """The line of one call, which has the terminal to itself until its end."""

    first_s, every_s = 0.5, 0.2
    is_users = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lock = _thread.allocate_lock()
        self._hooks: list[_Hook] = []
        self._shown = ""
        self._has_shown = False
        #: The last text on the terminal is ours: whoever writes has to delete it.
        self.covers = False
        #: Whether the last text of other code ended a line.
        self.is_at_start = True
        self.pid = os.getpid()
        self._begin()

    def show(self, progress: Progress) -> None:
        """Draw the line, unless other code has begun one or this program is in the background."""
        if (
            not self.is_at_start
            or not self._is_in_front()
            or not self._lock.acquire(blocking=False)
        ):
            return
        try:
            text = self._encodable(progress.line(self._n_columns() - 1))
            if text != self._shown or not self.covers:
                self._shown, self._has_shown = text, True
                self.covers = True  # before it is: Ctrl-C may come as soon as it is to be seen
                self._write(f"\r{text}\x1b[K")
        finally:
            self._lock.release()

    def end(self, progress: Progress) -> None:
        """Leave the last line there, and the streams as they were."""
        global _owner
        try:
            if self._has_shown:
                begin = (ERASE if self.covers else "") if self.is_at_start else "\n"
                self.covers = False
                line = self._encodable(progress.line(self._n_columns() - 1))
                self._write(f"{begin}{line}\n")
        finally:
            for hook in self._hooks:
                hook.remove()
            self._hooks.clear()
            if _owner is self:
                _owner = None

    def _begin(self) -> None:
        """See from here on whether others have begun a line."""
        global _owner
        _owner = self
        for stream in (self._stream, sys.stdout, *watched):
            if stream is not None and is_terminal(stream) and (hook := _Hook.on(stream, self)):
                self._hooks.append(hook)

    def _write(self, text: str) -> None:
        write = self._hooks[0].write_through if self._hooks else self._stream.write
        write(text)
        self._stream.flush()

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "replace").decode(encoding)

    def _n_columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or USUAL_COLUMNS
        except (AttributeError, OSError, ValueError) as error:
            reraise_from_handler(error)
            return USUAL_COLUMNS

    def _is_in_front(self) -> bool:
        """Whether this program is in the foreground, so that it may write to the terminal."""
        try:
            return os.tcgetpgrp(self._stream.fileno()) == os.getpgrp()
        except (AttributeError, OSError, ValueError) as error:
            reraise_from_handler(error)
            return True  # not the terminal that we were started from, which nobody else has


class _Hook:
    """Stands in for the `write` of a stream, and deletes the line before others' text.

    It is an attribute of the stream itself, which stays the same object.
    """

    def __init__(self, stream: Any, line: TerminalLine) -> None:
        self._stream, self._line = stream, line
        self._before = vars(stream).get("write")
        self.write_through = stream.write

    @classmethod
    def on(cls, stream: Any, line: TerminalLine) -> _Hook | None:
        """A hook on a stream; None: the stream takes none, or has it."""
        try:
            hook = cls(stream, line)
            if isinstance(getattr(hook._before, "__self__", None), cls):
                return None  # stdout and stderr are one
            stream.write = hook.write
        except (AttributeError, TypeError):  # it has no attributes
            return None
        return hook

    def write(self, text: str) -> Any:
        """Write others' text in the place of the line."""
        line = self._line
        if text:
            is_elsewhere = line.is_at_start and os.getpid() != line.pid
            if line.covers or is_elsewhere:
                line.covers = False
                self.write_through(ERASE)
            line.is_at_start = text.endswith("\n")
        return self.write_through(text)

    def remove(self) -> None:
        """Leave the stream as it was, unless another has put something in our place."""
        if getattr(vars(self._stream).get("write"), "__self__", None) is not self:
            return
        if self._before is None:
            del self._stream.write
        else:
            self._stream.write = self._before
