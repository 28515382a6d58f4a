"""Which functions are proven to do no more than sleep, and how a first call of them runs."""

import threading
import time
from time import sleep
from types import SimpleNamespace

import pytest

from amorsize import simulate, tuned_map
from amorsize._function.purity.pure_reach import reach_of
from amorsize._function.trivial import is_trivial_but_for_sleep
from amorsize.policy.actions import RunInline, Send, StartWorker, Wait
from amorsize.policy.events import HostInspected, Inlined, Ready, Report, Started, Status, Waited
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host

CALLS = []


def only_sleeps(func, data):
    """Both proofs: nothing is shared or changed, and nothing but the sleep takes long."""
    is_quick = is_trivial_but_for_sleep(func, [items[0] for items in data if items])
    return is_quick and reach_of(func, data) is not None


CLOCK = SimpleNamespace(sleep=CALLS.append)


def naps(x):
    sleep(0.1)
    return x


def naps_by_module(x):
    time.sleep(x)
    return x + 1


def naps_for(x, y=0.1):
    if y:
        sleep(y)
    return abs(x)


def naps_again(x):
    for _ in range(3):
        sleep(x)


def naps_and_sums(x):
    sleep(0.1)
    return sum(range(x))


def naps_and_notes(x):
    sleep(0.1)
    CALLS.append(x)


def naps_elsewhere(x):
    CLOCK.sleep(x)


def waits_for_lock(x):
    sleep(0.1)
    threading.Lock().acquire()


def computes(x):
    return x + 1


async def naps_later(x):
    sleep(x)


@pytest.mark.parametrize("func", [naps, naps_by_module, naps_for])
def test_sleeping_is_proven(func):
    """All else in the code is over in no time, and can change nothing."""
    assert only_sleeps(func, ([1, 2], []))


@pytest.mark.parametrize(
    "func",
    [
        *(naps_again, naps_and_sums, naps_and_notes, naps_elsewhere),
        *(waits_for_lock, computes, naps_later, sleep, SimpleNamespace(sleep=1)),
    ],
)
def test_what_may_do_more_is_not_proven(func):
    """It may compute for long, change something, or sleep in somebody else's way."""
    assert not only_sleeps(func, ([1, 2], []))


@pytest.mark.parametrize("item", [[1], object(), 2**100, "a" * 2000])
def test_items_that_are_more_than_small_values_end_the_proof(item):
    """An item may have methods of its own, or make a quick step long."""
    assert not only_sleeps(naps, ([item], []))


def test_a_sleep_that_was_replaced_ends_the_proof(monkeypatch):
    """As gevent and tests do, in the module or in the function's own globals."""
    monkeypatch.setattr(time, "sleep", CALLS.append)
    assert not only_sleeps(naps_by_module, ([1, 2], []))
    monkeypatch.setitem(globals(), "sleep", CALLS.append)
    assert not only_sleeps(naps, ([1, 2], []))


class FirstCall:
    """A tuner in the first call of a function that only sleeps, until a first item is watched."""

    def __init__(self, n_items):
        self.n_left, self.n_threads, self.request = n_items, 0, Request(n_items=n_items)
        self.tuner = Tuner(None, self.request)
        request = self.request.replace(only_sleeps=True)
        self.tuner.tell(HostInspected(host=Host(n_cores=2), request=request))

    def go_on(self):
        """Do what the tuner asks for, until it waits or asks for something else."""
        while True:
            action = self.tuner.next(
                Status(now_s=0.01, n_left=self.n_left, all_read=True, caller_busy=False)
            )
            if isinstance(action, StartWorker):
                assert action.backend == "thread"
                started = {"worker": self.n_threads, "backend": "thread", "now_s": 0.01}
                self.tuner.tell(Started(start_s=1e-4, **started))
                self.tuner.tell(Ready(worker=self.n_threads, now_s=0.01))
                self.n_threads += 1
            elif isinstance(action, Send):
                self.n_left -= action.n_items
            else:
                return action

    def report(self, **changes):
        """Tell of an item that one thread has run."""
        times = {"wall_s": 20e-3, "cpu_s": 0.1e-3, "pickle_s": 0.0, "now_s": 0.03, **changes}
        self.tuner.tell(Report(worker=0, n_items=1, n_sent=1, **times))


@pytest.mark.parametrize(("n_items", "n_threads"), [(2, 2), (8, 8), (20, 20), (32, 32), (99, 32)])
def test_all_begin_once_one_is_seen_to_sleep(n_items, n_threads):
    """The caller looks on for 2 ms, and runs none itself."""
    call = FirstCall(n_items)
    assert call.go_on().is_watched
    assert call.n_threads == 1

    call.tuner.tell(Waited(wall_s=2e-3, others_cpu_s=0.1e-3))

    assert isinstance(call.go_on(), Wait)
    assert call.n_threads == n_threads


def test_on_a_busy_host_a_sleep_shows_that_items_wait():
    """Code that only sleeps has no other reason to leave its core idle."""
    call = FirstCall(99)
    call.go_on()
    call.tuner.tell(Waited(wall_s=2e-3, others_cpu_s=0.1e-3))
    call.go_on()

    call.report(run_delay_s=5e-3)

    call.go_on()
    assert call.tuner.choice.backend == "thread"
    assert call.n_threads == 32


def test_on_a_busy_host_one_item_of_the_caller_shows_it_too():
    """Where items are many, the first ones run before the function is looked at."""
    tuner = Tuner(None, request := Request(n_items=300, may_look_up=False))
    times = {"wall_s": 20e-3, "cpu_s": 0.1e-3, "process_cpu_s": 0.1e-3, "run_delay_s": 5e-3}
    tuner.tell(Inlined(n_items=1, now_s=0.02, n_pauses=1, **times))
    assert not tuner.costs.waits

    tuner.tell(HostInspected(host=Host(n_cores=2), request=request.replace(only_sleeps=True)))

    assert tuner.costs.waits
    assert tuner.waiters.n_wanted == 32


def test_an_item_that_computes_after_all_stays_alone():
    """It ends, and all others are shared out by what it has cost."""
    call = FirstCall(8)
    call.go_on()

    for _ in range(5):
        call.tuner.tell(Waited(wall_s=2e-3, others_cpu_s=2e-3))

    assert isinstance(call.go_on(), Wait)
    assert call.n_threads == 1


def test_the_next_call_begins_with_no_fewer():
    """A call of few items has shown nothing against more of them."""
    known = simulate.World(costs_s=(0.2,) * 4, waits=True, n_cores=2, thread_reason=None)
    tuner = simulate.tuner_for(known)
    simulate.play(known, tuner)
    call = FirstCall(32)
    call.tuner = Tuner(None, call.request, tuner.learned())
    request = call.request.replace(only_sleeps=True)
    call.tuner.tell(HostInspected(host=Host(n_cores=2), request=request))
    call.go_on()

    call.tuner.tell(Waited(wall_s=2e-3, others_cpu_s=0.1e-3))

    assert not isinstance(call.go_on(), RunInline)
    assert call.n_threads == 32


def test_a_first_call_in_real_threads_gives_the_results_of_the_loop():
    """No item is run by the caller, beside whom nothing would go on."""
    began_s = time.thread_time()
    assert tuned_map(naps, range(6)) == list(range(6))
    assert time.thread_time() >= began_s
