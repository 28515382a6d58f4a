"""What a fixed plan would take, predicted from a few figures, against what it takes when played."""

import math
from statistics import median

import pytest

from amorsize.policy import best_backend, plan_prediction
from amorsize.policy.actions import Plan
from amorsize.policy.request import Request
from amorsize.policy.worker_costs import Host
from amorsize.simulate import Fixed, Serial, World, oracle, play

PLANS = [(2, 1), (2, 16), (4, 4), (8, 2), (8, 64), (16, 8)]


def world_of(item_s: float, n_items: int, n_cores: int, **facts) -> World:
    return World(costs_s=(item_s,) * n_items, n_cores=n_cores, jitter=0.0, told_error=1.0, **facts)


def basis_of(world: World) -> plan_prediction.Basis:
    host = Host(
        n_cores=world.n_cores,
        process_start_s=world.start_s,
        process_ready_s=world.ready_s,
        thread_start_s=world.thread_start_s,
        dispatch_s=world.dispatch_s,
        thread_dispatch_s=world.thread_dispatch_s,
        latency_s=world.latency_s,
        load_s=world.load_s,
    )
    item_s = sum(world.costs_s) / len(world.costs_s)
    return plan_prediction.Basis(
        host=host,
        n_items=len(world.costs_s),
        item_s=item_s,
        work_s=item_s * (world.cpu_share if world.waits else 1.0),
        longest_s=max(world.costs_s),
        pickle_s=world.pickle_s + world.remote_pickle_s,
        waits=world.waits,
        together=1.0,
    )


@pytest.mark.parametrize("n_cores", [2, 8, 64])
@pytest.mark.parametrize(("item_s", "n_items"), [(20e-6, 10_000), (1e-3, 2000), (20e-3, 200)])
def test_a_fixed_plan_takes_about_what_is_predicted(n_cores, item_s, n_items):
    """Over plans good and bad the prediction is off by a tenth at most, 5 % in the median."""
    world = world_of(item_s, n_items, n_cores)
    basis = basis_of(world)
    errors = []
    for n_jobs, chunksize in PLANS:
        if n_jobs > n_cores:
            continue
        plan = Plan(backend="process", n_jobs=n_jobs, chunksize=chunksize)
        took_s = play(world, Fixed(n_jobs, chunksize)).makespan_s
        errors.append(abs(math.log(plan_prediction.makespan_s(plan, basis) / took_s)))

    assert max(errors) < math.log(1.10)
    assert median(errors) < math.log(1.05)


@pytest.mark.parametrize("n_cores", [2, 16])
@pytest.mark.parametrize(
    ("item_s", "n_items"), [(3e-6, 9000), (20e-6, 10_000), (1e-3, 2000), (20e-3, 200), (0.2, 10)]
)
def test_the_plan_named_is_near_the_best_there_is(n_cores, item_s, n_items):
    """Played, it takes at most a fifth longer than the best of sixty plans and the loop."""
    world = world_of(item_s, n_items, n_cores)
    found = plan_prediction.predict(
        basis_of(world),
        Request(n_items=n_items, thread_reason="not looked at"),
        best_backend.BackendChoice(backend="process", why="the items hold the GIL"),
    )
    plan = found.plan
    policy = Serial() if plan.backend == "serial" else Fixed(plan.n_jobs, plan.chunksize)

    assert play(world, policy).makespan_s <= 1.2 * oracle(world).makespan_s


def test_waiting_items_get_many_threads():
    """Where items wait, threads are counted by what each brings and not by cores."""
    world = world_of(8e-3, 300, 2, waits=True)
    found = plan_prediction.predict(
        basis_of(world),
        Request(n_items=300),
        best_backend.BackendChoice(backend="thread", why="the items wait"),
    )

    assert found.plan.backend == "thread"
    assert found.plan.n_jobs > 16
    assert found.speedup > 20


def test_what_is_asked_for_is_planned_with():
    """A number of jobs and a chunksize that the user has set are those of the plan."""
    basis = basis_of(world_of(1e-3, 2000, 8))
    found = plan_prediction.predict(
        basis,
        Request(n_items=2000, backend="process", n_jobs=3, chunksize=7),
        best_backend.BackendChoice(backend="process", why="asked for"),
    )

    assert (found.plan.n_jobs, found.plan.chunksize) == (3, 7)


def test_items_dearer_to_send_than_to_run_stay_in_the_loop():
    """Where sending costs more than it brings, no number of cores helps."""
    basis = basis_of(world_of(50e-6, 20_000, 64, pickle_s=200e-6))
    found = plan_prediction.predict(
        basis,
        Request(n_items=20_000),
        best_backend.BackendChoice(backend="process", why="the items hold the GIL"),
    )

    assert found.plan.backend == "serial"
    assert "sending" in found.why
