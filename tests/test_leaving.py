"""However a program ends in the midst of a call, nothing is left: no process, no memory, no file.

The programs send large items and results, so that shared memory is in use when they are hit.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, children, shared_names

PROGRAM = """
import os, signal, sys, time
from amorsize import autotune

BUSY = sys.argv[2]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it

def work(data):
    if data[0] == 40:
        if BUSY == "stubborn":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        print("busy", flush=True)
        while BUSY != "sending":
            pass
    return data

def items():
    for number in range(200 if BUSY == "sending" else 60):
        yield bytes([number]) * 2_000_000

if __name__ == "__main__":
    tuned = autotune(work, backend="process", n_jobs=2)
    if sys.argv[1] == "stream":
        results = tuned.stream(items(), buffer=30)
        for _ in range(10):
            next(results)
        print("taken", flush=True)
        print("busy", flush=True)
        if BUSY == "exit":
            raise SystemExit(5)
        list(results)
    tuned(items())
"""
# How it is hit: what it ends with, and by whom it may take a while.
ENDS = {
    signal.SIGINT: -signal.SIGINT,
    signal.SIGTERM: -signal.SIGTERM,
    signal.SIGHUP: -signal.SIGHUP,
    signal.SIGKILL: -signal.SIGKILL,
}
BOUND_S = 10.0  # until all are gone: 1 or 2 s, and what a busy machine makes of it


def run(tmp_path, start, *arguments):
    """Start the program in a session of its own, with a folder of its own for temporary files."""
    script, temporary = tmp_path / "program.py", tmp_path / "temporary"
    script.write_text(PROGRAM)
    temporary.mkdir()
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
            "AMORSIZE_START": start,
        },
        text=True,
        start_new_session=True,
    )


def members(session):
    """The processes of a session that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def assert_nothing_is_left(process, tmp_path, shm):
    """Its processes end by themselves, and there is no file of theirs."""
    until_s = time.monotonic() + BOUND_S
    while left := members(process.pid):
        assert time.monotonic() < until_s, left
        time.sleep(0.01)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert shared_names() <= shm


def wait_for(process, word):
    for line in process.stdout:
        if line.strip() == word:
            return
    pytest.fail(f"it ended before: {process.stderr.read()}")


@pytest.mark.parametrize("start", ["fork", "clean"])
@pytest.mark.parametrize("busy", ["computing", "stubborn", "sending"])
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_program_that_is_hit(number, busy, start, tmp_path):
    """In the midst of an item, of one that ignores signals, or of sending results."""
    shm = shared_names()
    process = run(tmp_path, start, "call", busy)
    try:
        wait_for(process, "busy")
        assert len(members(process.pid)) == 3

        process.send_signal(number)

        assert process.wait(BOUND_S) == ENDS[number]
        assert_nothing_is_left(process, tmp_path, shm)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_a_program_that_ends_with_a_stream_half_taken(start, tmp_path):
    """Workers, of which one is inside an item for ever, end with it, and nothing is said."""
    shm = shared_names()
    process = run(tmp_path, start, "stream", "exit")
    try:
        wait_for(process, "taken")

        assert process.wait(BOUND_S) == 5
        assert_nothing_is_left(process, tmp_path, shm)
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def test_members_are_found():
    """The check is not blind: this process and its children are in a session."""
    assert os.getpid() in members(os.getsid(0))
    assert children() == {} or set(children()) <= set(members(os.getsid(0)))
