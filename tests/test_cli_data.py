"""What comes through stdin is cut into lines as it was written, in time linear in its length."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.cli import data

ONCE = 50_000  # pieces of one line: joined one by one they would copy tens of gigabytes


class Pieces:
    """Stands where `os.read` does: a stream that arrives in these pieces."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def __call__(self, _number, _n_bytes):
        return next(self._pieces, b"")


@pytest.fixture
def stdin_of(monkeypatch):
    """A stdin that reads these pieces."""

    class Source:
        def fileno(self):
            return 0

    def made(pieces):
        monkeypatch.setattr(sys, "stdin", Source())
        monkeypatch.setattr(data.os, "read", Pieces(pieces))
        return data._Stdin()

    return made


def lines_of(source):
    found = []
    while line := source.readline():
        found.append(line)
    return found


@given(st.lists(st.binary(max_size=6).map(lambda one: one.replace(b"x", b"\n")), max_size=30))
def test_lines_come_as_they_were_written_however_they_arrive(pieces):
    """Every byte, in order, an end after each line but the last."""
    pieces = [one for one in pieces if one]  # an empty one is the end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data.os, "read", Pieces(pieces))
        patch.setattr(sys, "stdin", os.fdopen(os.dup(1), "w"))
        source = data._Stdin()
        sys.stdin.close()
        found = lines_of(source)

    assert found == _cut(b"".join(pieces))


def _cut(text):
    """At line feeds alone: splitlines() knows other ends, too."""
    *lines, rest = text.split(b"\n")
    return [line + b"\n" for line in lines] + ([rest] if rest else [])


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_in_many_pieces_is_put_together_once(stdin_of, end):
    """By the square of their number it would take hours, and no test may."""
    piece = b"0123456789abcdef" * 64
    found = lines_of(stdin_of([*[piece] * ONCE, end or b"", b""]))

    assert [len(line) for line in found] == [len(piece) * ONCE + len(end)]


def test_many_short_lines_in_one_piece_are_each_an_item(stdin_of):
    """And the rest waits for its end."""
    found = lines_of(stdin_of([b"a\nb\nc", b"d\n\n", b"e"]))

    assert found == [b"a\n", b"b\n", b"cd\n", b"\n", b"e"]
