"""The data that a command is about: a range, a file or what comes through stdin, item by item."""

from __future__ import annotations

import argparse
import itertools
import os
import select
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from amorsize._host.signals import reraise_from_handler
from amorsize._watching.descriptors import used_meanwhile
from amorsize.cli.command import FailureError
from amorsize.cli.file_names import file_name
from amorsize.cli.numbers import whole_between
from amorsize.cli.text import clean, nearest_file

FORMATS = ("lines", "json", "jsonl", "csv", "int", "float")
_BY_ENDING = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_SHOWN_CHARS = 40


ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--data-range",),
        {
            "type": whole_between(0),
            "metavar": "N",
            "help": "the items are the numbers 0 to N-1",
        },
    ),
    (
        ("--data-file",),
        {"type": file_name, "metavar": "FILE", "help": "the items are in this file"},
    ),
    (
        ("--data-stdin",),
        {
            "action": "store_true",
            "help": "the items come through stdin, in any number; a pipe needs no such word",
        },
    ),
    (
        ("--items",),
        {
            "choices": FORMATS,
            "help": "what an item of FILE or stdin is: a line (the default), an element of one "
            "JSON array, the JSON of a line, a row of CSV as a dict by its header, or the number "
            "of a line; for FILE its ending .json, .jsonl or .csv tells, too",
        },
    ),
)


def items(
    asked: argparse.Namespace,
    n_skipped: int = 0,
    before_reading: Callable[[], object] | None = None,
) -> Any:
    """The items: a range, or an iterator that reads no further than it is asked to.

    Args:
        asked: Where they come from; a pipe, where nothing is said.
        n_skipped: So many are left out at the beginning.
        before_reading: Called before anything that may have to wait for more of the data.
    """
    given = [asked.data_range is not None, asked.data_file is not None, asked.data_stdin]
    if sum(given) > 1 or (not any(given) and not _is_fed()):
        raise FailureError(
            "say where the items come from: one of --data-range N, --data-file FILE "
            "and --data-stdin, or pipe them in.",
            status=2,
        )
    if asked.data_range is not None:
        if asked.items:
            raise FailureError("--items is for --data-file and --data-stdin alone.", status=2)
        return range(asked.data_range)[n_skipped:]
    source = _Stdin() if asked.data_file is None else _File(asked.data_file)
    found = _Items(source, asked.items or _kind_of(asked.data_file), before_reading)
    for _ in itertools.islice(found, n_skipped):
        pass
    return found


def _is_fed() -> bool:
    """Whether something comes through stdin that is meant for us: neither a person nor nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError) as error:  # closed, or something in its place
        reraise_from_handler(error)
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def listed(asked: argparse.Namespace) -> Any:
    """All items at once, for what goes through them several times."""
    found = items(asked)
    return found if isinstance(found, range) else list(found)


def _kind_of(path: str | None) -> str:
    return _BY_ENDING.get(os.path.splitext(path or "")[1].lower(), "lines")


class _File:
    """A file, line by line."""

    def __init__(self, path: str) -> None:
        self.name = clean(path)
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed when it is read
        except OSError as error:
            reraise_from_handler(error)
            near = "" if os.path.exists(path) else nearest_file(path)
            raise FailureError(f"{self.name} cannot be read: {error.strerror}.{near}") from None

        used_meanwhile.append(self._file)

    def readline(self) -> bytes:
        """The next line with its end; b"" when there is none."""
        return self._file.readline()

    def would_wait(self) -> bool:
        """Whether the next line may be long in coming."""
        return False

    def close(self) -> None:
        if self._file in used_meanwhile:
            used_meanwhile.remove(self._file)
        self._file.close()


class _Stdin:
    """What comes through stdin, line by line, however it comes."""

    name = "stdin"

    def __init__(self) -> None:
        if sys.stdin is None:
            raise FailureError("--data-stdin was given, and stdin is closed.")
        self._number = sys.stdin.fileno()
        self._left: list[bytes] = []  # read, and no whole line yet; joined once its end is there
        self._lines: deque[bytes] = deque()
        self._has_ended = False

    def readline(self) -> bytes:
        """The next line with its end; b"" when there is none."""
        while not self._lines and not self._has_ended:
            self._read()
        return self._lines.popleft() if self._lines else b""

    def would_wait(self) -> bool:
        """Whether the next line may be long in coming."""
        if self._lines or self._has_ended:
            return False
        if _SELECTS_ANYTHING and select.select([self._number], [], [], 0)[0]:
            self._read()
            return not self._lines and not self._has_ended
        return True

    def _read(self) -> None:
        part = os.read(self._number, 1 << 16)
        ended, end, rest = part.rpartition(b"\n")
        if end:
            self._left.append(ended)
            lines = b"".join(self._left).split(b"\n")
            self._lines.extend(line + b"\n" for line in lines)
            self._left = []
        if rest:
            self._left.append(rest)
        if not part:
            self._has_ended = True
            self._lines.extend([b"".join(self._left)] if self._left else [])

    def close(self) -> None:
        """Nothing to close: it is not ours."""


#: On Windows, `select` takes sockets alone.
_SELECTS_ANYTHING = sys.platform != "win32"


class _Items:
    """Items of a source. A call asks whether the next would have to be waited for."""

    def __init__(
        self, source: _File | _Stdin, kind: str, before_reading: Callable[[], object] | None
    ) -> None:
        self.would_wait = source.would_wait
        self._source = source
        lines = _lines(source, kind, before_reading or (lambda: None))
        if kind == "json":
            self._items = _elements(lines, source.name)
        elif kind == "csv":
            self._items = _rows(lines, source.name)
        elif kind == "lines":
            self._items = (line.rstrip("\r\n") for line in lines)
        else:
            self._items = _parsed(lines, source.name, kind)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._items)
        except BaseException:  # also what a line was refused for: nothing more is read
            self._source.close()
            raise


def _lines(
    source: _File | _Stdin, kind: str, before_reading: Callable[[], object]
) -> Iterator[str]:
    """The lines as texts, with their ends."""
    errors = "surrogateescape" if kind == "lines" else "strict"  # file names are any bytes
    number = 0
    try:
        while True:
            if source.would_wait():
                before_reading()
            line = source.readline()
            number += 1
            if not line:
                return
            yield line.removeprefix(_MARK if number == 1 else b"").decode(errors=errors)
    except UnicodeDecodeError as error:
        raise FailureError(
            f"line {number} of {source.name} is not UTF-8: {error.reason}. Take lines as they "
            "are, by --items lines, or make it UTF-8."
        ) from None
    except OSError as error:
        reraise_from_handler(error)
        raise FailureError(f"{source.name} cannot be read: {error.strerror}.") from None
    finally:
        source.close()


#: The bytes that some programs begin UTF-8 with.
_MARK = b"\xef\xbb\xbf"


def _parsed(lines: Iterable[str], name: str, kind: str) -> Iterator[Any]:
    import json

    parsers: dict[str, Callable[[str], Any]] = {"jsonl": json.loads, "int": int, "float": float}
    parse = parsers[kind]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield parse(line)
        except (ValueError, RecursionError):
            shown = clean(line.strip()[:_SHOWN_CHARS])
            raise FailureError(
                f"line {number} of {name} is not {_WHAT[kind]}: {shown!r}. Mend it, or take lines "
                "as they are, by --items lines."
            ) from None


_WHAT = {"jsonl": "JSON", "int": "a whole number", "float": "a number"}


def _elements(lines: Iterable[str], name: str) -> Iterator[Any]:
    import json

    try:
        document = json.loads("".join(lines))
    except (ValueError, RecursionError) as error:
        raise FailureError(
            f"{name} is not one JSON document: {clean(str(error))}. For one a line say "
            "--items jsonl."
        ) from None
    if not isinstance(document, list):
        raise FailureError(
            f"{name} holds a JSON {_JSON.get(type(document), 'value')}, not an array of items."
        )
    yield from document


_JSON = {dict: "object", str: "string", bool: "boolean", type(None): "null"}


def _rows(lines: Iterator[str], name: str) -> Iterator[dict[str, Any]]:
    import csv

    reader = csv.DictReader(lines)
    try:
        for row in reader:
            if None in row:
                raise FailureError(
                    f"line {reader.line_num} of {name} has more fields than the header."
                )
            yield row
    except csv.Error as error:
        raise FailureError(f"line {reader.line_num} of {name} is not CSV: {error}.") from None
