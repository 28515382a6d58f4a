"""A limit for items counts the time in which the program runs, and not its pauses.

A container is paused, a machine is suspended, somebody presses Ctrl-Z: items and their caller stop
together, and go on together.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, read

from amorsize._engine.caller.handing_over import Consumer
from amorsize._engine.serving.retries import WorkerDeaths
from amorsize._engine.serving.workers import Workers
from amorsize.errors import ItemTimeout

TIMEOUT_S, PAUSE_S = 1.0, 1.5

MAP = """
import sys, time
from amorsize import autotune

def item(x):
    for _ in range(20):
        time.sleep(5e-3)
    return x

def main(**options):
    tuned = autotune(item, n_jobs=2, timeout={timeout_s}, cache=False, **options)
    print("begun", flush=True)
    try:
        print({call})
    except TimeoutError as error:
        print(type(error).__name__, error)

if __name__ == "__main__":
    main({options})
"""
CALLS = {
    "a list": "tuned(range(16)) == list(range(16))",
    "a stream": "list(tuned.stream(range(16))) == list(range(16))",
}
LIMITED = {
    "processes": "backend='process'",
    "threads": "backend='thread'",
}


def run_with_a_pause(call, options, *, whole_group, delay_s):
    """What the program prints that stands still for a while in the midst of its items."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAP.format(timeout_s=TIMEOUT_S, call=call, options=options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        process.stdout.readline()
        time.sleep(delay_s)
        send = os.killpg if whole_group else os.kill
        send(process.pid, signal.SIGSTOP)
        while " T " not in read(Path(f"/proc/{process.pid}/stat")):
            time.sleep(1e-3)
        time.sleep(PAUSE_S)
        send(process.pid, signal.SIGCONT)
        return process.communicate(timeout=30)[0].strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("options", "call", "whole_group", "delay_s"),
    [
        pytest.param("processes", "a list", True, 0.1, id="early"),
        pytest.param("processes", "a list", True, 0.5, id="later"),
        pytest.param("processes", "a stream", True, 0.3, id="a stream"),
        pytest.param("processes", "a list", False, 0.3, id="the caller alone"),
        pytest.param("threads", "a list", True, 0.3, id="threads"),
    ],
)
def test_no_item_is_ended_for_a_pause(options, call, whole_group, delay_s):
    """Items of 0.1 s are done, though the pause is longer than each of them may take."""
    found = run_with_a_pause(
        CALLS[call], LIMITED[options], whole_group=whole_group, delay_s=delay_s
    )

    assert found == "True"


PAUSE_AS_AN_ITEM_IS_SENT = """
import os, subprocess, time
from itertools import count, islice
from amorsize import autotune

class Item:
    def __init__(self, k):
        self.k = k
    def __reduce__(self):
        if self.k == 6 and os.getpid() == CALLER:
            stand_still()
        return Item, (self.k,)

def stand_still():
    last_s, group = time.monotonic(), os.getpgid(0)
    line = f"kill -s STOP -- -{group}; sleep 1.5; kill -s CONT -- -{group}"
    subprocess.Popen(["sh", "-c", line], start_new_session=True)
    while (now_s := time.monotonic()) - last_s < 1.0:
        last_s = now_s

def item(one):
    time.sleep(0.1)
    return one.k

CALLER = os.getpid()
tuned = autotune(item, n_jobs=2, timeout=1.0, cache=False, backend="process")
print(list(islice(tuned.stream(map(Item, count())), 16)) == list(range(16)))
"""


def test_a_pause_after_data_was_read_counts_as_one(run_script):
    """It comes before workers are polled again, as an item is sent while another is under way."""
    assert run_script(PAUSE_AS_AN_ITEM_IS_SENT).stdout == "True\n"


class OneWorker:
    """A pool with one worker, which has been in an item for some time."""

    def __init__(self, began_s):
        self.began_s, self.killed = began_s, []

    def begun(self, _):
        return 7, self.began_s

    def native_id(self, _):
        """The worker's, which `Starvation` is asked about."""
        return 1

    def kill(self, number):
        self.killed.append(number)


class TestWhatCounts:
    @pytest.fixture
    def losses(self):
        """Of items that may take ten seconds."""
        return self.losses_of(10.0, waited_s=0.0)

    def losses_of(self, timeout_s, *, waited_s):
        """Of items that have waited for a core so long."""
        losses = WorkerDeaths("f", None, retries=1, timeout_s=timeout_s, fail=lambda *_: None)
        losses._starvation = SimpleNamespace(is_due=lambda _: True, waited_s=lambda *_: waited_s)
        return losses

    def is_ended(self, losses, began_ago_s):
        pool = OneWorker(time.perf_counter() - began_ago_s)
        losses.watch_time({0: pool})
        return bool(pool.killed)

    def test_an_item_that_is_too_long_is_ended(self, losses):
        """Nothing stood still."""
        assert self.is_ended(losses, 11.0)
        assert not self.is_ended(losses, 9.0)

    def test_a_pause_within_the_item_does_not_count(self, losses):
        """It began before the pause: that long it may take more."""
        now = time.perf_counter()
        losses.standstill.seen(now - 9.0)
        losses.standstill.seen(now - 1.0, at_most_s=0.25)

        assert not self.is_ended(losses, 11.0)
        assert self.is_ended(losses, 19.0)

    def test_of_a_pause_counts_what_the_item_was_there_for(self, losses):
        """It began in the middle of what looks like one."""
        now = time.perf_counter()
        losses.standstill.seen(now - 30.0)
        losses.standstill.seen(now - 10.0)

        assert self.is_ended(losses, 21.0)  # 11 of these before the end of the pause
        assert not self.is_ended(losses, 9.0)

    def test_waits_as_long_as_they_should_be_are_no_pause(self, losses):
        """However many there are."""
        now = time.perf_counter()
        for k in reversed(range(40)):
            losses.standstill.seen(now - 0.25 * k, at_most_s=0.25)

        assert self.is_ended(losses, 11.0)

    def test_waiting_for_a_core_does_not_count(self):
        """As long as it is no longer than the limit itself."""
        assert not self.is_ended(self.losses_of(10.0, waited_s=4.0), 13.0)
        assert self.is_ended(self.losses_of(10.0, waited_s=4.0), 15.0)
        assert self.is_ended(self.losses_of(10.0, waited_s=30.0), 21.0)

    def test_a_short_limit_is_at_most_a_second_late(self):
        """For a lack of cores."""
        assert not self.is_ended(self.losses_of(0.05, waited_s=0.9), 0.9)
        assert self.is_ended(self.losses_of(0.05, waited_s=5.0), 1.1)

    def test_while_the_caller_waits_for_a_core_its_items_may_too(self):
        """It had planned to look after 12.5 ms, and could do so only after 60."""
        losses, now = self.losses_of(0.05, waited_s=0.0), time.perf_counter()
        losses.standstill.seen(now - 0.06)
        losses.standstill.seen(now, at_most_s=0.0125)

        assert not self.is_ended(losses, 0.058)
        assert self.is_ended(losses, 0.15)

    def test_what_worker_and_caller_have_waited_for_counts_once(self):
        """They have waited for the same cores."""
        losses, now = self.losses_of(0.05, waited_s=0.04), time.perf_counter()
        losses.standstill.seen(now - 0.06)
        losses.standstill.seen(now, at_most_s=0.0125)

        assert self.is_ended(losses, 0.11)

    def test_a_caller_that_is_late_at_each_look_still_ends_items(self):
        """As soon as it has counted the time that it had planned to wait."""
        losses, now = self.losses_of(0.05, waited_s=0.0), time.perf_counter()
        for k in reversed(range(100)):
            losses.standstill.seen(now - 0.06 * k, at_most_s=0.0125)

        assert not self.is_ended(losses, 0.2)
        assert self.is_ended(losses, 0.3)

    def test_what_the_user_does_meanwhile_is_no_pause(self, losses):
        """Reading data and taking results: items go on beside that, and so does their time."""
        now = time.perf_counter()
        losses.standstill.seen(now - 9.0)
        losses.standstill.stop_clock()
        losses.standstill.seen(now)

        assert self.is_ended(losses, 11.0)

    def test_a_pause_right_after_what_the_user_does_is_one(self, losses):
        """The clock goes on when the user's code is over, not only at the next poll."""
        call = SimpleNamespace(options=SimpleNamespace(timeout=10.0))
        workers = Workers(call, None, None, None, on_event=print)
        workers.losses = losses
        with Consumer(workers, SimpleNamespace(lend=lambda: None, take=lambda: None)):
            pass
        losses.standstill.seen(time.perf_counter() + 5.0)

        assert not self.is_ended(losses, 11.0)


def test_an_item_that_does_not_end_is_still_ended(run_script):
    """After a pause as well: the limit is late by the pause, and holds."""
    done = run_script(
        """
import os, signal, subprocess, sys, time
from amorsize import autotune
from amorsize.errors import ItemTimeout

def item(x):
    if x == 3:
        subprocess.Popen([sys.executable, "-c",
            f"import os, signal, time; os.kill({CALLER}, signal.SIGSTOP); time.sleep(1.5); "
            f"os.kill({CALLER}, signal.SIGCONT)"])
        time.sleep(1000)
    return x

CALLER = os.getpid()
try:
    autotune(item, backend="process", n_jobs=2, timeout=1)(range(8))
except ItemTimeout as error:
    print(error)
"""
    )

    assert done.stdout.startswith("item 3 took longer than timeout=1")
    assert issubclass(ItemTimeout, TimeoutError)
