"""Frames arrive as they were written, however the pipe cuts them and whatever memory there is."""

import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize._workers.messages import framing

SIZES = st.one_of(
    st.integers(0, 200),
    st.integers(framing.BIG_BYTES - 20, framing.BIG_BYTES + 20),
    st.integers(0, 3 * framing.READ_BYTES),
)
FRAMES = st.lists(
    st.tuples(st.sampled_from([framing.DONE, framing.TEXT, framing.PART]), SIZES), max_size=8
)


@pytest.fixture
def pipe():
    """A pipe, whose writing end is closed by who writes."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def read_all(descriptor):
    """Every frame up to the end of the stream."""
    reader, found = framing.Reader(), []
    while reader.feed(descriptor):
        found += reader.frames()
    return [*found, *reader.frames()]


def payload(number, size):
    return bytes([number + 1]) * size


@settings(deadline=None)
@given(sent=FRAMES, cuts=st.lists(st.integers(1, 100_000), max_size=20), lost=st.integers(0, 50))
def test_however_it_is_cut(sent, cuts, lost):
    """Whole frames in order; small payloads as bytes, large ones to keep; a half one is none."""
    written = b"".join(
        bytes(part)
        for number, (kind, size) in enumerate(sent)
        for part in framing.pieces(kind, payload(number, size))
    )
    lost = min(lost, len(written))
    written = written[: len(written) - lost]
    reading, writing = os.pipe()

    def write():
        left = memoryview(written)
        for cut in [*cuts, len(written)]:
            while left[:cut]:
                n_written = os.write(writing, left[:cut])
                left, cut = left[n_written:], cut - n_written
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    found = read_all(reading)
    thread.join()
    os.close(reading)

    expected = [(kind, payload(number, size)) for number, (kind, size) in enumerate(sent)]
    assert found == expected[: len(found)]
    assert len(found) == len(expected) if not lost else len(found) < len(expected)
    for _, part in found:
        assert type(part) is (bytes if len(part) < framing.BIG_BYTES else bytearray)


def test_what_there_is_no_memory_for_is_skipped(pipe, monkeypatch):
    """It is told as None, and what follows it arrives."""

    def none_left(_):
        raise MemoryError

    reading, writing = pipe
    sizes = [10, 900_000, 20, 500_000, 0]

    def write():
        for number, size in enumerate(sizes):
            framing.write(writing, framing.PART, payload(number, size))
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    reader = framing.Reader()  # its own buffer is an ordinary one
    monkeypatch.setattr(framing, "bytearray", none_left, raising=False)
    found = []
    while reader.feed(reading):
        found += reader.frames()
    thread.join()

    assert [part if part is None else len(part) for _, part in found] == [10, None, 20, None, 0]


def test_a_writer_holds_what_the_pipe_would_not_take(pipe):
    """Nothing is lost or sent twice, and nothing blocks."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    writer = framing.Writer()
    writer.put(framing.ITEMS, b"header", bytes(1_000_000))
    writer.put(framing.QUIT)
    assert not writer.flush(writing)

    reader, found = framing.Reader(), []
    while len(found) < 2:
        writer.flush(writing)
        reader.feed(reading)
        found += reader.frames()
    os.close(writing)

    assert found == [(framing.ITEMS, b"header" + bytes(1_000_000)), (framing.QUIT, b"")]


def test_the_end_of_the_stream_in_a_large_payload(pipe):
    """Half of it, and then nobody is left to write: no frame, and the end is told."""
    reading, writing = pipe
    for part in framing.pieces(framing.PART, bytes(1_000_000)):
        os.write(writing, part[:60_000])
    os.close(writing)

    assert read_all(reading) == []
