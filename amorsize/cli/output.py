"""Prints answers on stdout for people or programs; complaints go to stderr, a line each."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import IO, Any, TextIO, cast

from amorsize._host.signals import reraise_from_handler
from amorsize.cli.command import Table
from amorsize.errors import AmorsizeWarning


class OutputError(Exception):
    """The answer cannot be written; the text says why."""


class Out:
    """The stream of the answer; says in plain words when it takes no more."""

    def __init__(self, stream: TextIO | None, *, name: str = "stdout") -> None:
        self._stream = stream  # None: it is closed, and nobody reads it
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text."""
        with self._told():
            return len(text) if self._stream is None else self._stream.write(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes, which a terminal is shown as text."""
        buffer = None if self.isatty() else getattr(self._stream, "buffer", None)
        if buffer is None:
            self.write(data.decode("utf-8", "replace"))
            return
        with self._told():
            buffer.write(data)

    def flush(self) -> None:
        """Have it all written."""
        with self._told():
            if self._stream is not None:
                self._stream.flush()

    def close(self) -> None:
        """Close it, whatever could not be written."""
        if self._stream is not None:
            try:
                self._stream.close()
            except OSError as error:
                reraise_from_handler(error)  # else flush() has told

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            reraise_from_handler(error)
            raise OutputError(f"{self._name} cannot be written: {error.strerror}.") from None


def hold_standard_descriptors() -> None:
    """Open nothing for what is closed of stdin, stdout and stderr.

    A file that is opened later would get its number, and all that is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            reraise_from_handler(error)
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def forget_stdout() -> None:
    """Let what is still buffered go nowhere when Python ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AttributeError, OSError, ValueError) as error:
        reraise_from_handler(error)  # else what was put in the place of stdout has no number


def show(blocks: Sequence[str | Table], out: Out) -> None:
    """Print to people: tables by rich on a terminal, in plain columns elsewhere."""
    for block in blocks:
        if isinstance(block, str):
            print(block, file=out)
        elif out.isatty():
            _show_on_terminal(block, out)
        else:
            _show_in_columns(block, out)


def _show_on_terminal(table: Table, out: Out) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable()
    for name in table.header:
        drawn.add_column(Text(name))
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: `[red]` in a name is no markup
    Console(file=cast(IO[str], out)).print(drawn)


def _show_in_columns(table: Table, out: Out) -> None:
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip(), file=out)


def complain(text: str) -> None:
    if sys.stderr is not None:  # closed: nobody reads it, and print() would use stdout
        print(f"amorsize: {text}", file=sys.stderr)


@contextmanager
def stdout_kept_apart() -> Iterator[Out]:
    """The real stdout; whatever else writes to stdout meanwhile writes to stderr.

    So a program that reads the answer gets nothing else, though the user's function prints, in
    this process or in a worker, in Python or below it.
    """
    ours = sys.stdout
    if ours is None:
        with redirect_stdout(sys.stderr):
            yield Out(None)
        return
    try:
        is_real = ours.fileno() == 1
    except (AttributeError, OSError, ValueError) as error:  # none, or one that was put in its place
        reraise_from_handler(error)
        is_real = False
    if not is_real:
        with redirect_stdout(sys.stderr):
            yield Out(ours)
        return
    ours.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError as error:  # stderr is closed
        reraise_from_handler(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    out = open(kept, "w", encoding=ours.encoding, errors="backslashreplace")  # noqa: SIM115
    answer = Out(out)
    try:
        yield answer
        answer.flush()
    finally:
        ours.flush()  # to stderr
        os.dup2(kept, 1)
        answer.close()


@contextmanager
def warnings_as_lines() -> Iterator[list[str]]:
    """Say amorsize's warnings in one line each on stderr; yields those said."""
    told: list[str] = []

    def tell(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, AmorsizeWarning):
            told.append(str(message))
            complain(str(message))
        else:
            others(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        others = warnings.showwarning
        warnings.simplefilter("always", AmorsizeWarning)
        warnings.showwarning = tell
        yield told


@contextmanager
def plain_output() -> Iterator[None]:
    """Write `\\u....` for what the terminal's encoding lacks, rather than fail at a name."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    yield
