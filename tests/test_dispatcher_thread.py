"""The dispatcher asks for the GIL sooner than usual, and leaves the interval as it was."""

import sys

import pytest

from amorsize._engine import engine
from amorsize._engine.caller import dispatcher_thread
from amorsize._engine.state.call import Invocation


@pytest.fixture
def switches():
    """The interval of the program, which every test leaves as it was."""
    before_s = sys.getswitchinterval()
    yield sys
    sys.setswitchinterval(before_s)


def test_the_gil_changes_hands_sooner_while_workers_are_served(switches):
    quick = dispatcher_thread._QuickSwitches()
    usual_s = switches.getswitchinterval()

    with quick:
        with quick:  # the dispatcher of another thread's call
            assert switches.getswitchinterval() == pytest.approx(dispatcher_thread.SWITCH_S)
        assert switches.getswitchinterval() == pytest.approx(dispatcher_thread.SWITCH_S)

    assert switches.getswitchinterval() == usual_s


def test_an_interval_that_an_item_sets_meanwhile_stays(switches):
    with dispatcher_thread._QuickSwitches():
        switches.setswitchinterval(2e-3)

    assert switches.getswitchinterval() == pytest.approx(2e-3)


def test_an_interval_that_is_shorter_already_stays(switches):
    switches.setswitchinterval(1e-5)

    with dispatcher_thread._QuickSwitches():
        assert switches.getswitchinterval() == pytest.approx(1e-5)


def test_the_child_of_an_item_that_forks_has_the_usual_interval(switches):
    quick = dispatcher_thread._QuickSwitches()
    usual_s = switches.getswitchinterval()

    with quick:
        quick.after_fork()

        assert switches.getswitchinterval() == usual_s
        with quick:
            assert switches.getswitchinterval() == pytest.approx(dispatcher_thread.SWITCH_S)
        assert switches.getswitchinterval() == usual_s
        quick._n_inside = 1  # as the parent goes on


@pytest.mark.parametrize(
    ("is_probing", "ends", "is_quick"),
    [(False, False, True), (True, True, True), (True, False, False)],
)
def test_a_watch_sees_the_gil_change_hands_as_usual(switches, is_probing, ends, is_quick):
    """How late it gets the GIL is what it is there to see; one that is due ends first."""
    usual_s = switches.getswitchinterval()
    probing, intervals_s = [is_probing], []
    dispatcher = dispatcher_thread.Dispatcher(
        engine.Engine(Invocation(func=abs, iterables=(range(3),))).call,
        is_probing=lambda: probing[0],
        serve=lambda: intervals_s.append(switches.getswitchinterval()),
        act=lambda: probing.__setitem__(0, is_probing and not ends),
    )

    dispatcher._serve()
    dispatcher.stop()

    assert intervals_s == [pytest.approx(dispatcher_thread.SWITCH_S if is_quick else usual_s)]


STREAM_THAT_RAISES = """
import os, sys, threading, time
from amorsize import autotune, partial_results

PARENT, MAIN = os.getpid(), threading.get_ident()

class Refuses:
    def write(self, text):
        if threading.get_ident() != MAIN:
            raise OSError("the disk is full")
        return len(text)

    def flush(self):
        pass

sys.stderr = Refuses()

def item(x):
    if os.getpid() == PARENT:
        with open("here", "a") as here:
            here.write("once\\n")
        # The caller's items are long and compute: another thread serves the workers.
        until_s = time.perf_counter() + 0.3
    else:
        until_s = time.perf_counter() + 0.01
        print("here I am", file=sys.stderr)
    while time.perf_counter() < until_s:
        pass
    return x

try:
    autotune(item, cache=False, n_jobs=2)(range(400))
except OSError as error:
    print(error, len(partial_results(error)) < 400, len(open('here').readlines()) < 10)
print(open(f"/proc/self/task/{PARENT}/children").read())
"""


@pytest.mark.forks
def test_what_goes_wrong_while_workers_are_served_is_told_soon(run_script):
    """After the caller's item, not at the end of the call; and no worker is left."""
    done = run_script(STREAM_THAT_RAISES)

    assert done.stdout.split("\n")[:2] == ["the disk is full True True", ""]
