"""Drift: a change of cost is noticed within a few chunks, and hardly ever where there is none."""

import itertools
import random
from statistics import median

import pytest

from amorsize.policy.events import Report
from amorsize.policy.evidence import cost_change_detector, drift, speedup_over_earlier_calls
from amorsize.policy.evidence.cost_change_detector import Detector
from amorsize.policy.evidence.drift import Watch
from amorsize.policy.profile import Profile
from amorsize.simulate import Neighbour, Thrashing, World, play, tuner_for

CV = 0.12  # of a chunk of 20 items
N_KNOWN = 40  # chunks the profile was learned from


def draw(rng, factor=1.0, cv=CV):
    """What a chunk's items cost."""
    return factor * 1e-3 * rng.lognormvariate(0.0, cv)


def detector(rng, cv=CV, made=Detector):
    """One for a profile that was learned, as profiles are, from chunks and not from the truth."""
    from math import exp, log

    logs = [log(draw(rng, cv=cv)) for _ in range(N_KNOWN)]
    mean = sum(logs) / N_KNOWN
    spread = (sum((one - mean) ** 2 for one in logs) / N_KNOWN) ** 0.5
    return made(exp(mean), spread, N_KNOWN)


def delays(factor, *, n_calls=300, made=Detector, cv=CV):
    """Chunks until a step of the cost is noticed, call by call; 1000 for never."""
    rng, found = random.Random(1), []
    for _ in range(n_calls):
        one = detector(rng, cv, made)
        for _ in range(rng.randrange(50)):
            one.see(draw(rng, cv=cv))
        seen = (n for n in range(1, 1000) if one.see(draw(rng, factor, cv)) is not None)
        found.append(next(seen, 1000))
    return found


def n_false(n_calls=1000, made=Detector, cv=CV, n_chunks=400):
    """Calls without drift in which there was an alarm."""
    rng = random.Random(2)
    calls = (detector(rng, cv, made) for _ in range(n_calls))
    return sum(any(one.see(draw(rng, cv=cv)) for _ in range(n_chunks)) for one in calls)


class Deaf(Detector):
    """The sabotage: never an alarm."""

    def see(self, item_s):
        """Hear nothing."""


NOTICED = ((1.5, 6), (2.0, 4), (4.0, 4), (1 / 1.5, 6), (0.5, 4), (0.25, 4))


@pytest.mark.parametrize(("factor", "n_most"), NOTICED)
def test_a_change_is_noticed_within_a_few_chunks(factor, n_most):
    """In the median, either way; the figures are those of docs/dev/drift.md."""
    assert median(delays(factor)) <= n_most


@pytest.mark.parametrize(("factor", "n_most"), NOTICED)
def test_without_a_detector_no_change_would_be_noticed(factor, n_most):
    """The test above fails with a detector that never fires."""
    assert median(delays(factor, n_calls=10, made=Deaf)) > n_most


def test_false_alarms_are_rare():
    """In at most 1 % of calls of 400 chunks that do not change."""
    assert n_false() <= 10


def test_false_alarms_are_rare_among_uneven_items():
    """As well where single items vary by more than their mean."""
    assert n_false(n_calls=300, cv=1.0) <= 3


def test_a_detector_without_slack_would_give_false_alarms(monkeypatch):
    """The tests above can fail: they do with a fifth of the slack and no least effect."""

    monkeypatch.setattr(cost_change_detector, "SLACK", 0.2)
    monkeypatch.setattr(cost_change_detector, "EFFECT", 1.0)

    assert n_false(n_calls=200) > 10


@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0, 0.5])
def test_the_size_of_a_change_is_told(factor):
    """Within a tenth in the median, which is enough to say what happened."""
    rng, told = random.Random(3), []
    for _ in range(100):
        one = detector(rng)
        told.append(next(filter(None, (one.see(draw(rng, factor)) for _ in range(1000)))).factor)
    assert median(told) == pytest.approx(factor, rel=0.1)


def test_a_small_change_is_no_news():
    """Ten percent are not worth knowing, however long they last."""
    rng = random.Random(4)
    alarms = [any(d.see(draw(rng, 1.1)) for _ in range(400)) for d in [detector(rng)] * 50]

    assert not any(alarms)


def test_after_a_change_the_new_level_is_the_level():
    """One change, one alarm: what follows is compared with the new cost."""
    rng = random.Random(5)
    for _ in range(50):
        one = detector(rng)
        assert sum(one.see(draw(rng, 2.0)) is not None for _ in range(400)) == 1


def test_single_slow_chunks_are_no_drift():
    """A worker that was stopped for a while reports a chunk that took a hundred times as long."""
    rng = random.Random(6)
    one = detector(rng)

    assert not any(one.see(draw(rng, 100.0 if n % 20 == 10 else 1.0)) for n in range(400))


# ---- A call's reports ----


def profile(**changes):
    """What earlier calls have learned: 1 ms of computing an item, in chunks of 20."""
    known = Profile.of(
        backend="process",
        n_jobs=2,
        chunksize=20,
        item_s=1e-3,
        item_cpu_s=1e-3,
        spread_log=0.1,
        pickle_s=1e-6,
        warmup_s=0.0,
        holds_gil=True,
        waits=False,
        n_items=1000,
        typical_s=1e-3,
        n_chunks=50,
        chunk_items=20.0,
    )
    return known.replace(**changes)


def report(item_s, share=1.0, n_items=20):
    """A chunk's report."""
    wall_s = item_s * n_items
    return Report(
        worker=0,
        n_items=n_items,
        n_sent=n_items,
        wall_s=wall_s,
        cpu_s=share * wall_s,
        pickle_s=0.0,
        now_s=1.0,
    )


def first_told(known, reports):
    """What a call's watch tells first."""
    watch = Watch(known)
    return next(filter(None, map(watch.see, reports)), None)


@pytest.mark.parametrize(
    ("item_s", "share", "what"),
    [(3e-3, 1.0, "cost"), (0.3e-3, 1.0, "cost"), (3e-3, 0.34, "cores"), (1e-3, 0.02, "waiting")],
)
def test_changes_are_told_apart(item_s, share, what):
    """By CPU time: more work, less of a core, or waiting instead of computing."""
    found = first_told(profile(), [report(item_s, share)] * 40)

    assert found.what == what
    if what != "waiting":
        assert found.factor == pytest.approx(item_s / 1e-3, rel=0.01)


def test_the_end_of_a_call_is_no_drift():
    """Chunks of one item vary more than those of twenty: they are put together before judging."""
    rng = random.Random(7)
    singles = [report(1e-3 * rng.lognormvariate(-0.32, 0.8), n_items=1) for _ in range(2000)]

    assert first_told(profile(spread_log=0.2), singles) is None


def test_a_profile_of_few_chunks_raises_no_alarm():
    """Seven chunks say nothing of what is usual."""
    known = profile(n_chunks=7, spread_log=0.0)

    assert first_told(known, [report(3e-3)] * 40) is None


# ---- What the tuner makes of it ----


def play_with(known, costs_s, **world):
    """A call in virtual time that begins with a profile."""
    there = World(costs_s=costs_s, n_cores=8, jitter=0.04, **world)
    return play(there, tuner_for(there, known))


def test_a_cost_that_changes_for_all_plans_alike_re_tunes_nothing():
    """Items that become twice as dear midway: told, and the plan goes on."""
    outcome = play_with(profile(n_jobs=8), (1e-3,) * 4000 + (2e-3,) * 4000)

    [one] = outcome.policy.drifts
    assert (one.what, one.is_retuned) == ("cost", False)
    assert one.factor == pytest.approx(2.0, rel=0.2)
    assert outcome.policy.choice.backend == "process"


def test_the_profile_learned_is_of_what_items_cost_now():
    """A call in which they changed hands on the new cost, not the mean of both."""
    outcome = play_with(profile(n_jobs=8), (1e-3,) * 4000 + (4e-3,) * 4000)

    assert outcome.policy.learned().traits.item_s == pytest.approx(4e-3, rel=0.1)


def test_without_a_change_nothing_is_told():
    """In any of twenty calls."""
    for seed in range(20):
        assert play_with(profile(n_jobs=8), (1e-3,) * 8000, seed=seed).policy.drifts == []


def calls_beside_others(*, tells_run_delay, noise=0.3, cost_s=1e-3, n_calls=60):
    """What is told by calls of constant items on two cores, beside programs that come and go."""
    known, told = None, []
    for seed in range(n_calls):
        rng = random.Random(seed)
        times = sorted(rng.uniform(0, 3) for _ in range(8))
        others = [Neighbour(from_s=a, to_s=b, n_cores=1.6) for a, b in itertools.pairwise(times)]
        there = World(
            costs_s=(cost_s,) * 1500,
            n_cores=2,
            jitter=noise,
            neighbours=tuple(rng.sample(others, 4)),
            tells_run_delay=tells_run_delay,
            seed=seed,
        )
        policy = play(there, tuner_for(there, known)).policy
        told += policy.drifts
        known = policy.learned(seed + 1)
    return told


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_a_busy_host_is_no_drift(noise):
    """Sixty calls beside two busy programs: not one of them tells a change."""
    assert calls_beside_others(tells_run_delay=True, noise=noise) == []


def test_without_being_told_who_had_the_cores_there_would_be_false_alarms():
    """The same calls where the system does not count how long items wait for a core."""
    assert calls_beside_others(tells_run_delay=False, n_calls=20)


def test_on_a_busy_host_a_change_of_cost_is_told_all_the_same():
    """Three times as much work an item, beside the same programs."""
    known = profile(spread_log=0.3)
    there = World(
        costs_s=(3e-3,) * 1500,
        n_cores=2,
        jitter=0.3,
        neighbours=(Neighbour(from_s=0, to_s=60, n_cores=1.2),),
        tells_run_delay=True,
    )

    (first, *_) = play(there, tuner_for(there, known)).policy.drifts

    assert first.what == "cost"
    assert first.factor == pytest.approx(3, rel=0.3)


def waited(item_s, run_delay_s=0.0, now_s=1.0):
    """A chunk of one item that waits."""
    return report(item_s, share=0.01, n_items=1).replace(run_delay_s=run_delay_s, now_s=now_s)


@pytest.mark.parametrize(("usual_s", "is_told"), [(3e-3, False), (0.2, True)])
def test_items_that_wait_may_wait_for_a_thread_that_has_no_core(usual_s, is_told):
    """Three times as long is news only beyond what some thread was kept from its core."""
    known = profile(item_s=usual_s, typical_s=usual_s, item_cpu_s=1e-5, waits=True, chunk_items=1.0)
    lump = [waited(usual_s + 20e-3, 20e-3)]
    later = [waited(3 * usual_s, now_s=2 + n * usual_s) for n in range(60)]

    assert (first_told(known, lump + later) is not None) == is_told


def test_a_plan_is_not_blamed_for_other_programs():
    """It achieved less in three calls in a row, and others had the cores."""
    known = profile(achieved={"process x 2": 2.0})
    for _ in range(3):
        known, told = speedup_over_earlier_calls.compared(known, known, 0.8, 1.0, is_busy=True)
        assert told is None
    assert known.sharing.n_short == 0


def test_cores_that_are_taken_away_and_given_back_are_used_again():
    """Another program for a while: fewer workers meanwhile, and all of them afterwards."""
    neighbour = Neighbour(n_cores=7, from_s=0.2, to_s=1.5)
    outcome = play_with(profile(n_jobs=8), (1e-3,) * 30_000, neighbours=(neighbour,))

    late = {c.worker for c in outcome.chunks if c.now_s > 0.8 * outcome.makespan_s}
    assert len(late - {-1}) >= 7


def test_what_parking_does_to_costs_is_no_drift():
    """Items that crawl where too many run: what the call changes itself it does not tell."""
    outcome = play_with(profile(n_jobs=16), (1e-3,) * 20_000, slowdown=Thrashing(4))

    assert any("deliver" in note.why for note in outcome.policy.notes)
    assert len(outcome.policy.drifts) <= 1  # that they are dearer than remembered


def test_a_pool_found_healthy_is_looked_at_again_once_items_cost_more():
    """Eight were not in each other's way; now memory is enough for four."""
    known = profile(n_jobs=8, n_healthy=8)

    outcome = play_with(known, (1e-3,) * 20_000, slowdown=Thrashing(4, speed=0.3))

    assert "8 at once delivered no more" in [note.why for note in outcome.policy.notes]


def test_costs_that_fall_and_come_back_are_as_remembered():
    """So they are no reason to doubt a pool that was found healthy: only what costs more is."""
    changes = [("cost", 0.08), ("waiting", 5.0), ("cost", 7.6), ("cores", 1.6)]
    told = [drift.Drift(now_s=1.0, what=what, factor=f, n_chunks=4) for what, f in changes]

    assert drift.altogether(told) == pytest.approx(0.08 * 7.6 * 1.6)


# ---- From call to call ----


def called(known, speedup, n_items=1000):
    """The profile after a call that achieved this much, and what was told."""
    return speedup_over_earlier_calls.compared(known, profile(n_items=n_items), speedup, 1.0)


def test_a_plan_that_achieves_less_twice_is_doubted():
    """Once may be a busy host; then the next call counts its workers anew."""
    known, told = called(None, 1.9)
    assert told is None
    known, told = called(known, 1.2)
    assert (told, known.sharing.n_short) == (None, 1)
    known, told = called(known, 1.2)
    assert told.what == "throughput"
    assert known.sharing.n_short == speedup_over_earlier_calls.SHORT_CALLS
    assert told.factor == pytest.approx(1.2 / 1.9)
    known, told = called(known, 1.2)  # the new level
    assert (told, known.sharing.n_short) == (None, 0)


def test_one_short_call_between_good_ones_is_nothing():
    """It is not counted on."""
    known, _ = called(None, 1.9)
    for speedup in (1.2, 1.9, 1.2, 1.9):
        known, told = called(known, speedup)
        assert told is None


def test_calls_of_very_different_length_are_not_compared():
    """A short one is mostly starting up."""
    known, _ = called(None, 1.9)
    for _ in range(3):
        known, told = called(known, 1.1, n_items=100)
        assert told is None or known.n_items == 100


def test_few_ways_of_running_are_remembered():
    """Eight, of which the oldest goes."""
    known, _ = called(None, 1.9)
    for n_jobs in range(3, 30):
        known, _ = speedup_over_earlier_calls.compared(known, profile(n_jobs=n_jobs), 1.5, 1.0)
    assert len(known.sharing.achieved) == 9 - 1
    assert "process x 29" in known.sharing.achieved
    assert Profile.from_dict(known.as_dict()) == known


@pytest.mark.parametrize("lie", [{"what": "os"}, {"factor": -1.0}, {"factor": float("nan")},
    {"answer": "x" * 10**6}, {"answer": None}, {"n_chunks": "1"}, {"at_s": "now"}, {"extra": 1}],
    ids=lambda lie: next(iter(lie)))  # fmt: skip
def test_a_forged_story_is_none(lie):
    """What was told is read from disk as well, and believed as little."""
    told = drift.Drift(now_s=1.0, what="cost", factor=2.0, n_chunks=4)

    assert drift.Drift.from_dict(told.as_dict()) == told
    assert drift.Drift.from_dict({**told.as_dict(), **lie}) is None
