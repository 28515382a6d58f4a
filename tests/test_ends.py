"""Items that close descriptors which are not theirs: the worker finds its caller again."""

import os
import socket
import sys
import tempfile
import time

import pytest

from amorsize import autotune
from amorsize._workers.messages.pipe_ends import End

KEPT = []  # what items open and never close


def open_files():
    KEPT.extend(tempfile.TemporaryFile() for _ in range(30))  # noqa: SIM115


def open_sockets():
    KEPT.extend(socket.socketpair() for _ in range(15))


def open_nothing():
    """The numbers stay free."""


def close_a_range():
    os.closerange(3, 256)


def close_what_is_open():
    """As programs do that become daemons."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:
                continue  # it was that of the listing


def put_others_in_their_place():
    """Without closing anything."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3, 64):
        if number != null:
            os.dup2(null, number)


def disturb(index, close, then):
    time.sleep(2e-3)
    if index % 20 == 7:
        close()
        then()
    return index


@pytest.mark.parametrize("start", [pytest.param("fork", marks=pytest.mark.forks), "clean"])
@pytest.mark.parametrize("then", [open_nothing, open_files, open_sockets])
@pytest.mark.parametrize("close", [close_a_range, close_what_is_open, put_others_in_their_place])
@pytest.mark.filterwarnings("ignore::amorsize.AmorsizeWarning")  # of KEPT, which is the point
def test_all_results_come_whatever_items_close(close, then, start, monkeypatch):
    """Each item once, in order, in bounded time."""
    monkeypatch.setenv("AMORSIZE_START", start)
    tuned = autotune(disturb, backend="process", n_jobs=2, retries=0)

    assert tuned(range(60), close=close, then=then) == list(range(60))


def write_and_close(index, folder):
    if index == 5:
        os.closerange(3, 256)
    with open(f"{folder}/{index}", "w") as file:
        file.write(f"item {index}")
        file.flush()
        time.sleep(2e-3)
    print("said", index)
    return index


@pytest.mark.forks
def test_nothing_of_ours_lands_in_an_items_file(tmp_path, capsys):
    """Its file has the number that our pipe had; what it prints arrives all the same."""
    tuned = autotune(write_and_close, backend="process", n_jobs=2)

    assert tuned(range(40), folder=str(tmp_path)) == list(range(40))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        str(index): f"item {index}" for index in range(40)
    }
    assert capsys.readouterr().out.splitlines() == [f"said {index}" for index in range(40)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_an_end_is_opened_again_only_if_it_is_the_same_pipe():
    """A number that stands for something else by now is no way back."""
    reading, writing = os.pipe()
    ours = End(os.dup(writing), os.O_WRONLY, os.getpid(), reading)
    before = ours.number()
    os.close(before)
    assert os.write(ours.number(), b"x") == 1
    assert os.read(reading, 1) == b"x"

    os.close(ours.number())
    other, its_end = os.pipe()
    os.dup2(other, reading)
    with pytest.raises(BrokenPipeError):
        ours.number()
    for number in (reading, writing, other, its_end):
        os.close(number)


def test_without_a_way_back_it_says_so():
    """Where the system shows no descriptors, the worker ends, and its item is run again."""
    reading, writing = os.pipe()
    ours = End(writing, os.O_WRONLY, os.getpid())
    os.close(writing)

    with pytest.raises(BrokenPipeError):
        ours.number()
    os.close(reading)
