"""A program forks in one thread while another makes its first call: its child makes calls too."""

import os
import threading
from contextlib import contextmanager

import pytest

from amorsize._api import late_map

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks")

PROGRAM = """
import faulthandler, multiprocessing, os, sys, threading, time

SLOW, FORKS = sys.argv[1:]
begun = threading.Event()

class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == SLOW and threading.current_thread() is not threading.main_thread():
            begun.set()
            time.sleep(0.3)

import logging
from amorsize import tuned_map
sys.meta_path.insert(0, Slowly())

def item(x):
    time.sleep(1e-3)
    return 2 * x

def call():
    assert tuned_map(item, range(60)) == [2 * x for x in range(60)]

def in_the_child():
    faulthandler.dump_traceback_later(20, exit=True)
    call()

first = threading.Thread(target=call)
first.start()
assert begun.wait(30)
if FORKS == "os":
    if not (child := os.fork()):
        in_the_child()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
else:
    child = multiprocessing.get_context("fork").Process(target=in_the_child)
    child.start()
    child.join()
    status = child.exitcode
first.join()
print(status)
"""


@pytest.mark.parametrize("forks", ["os", "multiprocessing"])
@pytest.mark.parametrize(
    "slow",
    [
        "amorsize._api.trivial_calls",
        "amorsize._api.map",
        "amorsize._engine.starting.host_inspection",
        "amorsize._engine.reporting.call_outcome",
        "resource",
    ],
)
def test_the_child_of_a_fork_meanwhile_can_make_calls(run_script, slow, forks):
    """Whichever module the other thread is loading."""
    done = run_script(PROGRAM, slow, forks)

    assert done.stdout == "0\n", done.stderr


def test_nothing_is_waited_for_that_this_thread_loads(monkeypatch):
    """A module that forks while it is imported."""

    class Lock:
        owner = threading.get_ident()

    monkeypatch.setattr(late_map, "_module_locks", {"amorsize.one": Lock})
    monkeypatch.setattr(late_map, "sleep", lambda _: pytest.fail("it has waited"))

    late_map.hold_back_fork()


def test_a_load_that_does_not_end_holds_a_fork_back_for_a_while(monkeypatch):
    """It may need what this thread holds."""

    class Lock:
        owner = -1

    waits = []
    monkeypatch.setattr(late_map, "_module_locks", {"amorsize.one": Lock})
    monkeypatch.setattr(late_map, "sleep", waits.append)

    late_map.hold_back_fork()

    assert 1.0 <= sum(waits) <= 5.0


def test_loads_of_others_hold_no_fork_back(monkeypatch):
    """Calls load modules of Python's own as they need them, and others only with the program."""

    class Lock:
        owner = -1

    locks = {
        "requests": Lock,
        "amorsizes": Lock,
        "amorsize.gone": lambda: None,
        "amorsize.free": object,
    }
    monkeypatch.setattr(late_map, "_module_locks", locks)
    monkeypatch.setattr(late_map, "sleep", lambda _: pytest.fail("it has waited"))

    late_map.hold_back_fork()


def test_python_keeps_the_locks_of_modules_where_they_are_looked_for():
    """And says which thread has one."""
    from _frozen_importlib import _get_module_lock, _module_locks

    lock = _get_module_lock("amorsize.not_there")
    found = []
    with lock_held(lock):
        assert _module_locks["amorsize.not_there"]() is lock
        assert not late_map.is_loaded_by_others()
        thread = threading.Thread(target=lambda: found.append(late_map.is_loaded_by_others()))
        thread.start()
        thread.join()

    assert found == [True]


@contextmanager
def lock_held(lock):
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
