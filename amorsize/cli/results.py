"""What a run gives, result by result: lines on stdout or in a file, or one document."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import perf_counter
from amorsize._watching.descriptors import used_meanwhile
from amorsize.cli.command import WRONG_CALL, FailureError
from amorsize.cli.ctrl_c import CtrlCLater
from amorsize.cli.json_lines import Writer, as_json
from amorsize.cli.output import Out, complain
from amorsize.cli.prompt import confirm
from amorsize.cli.text import clean

#: A line that waits for others to go with it waits no longer than this.
FLUSH_AFTER_S = 0.05


def check(asked: argparse.Namespace) -> None:
    """Refuse results early that could not be kept later."""
    wrong = None
    if asked.resume and asked.output is None:
        wrong = "--resume goes on where a file ends: say which by -o FILE."
    elif asked.resume and asked.raw:
        wrong = "--resume counts lines, and a result may hold several with --raw: leave one out."
    elif asked.resume and asked.skip:
        wrong = "--resume counts by itself what there is: leave out --skip."
    elif asked.seed is not None and (asked.skip or asked.resume):
        wrong = (
            "--seed gives each item random numbers by its place from the beginning: leave out "
            f"{'--resume' if asked.resume else '--skip'}, or --seed."
        )
    elif asked.raw and asked.json and asked.output is None:
        wrong = "--raw and --json are two ways to print: leave one out, or say -o FILE."
    if wrong is not None:
        raise FailureError(wrong, status=WRONG_CALL)
    if (
        asked.output is not None
        and os.path.isfile(asked.output)
        and not (asked.resume or asked.yes)
    ):
        confirm(
            f"{clean(asked.output)} exists. Replace it?",
            instead=f"{clean(asked.output)} exists. -y replaces it, --resume goes on where it "
            "ends; or name another FILE.",
            otherwise="nothing was run.",
        )


def n_in_file(asked: argparse.Namespace) -> int:
    """How many results are in the file that a run goes on with: its whole lines."""
    if not asked.resume or not os.path.isfile(asked.output):
        return 0
    with _told_of(asked.output), open(asked.output, "rb+") as file:
        n, end = 0, 0
        for line in file:
            if line.endswith(b"\n"):  # else it was cut short
                n, end = n + 1, end + len(line)
        file.truncate(end)
    return n


@contextmanager
def place(asked: argparse.Namespace) -> Iterator[Out]:
    """Where lines of results go: a file, if one was named, or stdout."""
    if asked.output is None:
        with _known_as_ours(asked.out):
            yield asked.out
        return
    with _told_of(asked.output):
        file = open(asked.output, "a" if asked.resume else "w", encoding="utf-8")  # noqa: SIM115
    out = Out(file, name=clean(asked.output))
    try:
        with _known_as_ours(out):
            yield out
            out.flush()
    finally:
        out.close()


@contextmanager
def _known_as_ours(out: Out) -> Iterator[None]:
    """Keep items from being blamed for what is written while they run."""
    used_meanwhile.append(out)
    try:
        yield
    finally:
        used_meanwhile.remove(out)


@contextmanager
def _told_of(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reraise_from_handler(error)
        raise FailureError(f"{clean(path)} cannot be written: {error.strerror}.") from None


class Lines:
    """Lines that never wait for long, though the next result may."""

    def __init__(self) -> None:
        #: Where they go, once that is open.
        self.out = Out(None)
        self._flushed_s = 0.0
        self._has_more = False

    def write(self, line: str | bytes) -> None:
        """Write one, of bytes if it need be no text."""
        self._has_more = True
        if isinstance(line, bytes):
            self.out.write_bytes(line + b"\n")
        else:
            self.out.write(f"{line}\n")

    def flush_late(self) -> None:
        """Write the lines that have waited for long enough."""
        if perf_counter() - self._flushed_s > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Write all lines that wait."""
        if self._has_more:
            self.out.flush()
            self._flushed_s, self._has_more = perf_counter(), False


class Results:
    """What has come so far: written at once, or kept for one document.

    Args:
        asked: How it is to be written.
        lines: Where lines go.
        n_before: Items of the data that were left out, or done by an earlier run.
    """

    def __init__(self, asked: argparse.Namespace, lines: Lines, n_before: int) -> None:
        is_kept = asked.json and asked.output is None
        self._lines = None if is_kept else lines
        self._kept: list[Any] = []
        self._keeps_going, self._is_raw = asked.keep_going, asked.raw
        self.n_before = n_before
        self.n = self.n_failed = 0
        self._ctrl_c_later = CtrlCLater()

    @property
    def index(self) -> int:
        """The item that comes next."""
        return self.n_before + self.n

    def take(self, result: Any, writer: Writer) -> None:
        """Take in the next result."""
        if self._keeps_going and isinstance(result, Exception):
            result = self._failed(result)
        if self._lines is None:
            self._kept.append(as_json(writer.text(result)))
            self.n += 1
            return
        line = _raw(result, writer) if self._is_raw else writer.text(result)
        with self._ctrl_c_later:
            self._lines.write(line)
            self.n += 1
        self._lines.flush_late()

    def _failed(self, error: Exception) -> Any:
        """What stands in the place of a result; in raw lines an empty one."""
        self.n_failed += 1
        if self._is_raw:
            complain(f"item {self.index} failed: {type(error).__name__}: {clean(str(error))}.")
            return ""
        return {"error": type(error).__name__, "text": str(error), "item": self.index}

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        more: dict[str, Any] = {} if self._lines is not None else {"results": self._kept}
        return {"n_results": self.n, "n_failed": self.n_failed, **more}


def _raw(result: Any, writer: Writer) -> bytes:
    """A text or bytes as they are, anything else as JSON."""
    if isinstance(result, bytes | bytearray):
        return bytes(result)
    text = result if isinstance(result, str) else writer.text(result)
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes that came in as no text go out so
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
