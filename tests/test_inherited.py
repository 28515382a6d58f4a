"""A stream's workers hold none of what its consumer opens: who waits for its end is not kept."""

import logging
import logging.handlers
import multiprocessing
import os
import socket
import subprocess
import time

import pytest

from amorsize import autotune

BOUND_S = 20


def spin(x):
    end = time.perf_counter() + 4e-3
    while time.perf_counter() < end:
        pass
    return x


def encoder():
    """A program that reads until the end of its input."""
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("backend", ["auto", "process"])
@pytest.mark.forks
def test_a_program_that_the_consumer_feeds_sees_the_end_of_its_input(backend):
    """One after the other; the second and third were started beside workers."""
    n_finished, running = 0, None
    for k, one in enumerate(autotune(spin, backend=backend).stream(range(200))):
        running = running or encoder()
        running.stdin.write(b"%d\n" % one)
        if k % 60 == 59:
            running.stdin.close()
            assert running.wait(timeout=BOUND_S) == 0
            n_finished, running = n_finished + 1, None
    running.stdin.close()
    assert running.wait(timeout=BOUND_S) == 0
    assert n_finished == 3


@pytest.fixture
def nothing_logs_elsewhere(monkeypatch):
    """Without the handlers of the test runner and of earlier tests, which may use any pipe."""
    monkeypatch.setattr(logging, "_handlerList", [])


@pytest.mark.parametrize("backend", ["auto", "process"])
@pytest.mark.parametrize("data_of", [range, lambda n: list(range(n)), lambda n: iter(range(n))])
@pytest.mark.forks
@pytest.mark.usefixtures("nothing_logs_elsewhere")
def test_one_that_was_there_before_sees_it_too(backend, data_of):
    """Closed in the midst of the stream, with workers about that were forked beside it."""
    running = encoder()
    for k, _ in enumerate(autotune(spin, backend=backend).stream(data_of(150))):
        if k == 75:
            running.stdin.close()
            assert running.wait(timeout=BOUND_S) == 0


@pytest.mark.forks
def test_a_peer_sees_that_its_connection_is_closed():
    """A socket that the consumer has closed is closed."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(BOUND_S)
    for k, _ in enumerate(autotune(spin).stream(range(150))):
        if k == 75:
            ours.close()
            assert theirs.recv(1) == b""
    theirs.close()


@pytest.mark.forks
def test_a_pipe_of_the_consumers_own_ends_when_it_closes_it():
    """os.pipe, made after the first workers."""
    ends = None
    for k, _ in enumerate(autotune(spin).stream(range(200))):
        if k == 20:
            ends = os.pipe()
        if k == 150:
            os.close(ends[1])
            assert os.read(ends[0], 1) == b""
            os.close(ends[0])


TO_MAIN = multiprocessing.SimpleQueue()


def put(x):
    TO_MAIN.put(x)
    return spin(x)


@pytest.mark.forks
def test_who_asks_for_processes_keeps_the_queue_that_items_use(recwarn):
    """A queue of multiprocessing is a pipe; it was there before the stream."""
    found = []

    for one in autotune(put, backend="process", n_jobs=2).stream(range(50)):
        found.append(one)

    assert found == list(range(50))
    assert sorted(TO_MAIN.get() for _ in range(50)) == list(range(50))


NUMBER, HELD = -1, {}  # of a pipe that the program has; what leads to it


def by_number(_):
    os.write(NUMBER, b"x")


def by_file(_):
    with os.fdopen(os.dup(NUMBER), "w") as file:
        file.write("x")


def by_path(_):
    with open(f"/dev/fd/{NUMBER}", "w") as file:
        file.write("x")


def by_program(_):
    subprocess.run(["sh", "-c", f"printf x >/dev/fd/{NUMBER}"], pass_fds=[NUMBER], check=True)


def by_object(_):
    HELD["at"][0].sent()


def by_logger(_):
    logging.getLogger(__name__).error("x")


def by_item(held):
    held.sent()


class Held:
    def sent(self):
        os.write(self.number, b"x")


class ToPipe(logging.Handler):
    def emit(self, record):
        os.write(NUMBER, record.getMessage().encode())


@pytest.mark.parametrize(
    "item", [by_number, by_file, by_path, by_program, by_object, by_logger, by_item]
)
@pytest.mark.forks
@pytest.mark.usefixtures("nothing_logs_elsewhere")
@pytest.mark.filterwarnings("ignore::amorsize.AmorsizeWarning")
def test_what_items_use_in_processes_that_were_asked_for_stays_open(item, monkeypatch):
    """However they come to it: what they write arrives."""
    read_end, number = os.pipe()
    held = Held()
    held.number = number
    monkeypatch.setitem(globals(), "NUMBER", number)
    monkeypatch.setitem(globals(), "HELD", {"at": [held]})
    handler, logger = ToPipe(), logging.getLogger(__name__)
    if item is by_logger:
        logger.addHandler(handler)
    try:
        data = [held] * 20 if item is by_item else range(20)
        list(autotune(item, backend="process", n_jobs=2).stream(data))
    finally:
        logger.removeHandler(handler)

    assert os.read(read_end, 100) == b"x" * 20
    os.close(read_end)
    os.close(number)
