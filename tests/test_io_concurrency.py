"""How many waiting items are in flight at once, and where those run that compute as well."""

import threading
import time

import pytest
from witness import compute

from amorsize import autotune, simulate, tuned_map
from amorsize._host import resources
from amorsize._profiles.memory_store import last_trace
from amorsize.policy import best_backend
from amorsize.policy.actions import Plan, RunInline, StartWorker
from amorsize.policy.events import HostInspected, Inlined, PicklingMeasured, Report, Status
from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.evidence.io_concurrency import FIRST, MOST, MOST_CONNECTING, Waiters
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.profile import CostLevel, ItemTraits, Profile, Sharing
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host


def serve(n_served, item_s=8e-3, n_items=4000):
    """Waiters before a service that answers `n_served` requests at a time; the others queue."""
    waiters, tried = Waiters(), []
    for _ in range(n_items):
        cost_s = item_s * max(1.0, waiters.n_wanted / n_served)
        if waiters.n_wanted not in tried:
            tried.append(waiters.n_wanted)
        report = Report(
            worker=0, n_items=1, n_sent=1, wall_s=cost_s, cpu_s=0.0, pickle_s=0.0, now_s=0.0
        )
        waiters.count(report, n_alive=waiters.n_wanted)
    return waiters, tried


def test_a_service_without_limit_gets_the_most_by_half_as_many_again():
    """Each step after a full window of items that took no longer."""
    waiters, tried = serve(n_served=10**6)

    assert tried == [16, 24, 36, 54, 81, 122, 183, MOST]
    assert waiters.n_wanted == MOST
    assert not waiters.settled


@pytest.mark.parametrize("n_served", [20, 48, 100])
def test_a_service_with_a_limit_gets_about_what_it_serves(n_served):
    """Those who would only queue are not kept waiting there."""
    waiters, _ = serve(n_served)

    assert waiters.settled
    assert 0.8 * n_served <= waiters.n_wanted <= 1.3 * n_served


def report(*, cost_s=8e-3, n_failed=0):
    """Of one item."""
    return Report(
        worker=0,
        n_items=1,
        n_sent=1,
        wall_s=cost_s,
        cpu_s=0.0,
        pickle_s=0.0,
        now_s=0.0,
        n_failed=n_failed,
    )


def test_a_failure_in_a_window_keeps_their_number():
    """Perhaps it is for the others beside it."""
    waiters = Waiters()
    for n in range(400):
        waiters.count(report(n_failed=int(n % FIRST == 0)), n_alive=FIRST)

    assert waiters.n_wanted == FIRST


def test_those_that_connect_are_never_more_than_32():
    """Nor where an earlier call had more, or had begun before that was seen."""
    waiters = Waiters()
    waiters.start_with(known_waits(200))
    waiters.limit(MOST_CONNECTING)
    for _ in range(1000):
        waiters.count(report(), n_alive=waiters.n_wanted)
    assert waiters.n_wanted == waiters.n_next(None) == MOST_CONNECTING

    waiters.start_with(known_waits(200))
    assert waiters.n_wanted == MOST_CONNECTING


def known_waits(n_jobs, *, n_begin=None, n_waiters=None, spread_log=0.05):
    """What a call has left that had so many items of 8 ms at once."""
    explored = Explored(n_begin=n_begin, n_waiters=n_waiters)
    return Profile(
        plan=Plan(backend="thread", n_jobs=n_jobs, chunksize=1),
        traits=ItemTraits(
            item_s=8e-3, item_cpu_s=0.0, pickle_s=None, warmup_s=0.0, holds_gil=None, waits=True
        ),
        level=CostLevel(typical_s=8e-3, spread_log=spread_log, n_chunks=n_jobs),
        sharing=Sharing(explored=explored.as_dict()),
        n_items=n_jobs,
    )


@pytest.mark.parametrize(
    ("earlier", "n_wanted"),
    [
        ({"n_jobs": 4}, FIRST),
        ({"n_jobs": 36}, 36),
        ({"n_jobs": 16, "n_begin": 24}, 24),
        ({"n_jobs": 24, "n_begin": 16}, 16),
        ({"n_jobs": 24, "n_begin": 24, "n_waiters": 8}, 8),  # a trial knows better
    ],
    ids=str,
)
def test_a_call_begins_with_what_the_one_before_has_shown(earlier, n_wanted):
    """Rather than with as many as it had."""
    waiters = Waiters()
    waiters.start_with(known_waits(**earlier))

    assert waiters.n_wanted == waiters.n_next(None) == n_wanted


@pytest.mark.parametrize(
    ("n_items", "cost_s", "n_failed", "alone_s", "n_next"),
    [
        (FIRST, 8e-3, 0, 8e-3, 24),
        (FIRST - 1, 8e-3, 0, 8e-3, FIRST),  # no full window
        (FIRST, 8e-3, 1, 8e-3, FIRST),
        (FIRST, 16e-3, 0, 8e-3, FIRST),
        (FIRST, 8e-3, 0, None, FIRST),  # there is nothing to compare with
    ],
)
def test_a_short_call_leaves_to_the_next_how_many_to_begin_with(
    n_items, cost_s, n_failed, alone_s, n_next
):
    """All of its items are over, so none of them has to be skipped for ending first."""
    waiters = Waiters()
    for number in range(n_items + n_failed):
        waiters.count(report(cost_s=cost_s, n_failed=int(number < n_failed)), n_alive=FIRST)

    assert waiters.n_next(alone_s) == n_next


@pytest.mark.parametrize(
    ("n_items", "n_next"), [(8, 24), (20, 24), (25, 25), (32, 32), (33, 24), (None, 24)]
)
def test_all_items_of_the_next_call_begin_at_once_if_they_are_twice_as_many(n_items, n_next):
    """With half as many again they would take two rounds, as they have now."""
    waiters = Waiters()
    for _ in range(FIRST):
        waiters.count(report(cost_s=8e-3), n_alive=FIRST)

    assert waiters.n_next(8e-3, n_items) == n_next


def test_all_items_at_once_are_no_more_than_services_take():
    """Those that use the network have an upper bound."""
    waiters = Waiters()
    waiters.limit(MOST_CONNECTING)
    waiters.start_with(known_waits(24))
    for _ in range(24):
        waiters.count(report(cost_s=8e-3), n_alive=24)

    assert waiters.n_next(8e-3, 48) == MOST_CONNECTING


@pytest.mark.parametrize(("factor", "n_next"), [(1.0, 36), (1.1, 36), (1.5, FIRST), (9.0, FIRST)])
def test_more_than_an_earlier_call_had_are_compared_with_it(factor, n_next):
    """Where they feel each other, the next call begins with fewer again."""
    waiters = Waiters()
    waiters.start_with(known_waits(FIRST, n_begin=24))
    for _ in range(24):
        waiters.count(report(cost_s=factor * 8e-3), n_alive=24)

    assert waiters.n_next(None) == n_next


def test_what_was_shown_of_waiting_items_is_kept_and_older_accounts_have_none_of_it():
    """An older one counts as one that has shown nothing; a forged one makes the record a miss."""
    known = known_waits(FIRST, n_begin=24)
    assert Profile.from_dict(known.as_dict()) == known

    stored = known.as_dict()
    del stored["explored"]["n_begin"]
    older = Profile.from_dict(stored)
    assert older is not None
    assert Waiters().n_known(older) == FIRST

    for lie in (0, 10**9, 1.5, True, "24"):
        stored["explored"]["n_begin"] = lie
        assert Profile.from_dict(stored) is None
    del stored["explored"]["n_begin"], stored["explored"]["n_waiters"]
    assert Profile.from_dict(stored) is None


def few(n_items, known=None, **changes):
    """A call of few long items, which wait if nothing else is said."""
    figures = {"waits": True, "n_cores": 2, "jitter": 0.0, "told_error": 1.0, **changes}
    world = simulate.World(**{"costs_s": (0.2,) * n_items, **figures})
    tuner = simulate.tuner_for(world, known)
    return simulate.play(world, tuner), tuner, world


@pytest.mark.parametrize("n_items", [4, 8, 16])
def test_few_waits_have_a_worker_each(n_items):
    """None is queued behind another, while workers for all are still being started."""
    assert few(n_items)[0].makespan_s < 2 * 0.2 + 0.015


@pytest.mark.parametrize(
    ("n_left", "item_s", "is_shared_out"),
    [
        (1, 2.0, False),  # a thread would take as long as the caller
        (2, 2.0, True),
        (3, 0.1, True),
        (2, 20e-3, False),  # if the first was a warm-up, starting a thread would show
        (7, 20e-3, True),
    ],
)
def test_few_waits_are_shared_out_after_one_of_them(n_left, item_s, is_shared_out):
    """A second one, to see if the first was a warm-up, would take as long as all others at once."""
    tuner = Tuner(None, Request(n_items=1 + n_left, may_look_up=False))
    times = {"wall_s": item_s, "cpu_s": 0.1e-3, "process_cpu_s": 0.1e-3, "n_pauses": 1}
    tuner.tell(Inlined(n_items=1, now_s=item_s, **times))
    tuner.tell(HostInspected(host=Host(n_cores=2), request=tuner.request))
    status = Status(now_s=item_s, n_left=n_left, all_read=True, caller_busy=False)

    assert isinstance(tuner.next(status), StartWorker if is_shared_out else RunInline)


def test_two_waits_run_beside_each_other_in_the_next_call():
    """The first call has run both in the caller: that is no choice of the loop."""
    known = few(2, holds_gil=False, thread_reason=None)[1].learned().replace(backend="serial")
    assert known.traits.waits

    outcome, tuner, _ = few(2, known)

    assert outcome.makespan_s < 0.2 + 0.01
    assert outcome.n_started == {"thread": 2}
    assert tuner.learned().plan.backend == "thread"


@pytest.mark.parametrize("n_items", [2, 4, 8, 16])
@pytest.mark.parametrize("n_cores", [1, 2, 4])
def test_few_waits_that_are_known_run_at_once(n_items, n_cores):
    """None of them is run first: that would take as long as all of them at once."""
    known = few(8, n_cores=n_cores, holds_gil=False, thread_reason=None)[1].learned()
    assert known.plan.backend == "thread"
    for _ in range(3):
        outcome, tuner, _ = few(n_items, known, n_cores=n_cores)
        known = tuner.learned()

        assert outcome.makespan_s < 0.2 + 0.01
        assert outcome.n_started == {"thread": n_items}
        assert (known.plan.backend, known.traits.waits) == ("thread", True)


def serves(n_most):
    """How fast items go on of which a service has so many at a time; the others queue."""
    return lambda n_running: min(1.0, n_most / n_running)


@pytest.mark.parametrize(
    ("n_items", "n_rounds"), [(20, [3, 1, 1]), (32, [3, 1, 1]), (40, [4, 2, 1])]
)
def test_one_call_shows_how_many_waits_the_next_begins_with(n_items, n_rounds):
    """Half as many again after each call that had a full window of them, none of which was felt.

    All of them where these are no more than twice as many.
    """
    known = None
    for n in n_rounds:
        outcome, tuner, _ = few(n_items, known, holds_gil=False, thread_reason=None)
        known = tuner.learned()

        assert outcome.makespan_s < 0.2 * n + 0.03


def test_waits_that_a_service_takes_16_at_a_time_stay_about_as_many():
    """All are tried in one call, in which two rounds would take as long, and fewer in the next."""
    known, n_threads = None, []
    for _ in range(6):
        changes = {"holds_gil": False, "thread_reason": None, "slowdown": serves(16)}
        outcome, tuner, _ = few(32, known, **changes)
        known = tuner.learned()
        n_threads.append(outcome.n_started["thread"])

    assert n_threads[:3] == [16, 32, 16]
    assert max(n_threads[2:]) == 24


class LongWaits:
    """Items that wait for 0.2 s, and what was seen of those of the latest call."""

    def __init__(self):
        self.tuned = autotune(self.wait, thread_safe=True, cache=False)
        self._lock = threading.Lock()

    def wait(self, number):
        with self._lock:
            self.threads.add(threading.get_ident())
            self._n_now += 1
            self.n_most = max(self.n_most, self._n_now)
        time.sleep(0.2)
        with self._lock:
            self._n_now -= 1
        return number

    def run(self, n_items):
        """Call it anew; how many of its items ran at once."""
        self.threads, self.n_most, self._n_now = set(), 0, 0
        assert self.tuned(range(n_items)) == list(range(n_items))
        return self.n_most


def test_few_waits_that_are_known_run_beside_each_other_in_real_threads():
    """The caller runs none; on a busy host it may take a call more to know that they wait."""
    waits = LongWaits()

    def runs_at_once():
        return waits.run(6) == 6 and threading.get_ident() not in waits.threads

    assert not runs_at_once()  # nothing is known
    assert any(runs_at_once() for _ in range(5))


@pytest.mark.cores
def test_20_long_waits_run_at_once_in_real_threads_once_16_have_not_felt_each_other():
    """On a busy host these may seem to feel each other."""
    for _ in range(5):
        waits = LongWaits()
        first, second = waits.run(20), waits.run(20)
        assert first <= FIRST
        if second == 20:
            return
    raise AssertionError(f"{second} in a second call")


@pytest.mark.parametrize("cost_s", [5e-3, 0.2])
@pytest.mark.parametrize("n_items", [4, 32])
@pytest.mark.parametrize("holds_gil", [True, False])
def test_few_items_that_wait_no_more_are_not_started_at_once(cost_s, n_items, holds_gil):
    """One of them is seen to compute: it takes no longer than the loop, however wrong the hint."""
    known = few(8)[1].learned()
    outcome, tuner, world = few(
        n_items, known, waits=False, costs_s=(cost_s,) * n_items, holds_gil=holds_gil
    )

    assert tuner.workers.of("thread").n_alive <= world.n_cores
    assert outcome.n_started["thread"] <= 1 + world.n_cores  # the first one has ended
    assert outcome.makespan_s <= 1.03 * world.serial_s + 4e-3


@pytest.mark.parametrize("n_items", [3, 4, 8, 32])
@pytest.mark.parametrize("n_cores", [2, 8])
@pytest.mark.parametrize("holds_gil", [True, False])
def test_items_that_wait_no_more_cost_one_item_alone(n_items, n_cores, holds_gil):
    """The thread that has run it ends, so that processes can be forked for all others."""
    changes = {"waits": False, "n_cores": n_cores, "holds_gil": holds_gil}
    cold, _, _ = few(n_items, **changes)
    outcome, tuner, _ = few(n_items, few(8)[1].learned(), **changes)

    assert not tuner.learned().traits.waits
    assert not (holds_gil and tuner.workers.of("thread").n_alive)
    assert outcome.makespan_s <= 1.05 * cold.makespan_s + 0.2 + 10e-3


def part_waiting(**changes):
    """A call of 200 items that compute for 0.4 of their 25 ms."""
    exact = {"waits": True, "jitter": 0.0, "told_error": 1.0}
    figures = {"costs_s": (0.025,) * 200, "cpu_share": 0.4, "n_cores": 2, **exact, **changes}
    world = simulate.World(**figures)
    tuner = simulate.tuner_for(world)
    return simulate.play(world, tuner), tuner


@pytest.mark.parametrize("n_cores", [2, 4, 16])
def test_items_that_half_wait_have_more_workers_than_cores(n_cores):
    """While one waits, another computes: with a worker a core, half of the cores would idle."""
    outcome, tuner = part_waiting(n_cores=n_cores)

    assert 3 * n_cores <= outcome.n_started["process"] <= 3.25 * n_cores
    assert tuner.costs.waits is False
    assert "though they wait for cores" not in str(tuner.notes)


def test_items_that_compute_have_a_worker_a_core():
    """A core that a hypervisor takes away costs wall time as well, but no pause."""
    assert part_waiting(cpu_share=0.9)[0].n_started.get("process", 0) <= 2
    assert part_waiting(waits=False)[0].n_started.get("process", 0) <= 2


@pytest.mark.parametrize("n_cores", [1, 2, 64])
@pytest.mark.parametrize("computing_share", [0.01, 0.31, 0.7])
def test_there_is_room_for_as_many_processes_as_a_call_may_come_to_have(n_cores, computing_share):
    """Of 64 cores and items that half wait more than 4 a core: a pool has a place for each."""
    host, n_at_once = Host(n_cores=n_cores), 1 + 1.5 * (1 / computing_share - 1)

    n_most = best_backend.most_processes(host)

    assert best_backend.part_waiting(host, n_at_once) <= n_most
    assert best_backend.waiting_processes(host, 1.0, computing_share) <= n_most


@pytest.mark.parametrize(("others_s", "n_at_once"), [(0.0, 3.25), (0.015, 1.0)])
def test_items_that_wait_for_the_gil_do_not_half_wait(others_s, n_at_once):
    """Other threads compute in that time, as those of a server do."""
    costs = ItemCosts()
    seconds = {"wall_s": 0.025, "cpu_s": 0.01, "process_cpu_s": 0.01 + others_s, "now_s": 0.1}
    for _ in range(3):
        costs.inlined(Inlined(n_items=1, n_pauses=3, **seconds), alone=True)

    assert costs.n_at_once == pytest.approx(n_at_once)


def test_items_that_half_wait_take_turns_in_threads_where_they_cannot_travel():
    """With one GIL they do as much as one core, 2.5 times the loop, which mostly waits."""

    class Untravelled(Tuner):
        def tell(self, event):
            if isinstance(event, PicklingMeasured):
                event = PicklingMeasured(pickle_s=None, reason="no")
            super().tell(event)

    world = simulate.World(costs_s=(0.025,) * 200, waits=True, cpu_share=0.4, n_cores=2)
    outcome = simulate.play(world, Untravelled(None, Request(n_items=200)))

    assert outcome.n_started == {"thread": 6}


SERVER = """
import socket, threading, time
from amorsize import autotune, tuned_map

class Server:
    \"\"\"Answers each connection after a while; refuses those beyond so many.\"\"\"
    def __init__(self, n_most, answer_s=0.005, *, refuses=False):
        self.answer_s, self.refused = answer_s, threading.Event()
        self.refuses = refuses  # then a third client has no answer before one is refused
        self.n_most, self.n_now, self.n_at_once, self.n_refused = n_most, 0, 0, 0
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        threading.Thread(target=self.accept, daemon=True).start()
    def accept(self):
        while True:
            one, _ = self.socket.accept()
            threading.Thread(target=self.answer, args=(one,), daemon=True).start()
    def answer(self, one):
        with self.lock:
            self.n_now += 1
            self.n_at_once = max(self.n_at_once, self.n_now)
            is_refused = self.n_now > self.n_most
            self.n_refused += is_refused
            n_now = self.n_now
        if is_refused:
            self.refused.set()
        elif n_now < 3 or not self.refuses:
            time.sleep(self.answer_s)
        else:
            self.refused.wait(10.0)
        with self.lock:  # first: who has the answer may ask again at once
            self.n_now -= 1
        one.sendall(b"n" if is_refused else b"y")
        one.close()
"""
CLIENTS = {
    "a connection each": """
def ask(port):
    with socket.create_connection(("127.0.0.1", port)) as one:
        if one.recv(1) == b"n": raise ConnectionError("too many clients")
    return port
""",
    "a library's client": """
import xmlrpc.client, http.client
def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    try:
        if connection.sock.recv(1) == b"n": raise ConnectionError("too many clients")
    finally:
        connection.close()
    return port
""",
    "named nowhere in the code": """
import importlib
def ask(port):
    with importlib.import_module("sock" + "et").create_connection(("127.0.0.1", port)) as one:
        if one.recv(1) == b"n": raise ConnectionError("too many clients")
    return port
""",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_takes_40_refuses_nobody(run_script, client):
    """However many items there are, in a call or in several."""
    done = run_script(
        f"{SERVER}{CLIENTS[client]}"
        "server = Server(40)\n"
        "port = server.socket.getsockname()[1]\n"
        "tuned = autotune(ask, thread_safe=True)\n"
        "for n in (90, 150): assert tuned([port] * n) == [port] * n\n"
        "print(server.n_refused, server.n_at_once)"
    )
    n_refused, n_at_once = map(int, done.stdout.split())

    assert n_refused == 0
    assert 4 < n_at_once <= 34  # the last ones may be on their way out


def test_a_server_that_takes_40_refuses_nobody_of_few_long_requests(run_script):
    """However many calls have shown that they do not feel each other."""
    done = run_script(
        f"{SERVER}{CLIENTS['a connection each']}"
        "server = Server(40, answer_s=0.1)\n"
        "port = server.socket.getsockname()[1]\n"
        "tuned = autotune(ask, thread_safe=True)\n"
        "for _ in range(6): assert tuned([port] * 60) == [port] * 60\n"
        "print(server.n_refused, server.n_at_once)"
    )
    n_refused, n_at_once = map(int, done.stdout.split())

    assert n_refused == 0
    assert FIRST < n_at_once <= 34  # the last ones may be on their way out


def test_a_failure_among_many_names_their_number_and_how_to_limit_it(run_script):
    """A server that takes fewer than those that a call begins with.

    It takes the two that there may be before it is known that they wait. More than it takes overlap
    on a busy host too, as a third one waits for that.
    """
    done = run_script(
        f"{SERVER}{CLIENTS['a connection each']}"
        "port = Server(4, answer_s=0.2, refuses=True).socket.getsockname()[1]\n"
        "try: tuned_map(ask, [port] * 60, thread_safe=True)\n"
        "except ConnectionError as error: print(error.__notes__)\n"
        "port = Server(5).socket.getsockname()[1]\n"  # where nobody is left of the call before
        "assert tuned_map(ask, [port] * 60, thread_safe=True, n_jobs=4) == [port] * 60\n"
    )

    assert "items ran at once, since they wait" in done.stdout
    assert "n_jobs=" in done.stdout


def test_a_failure_among_items_that_wait_for_a_part_names_their_number():
    """Where more run than there are cores: that was not asked for either."""

    def item(number):
        compute(8e-3)
        time.sleep(14e-3)
        if number == 99:
            raise ConnectionError("too many clients")

    with pytest.raises(ConnectionError) as caught:
        tuned_map(item, range(100), thread_safe=True)

    n_started = sum(last_trace(item).n_started.values())
    told = f"up to {n_started} items ran at once, since they wait"
    is_told = any(told in note for note in caught.value.__notes__)
    assert is_told or n_started <= resources.usable_cpus().n_cores


def costs_of(wall_s, cpu_s, n=4):
    """Estimates of items that the caller ran alone."""
    costs = ItemCosts()
    for _ in range(n):
        costs.inlined(
            Inlined(
                n_items=1,
                wall_s=wall_s,
                cpu_s=cpu_s,
                process_cpu_s=cpu_s,
                now_s=0.0,
                n_pauses=2,
            ),
            alone=True,
        )
    assert costs.waits
    return costs


def where(costs, *, n_cores=2, has_gil=True, pickling=None, left_s=1.0, **request):
    """The backend that is chosen for items with such costs."""
    host, request = Host(n_cores=n_cores, has_gil=has_gil), Request(n_items=100, **request)
    return best_backend.choose(
        host, request, costs, pickling=pickling, holds_gil=None, left_s=left_s
    )


def test_pure_waits_go_to_threads():
    """Nothing to be gained from processes."""
    assert where(costs_of(8e-3, 0.05e-3)).backend == "thread"


def test_waits_with_work_go_to_processes():
    """In threads one item computes at a time: two cores do twice as many in processes."""
    costs = costs_of(6e-3, 1.2e-3)

    assert where(costs).need == "pickling"
    assert where(costs, pickling=PicklingMeasured(pickle_s=1e-6)).backend == "process"


@pytest.mark.parametrize("n_cores", [16, 64])
def test_waits_with_a_little_work_go_to_processes_where_there_is_time_for_many(n_cores):
    """What 250 of them do at once is worth as many starts in a minute's work, not in a second's."""
    costs = costs_of(3e-3, 0.1e-3)

    assert where(costs, n_cores=n_cores, left_s=0.6).backend == "thread"
    assert where(costs, n_cores=n_cores, left_s=60.0).need == "pickling"


@pytest.mark.parametrize(
    "circumstances",
    [
        {"n_cores": 1},
        {"has_gil": False},
        {"process_reason": "no"},
        {"pickling": PicklingMeasured(pickle_s=None, reason="no")},
    ],
    ids=lambda one: next(iter(one)),
)
def test_waits_with_work_stay_in_threads_where_processes_bring_nothing(circumstances):
    """One core, no GIL, or nothing that could travel."""
    assert where(costs_of(6e-3, 1.2e-3), **circumstances).backend == "thread"


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_as_many_as_were_asked_for_are_in_flight_at_once(backend):
    """Nothing is found out where the user has chosen the workers and their number."""
    state = Tuner(None, Request(n_items=100, backend=backend, n_jobs=64))
    state.waiters.limit(MOST_CONNECTING)
    state.waiters.start_with(known_waits(20))
    state.waiters.expect(8e-3, 4e-3)
    for _ in range(1000):
        state.waiters.count(report(cost_s=1.0), n_alive=64)

    assert state.waiters.n_wanted == 64
    assert not state.waiters.settled


def test_an_upper_bound_alone_leaves_their_number_open():
    """Without a backend, n_jobs= is the most that the user allows."""
    assert Tuner(None, Request(n_items=100, backend="auto", n_jobs=64)).waiters.n_wanted == FIRST
