"""Whether new interpreters pay is asked again while a call goes on in the loop."""

import os
import threading
import time
from itertools import pairwise

import pytest

import amorsize
from amorsize import autotune
from amorsize._engine.costs import spawn_costs
from amorsize._function.needs.libraries import libraries_of
from amorsize._workers.processes import start_ahead
from amorsize.policy import actions as do
from amorsize.policy.events import HostInspected, Inlined, Status, WorkersLimited
from amorsize.policy.request import Request
from amorsize.policy.rules.choose_backend import ASK_AGAIN_S
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host

HOST = Host(n_cores=2, fork_reason="a thread", process_start_s=1e-3, process_ready_s=25e-3)
TOO_LITTLE = "too little is left"


class Played:
    """A call in virtual time that runs items in the loop until the policy wants something else."""

    def __init__(self, costs_s, worth_s, limited_at_s=None):
        self.tuner = Tuner(None, Request(n_items=len(costs_s)))
        self.now_s, self.asked_s, self.wanted = 0.0, [], None
        self.left = list(costs_s)
        while self.left and self.wanted is None:
            if limited_at_s is not None and self.now_s >= limited_at_s:
                self.tuner.tell(WorkersLimited(n_workers=0, why="a fork is not safe any more"))
                limited_at_s = None
            self._step(worth_s)

    def _step(self, worth_s):
        status = Status(now_s=self.now_s, n_left=len(self.left), all_read=True, caller_busy=False)
        match action := self.tuner.next(status):
            case do.RunInline():
                self._run(action)
            case do.InspectHost():
                self.asked_s.append(self.now_s)
                pays = self.tuner.left_s(status) >= worth_s
                request = self.tuner.request.replace(
                    thread_reason="shared",
                    process_reason=None if pays else TOO_LITTLE,
                    may_pay_later=not pays,
                )
                self.tuner.tell(HostInspected(host=HOST, request=request))
            case _:
                self.wanted = action

    def _run(self, action):
        n_items, wall_s = 0, 0.0
        while n_items < min(action.n_items, len(self.left)) and wall_s < action.time_budget_s:
            wall_s += self.left[n_items]
            n_items += 1
        del self.left[:n_items]
        self.now_s += wall_s
        self.tuner.tell(
            Inlined(
                n_items=n_items,
                wall_s=wall_s,
                cpu_s=wall_s,
                process_cpu_s=wall_s,
                now_s=self.now_s,
                n_pauses=0,
            )
        )


def test_items_that_become_costlier_leave_the_loop():
    """The first five take 1 ms, which is too little; all others take 50 ms."""
    played = Played([1e-3] * 5 + [50e-3] * 595, worth_s=1.0)

    assert isinstance(played.wanted, do.MeasurePickling | do.StartWorker)
    assert played.now_s < 5e-3 + 2 * ASK_AGAIN_S
    assert any("anew" in note.what for note in played.tuner.notes)


def test_a_loop_that_stays_is_asked_rarely_and_not_at_its_end():
    played = Played([5e-3] * 300, worth_s=1e9)

    assert played.wanted is None
    assert all(later - earlier >= ASK_AGAIN_S for earlier, later in pairwise(played.asked_s))
    assert len(played.asked_s) > 5
    assert played.asked_s[-1] <= 300 * 5e-3 - ASK_AGAIN_S / 2


def test_a_short_loop_is_asked_once():
    assert len(Played([2e-3] * 50, worth_s=1e9).asked_s) == 1


def test_a_reason_that_has_nothing_to_do_with_time_is_not_asked_again():
    tuner = Tuner(None, Request(n_items=1000))
    request = tuner.request.replace(thread_reason="shared", process_reason="a lock")
    tuner.tell(HostInspected(host=HOST, request=request))
    for now_s in range(1, 20):
        tuner.tell(
            Inlined(n_items=2, wall_s=1.0, cpu_s=1.0, process_cpu_s=1.0, now_s=now_s, n_pauses=0)
        )
        status = Status(now_s=now_s, n_left=1000 - now_s, all_read=True, caller_busy=False)
        assert isinstance(tuner.next(status), do.RunInline)


def test_a_call_that_could_not_fork_any_more_is_asked_again():
    """An item has started a thread, and by then too little was left for new interpreters."""
    played = Played([1e-3] * 5 + [50e-3] * 100, worth_s=1.0, limited_at_s=3e-3)

    assert isinstance(played.wanted, do.MeasurePickling | do.StartWorker)


@pytest.fixture
def idle_thread():
    """A second thread, beside which no worker is forked; no interpreter waits."""
    amorsize.shutdown()
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()
    amorsize.shutdown()


def waits(wait_s):
    time.sleep(wait_s)
    return os.getpid()


@pytest.mark.usefixtures("idle_thread")
def test_a_first_item_far_cheaper_than_the_others_does_not_keep_them_here(monkeypatch):
    monkeypatch.setattr(spawn_costs, "interpreter_s", lambda: 25e-3)  # pytest has many modules
    tuned = autotune(waits, thread_safe=False, cache=False)

    found = tuned([0.0] + [40e-3] * 29)

    assert found[0] == os.getpid()
    assert len(set(found)) > 1, str(tuned.explain())


@pytest.mark.usefixtures("idle_thread")
def test_interpreters_that_are_ready_by_now_are_used(monkeypatch):
    """They begin during the call, as those that another thread's call begins."""
    monkeypatch.setattr(spawn_costs, "starting_s", lambda _: 100.0)
    begun, names = [], libraries_of(waits)

    def begin_two(_):
        if not begun:
            begun.append(start_ahead.start_ahead(2, names=names))
            until = time.monotonic() + 30
            while spawn_costs.n_warm_interpreters(names) < 2:
                assert time.monotonic() < until
                time.sleep(5e-3)

    tuned = autotune(waits, thread_safe=False, cache=False, progress=begin_two)
    found = tuned([20e-3] * 60)

    assert found[0] == os.getpid()
    assert len(set(found)) > 1, str(tuned.explain())


SHORT = """
import threading, time
from amorsize import autotune
threading.Thread(target=threading.Event().wait, daemon=True).start()

@autotune(thread_safe=False)
def wait(x):
    time.sleep(4e-3)
    return x

assert wait(range(24)) == list(range(24))
"""


def test_a_function_is_not_read_where_nothing_hangs_on_it(ours_loaded):
    """The options rule threads out, and processes would take longer to start than the loop."""
    loaded = ours_loaded(SHORT)

    assert "amorsize._engine.starting.new_interpreters" in loaded
    assert not {one for one in loaded if one.startswith("amorsize._function.sharing")}
    assert "amorsize._function.needs.libraries" not in loaded
