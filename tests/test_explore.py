"""Neighbours of a plan are tried now and then, on real items, for half a percent of the time."""

import os

import pytest

from amorsize import tuned_map
from amorsize._profiles import memory_store
from amorsize._profiles.memory_store import last_trace
from amorsize.policy.evidence import cost_change_detector, drift, speedup_over_earlier_calls
from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.profile import Profile
from amorsize.policy.rules import explore
from amorsize.simulate import Neighbour, Retrograde, World, play, tuner_for

USED = Explored(used_s=1000.0)  # 5 s of them are for trying
N_CALLS = explore.AFTER_CALLS + 1


def profile(explored=USED, **changes):
    """What many calls have learned of items that seemed to hold the GIL."""
    known = Profile.of(
        backend="process",
        n_jobs=8,
        chunksize=20,
        item_s=1e-3,
        item_cpu_s=1e-3,
        spread_log=0.1,
        pickle_s=1e-6,
        warmup_s=0.0,
        holds_gil=True,
        waits=False,
        n_items=10_000,
        n_calls=N_CALLS,
        typical_s=1e-3,
        n_chunks=50,
        chunk_items=20.0,
        explored=explored.as_dict(),
    )
    return known.replace(**changes)


def call(world, known):
    """A call in virtual time that begins with a profile: what it learned, and its outcome."""
    outcome = play(world, tuner_for(world, known))
    return outcome.policy.learned(known.n_calls + 1), outcome


def after(known, **changes):
    """A profile's account with some figures changed."""
    return known.replace(explored={**known.sharing.explored, **changes})


# Threads would do: nothing would have to be sent.
RELEASING = World(costs_s=(1e-3,) * 16_000, n_cores=8, holds_gil=False, pickle_s=300e-6)
HOLDING = World(costs_s=(1e-3,) * 16_000, n_cores=8)


# ---- When ----


@pytest.mark.parametrize(
    ("changes", "at_s", "is_due"),
    [
        ({"at_call": 1}, None, True),
        ({"at_call": 2}, None, False),
        ({"at_call": 2, "at_s": 0.0}, 31 * 86_400.0, True),
        ({"at_call": 2, "at_s": 0.0}, 29 * 86_400.0, False),
        ({"at_call": 2, "at_s": 9e9}, 0.0, False),  # a clock that was put back
        ({"at_call": 900, "rival": "thread"}, None, True),
        ({"at_call": 1, "n_held": explore.HELD}, None, False),
        ({"at_call": 1, "spent_s": 5.0}, None, False),
        ({"at_call": 1, "used_s": 0.0}, None, False),
    ],
)
def test_it_is_time_after_many_calls_or_a_month(changes, at_s, is_due):
    """If there is a budget, and not after the plan was confirmed three times."""
    assert explore.is_due(after(profile(), **changes), at_s) is is_due


def test_every_call_is_put_down():
    """What all of them took is what trying may take a two-hundredth of."""
    known = profile().replace(explored=None)
    for n in range(3):
        known = speedup_over_earlier_calls.booked(known, 2.0, 1e9 + n)

    assert known.sharing.explored == Explored(used_s=6.0, at_s=1e9).as_dict()
    assert Profile.from_dict(known.as_dict()) == known


@pytest.mark.parametrize("lie", [{"used_s": float("nan")}, {"used_s": -1}, {"rival": "x" * 99},
    {"at_call": 1.0}, {"n_waiters": 0}, {"n_waiters": 10**9}, {"at_s": "now"}, {"extra": 1}],
    ids=str)  # fmt: skip
def test_a_forged_account_is_none(lie):
    """It makes the whole record a miss, as every other figure that cannot be right."""
    assert Profile.from_dict(after(profile(), **lie).as_dict()) is None


# ---- What comes of it ----


def test_a_better_neighbour_is_adopted_after_agreeing_twice():
    """Once may be the host: the second call that finds it better goes on with it."""
    first, outcome = call(RELEASING, profile())
    assert first.sharing.explored["rival"] == "thread"
    assert first.traits.holds_gil is True
    assert outcome.policy.drifts == []
    assert any(note.what.startswith("tried thread x") for note in outcome.policy.notes)

    second, outcome = call(RELEASING, first)
    [told] = outcome.policy.drifts
    assert (told.what, told.is_retuned) == ("plan", True)
    assert "instead of process x" in str(told)
    assert second.traits.holds_gil is False

    third, outcome = call(RELEASING, second)
    assert outcome.policy.choice.backend == "thread"
    assert third.sharing.explored["rival"] is None


def test_one_good_reading_is_not_followed():
    """A neighbour that is better once and not the next time is forgotten."""
    known, _ = call(RELEASING, profile())
    known, outcome = call(HOLDING, known)

    assert known.sharing.explored["rival"] is None
    assert outcome.policy.choice.backend == "process"


def test_a_plan_that_holds_is_left_alone():
    """After three trials in a row; and each has cost the call little."""
    plain = play(HOLDING, tuner_for(HOLDING, profile(Explored()))).makespan_s
    known = profile()
    for turn in range(1, explore.HELD + 1):
        known, outcome = call(HOLDING, known.replace(n_calls=turn * N_CALLS))
        assert known.sharing.explored["n_held"] == turn
        assert outcome.makespan_s < 1.02 * plain
        assert outcome.policy.choice.backend == "process"
    assert not explore.is_due(known.replace(n_calls=10**6), None)


def test_what_it_costs_stays_within_the_budget():
    """Call after call, whatever they find."""
    known = profile(Explored(used_s=5.0))
    for turn in range(1, 12):
        known, outcome = call(RELEASING.replace(costs_s=(1e-3,) * 12_000, seed=turn), known)
        known = speedup_over_earlier_calls.booked(known, outcome.makespan_s, float(turn))
        known = after(known, at_call=0, n_held=0).replace(n_calls=turn * N_CALLS, holds_gil=True)
        account = known.sharing.explored
        assert account["spent_s"] <= 0.005 * account["used_s"]
    assert account["n_tried"] > 0


def test_a_forged_budget_costs_a_call_little():
    """Endless time to try things: a call still gives a small part of its own."""
    forged = profile(Explored(used_s=1e14, rival="thread"))
    for world in (HOLDING, HOLDING.replace(costs_s=(1e-3,) * 2000), HOLDING.replace(n_cores=2)):
        plain = play(world, tuner_for(world, profile(Explored()))).makespan_s
        assert play(world, tuner_for(world, forged)).makespan_s < 1.15 * plain


def test_without_time_to_try_nothing_is_tried():
    """A short call ends as it would have ended."""
    short = HOLDING.replace(costs_s=(1e-3,) * 400)
    known, outcome = call(short, profile())

    assert known.sharing.explored == USED.as_dict()
    assert outcome.makespan_s == play(short, tuner_for(short, profile(Explored()))).makespan_s


def test_other_numbers_of_waiting_items_are_tried():
    """Twice as many, then half as many."""
    service = World(
        costs_s=(20e-3,) * 12_000, n_cores=4, waits=True, slowdown=Retrograde(0.0, 0.0006)
    )
    waiting = {"waits": True, "backend": "thread", "item_cpu_s": 4e-4, "chunk_items": 1.0}
    known = profile(item_s=32e-3, typical_s=32e-3, n_jobs=32, **waiting)
    tried = []
    for turn in range(1, 3):
        known, outcome = call(service, known.replace(n_calls=turn * N_CALLS))
        [note] = [note for note in outcome.policy.notes if note.what.startswith("tried")]
        n_planned = note.why.rpartition(" of thread x ")[2].partition(":")[0]
        tried.append(int(note.what.rpartition(" ")[2]) / int(n_planned))

    assert tried == [2, 0.5]


def test_a_neighbour_program_is_no_better_plan():
    """Cores that come free while the neighbour has its window: the plan's own windows say so."""
    helped = RELEASING.replace(
        holds_gil=True, neighbours=(Neighbour(from_s=0.0, to_s=0.09, n_cores=7),)
    )
    known, outcome = call(helped, profile())

    assert known.sharing.explored["rival"] is None
    assert outcome.policy.drifts == [] or all(d.what != "plan" for d in outcome.policy.drifts)


# ---- A real call ----


@pytest.mark.cores
def test_a_real_call_tries_and_tells(monkeypatch):
    """On real items, each of them once; told by `explain()`, and put down for the next call."""
    monkeypatch.setattr(memory_store, "_memory", None)
    for module in (cost_change_detector, drift):  # other programs are no reason to put it off
        monkeypatch.setattr(module, "EFFECT", 1e9)
    monkeypatch.setattr(explore, "MOST_OF_CALL", 1e9)

    def work(item):
        total = 0
        for n in range(30_000):
            total += n
        return item + len(os.sep) - 1  # a module: what only computes needs no threads tried

    assert tuned_map(work, range(300), cache=False) == list(range(300))
    key = memory_store.key_of(work, 0)
    learned = memory_store.memory().profile(key)
    if learned.plan.backend != "process" or learned.traits.holds_gil is False:
        pytest.skip("nothing but the loop pays here")
    due = after(learned, used_s=1e6).replace(n_calls=N_CALLS)
    for _ in range(6):  # beside other programs not all workers may be there in time
        memory_store.memory().put(key, due)
        assert tuned_map(work, range(4000), cache=False) == list(range(4000))
        trace = last_trace(work)
        if trace.profile.sharing.explored["n_tried"]:
            break
    assert trace.profile.sharing.explored["n_tried"] == 1
    assert trace.profile.sharing.explored["spent_s"] > 0
    assert trace.profile.sharing.explored["used_s"] > 1e6
    assert trace.n_started["thread"] > 0
    assert any(note.what.startswith("tried thread") for note in trace.notes)
