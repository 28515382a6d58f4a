"""A limit for items does not count the time in which their worker waits for a core.

On a busy host an item of a millisecond may get its core after 0.1 s.
"""

import os
import subprocess
import sys
import time

import pytest

from amorsize import tuned_map
from amorsize._engine.serving import retries
from amorsize._engine.serving.starvation import MOST_SPARED_S, RunDelay, Starvation
from amorsize.errors import ItemTimeout

TIMEOUT_S, N_BUSY, NEEDS_S = 0.25, 10, 0.04

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts run delay")


@pytest.fixture
def busy_core():
    """A core on which as many programs compute as leave an item far less than it needs."""
    core = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(N_BUSY)]
    yield core
    for process in busy:
        process.kill()
    for process in busy:
        process.wait()


def compute_on(core, seconds):
    """An item that computes for so long, on a core that it shares."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        began_s, until_s = time.monotonic(), time.thread_time() + seconds
        while time.thread_time() < until_s:
            pass
        return time.monotonic() - began_s
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("backend", "start"), [("process", "fork"), ("process", "clean"), ("thread", "fork")]
)
def test_an_item_that_gets_no_core_is_not_ended(busy_core, backend, start, monkeypatch):
    """It needs a sixth of what it may take, and waits for its core for longer than that."""
    monkeypatch.setenv("AMORSIZE_START", start)
    monkeypatch.setattr(retries, "MOST_SPARED_S", 20.0)  # others may be at work here as well

    def item(x):
        return compute_on(busy_core, NEEDS_S) if x == 3 else 0.0

    found = tuned_map(item, range(6), backend=backend, n_jobs=2, timeout=TIMEOUT_S)

    assert found[3] > TIMEOUT_S, "it was not kept from its core for long enough"


def test_an_item_that_waits_is_ended_on_a_busy_core_too(busy_core):
    """Nobody keeps it from its core: it does not want one."""

    def item(x):
        if x == 3:
            os.sched_setaffinity(0, {busy_core})
            time.sleep(1000)
        return x

    with pytest.raises(ItemTimeout, match="item 3 "):
        tuned_map(item, range(6), backend="process", n_jobs=2, timeout=TIMEOUT_S)


def test_an_item_that_computes_without_end_is_ended_on_a_busy_core_too(busy_core):
    """However little of the core it gets: twice its time, or a second more, is the most."""
    began_s = time.monotonic()

    with pytest.raises(ItemTimeout, match="item 3 "):
        tuned_map(
            lambda x: compute_on(busy_core, 1000 if x == 3 else 0.0),
            range(6),
            backend="process",
            n_jobs=2,
            timeout=TIMEOUT_S,
        )
    assert time.monotonic() - began_s < 10 * (TIMEOUT_S + MOST_SPARED_S)


class TestWhatIsToldOfAWorker:
    """Looks at one thread, whose numbers are given as the kernel writes them."""

    @pytest.fixture
    def look(self):
        """One more look: what an item has waited so far, in tenths of a second."""
        delay = RunDelay()

        def look(now, *, ran=0, waited=0, began=None, wants_to_run=False):
            counted = f"{ran * 10**8} {waited * 10**8} 5\n"
            began_s = None if began is None else began / 10
            return round(10 * delay.after(counted, began_s, now / 10, wants_to_run=wants_to_run), 9)

        return look

    def test_waits_that_were_over_before_the_item_are_not_its_own(self, look):
        look(0, ran=1, waited=50)
        assert look(1, ran=2, waited=50, began=0.5) == 0
        assert look(9, ran=3, waited=57, began=0.5) == 7

    def test_a_new_item_begins_with_none(self, look):
        look(0, ran=1)
        look(9, ran=2, waited=7, began=1)
        assert look(10, ran=3, waited=7, began=9.5) == 0

    def test_a_wait_that_is_not_over_counts_from_the_look_that_found_it(self, look):
        look(0, ran=1)
        look(1, ran=2, began=0.5)
        assert look(9, ran=2, began=0.5, wants_to_run=True) == 8

    def test_it_counts_once(self, look):
        """The kernel adds it to the others when it is over."""
        look(0, ran=1)
        look(1, ran=2, began=0.5)
        look(9, ran=2, began=0.5, wants_to_run=True)
        assert look(10, ran=3, waited=9, began=0.5) == 9

    def test_an_item_that_sleeps_waits_for_no_core(self, look):
        look(0, ran=1)
        look(1, ran=2, began=0.5)
        assert look(9, ran=2, began=0.5) == 0
        assert look(10, ran=2, began=0.5, wants_to_run=True) == 0  # it has just woken up
        assert look(11, ran=2, began=0.5, wants_to_run=True) == 1

    def test_an_idle_worker_waits_for_nothing(self, look):
        look(0, ran=1)
        assert look(9, ran=2, waited=7) == 0

    def test_where_the_system_does_not_count_nothing_is_told(self):
        delay = RunDelay()
        assert [delay.after("", 0.0, float(k), wants_to_run=True) for k in range(3)] == [0, 0, 0]


def test_a_worker_that_has_gone_has_waited_for_nothing():
    """Its number is nobody's: the kernel tells nothing of it."""
    starvation = Starvation()
    assert starvation.waited_s(0, 2**22 + 1, 0.0, 5.0) == 0.0
    assert starvation.waited_s(1, None, 0.0, 5.0) == 0.0
