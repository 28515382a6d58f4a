"""Saying it: answers on stdout, to people or to programs; complaints on stderr, a line each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from amorsize.cli.command import Table
from amorsize.errors import AmorsizeWarning


def show(blocks: Sequence[str | Table]) -> None:
    """Print to people: tables by rich on a terminal, in plain columns elsewhere."""
    for block in blocks:
        if isinstance(block, str):
            print(block)
        elif sys.stdout.isatty():
            _show_on_terminal(block)
        else:
            _show_in_columns(block)


def _show_on_terminal(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable()
    for name in table.header:
        drawn.add_column(Text(name))
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: `[red]` in a name is no markup
    Console().print(drawn)


def _show_in_columns(table: Table) -> None:
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    for line in lines:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def complain(text: str) -> None:
    print(f"amorsize: {text}", file=sys.stderr)


@contextmanager
def warnings_as_lines() -> Iterator[list[str]]:
    """Say amorsize's warnings in one line each on stderr; yields those said."""
    told: list[str] = []

    def tell(message: Warning | str, *_place: Any, **_more: Any) -> None:
        told.append(str(message))
        complain(str(message))

    with warnings.catch_warnings():
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
