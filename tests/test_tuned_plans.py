"""A plan that was measured deliberately is carried out as it stands, until drift says otherwise."""

from dataclasses import replace

import pytest

from amorsize._profiles import worth_writing
from amorsize.policy.profile import Profile
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.simulate import World, play, tuner_for

ITEM_S = 2e-3


def measured(**changes) -> Profile:
    """What a tuning of 1000 items of 2 ms stores."""
    fields = {
        "backend": "process",
        "n_jobs": 3,
        "chunksize": 7,
        "item_s": ITEM_S,
        "item_cpu_s": ITEM_S,
        "spread_log": 0.05,
        "pickle_s": 4e-6,
        "warmup_s": 0.0,
        "holds_gil": True,
        "waits": False,
        "n_items": 1000,
        "source": "tuned",
        "typical_s": ITEM_S,
        "n_chunks": 140,
        "chunk_items": 7.0,
    }
    return Profile.of(**{**fields, **changes})


def world(n_items: int = 1000, **facts) -> World:
    facts = {"costs_s": (ITEM_S,) * n_items, "n_cores": 16, "jitter": 0.02, **facts}
    return World(thread_reason="not looked at", told_error=1.0, **facts)


def worker_chunks(outcome) -> list[int]:
    return [stop - start for start, stop, worker in outcome.runs if worker >= 0]


def test_the_plan_is_carried_out_as_it_stands():
    """So many workers, so many items in every chunk but the last; the caller runs but the check."""
    outcome = play(world(), tuner_for(world(), measured()))

    assert outcome.n_started == {"process": 3}
    assert set(sorted(worker_chunks(outcome))[1:]) == {7}
    assert outcome.n_inline <= 4
    assert outcome.policy.plan().as_dict() == {
        "backend": "process",
        "n_jobs": 3,
        "chunksize": 7,
        "source": "tuned",
    }


def test_no_more_workers_start_than_there_are_items():
    """However long these take until they can work: new interpreters are slow."""
    known = measured(n_items=4, n_jobs=16, chunksize=1, item_s=0.5, item_cpu_s=0.5, typical_s=0.5)
    few = world(n_items=4, costs_s=(0.5,) * 4, is_forked=False, ready_s=0.1)

    assert play(few, tuner_for(few, known)).n_started["process"] <= 4


def test_what_was_only_learned_leaves_that_open():
    """The same figures without the mark: the host's cores are used, chunks follow what is left."""
    outcome = play(world(), tuner_for(world(), measured(source="learned")))

    assert outcome.n_started["process"] > 3
    assert len(set(worker_chunks(outcome))) > 2


def test_the_loop_can_be_a_tuned_plan():
    """Where it was measured to be best, no worker is started."""
    known = measured(backend="serial", n_jobs=1, chunksize=1000)

    assert play(world(), tuner_for(world(), known)).n_started == {}


def test_threads_are_a_plan_where_they_are_allowed():
    """A function that threads would spoil does not get them, whatever was measured."""
    known = measured(backend="thread", holds_gil=False)
    free = world(holds_gil=False).replace(thread_reason=None)
    shared = world()

    assert play(free, tuner_for(free, known)).n_started == {"thread": 3}
    assert "thread" not in play(shared, tuner_for(shared, known)).n_started


@pytest.mark.parametrize(("n_items", "is_followed"), [(512, True), (1023, True), (2000, False)])
def test_it_is_a_plan_for_about_as_many_items(n_items, is_followed):
    """The number of items has to have as many bits; else the measurements alone are used."""
    outcome = play(world(n_items), tuner_for(world(n_items), measured()))

    assert (outcome.n_started == {"process": 3}) is is_followed


@pytest.mark.parametrize("asked", [{"n_jobs": 2}, {"chunksize": 20}])
def test_what_is_asked_for_comes_first(asked):
    """Who asks for a number of jobs or a chunksize gets that."""
    request = Request(n_items=1000, inherits_items=True, **asked)
    tuner = Tuner(None, request, measured())
    play(world(), tuner)

    assert tuner.profile.followed is None
    assert tuner.plan().source == "learned"


def test_items_of_another_cost_end_it():
    """Much dearer ones from the start: the profile is put aside, and the plan with it."""
    dear = world(costs_s=(20 * ITEM_S,) * 1000)
    tuner = tuner_for(dear, measured())
    outcome = play(dear, tuner)

    assert tuner.profile.followed is None
    assert outcome.n_started["process"] > 3
    assert tuner.learned().plan.source == "learned"


def test_a_change_midway_ends_it():
    """Items that become dearer by a factor: drift is seen, and the rest is planned anew."""
    changing = world(costs_s=(ITEM_S,) * 300 + (5 * ITEM_S,) * 700)
    tuner = tuner_for(changing, measured())
    outcome = play(changing, tuner)

    assert tuner.profile.followed is None
    assert any("the tuned plan is left" in note.what for note in tuner.notes)
    assert outcome.n_started["process"] > 3


def test_a_small_change_does_not():
    """A tenth more is told of at most; the plan stays."""
    dearer = world(costs_s=(1.1 * ITEM_S,) * 1000)
    tuner = tuner_for(dearer, measured())

    assert play(dearer, tuner).n_started == {"process": 3}
    assert tuner.learned().plan.source == "tuned"


def test_a_profile_that_achieved_less_twice_is_not_followed():
    """What calls achieved with the plan is compared, call by call; so is its end."""
    outcome = play(world(), tuner_for(world(), measured(n_short=2)))

    assert outcome.n_started["process"] > 3


def test_every_item_runs_once_under_a_tuned_plan():
    """Also where its chunks come back, because costs have risen beyond their boxes."""
    rising = replace(world(), costs_s=tuple(ITEM_S * (1 + i / 40) for i in range(1000)))
    outcome = play(rising, tuner_for(rising, measured(n_jobs=2, chunksize=100)))

    ran = sorted(i for start, stop, _ in outcome.runs for i in range(start, stop))
    assert ran == list(range(1000))


def test_memory_writes_a_tuned_profile_over_a_learned_one():
    """The same figures with another source are news for the next process."""
    assert not worth_writing.is_same(measured(source="learned"), measured())
