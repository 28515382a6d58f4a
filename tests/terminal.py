"""A terminal for tests: what a program draws into it, and what a person then sees."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from conftest import ROOT

#: Seconds that a program in a terminal may take.
LONGEST_S = 40.0
#: A terminal that understands colours, and a Python that has none for its tracebacks (3.13 has).
SHOWN_PLAINLY = {"TERM": "xterm", "PYTHON_COLORS": "0"}
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program whose stdin, stdout and stderr are a terminal of its own."""

    def __init__(
        self,
        command: list[str],
        *,
        cwd: Path,
        n_columns: int = 80,
        environ: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, n_columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **SHOWN_PLAINLY, "PYTHONPATH": str(ROOT), **(environ or {})},
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.drawn = b""
        self._is_open = True

    def read(self, until: bytes | None = None) -> None:
        """Take in what is drawn, up to a text or to the program's end."""
        ends_s = time.monotonic() + LONGEST_S
        while self._is_open and (until is None or until not in self.drawn):
            left_s = ends_s - time.monotonic()
            assert left_s > 0, f"{until!r} did not come; there is {self.drawn[-2000:]!r}"
            if not select.select([self._ours], [], [], left_s)[0]:
                continue
            try:
                part = os.read(self._ours, 1 << 16)
            except OSError:  # the last of those that had it open has closed it
                part = b""
            self.drawn += part
            self._is_open = bool(part)

    def type(self, text: bytes) -> None:
        """What a person types."""
        os.write(self._ours, text)

    def interrupt(self) -> None:
        """Ctrl-C, which goes to all programs of the terminal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; the program's status."""
        self.read()
        return self.process.wait(LONGEST_S)

    def close(self) -> None:
        """Whatever still runs is ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(LONGEST_S)
        os.close(self._ours)

    @property
    def text(self) -> str:
        """All that was written."""
        return self.drawn.decode("utf-8", "replace")

    @property
    def lines(self) -> list[str]:
        """What is to be seen in the end, without the empty line at the bottom."""
        return seen(self.text)


def seen(text: str) -> list[str]:
    """The lines that a terminal shows of a text that goes back within its line."""
    lines, at = [""], 0
    for part in re.split(r"(\r\n|\n|\r|\x1b\[K)", text):
        line = lines[-1]
        if part in ("\n", "\r\n"):
            lines.append("")
            at = 0
        elif part == "\r":
            at = 0
        elif part == "\x1b[K":
            lines[-1] = line[:at]
        else:
            assert not ESCAPE.search(part), f"{part!r} does something else"
            lines[-1] = line[:at].ljust(at) + part + line[at + len(part) :]
            at += len(part)
    return [line.rstrip() for line in lines][: -1 if not lines[-1] else None]


def drawings(text: str) -> Iterator[str]:
    """The line in each of its states."""
    yield from re.findall(r"\r([^\r\n\x1b]+)\x1b\[K", text)


def python(script: Path) -> list[str]:
    """The command for a script."""
    return [sys.executable, str(script)]
