"""The simulator: exact, the same everywhere, and honest about what cannot be."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize import InvalidOptionError, simulate
from amorsize._engine import engine
from amorsize.policy import actions as do
from amorsize.policy.events import Report
from amorsize.policy.tuner import Tuner
from amorsize.simulate import (
    SCENARIOS,
    Bandwidth,
    Deadlock,
    Death,
    Fixed,
    Neighbour,
    Serial,
    World,
    baseline_policies,
    oracle,
    play,
    random_world,
    tuner_for,
)
from benchmarks import timeline

QUICK = [  # worlds that are played in well under a second each
    *("short 40 ms", "short 400 ms", "40 items of 0.5 s", "lazy init 0.3 s + 0.15 s"),
    *("a worker dies", "server for 48", "spawn + 0.8 s import", "releases the GIL", "bursts"),
    *("noisy neighbour", "generator", "hidden quota", "results 1 ms to pickle"),
    "memory for half",
]

worlds = st.builds(
    World,
    costs_s=st.lists(st.floats(0, 0.3) | st.floats(0, 1e-4), max_size=80).map(tuple),
    n_cores=st.sampled_from([1, 2, 3, 8, 64]),
    is_length_known=st.booleans(),
    is_forked=st.booleans(),
    waits=st.booleans(),
    holds_gil=st.booleans(),
    thread_reason=st.sampled_from([None, "shared"]),
    warmup_s=st.sampled_from([0.0, 0.2]),
    warmup_is_import=st.booleans(),
    ready_s=st.sampled_from([0.6e-3, 0.2]),
    pickle_s=st.sampled_from([2e-6, 3e-3]),
    slowdown=st.sampled_from([None, Bandwidth(1.5)]),
    neighbours=st.sampled_from([(), (Neighbour(from_s=0.01, to_s=0.3, n_cores=1.0),)]),
    deaths=st.sampled_from([(), (Death(worker=0, at_s=0.02), Death(worker=1, at_s=0.1))]),
    seed=st.integers(0, 3),
)


def items_of(outcome):
    return sorted(itertools.chain(*(range(start, stop) for start, stop, _ in outcome.runs)))


@settings(max_examples=150, deadline=None)
@given(worlds)
def test_each_item_is_run_exactly_once_in_any_world(world):
    """What a worker had when it died is run again, and only that run has ended."""
    outcome = play(world)

    assert items_of(outcome) == list(range(len(world.costs_s)))


@settings(max_examples=40, deadline=None)
@given(worlds)
def test_the_same_world_is_played_the_same(world):
    """No clock, no hidden state: every figure is equal."""
    one, other = play(world), play(world)

    assert (one.makespan_s, one.runs, one.chunks) == (other.makespan_s, other.runs, other.chunks)


@settings(max_examples=40, deadline=None)
@given(worlds)
def test_no_plan_beats_the_cores(world):
    """Work / cores is a floor for items that compute, and the busy share tells the same."""
    if world.waits:
        return
    outcome = play(world.replace(jitter=0.0, warmup_s=0.0))

    assert outcome.makespan_s >= sum(world.costs_s) / world.n_cores - 1e-9
    assert outcome.busy_share <= 1 + 1e-9


@pytest.mark.parametrize("n_cores", [1, 2])
def test_the_oracle_and_the_others_survive_a_worker_that_dies(n_cores):
    """A pool of one that loses its worker starts another rather than wait for ever."""
    world = simulate.world("a worker dies", n_cores, 0)

    assert oracle(world).makespan_s <= oracle(world).serial_s
    for make in (lambda: Fixed(1, 1), *baseline_policies(world).values()):
        assert items_of(play(world, make())) == list(range(len(world.costs_s)))


def test_figures_are_those_of_every_machine():
    """Pinned: another interpreter or processor that gives others has changed the simulator."""
    world = simulate.world("short 400 ms", 8, 1)

    assert play(world, Serial()).makespan_s == pytest.approx(PINNED_SERIAL_S, rel=1e-9)
    assert play(world, Fixed(4, 5)).makespan_s == pytest.approx(PINNED_FIXED_S, rel=1e-9)


PINNED_SERIAL_S = 0.401909467079137
PINNED_FIXED_S = 0.11464537006253303


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_made_alike_and_differs_by_its_seed(name):
    """Random costs come from the seed alone."""
    one, again, other = (simulate.world(name, 4, seed) for seed in (3, 3, 4))

    assert one == again
    assert one.costs_s
    assert one.costs_s != other.costs_s or name in ("trend up",)


def test_random_worlds_cover_what_they_promise():
    """Cores, totals, limits, quotas, start methods and lazy initialisation all occur."""
    drawn = [random_world(seed) for seed in range(60)]

    assert random_world(7) == drawn[7]
    assert {world.n_cores for world in drawn} >= {2, 4, 8, 16, 32, 64}
    assert {world.is_forked for world in drawn} == {world.is_length_known for world in drawn}
    assert any(world.warmup_s for world in drawn)
    assert any(world.slowdown for world in drawn)
    assert any(world.quota_cores for world in drawn)
    assert all(world.serial_s > 0 for world in drawn)


@pytest.mark.parametrize("n_cores", [1, 2, 8, 128])
@pytest.mark.parametrize("name", QUICK)
def test_the_tuner_keeps_its_promise(name, n_cores):
    """Never slower than the loop by more than 3 % and 5 ms, start-up included."""
    world = simulate.world(name, n_cores, seed=11)
    loop_s = play(world, Serial()).makespan_s

    assert play(world).makespan_s <= 1.03 * loop_s + 5e-3


@pytest.mark.parametrize("name", ["short 400 ms", "40 items of 0.5 s", "server for 48"])
def test_the_tuner_is_near_the_best_plan_in_hindsight(name):
    """On 8 cores, start-up included."""
    world = simulate.world(name, 8, seed=12)

    assert play(world).makespan_s < 1.25 * oracle(world).makespan_s


def test_the_oracle_is_no_worse_than_any_baseline():
    """It has seen the grid; small differences are plans between its points."""
    world = simulate.world("short 400 ms", 8, seed=5)
    best = oracle(world)

    for make in baseline_policies(world).values():
        assert best.makespan_s <= 1.05 * play(world, make()).makespan_s
    assert best.serial_s == play(world, Serial()).makespan_s
    assert play(world, Fixed(best.n_jobs, best.chunksize)).makespan_s == best.makespan_s


def test_the_tuner_that_plays_is_the_one_that_works():
    """`tuned_map` and the simulator decide with one class."""
    assert type(tuner_for(World(costs_s=(1.0,), n_cores=1))) is Tuner
    assert engine.Tuner is Tuner


def test_a_worker_is_told_nothing_before_it_is_ready():
    """The tuner sends to those that are ready and alive only."""

    class Checked(Tuner):
        def next(self, status):
            action = super().next(status)
            if isinstance(action, do.Send):
                [worker] = [one for one in self.workers if one.number == action.worker]
                assert worker.is_ready
                assert worker.is_alive
                assert action.n_items >= 1
            return action

    world = simulate.world("a worker dies", 4, 0).replace(is_forked=False, ready_s=5e-3)
    template = tuner_for(world)
    play(world, Checked(None, template.request))


def test_more_cores_are_told_by_starvation():
    """Told of 8 cores where one may be used: the workers' CPU shares tell, and little is lost."""
    world = World(costs_s=(1e-3,) * 1000, n_cores=8, quota_cores=1.0, thread_reason="shared")

    assert play(world).makespan_s < 1.1 * play(world, Serial()).makespan_s


def test_loading_is_paid_once():
    """By whoever needs a part first: finding out, weighing, the first worker; never by the loop."""
    items = {"costs_s": (1e-3,) * 500, "n_cores": 2, "thread_reason": "shared"}
    light, heavy = (World(**items, load_s=load_s) for load_s in (0.0, 40e-3))

    assert play(heavy, Serial()).makespan_s == play(light, Serial()).makespan_s
    for make in (lambda: None, lambda: Fixed(2, 25)):
        took_s = play(heavy, make()).makespan_s - play(light, make()).makespan_s
        assert took_s == pytest.approx(40e-3, rel=0.6)


class Feeding:
    """The caller begins with the longest item; a worker gets the others beside it, one by one."""

    def __init__(self):
        self.has_worker, self.n_out = False, 0

    def tell(self, event):
        self.n_out -= isinstance(event, Report)

    def next(self, status):
        if not self.has_worker:
            self.has_worker = True
            return do.StartWorker(backend="process")
        if not status.caller_busy and status.n_left:
            return do.RunInline(n_items=1, time_budget_s=1.0)
        if self.n_out >= 9 or not status.n_left:
            return do.Wait()
        self.n_out += 1
        return do.Send(worker=0, n_items=1, time_budget_s=1.0)


def test_a_dispatcher_thread_takes_as_long_as_the_caller_would():
    """Beside an item of 0.5 s, at most 100 are sent and taken in that need 5 ms each for that."""
    world = World(costs_s=(0.5, *((1e-4,) * 900)), n_cores=4, pickle_s=5e-3)

    beside = [run for run in play(world, Feeding()).chunks if run.worker == 0 and run.now_s < 0.5]

    assert 80 < len(beside) <= 100


def test_threads_that_hold_the_gil_bring_nothing():
    """A world in which threads take turns."""
    world = World(costs_s=(1e-3,) * 400, n_cores=8)
    in_threads = play(world, Fixed(8, 10, backend="thread"))

    assert in_threads.makespan_s > 0.95 * sum(world.costs_s)
    assert play(world.replace(holds_gil=False), Fixed(8, 10, backend="thread")).makespan_s < 0.1


class Idle:
    """Waits for nothing."""

    def tell(self, event):
        assert not isinstance(event, Report)

    def next(self, _view):
        return do.Wait(reason="nothing")


class Circling(Idle):
    """Asks the same for ever."""

    def next(self, _view):
        return do.StopGilProbe()


@pytest.mark.parametrize(
    ("policy", "words"), [(Idle(), "nothing is under way.*Wait"), (Circling(), "in circles")]
)
def test_a_policy_that_gets_nowhere_is_told_so(policy, words):
    """With its last actions, instead of spinning."""
    with pytest.raises(Deadlock, match=words):
        play(World(costs_s=(1.0,), n_cores=2), policy)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"n_cores": 0}, "n_cores=0"),
        ({"costs_s": (1.0, -1.0)}, "costs_s=2 values.*no negative cost"),
        ({"quota_cores": 3.0}, "quota_cores=3.0.*at most n_cores=2"),
        ({"quota_cores": 0.0}, "quota_cores=0.0"),
        ({"latency_s": -1.0}, "latency_s=-1.0"),
        ({"warmup_s": float("inf")}, "warmup_s=inf"),
        ({"n_cores_told": 0}, "n_cores_told=0"),
        ({"told_error": 0.5}, "told_error=0.5"),
    ],
)
def test_a_world_that_cannot_be_is_refused(figures, words):
    """By the name of the figure."""
    with pytest.raises(InvalidOptionError, match=words):
        World(**{"costs_s": (1.0,), "n_cores": 2, **figures})


def test_the_page_on_the_policy_shows_what_the_policy_does():
    """Picture and log are the code's own trace, made by `python -m benchmarks.timeline`."""
    docs = Path(__file__).parent.parent / "docs" / "dev"

    assert (docs / "policy.svg").read_text() == timeline.picture(play(timeline.EXAMPLE))
    assert timeline.log() in (docs / "policy.md").read_text()
