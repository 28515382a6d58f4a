"""Whether items wait: told by how long they had a core, computed, and stood back for others."""

import pytest

from amorsize import simulate
from amorsize.policy import actions as do
from amorsize.policy.events import GilProbed, HostInspected, Inlined, Report, Started, Status
from amorsize.policy.evidence.core_availability import CoreEvidence
from amorsize.policy.evidence.gil import HOLDS_GIL_SHARE
from amorsize.policy.evidence.io_bound import IDLE_STREAK, FirstReports
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host
from amorsize.simulate import play


def inlined(wall_s, cpu_s, run_delay_s=0.0, n_pauses=1):
    """One item of the caller's."""
    return Inlined(
        n_items=1,
        wall_s=wall_s,
        cpu_s=cpu_s,
        process_cpu_s=cpu_s,
        now_s=0.0,
        n_pauses=n_pauses,
        run_delay_s=run_delay_s,
    )


def report(wall_s, cpu_s, run_delay_s=0.0, now_s=0.0, worker=0):
    """One item of a worker's."""
    return Report(
        worker=worker,
        n_items=1,
        n_sent=1,
        wall_s=wall_s,
        cpu_s=cpu_s,
        pickle_s=0.0,
        now_s=now_s,
        run_delay_s=run_delay_s,
    )


STARVED = inlined(12e-3, 2e-3, 9.9e-3)
SLEPT = inlined(5e-3, 0.1e-3)
SLEPT_BESIDE_OTHERS = inlined(12e-3, 0.1e-3, 7e-3)
IMPORTED = SLEPT.replace(wall_s=0.2, cpu_s=0.15, n_modules=40)
STALLED = inlined(50e-3, 2e-3, 6e-3)  # a page whose lock somebody has who has no core


def waits_after(*events):
    """Whether items seem to wait after these."""
    costs = ItemCosts()
    for event in events:
        costs.inlined(event, alone=True)
    return costs.waits


@pytest.mark.parametrize(
    ("events", "waits"),
    [
        ([SLEPT], True),
        ([STARVED] * 20, False),
        ([STALLED] + [STARVED] * 3, False),
        ([SLEPT_BESIDE_OTHERS] * (IDLE_STREAK - 1), False),
        ([SLEPT_BESIDE_OTHERS] * IDLE_STREAK, True),
        ([STARVED] + [SLEPT_BESIDE_OTHERS] * IDLE_STREAK, True),
        ([IMPORTED] + [SLEPT_BESIDE_OTHERS] * IDLE_STREAK, True),
        ([inlined(5e-3, 0.1e-3, n_pauses=0)] * 20, False),  # a hypervisor has taken the core
    ],
)
def test_the_callers_items_tell(events, waits):
    """On a quiet host one is enough, on a busy one it takes several in a row."""
    assert waits_after(*events) is waits


@pytest.mark.parametrize("lag_share", [0.05, 0.3, 0.95])
def test_what_only_waits_needs_no_processes_since_the_watcher_was_late(lag_share):
    """On a busy host it is, for want of a core; items that seem to wait have no part to scale by.

    Held by items that compute nothing, the GIL would be seen in all of the time; even then it is
    first found out whether they wait.
    """
    tuner = Tuner(Host(n_cores=2), Request(n_items=100))
    tuner.tell(HostInspected(host=tuner.host, request=tuner.request))
    for _ in range(IDLE_STREAK - 2):
        tuner.tell(SLEPT_BESIDE_OTHERS)
    tuner.tell(GilProbed(lag_share=lag_share, watched_s=12e-3, n_wakes=6))
    status = Status(now_s=0.05, n_left=98, all_read=True, caller_busy=False)

    assert tuner.gil.is_held is (lag_share > HOLDS_GIL_SHARE)
    if tuner.gil.is_held:
        assert isinstance(tuner.next(status), do.RunInline)
        tuner.tell(SLEPT_BESIDE_OTHERS)
        assert isinstance(tuner.next(status), do.RunInline)
        tuner.tell(SLEPT_BESIDE_OTHERS)
    started = tuner.next(status)

    assert isinstance(started, do.StartWorker)
    assert started.backend == "thread"


@pytest.mark.parametrize(
    ("event", "undisturbed_s"),
    [
        (inlined(40e-3, 8e-3, 32e-3), 8e-3),
        (inlined(40e-3, 4e-3, 20e-3), 20e-3),  # it waits as well
        (SLEPT, 5e-3),
        (inlined(5e-3, 0.0), 5e-3),
    ],
)
def test_what_others_kept_an_item_waiting_is_no_work_of_it(event, undisturbed_s):
    """What they would keep a new interpreter from as well is nothing that it could save."""
    costs = ItemCosts()
    for _ in range(3):
        costs.inlined(event, alone=True)

    assert costs.undisturbed_s == pytest.approx(undisturbed_s)
    assert costs.item_s == pytest.approx(event.wall_s)


def first_verdict(*reports, fresh=()):
    """What first reports tell, and after how many of them."""
    verdict = FirstReports()
    for number, one in enumerate(reports):
        if verdict.see(one, is_fresh_fork=number in fresh):
            return number + 1
        if verdict.is_settled:
            return None
    return None


def test_first_reports_tell():
    """One of a quiet host, several of a busy one, none of items that stand back."""
    assert first_verdict(report(8e-3, 0.1e-3)) == 1
    assert first_verdict(*[report(12e-3, 0.1e-3, 7e-3)] * 20) == IDLE_STREAK
    assert first_verdict(*[report(12e-3, 2e-3, 9.9e-3)] * 20) is None


def test_a_fresh_fork_is_no_witness():
    """Its first pages may take long on a busy host; but a quarter of a second, no."""
    stalled, computed = report(49e-3, 2e-3, 0.1e-3), report(6e-3, 6e-3)
    assert first_verdict(stalled, computed, fresh={0}) is None
    assert first_verdict(report(0.5, 2e-3), fresh={0}) == 1


def turns(cpu_s, run_delay_s):
    """What two threads tell that report an item each every 10 ms."""
    cores = CoreEvidence()
    for turn in range(40):
        for worker in (0, 1):
            event = report(4e-3, cpu_s, run_delay_s, now_s=turn * 10e-3, worker=worker)
            if (verdict := cores.turns(event, n_alive=2)) is not None:
                return verdict
    return None


@pytest.mark.parametrize(
    ("cpu_s", "run_delay_s", "verdict"),
    [
        (9e-3, 0.1e-3, None),  # two cores' worth
        (4e-3, 0.1e-3, "taken"),  # one core between them
        (1e-3, 4e-3, "taken"),  # and that one is busy
        (4e-3, 4e-3, None),  # two are wanted, of which others have one
        (0.1e-3, 0.5e-3, "not needed"),  # nobody had the GIL most of the time
        (0.1e-3, 0.0, "taken"),  # nobody tells of standing back: as before
    ],
)
def test_threads_that_wait_take_no_turns(cpu_s, run_delay_s, verdict):
    """Who has the GIL computes or stands back: where neither adds up, items wait."""
    assert turns(cpu_s, run_delay_s) == verdict


@pytest.mark.parametrize("n_threads", [3, 8, 16])
@pytest.mark.parametrize(
    ("cpu_s", "run_delay_s", "verdict"),
    [
        (0.3e-3, 0.2e-3, "not needed"),  # 1 % of its time, as a request takes
        (0.3e-3, 0.0, "taken"),  # nobody tells of standing back
        (None, 0.2e-3, "taken"),  # one core between them
    ],
)
def test_of_many_threads_long_items_tell(n_threads, cpu_s, run_delay_s, verdict):
    """Requests on a busy host are not taken for items that share the GIL, however many run."""
    cores, wall_s = CoreEvidence(), 28e-3
    said = [
        cores.turns(
            report(
                wall_s,
                wall_s / n_threads if cpu_s is None else cpu_s,
                run_delay_s,
                now_s=turn * wall_s / n_threads,
                worker=turn % n_threads,
            ),
            n_alive=n_threads,
        )
        for turn in range(4 * n_threads)
    ]

    assert next(filter(None, said)) == verdict


def test_a_verdict_that_comes_late_still_counts():
    """Where items are to run is decided once more, and once only."""
    tuner = Tuner(Host(n_cores=2), Request(n_items=1000))
    from amorsize.policy.best_backend import BackendChoice

    for _ in range(2):
        tuner.tell(SLEPT_BESIDE_OTHERS)
    tuner.choice = BackendChoice(backend="process", why="the items hold the GIL")
    tuner.tell(Started(worker=0, backend="process", start_s=0.0, now_s=0.1))
    for _ in range(IDLE_STREAK - 2):
        tuner.tell(report(12e-3, 0.1e-3, 7e-3))

    assert tuner.costs.waits
    assert tuner.choice is None


@pytest.mark.parametrize(
    ("own", "waits"),
    [
        (SLEPT_BESIDE_OTHERS, True),
        (STARVED, False),
    ],
)
def test_threads_that_get_no_core_do_not_outvote_the_callers_items(own, waits):
    """Alone in the caller, these had nobody to wait for the GIL for."""
    tuner = Tuner(Host(n_cores=2), Request(n_items=1000))
    from amorsize.policy.best_backend import BackendChoice

    for _ in range(IDLE_STREAK - 1):
        tuner.tell(own)
    tuner.choice = BackendChoice(backend="thread", why="the items release the GIL")
    for worker in range(16):
        tuner.tell(Started(worker=worker, backend="thread", start_s=0.0, now_s=0.1))
    for turn in range(40):
        now_s = 0.1 + turn * 1.5e-3
        tuner.tell(report(24e-3, 0.3e-3, 1.4e-3, now_s=now_s, worker=turn % 16))
        if tuner.choice is None:
            break

    assert tuner.costs.waits is waits
    assert (tuner.gil.is_held is True) is not waits


def test_an_item_that_waited_before_there_were_threads_shows_that_items_wait():
    """It let go of the GIL, so threads are started beside it; in the end it tells why it did."""
    outcome = play(simulate.world("server for 48", 128, 11_000))

    assert outcome.policy.costs.waits
    assert not [note for note in outcome.policy.notes if note.what == "threads given up"]
