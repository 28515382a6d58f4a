"""The tuner as values in, values out: a call in virtual time, on hosts of any size."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize import simulate
from amorsize.policy import actions as do
from amorsize.policy import best_backend, rules
from amorsize.policy.events import (
    Died,
    GilProbed,
    HostInspected,
    Inlined,
    PicklingMeasured,
    Ready,
    Report,
    Started,
    Status,
    WorkersLimited,
)
from amorsize.policy.request import Request
from amorsize.policy.rules import inline
from amorsize.policy.tuner import RULES, Tuner
from amorsize.policy.worker_costs import Host
from amorsize.simulate import World

#: Nothing to load, nothing by chance, and the policy is told the truth.
EXACT = {
    **dict.fromkeys(("load_s", "inspect_s", "weigh_s", "watch_s", "jitter"), 0.0),
    **{"told_error": 1.0, "n_cores": 2},
}


class Played:
    """What became of a call, and what the tuner knows after it."""

    def __init__(self, tuner, outcome):
        self.tuner, self.makespan_s = tuner, outcome.makespan_s
        self.n_inline, self.n_started = outcome.n_inline, outcome.n_started
        self.n_workers = sum(outcome.n_started.values())
        self.chunks = outcome.chunks
        self.ran = [
            (index, worker) for start, stop, worker in outcome.runs for index in range(start, stop)
        ]

    @property
    def items_run(self):
        return sorted(index for index, _ in self.ran)


def play(known=None, *, request=None, tuner=Tuner, **world):
    """One call in virtual time, on an exact host of two cores."""
    world = World(**{**EXACT, **world})
    n_items = len(world.costs_s) if world.is_length_known else None
    decides = tuner(None, Request(n_items=n_items, **(request or {})), known)
    return Played(decides, simulate.play(world, decides))


def after_alone(item_s, n_items=10_000, own_share=1.0, known=None):
    """A tuner that was told what items in the caller have cost, on a share of a core."""
    tuner = Tuner(None, Request(n_items=None), known)
    for n in (1, n_items - 1):
        wall_s = n * item_s
        own_s = {"cpu_s": own_share * wall_s, "run_delay_s": (1 - own_share) * wall_s}
        tuner.tell(
            Inlined(
                n_items=n,
                wall_s=wall_s,
                process_cpu_s=own_s["cpu_s"],
                now_s=wall_s,
                n_pauses=0,
                **own_s,
            )
        )
    return tuner


def test_trivial_items_are_told_from_items_that_workers_may_get():
    """By what they take once there were enough of them, without others' turns at the core."""
    assert after_alone(0.1e-6).are_trivial
    assert not after_alone(0.1e-6, n_items=1000).are_trivial
    assert not after_alone(1e-6).are_trivial
    assert after_alone(0.1e-6, known=after_alone(0.1e-6).learned()).are_trivial
    assert not after_alone(0.1e-6, known=after_alone(1e-3).learned()).are_trivial
    assert after_alone(1e-6, own_share=0.1).are_trivial


def test_first_slices_of_few_items_do_not_make_trivial_ones_look_long():
    """They measure the clock. On a busy host there is only CPU time to go by."""
    tuner, now_s = Tuner(None, Request(n_items=None)), 0.0
    for n_items in (1, 8, 64, 512, 4096):
        cpu_s = 8e-6 + n_items * 0.1e-6
        now_s += 3 * cpu_s
        tuner.tell(
            inlined(n_items, 3 * cpu_s, now_s).replace(
                cpu_s=cpu_s, process_cpu_s=cpu_s, run_delay_s=2 * cpu_s
            )
        )

    assert tuner.are_trivial


def test_items_that_get_longer_are_not_trivial_any_more():
    """The latest ones tell, however many there were before."""
    tuner = after_alone(0.1e-6)
    costs = dict.fromkeys(("wall_s", "cpu_s", "process_cpu_s"), 4e-3)
    tuner.tell(Inlined(n_items=2, n_pauses=0, now_s=6e-3, **costs))

    assert not tuner.are_trivial


class Untravelled(Tuner):
    """It is told that results cannot be pickled."""

    def tell(self, event):
        if isinstance(event, PicklingMeasured):
            event = PicklingMeasured(pickle_s=None, reason="no")
        super().tell(event)


worlds = st.fixed_dictionaries(
    {
        "costs_s": st.lists(st.floats(1e-7, 0.5), max_size=300).map(tuple)
        | st.tuples(st.floats(1e-7, 1e-2), st.integers(0, 5000)).map(lambda w: (w[0],) * w[1]),
        "n_cores": st.sampled_from([1, 2, 4, 16, 256]),
        "waits": st.booleans(),
        "cpu_share": st.sampled_from([0.5, 0.05]),
        "holds_gil": st.booleans(),
        "pickle_s": st.sampled_from([1e-7, 1e-5, 1e-3]),
        "tuner": st.sampled_from([Tuner, Tuner, Tuner, Untravelled]),
        "is_length_known": st.booleans(),
        "thread_reason": st.sampled_from([None, "shared"]),
    },
    optional={
        "request": st.fixed_dictionaries(
            {"backend": st.sampled_from(["auto", "serial", "thread", "process"])},
            optional={
                "n_jobs": st.integers(1, 9),
                "chunksize": st.integers(1, 50),
            },
        ),
    },
)


@pytest.mark.parametrize("n_items", [1, 3])
@pytest.mark.parametrize("n_jobs", [None, 64])
def test_items_that_only_workers_run_start_no_more_workers_than_there_are_items(n_items, n_jobs):
    """Also where these take long until they can work, as new interpreters do."""
    asked = {"backend": "process", "n_jobs": n_jobs}
    how = {"n_cores": 64, "is_forked": False, "ready_s": 0.1}
    outcome = play(costs_s=[1.0] * n_items, request=asked, **how)

    assert outcome.n_started == {"process": n_items}


@settings(max_examples=150, deadline=None)
@given(world=worlds)
def test_every_item_is_handed_out_once(world):
    """However items and hosts behave, what was run adds up to the data."""
    outcome = play(**world)

    assert outcome.items_run == list(range(len(world["costs_s"])))


@settings(max_examples=100, deadline=None)
@given(world=worlds)
def test_what_is_asked_for_is_obeyed(world):
    """The backend, the number of jobs, and where the caller may run items itself."""
    outcome = play(**world)
    request = world.get("request", {})
    backend, n_jobs = request.get("backend", "auto"), request.get("n_jobs")

    if backend == "serial":
        assert not outcome.n_workers
    elif backend != "auto":
        assert outcome.n_inline == 0
        assert set(outcome.n_started) <= {backend}
        assert n_jobs is None or outcome.n_workers <= n_jobs
    elif n_jobs is not None:  # a worker of the backend before stays, and gets no more chunks
        assert max(outcome.n_started.values(), default=0) <= n_jobs
    if world["thread_reason"] and backend == "auto":
        assert "thread" not in outcome.n_started


@settings(max_examples=50, deadline=None)
@given(world=worlds)
def test_the_same_observations_lead_to_the_same_plan(world):
    """No clock, no chance: two plays are one."""
    one, other = play(**world), play(**world)

    assert one.ran == other.ran
    assert one.tuner.notes == other.tuner.notes
    assert one.tuner.plan() == other.tuner.plan()


@pytest.mark.parametrize("n_cores", [1, 2, 16, 256])
@pytest.mark.parametrize(("item_s", "n_items"), [(1e-7, 400_000), (1e-6, 2_000), (1e-5, 300)])
def test_little_work_stays_in_the_caller(n_cores, item_s, n_items):
    """When starting workers would cost more than they bring, none are started."""
    outcome = play(costs_s=(item_s,) * n_items, n_cores=n_cores)

    assert not outcome.n_workers
    assert outcome.n_inline == n_items
    assert outcome.makespan_s < 1.03 * n_items * item_s + 5e-3


@pytest.mark.parametrize(("n_cores", "share"), [(2, 0.9), (8, 0.85), (32, 0.7)])
@pytest.mark.parametrize("item_s", [20e-6, 1e-3, 10e-3])
@pytest.mark.parametrize("sized", [True, False])
def test_much_work_keeps_the_cores_busy(n_cores, share, item_s, sized):
    """A second of work a core, on a first call: most of the time all cores compute."""
    n_items = int(n_cores / item_s)
    outcome = play(costs_s=(item_s,) * n_items, n_cores=n_cores, is_length_known=sized)

    if n_items * outcome.tuner.host.dispatch_s < outcome.makespan_s:
        assert n_items * item_s / (n_cores * outcome.makespan_s) > share


@pytest.mark.parametrize("n_items", [20, 40, 80])
def test_a_short_call_leaves_the_last_core_to_the_caller(n_items):
    """Two cores, known items of 1 ms: one worker, and the caller beside it up to the last."""
    known = play(costs_s=(1e-3,) * 1000, n_cores=2).tuner.learned()
    done = play(known, costs_s=(1e-3,) * n_items, n_cores=2)

    assert done.n_workers == 1
    assert done.ran[-1][1] == -1 or done.ran[-2][1] == -1
    assert abs(done.n_inline - n_items / 2) <= 4 + n_items / 10
    assert done.makespan_s < 0.5e-3 * n_items + 5e-3


def test_a_start_that_takes_a_third_of_what_is_left_is_not_worth_it():
    """8 ms of work, 1.8 ms for each start: the loop."""
    done = play(costs_s=(1e-3,) * 8, n_cores=2, start_s=1.8e-3)

    assert not done.n_workers


def test_items_that_seem_to_take_no_time_at_all():
    """A clock that hardly moves: so many fit into a slice that no number holds them."""
    assert play(costs_s=(5e-324,) * 300).n_inline == 300


def test_items_that_release_the_gil_are_threaded():
    """As a late or a punctual watcher tells; a process at most helps until it has told."""
    costs_s = [5e-3] * 400

    released = play(costs_s=costs_s, n_cores=4, holds_gil=False)
    held = play(costs_s=costs_s, n_cores=4, holds_gil=True)

    early = [chunk for chunk in released.chunks if chunk.backend == "process"]
    assert released.n_started.pop("process", 0) <= 1
    assert sum(chunk.n_items for chunk in early) < 10
    assert set(released.n_started) == {"thread"}
    assert set(held.n_started) == {"process"}


def test_a_long_first_item_brings_a_worker_for_the_second():
    """Whether the first was a warm-up is found out in the caller; meanwhile others go on."""
    outcome = play(costs_s=(50e-3,) * 40, n_cores=2)

    workers = [worker for _, worker in outcome.ran]
    assert workers[0] == -1
    assert set(workers[1:3]) == {-1, 0}
    assert outcome.makespan_s < 0.55 * 40 * 50e-3


def test_a_worker_that_is_there_early_is_kept_busy_by_the_dispatcher_thread():
    """The caller is in a long item before the backend is known: chunks for it, not crumbs."""
    tuner = Tuner(None, Request(n_items=1500, inherits_items=True))
    tuner.tell(HostInspected(host=Host(n_cores=2), request=tuner.request))
    tuner.tell(inlined(1, 3e-3, now_s=3e-3))
    n_sent, now_s, under_way = 0, 4e-3, []
    tuner.tell(Started(worker=0, backend="process", start_s=1e-3, now_s=now_s))
    tuner.tell(Ready(worker=0, now_s=now_s))

    for _ in range(10):
        now_s += 20e-3
        status = Status(now_s=now_s, n_left=1400 - n_sent, all_read=True, caller_busy=True)
        for sent in under_way:
            tuner.tell(report(sent, sent.n_items * 3e-3, now_s))
        under_way.clear()
        while isinstance(action := tuner.next(status), do.Send):
            under_way.append(action)
            n_sent += action.n_items

    assert n_sent > 40


def test_the_last_report_of_a_worker_that_has_died_counts():
    """It was in the pipe; nobody else is alive."""
    tuner = Tuner(None, Request(n_items=10, backend="process"))
    tuner.tell(HostInspected(host=Host(n_cores=2), request=tuner.request))
    tuner.tell(Started(worker=0, backend="process", start_s=1e-3, now_s=1e-3))
    tuner.tell(Ready(worker=0, now_s=1e-3))
    sent = tuner.next(Status(now_s=2e-3, n_left=10, all_read=True, caller_busy=False))
    tuner.tell(Died(worker=0, now_s=3e-3))

    tuner.tell(report(sent, 1e-3, now_s=4e-3))

    assert tuner.costs.n_seen == sent.n_items


def inlined(n_items, wall_s, now_s):
    return Inlined(
        n_items=n_items,
        wall_s=wall_s,
        cpu_s=wall_s,
        process_cpu_s=wall_s,
        now_s=now_s,
        n_pauses=0,
    )


def report(sent, wall_s, now_s):
    return Report(
        worker=sent.worker,
        n_items=sent.n_items,
        n_sent=sent.n_items,
        wall_s=wall_s,
        cpu_s=wall_s,
        pickle_s=0.0,
        now_s=now_s,
    )


@pytest.mark.parametrize(("n_cores", "looks"), [(1, False), (2, False), (16, True), (256, True)])
def test_the_host_is_looked_at_first_where_one_long_item_would_keep_many_cores_idle(n_cores, looks):
    """200 items are few for 16 cores, many for two; so much is known of the cores beforehand."""
    tuner = Tuner(None, Request(n_items=200, n_cores_most=n_cores))

    action = tuner.next(Status(now_s=0.0, n_left=200, all_read=True, caller_busy=False))

    assert isinstance(action, do.InspectHost if looks else do.RunInline)


@pytest.mark.parametrize(
    "work",
    [{"costs_s": (0.5e-3,) * 12}, {"costs_s": (1.2e-3,) * 5, "waits": True}],
    ids=["computing", "waiting"],
)
@pytest.mark.parametrize(("to_load_s", "looks"), [(0.0, True), (5e-3, False), (50e-3, False)])
def test_the_host_is_not_looked_at_for_less_work_than_looking_takes(work, to_load_s, looks):
    """In a process that has yet to load what looks, a job of a few milliseconds is the loop."""
    outcome = play(**work, n_cores=8, request={"to_load_s": to_load_s})

    assert outcome.tuner.is_host_inspected is looks


def test_watching_ends_inside_a_long_item():
    """The dispatcher thread has it end: the caller's item may take much longer than that takes."""
    tuner = Tuner(Host(n_cores=4), Request(n_items=90, process_reason="no"))
    for now_s in (0.01, 0.02):
        tuner.tell(inlined(1, 10e-3, now_s=now_s))
    status = Status(now_s=0.02, n_left=88, all_read=True, caller_busy=False)
    assert isinstance(tuner.next(status), do.StartGilProbe)
    assert isinstance(tuner.next(status.replace(n_left=87)), do.RunInline)

    assert isinstance(tuner.next(status.replace(now_s=0.035, caller_busy=True)), do.StopGilProbe)
    tuner.tell(GilProbed(lag_share=0.2, watched_s=0.015, n_wakes=20))

    started = tuner.next(status.replace(now_s=0.035, caller_busy=True))
    assert isinstance(started, do.StartWorker)
    assert started.backend == "thread"


def test_items_that_wait_get_a_crowd_of_threads():
    """8 ms waits: many more threads than cores, at least 15 x the loop."""
    outcome = play(costs_s=(8e-3,) * 300, waits=True, cpu_share=0.01)

    assert set(outcome.n_started) == {"thread"}
    assert outcome.makespan_s < 300 * 8e-3 / 15


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_many_workers_whose_items_wait_leave_the_caller_half_idle(backend):
    """Single items of 5 ms for 64 workers would take all of its time, to the end.

    All are at work at once from the start.
    """
    dispatch_s = 80e-6
    outcome = play(
        costs_s=(5e-3,) * 4000,
        waits=True,
        cpu_share=0.01,
        dispatch_s=dispatch_s,
        thread_dispatch_s=dispatch_s,
        request={"backend": backend, "n_jobs": 64},
    )
    n_chunks = outcome.tuner.costs.n_reports

    assert outcome.n_workers == 64
    assert n_chunks * dispatch_s <= 0.5 * 4000 * 5e-3 / 64
    assert len({worker for _, worker in outcome.ran[-160:]}) > 60


@pytest.mark.parametrize(("item_s", "n_told"), [(30e-3, 4), (0.2, 1)])
def test_on_a_busy_host_short_items_have_to_be_idle_again_and_again(item_s, n_told):
    """One that computes may be kept idle for 50 ms; none for as long as 0.2 s."""
    tuner = Tuner(Host(n_cores=2), Request(n_items=20))
    verdicts = []
    for number in range(4):
        tuner.tell(
            inlined(1, item_s + 20e-3, number * item_s).replace(
                cpu_s=1e-4, process_cpu_s=1e-4, run_delay_s=20e-3, n_pauses=1
            )
        )
        verdicts.append(tuner.costs.waits)

    assert verdicts.index(True) + 1 == n_told


def test_items_that_wait_as_long_as_a_full_chunk_go_one_at_a_time():
    """A longer chunk would bring nothing: the caller has time enough."""
    outcome = play(
        costs_s=(25e-3,) * 400,
        waits=True,
        cpu_share=0.01,
        request={"backend": "process", "n_jobs": 16},
    )

    assert outcome.tuner.costs.n_reports == 400


def test_trivial_items_stay_though_a_busy_host_makes_them_look_long():
    """0.1 us of computing each; that others have the core meanwhile makes no work of it."""
    outcome = play(costs_s=(1e-6,) * 100_000, cpu_share=0.1)

    assert outcome.n_inline == 100_000


def test_what_cannot_travel_stays():
    """Computing items whose results cannot be pickled: the loop, with the reason."""
    outcome = play(costs_s=(5e-3,) * 200, tuner=Untravelled)

    assert outcome.n_inline == 200
    assert outcome.tuner.backend_used() == "serial"


def test_results_dearer_than_their_items_stay():
    """Sending what is quicker computed helps nobody."""
    outcome = play(costs_s=(50e-6,) * 20_000, pickle_s=200e-6)

    assert outcome.makespan_s < 1.03 * 20_000 * 50e-6 + 5e-3


@pytest.mark.parametrize("n_cores", [2, 8])
def test_a_heavy_tail_is_evened_out(n_cores):
    """The big items at the end: nobody is left with a large chunk of them."""
    costs_s = [1e-3] * 2000 + [50e-3] * 8 * n_cores
    outcome = play(costs_s=tuple(costs_s), n_cores=n_cores)

    ideal_s = sum(costs_s) / n_cores
    assert outcome.makespan_s < 1.3 * ideal_s + 50e-3


def test_a_fixed_chunksize_is_obeyed_exactly():
    """Every chunk k items but the last."""
    outcome = play(costs_s=(1e-3,) * 500, request={"chunksize": 30})

    sizes = [chunk.n_items for chunk in outcome.chunks]
    assert sorted(sizes) == [20] + [30] * 16


def test_what_was_learned_is_a_better_start():
    """A second call with the first one's profile is not slower, and says that it fits."""
    world = {"costs_s": (1e-3,) * 1000, "n_cores": 8}
    first = play(**world)
    second = play(first.tuner.learned(), **world)

    assert second.tuner.profile.fits
    assert second.makespan_s <= 1.02 * first.makespan_s


@pytest.mark.parametrize(
    ("backend", "ready_s", "waits"),
    [("process", 1e-3, True), ("process", 80e-3, False), ("serial", 1e-3, False)],
)
def test_the_caller_waits_for_new_interpreters_that_were_at_work_before(backend, ready_s, waits):
    """It goes on with items while others begin, whose imports take as long as many items."""
    world = {"costs_s": (5e-3,) * 200}
    known = play(**world).tuner.learned()
    tuner = play(known.replace(plan=known.plan.replace(backend=backend)), **world).tuner
    assert tuner.profile.fits
    assert tuner.has_proven_pool  # forked workers are there at once

    host = tuner.host.replace(fork_reason="another thread", process_ready_s=ready_s)
    tuner.tell(HostInspected(host=host, request=tuner.request))
    assert tuner.has_proven_pool == waits


def test_the_caller_runs_items_that_wait_until_a_new_interpreter_is_there():
    """It imports what the function needs, in which a loop may have ended."""
    host = Host(n_cores=2, fork_reason="another thread", process_ready_s=0.06)
    tuner = Tuner(host, Request(n_items=100))
    tuner.choice = best_backend.BackendChoice(backend="process", why="")
    tuner.costs.waits = True
    started = Started(worker=0, backend="process", start_s=0.0, now_s=0.0)
    tuner.workers.add(started, is_cold=False)
    status = Status(now_s=0.0, n_left=100, all_read=True, caller_busy=False)

    assert inline.works(tuner, status, tuner.workers.of("process"))
    tuner.workers.ready(started.worker)
    assert not inline.works(tuner, status, tuner.workers.of("process"))


@pytest.mark.parametrize(("watched_s", "holds_gil"), [(8e-3, True), (40e-3, False)])
def test_a_short_look_does_not_outweigh_a_profile_that_fits(watched_s, holds_gil):
    """Beside busy programs the watcher is on time, too, while the caller has no core."""
    known = play(costs_s=(20e-3,) * 100, n_cores=2).tuner.learned()
    tuner = Tuner(Host(n_cores=2), Request(n_items=50), known)
    tuner.tell(GilProbed(lag_share=0.0, watched_s=watched_s, n_wakes=8))
    seconds = {"wall_s": 0.02, "cpu_s": 0.02, "process_cpu_s": 0.02, "now_s": 0.02}
    tuner.tell(Inlined(n_items=1, n_pauses=0, **seconds))
    tuner.next(Status(now_s=0.02, n_left=49, all_read=True, caller_busy=False))

    assert known.traits.holds_gil
    assert tuner.profile.fits
    assert tuner.gil.is_held is holds_gil


def test_items_of_another_cost_hold_the_gil_all_the_same():
    """To see it again takes an item of the caller's, in which it serves workers late."""
    dear = play(costs_s=(20e-3,) * 100, n_cores=16).tuner.learned()
    outcome = play(dear, costs_s=(0.5e-3,) * 3000, n_cores=16)

    assert outcome.tuner.profile.is_contradicted
    assert outcome.tuner.gil.is_held is True
    assert outcome.tuner.gil.seen is None


@pytest.mark.parametrize("n_cores", [8, 16, 32, 64])
@pytest.mark.parametrize("holds_gil", [True, False])
def test_with_many_cores_workers_are_there_before_the_caller_is_in_a_long_item(n_cores, holds_gil):
    """From inside an item it cannot fork; what it would do there is little."""
    world = {"costs_s": (0.1,) * n_cores, "n_cores": n_cores, "request": {"n_cores_most": n_cores}}

    outcome = play(**world, holds_gil=holds_gil)

    assert outcome.makespan_s < 0.1 + 0.06


def test_long_items_of_an_earlier_call_are_believed_once_one_is_under_way():
    world = {"costs_s": (0.1,) * 16, "n_cores": 16, "request": {"n_cores_most": 16}}
    first = play(**world)

    second = play(first.tuner.learned(), **world)

    assert second.makespan_s < 0.1 + 0.03


def test_one_cheap_item_does_not_refute_what_is_known_of_very_uneven_ones():
    """0.07 to 70 ms: the first one is a thirtieth of the mean, as every seventh of them is."""
    costs_s = [0.3e-3, 0.4e-3, *(0.07e-3 * 1000 ** (i * 0.618 % 1) for i in range(300))]
    known = play(costs_s=costs_s).tuner.learned()
    assert known.level.spread_log > 1

    assert play(known, costs_s=costs_s).tuner.profile.fits
    assert play(known, costs_s=(0.3e-3,) * 3000).tuner.profile.is_contradicted


@pytest.mark.parametrize(
    "costs_s",
    [
        pytest.param([0.2e-3 * (1 + i % 9) for i in range(200)], id="ever larger"),
        pytest.param([50e-6 * (1 + 7 * i % 31) for i in range(200)], id="thirtyone sizes"),
        pytest.param([30e-6 * (1 + 20 * (i % 5 > 0)) for i in range(200)], id="a cheap one first"),
        pytest.param([0.5e-3, 0.5e-3, *(0.15e-3,) * 400], id="two dear ones first"),
    ],
)
@pytest.mark.parametrize("n_cores", [2, 8])
@pytest.mark.parametrize("was_busy", [False, True])
def test_the_first_item_of_many_sizes_refutes_nothing(costs_s, was_busy, n_cores):
    """Not that of the same items as before, be it cheaper or dearer than most of them.

    Nor where others had the cores then, so that items took twelve times as long as they cost.
    """
    known = play(costs_s=costs_s, n_cores=n_cores).tuner.learned()
    if was_busy:
        known = known.replace(item_s=12 * known.traits.item_s)
    again = play(known, costs_s=costs_s, n_cores=n_cores).tuner

    assert again.profile.fits
    assert not again.drifts


def test_a_first_item_that_had_no_core_refutes_nothing():
    """It was dear in CPU time as well, as first items are; most of its time others had its core."""
    known = play(costs_s=(0.3e-3,) * 600).tuner.learned()
    tuner = Tuner(Host(n_cores=2), Request(n_items=600), known)
    first = inlined(1, 30e-3, 30e-3).replace(cpu_s=1.2e-3, run_delay_s=28e-3)
    tuner.tell(first)
    asked = tuner.next(Status(now_s=30e-3, n_left=599, all_read=True, caller_busy=False))
    assert isinstance(asked, do.RunInline)
    assert not tuner.drifts

    tuner.tell(inlined(3, 0.9e-3, 31e-3))
    tuner.next(Status(now_s=31e-3, n_left=596, all_read=True, caller_busy=False))
    assert tuner.profile.fits


def told_without_core(tuner, n_items, own_s, delay_s, now_s):
    """The caller ran items, for part of whose time others had its core."""
    tuner.tell(inlined(n_items, own_s + delay_s, now_s).replace(cpu_s=own_s, run_delay_s=delay_s))


def test_a_turn_of_others_at_the_core_is_no_work_that_is_left():
    """8 ms that 5000 items of 0.06 us stood back: what is left is over before that comes again."""
    tuner = Tuner(None, Request(n_items=20_000))
    n_done, now_s = 0, 0.0
    for n_items, own_s in ((1, 19e-6), (1, 4e-6), (8, 6e-6), (240, 31e-6), (6000, 370e-6)):
        n_done, now_s = n_done + n_items, now_s + own_s
        delay_s = 8e-3 if n_items > 1000 else 0.0
        told_without_core(tuner, n_items, own_s, delay_s, now_s + delay_s)

    asked = tuner.next(Status(now_s=9e-3, n_left=20_000 - n_done, all_read=True, caller_busy=False))

    assert isinstance(asked, do.RunInline)


def test_a_first_item_that_had_no_core_is_no_long_one():
    """A worker beside the second item is for items that are long themselves."""
    tuner = Tuner(None, Request(n_items=20_000))
    told_without_core(tuner, 1, 0.1e-3, 2.2e-3, 2.3e-3)

    asked = tuner.next(Status(now_s=0.8, n_left=19_999, all_read=True, caller_busy=False))

    assert asked == do.RunInline(n_items=1, time_budget_s=float("inf"))


def test_long_items_beside_others_get_workers_all_the_same():
    """Others had the core for half of the time."""
    tuner = Tuner(None, Request(n_items=200))
    for n_done in (1, 2):
        told_without_core(tuner, 1, 2e-3, 2e-3, n_done * 4e-3)

    asked = tuner.next(Status(now_s=8e-3, n_left=198, all_read=True, caller_busy=False))

    assert isinstance(asked, do.InspectHost)


@pytest.mark.parametrize("factor", [1 / 8, 8])
def test_items_of_many_sizes_that_have_all_changed_are_noticed(factor):
    costs_s = [50e-6 * (1 + 7 * i % 31) for i in range(400)]
    known = play(costs_s=costs_s).tuner.learned()
    again = play(known, costs_s=[factor * one for one in costs_s]).tuner

    assert again.profile.is_contradicted or again.drifts


def test_a_profile_that_does_not_fit_costs_little():
    """Items a hundred times cheaper than remembered: put aside, and never slower than a loop."""
    dear = play(costs_s=(2e-3,) * 1000).tuner.learned()
    outcome = play(dear, costs_s=(2e-5,) * 1000)

    assert outcome.tuner.profile.is_contradicted
    assert outcome.makespan_s < 1.03 * 1000 * 2e-5 + 5e-3


@pytest.mark.parametrize("n_cores", [2, 8])
def test_threads_that_wait_for_the_gil_are_not_taken_for_waiting(n_cores):
    """`backend="thread"`, short items: each thread's first one seems to wait, none does."""
    outcome = play(
        costs_s=(20e-6,) * 20_000,
        n_cores=n_cores,
        holds_gil=False,
        tuner=Contended,
        request={"backend": "thread"},
    )

    assert outcome.n_workers <= n_cores


class Contended(Tuner):
    """Is told of threads that pass the GIL around: each one's first chunk waits much longer."""

    def __init__(self, *facts):
        super().__init__(*facts)
        self.have_reported = set()

    def tell(self, event):
        if isinstance(event, Report):
            waits_s = 20e-6 if event.worker in self.have_reported else 300e-6
            self.have_reported.add(event.worker)
            event = event.replace(wall_s=event.wall_s + waits_s, cpu_s=0.6 * event.wall_s)
        super().tell(event)


def test_the_page_has_the_rules_in_their_order():
    """docs/dev/policy.md shows the table that the tuner goes through."""
    page = (Path(__file__).parent.parent / "docs" / "dev" / "policy.md").read_text()

    assert "".join(f"| {name} | {says} |\n" for name, _, says in RULES) in page


def test_a_rule_is_named_for_the_file_that_decides():
    """But for two of a line each, which the tuner has itself."""
    files = {path.stem for path in Path(rules.__file__).parent.glob("*.py")}

    named = {name.partition(":")[0].replace(" ", "_") for name, _, _ in RULES}
    assert named - files == {"confirm_waiting", "wait"}


@pytest.mark.parametrize(("n", "told"), [(1, "1 worker and no more"), (3, "3 workers and no more")])
def test_a_limit_of_the_system_is_told_in_words_that_fit_its_number(n, told):
    tuner = Tuner(Host(n_cores=4), Request(n_items=90))
    tuner.tell(WorkersLimited(n_workers=n, why="no room"))

    assert told in str(tuner.notes)
