"""Deliberate tuning with real workers: every option changes what they do, and limits hold."""

import math
import os
import re
import threading
import time
from collections import Counter
from functools import partial
from itertools import pairwise

import pytest
import witness

import amorsize
from amorsize import (
    InvalidOptionError,
    MissingExtraError,
    OptimizationResult,
    TuningResult,
    WrongTypeError,
    optimize,
    quick_tune,
    tune_parameters,
    tune_pipeline,
)
from amorsize._profiles import memory_store
from amorsize.policy.actions import Plan
from amorsize.tuning import bayes, compare_plans, search, session, so_far
from amorsize.tuning.bench import Part, Workers
from amorsize.tuning.session import Session

ITEMS = list(range(40))
FOREVER_S = 3600.0


@pytest.fixture
def ledger(tmp_path):
    return witness.Ledger(tmp_path / "ledger")


def noted(ledger, work_s=0.3e-3):
    return partial(witness.noted_work, ledger=ledger.path, work_s=work_s)


def noted_wait(ledger, wait_s=1e-3):
    return partial(witness.noted_wait, ledger=ledger.path, wait_s=wait_s)


def small_grid(func, data=ITEMS, **options) -> TuningResult:
    """Two cells, each measured once on all of the data, without a pilot run."""
    options = {
        "n_jobs_range": [2],
        "chunksize_range": [5, 10],
        "use_optimizer_hint": False,
        "repeats": 1,
        "save": False,
        **options,
    }
    return tune_parameters(func, data, **options)


# -- the grid --------------------------------------------------------------------------------


@pytest.mark.forks
def test_every_cell_of_a_named_grid_has_its_entry(monkeypatch):
    """And is counted, with the loop; one job is the loop, whatever the chunksize.

    However late workers come on a busy host: none of these short runs is ended early.
    """
    monkeypatch.setattr(search, "LEAST_CUT_S", FOREVER_S)
    found = tune_parameters(noop, ITEMS, [1, 2], [5, 10], save=False)

    assert set(found.all_results) == {(1, 5), (1, 10), (2, 5), (2, 10)}
    assert found.configurations_tested == 5
    assert found.all_results[1, 5] == found.all_results[1, 10] == found.serial_time
    assert all(math.isfinite(time_s) for time_s in found.all_results.values())


@pytest.mark.forks
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_every_cell_is_run_by_its_own_workers(n_jobs, ledger, monkeypatch):
    """Each item runs once in the loop and once in each cell, by as many processes as it names."""
    monkeypatch.setattr(search, "LEAST_CUT_S", FOREVER_S)
    items = partial(witness.noted_beside, ledger=ledger.path, n_workers=n_jobs)
    found = small_grid(items, n_jobs_range=[n_jobs], chunksize_range=[2, 4])

    assert [(one.status, one.reason) for one in found.configurations] == 2 * [("measured", "")]
    assert set(Counter(ledger.indices()).values()) == {1 + 2}
    assert [entry.pid for entry in ledger.entries()[:40]] == [witness.CALLER] * 40
    assert len(ledger.pids() - {witness.CALLER}) == 2 * n_jobs


def test_a_ledger_that_is_read_while_an_item_writes_has_no_half_entry(ledger):
    """An item that failed at it ended a run above, of which some items were missing then."""
    witness.note(ledger.path, 1)
    with open(ledger.path, "a") as file:
        file.write("2 1234 ")

    assert ledger.indices() == [1]


def test_chunksizes_are_those_of_the_workers(ledger):
    """A worker runs as many items in a row as the cell says."""
    small_grid(noted(ledger), chunksize_range=[20])
    runs = Counter(entry.pid for entry in ledger.entries() if entry.pid != witness.CALLER)

    assert sum(runs.values()) == 40  # where one worker starts late, the other has both
    assert all(n_items % 20 == 0 for n_items in runs.values())


def test_serial_wins_where_it_is_quickest():
    """With items that take no time."""
    found = small_grid(noop)

    assert (found.best_n_jobs, found.backend, found.best_speedup) == (1, "serial", 1.0)
    assert found.best_time == found.serial_time


@pytest.mark.cores
@pytest.mark.skipif(not witness.MANY_CORES, reason="wants two cores")
def test_workers_win_where_they_are_quicker():
    """Two cores compute more than one, where they are ours."""
    found = tune_parameters(compute_3_ms, range(100), [2], [1, 5, 25], save=False)

    assert found.best_n_jobs == 2
    assert found.best_speedup > 1.3
    assert found.optimization_hint is not None


def test_the_hint_is_a_look_at_a_few_items(ledger):
    """With it five items run before anything else, here, and the result shows what they predict."""
    without = small_grid(noted_wait(ledger))
    n_without = len(ledger.indices())
    with_hint = small_grid(noted_wait(ledger), use_optimizer_hint=True)

    assert without.optimization_hint is None
    assert isinstance(with_hint.optimization_hint, OptimizationResult)
    assert len(ledger.indices()) == 2 * n_without + 5
    assert "Optimizer suggested: " in str(with_hint)
    assert "Optimizer suggested: " not in str(without)


def test_repeats_are_obeyed(ledger):
    """Each cell, and the loop, as often as asked for."""
    small_grid(noted(ledger), repeats=3)

    assert set(Counter(ledger.indices()).values()) == {3 * 3}


def test_threads_are_tried_where_they_are_preferred(ledger):
    """All items run in this process, in several threads."""
    found = small_grid(noted_wait(ledger, 5e-3), prefer_threads_for_io=True, n_jobs_range=[4])

    assert found.executor_type == found.backend == "thread"
    assert ledger.pids() == {witness.CALLER}
    assert len(ledger.threads()) > 2
    assert found.best_speedup > 2


@pytest.mark.forks
def test_backends_can_be_named(ledger):
    """Both are measured side by side, and the entry of a cell is the better one's."""
    found = small_grid(noted_wait(ledger, 3e-3), backends=["thread", "process"])
    by_cell = {}
    for one in found.configurations:
        by_cell.setdefault((one.n_jobs, one.chunksize), []).append(one.time_s)

    assert {one.backend for one in found.configurations} == {"thread", "process"}
    assert found.all_results == {cell: min(times) for cell, times in by_cell.items()}
    assert len(ledger.pids()) == 1 + 2 * 2


def test_one_job_is_a_worker_where_backends_are_named(ledger):
    """Who asks for processes gets one."""
    small_grid(noted(ledger), backends="process", n_jobs_range=[1], chunksize_range=[10])

    assert len(ledger.pids() - {witness.CALLER}) == 1


def test_whether_threads_are_safe_can_be_said(ledger):
    """An open space has threads in it only where items may run in them."""
    func, data = noted_wait(ledger, 5e-3), range(40)
    tune_parameters(func, data, thread_safe=False, save=False)
    n_without = len(ledger.threads())
    tune_parameters(func, data, thread_safe=True, save=False)
    n_with = len(ledger.threads())

    assert n_without == 1
    assert n_with > 2


def test_keywords_go_to_every_item(ledger):
    """As in a call."""
    small_grid(witness.noted, item_kwargs={"ledger": ledger.path})

    assert set(Counter(ledger.indices()).values()) == {3}


def test_any_iterable_is_data(ledger):
    """An iterator is read once, a set has no places: both are made lists."""
    small_grid(noted(ledger), (i for i in ITEMS))
    small_grid(noted(ledger), {*ITEMS})

    assert set(Counter(ledger.indices()).values()) == {6}


def test_a_space_left_open_is_chosen_by_the_policy():
    """Chunks from single items to a worker's share, numbers of jobs up to the cores."""
    found = tune_parameters(compute_3_ms, range(160), repeats=1, save=False, seed=1)

    assert {one.n_jobs for one in found.configurations} <= {2, witness_cores()}
    assert len({one.chunksize for one in found.configurations}) > 2
    assert found.cost_ratio is not None


# -- strategies ------------------------------------------------------------------------------


def test_halving_runs_fewer_items_than_the_grid(ledger):
    """Most cells see a part of the data only."""
    sizes = [1, 2, 4, 8]
    func, data = noted(ledger), list(range(300))
    tune_parameters(func, data, [2], sizes, repeats=1, save=False)
    n_grid = len(ledger.indices())
    found = tune_parameters(func, data, [2], sizes, strategy="halving", save=False)

    assert found.search_strategy == "halving"
    assert len(ledger.indices()) - n_grid < n_grid


@pytest.mark.forks
def test_halving_looks_at_every_cell_of_a_named_grid(ledger, monkeypatch):
    """Also where the data is so small that each pilot run is one over all of it."""
    monkeypatch.setattr(search, "LEAST_CUT_S", FOREVER_S)
    found = tune_parameters(
        noted_wait(ledger, 5e-3), range(20), [2, 4], [1, 2], strategy="halving", save=False
    )

    assert set(found.all_results) == {(2, 1), (2, 2), (4, 1), (4, 2)}
    assert found.configurations_tested == 5
    assert len(ledger.indices()) >= 20 * 4
    # A worker that is starved of a core may come too late for any item.
    assert len(ledger.pids() - {witness.CALLER}) >= 2 * 4


def test_bayes_proposes_plans_of_its_own(ledger):
    """Optuna moves between the ends of an open space."""
    pytest.importorskip("optuna")
    found = tune_parameters(noted(ledger), range(200), strategy="bayes", save=False)

    assert found.search_strategy == "bayes"
    assert 2 < len(found.configurations) <= bayes.N_TRIALS
    assert found.configurations_tested == 1 + len(found.configurations)


def test_a_missing_optuna_is_named_with_its_extra(monkeypatch):
    """Before anything is run."""
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"amorsize\[bayes\]"):
        tune_parameters(never_called, ITEMS, strategy="bayes")


# -- limits and failures ---------------------------------------------------------------------


def test_a_seed_repeats_the_order_of_runs(capsys):
    """Blocks after the first run in an order of chance; that goes by what the loop has taken."""
    sizes = [2, 4, 5, 8, 20]

    def order(seed):
        small_grid(noop, chunksize_range=sizes, seed=seed, repeats=2, verbose=True)
        lines = capsys.readouterr().out.splitlines()
        told = [line.split(":")[0] for line in lines if line.startswith("  process n_jobs=2 ch")]
        assert sorted(told[: len(sizes)]) == sorted(told[len(sizes) :])
        return told[len(sizes) :]

    assert order(1) == order(1) != order(2)


def test_a_timeout_ends_what_hangs_and_the_others_go_on(ledger):
    """Threads that never return are ended with the process they run in; the rest is measured."""
    hangs = partial(hang_in_threads, ledger=ledger.path)
    began = time.monotonic()
    found = small_grid(hangs, backends=["thread", "process"], timeout_per_config=1.5)
    status = {(one.backend, one.chunksize): one for one in found.configurations}

    assert time.monotonic() - began < 30
    assert {status["thread", k].status for k in (5, 10)} == {"timed out"}
    assert {status["thread", k].time_s for k in (5, 10)} == {math.inf}
    assert {status["process", k].status for k in (5, 10)} == {"measured"}
    assert "timeout_per_config=1.5 s" in status["thread", 5].reason
    assert witness.CALLER not in ledger.pids()


def test_without_a_timeout_the_loop_is_the_callers(ledger):
    """Isolation is for those who ask for a limit."""
    small_grid(noted(ledger))

    assert witness.CALLER in ledger.pids()


def test_a_loop_that_hangs_is_ended_as_well():
    """Then nothing is known, and that is what the result says."""
    found = small_grid(hang, timeout_per_config=0.3, use_optimizer_hint=True)

    assert found.serial_time == math.inf
    assert set(found.all_results.values()) == {math.inf}
    assert not found.is_decided
    assert "nothing could be measured" in found.verdict
    assert any("prediction" in text for text in found.warnings)


def test_a_budget_ends_the_whole_search_inside_an_item():
    """Also where the item never ends."""
    began = time.monotonic()
    found = small_grid(hang, budget_s=0.5)

    assert time.monotonic() - began < 15
    assert "budget" in found.verdict
    assert {one.status for one in found.configurations} == {"not measured"}


def test_what_was_measured_in_a_budget_counts(ledger):
    """The best so far is named, and not kept: the others were never run."""
    found = small_grid(
        noted_wait(ledger, 5e-3), chunksize_range=[1, 2, 4, 5, 8, 10], budget_s=0.55, save=True
    )

    assert 1 <= found.configurations_tested < 7
    assert not found.is_saved


def test_a_worker_that_dies_fails_its_cell_and_no_other():
    """The reason is told; the loop has come through and wins."""
    found = small_grid(die_in_workers)

    assert {one.status for one in found.configurations} == {"failed"}
    assert all("exit code 3" in one.reason for one in found.configurations)
    assert set(found.all_results.values()) == {math.inf}
    assert found.backend == "serial"
    assert "exit code 3" in str(found)


def test_a_loop_that_dies_in_its_own_process_is_told_of_as_such():
    """What was lost there is the run: no item is blamed that others know by this number."""
    found = small_grid(die_at_7, timeout_per_config=20.0)
    by_cell = {one.chunksize: one.reason for one in found.configurations}

    assert found.serial.status == "failed"
    assert "exit code 3" in found.serial.reason
    assert "item" not in found.serial.reason
    assert "in one of the items 6 to 7 with exit code 3" in by_cell[5]
    assert [top[3] for top in found.get_top_configurations()] == [0.0, 0.0]


def fail_at_7(item):
    """Raises at one item."""
    if item == 7:
        raise ValueError(item)
    return item


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_an_item_that_fails_is_named_by_its_place_in_the_data(backend):
    """Also where only a part of the data is run: the third item of that part is number 7."""
    bench = Workers(fail_at_7, range(40))
    plan = Plan(backend=backend, n_jobs=2, chunksize=2)

    if backend == "serial":
        with pytest.raises(ValueError, match="7") as caught:
            bench.run(plan, Part(stride=3, offset=1), math.inf)
        assert "item 7 (7)" in caught.value.__notes__[0]
    else:
        assert "item 7 (7)" in str(bench.run(plan, Part(stride=3, offset=1), math.inf).failure)


def test_who_killed_a_worker_is_named_as_in_the_data():
    """Also where only a part of it was run."""
    bench = Workers(die_at_7, ITEMS)
    plan = Plan(backend="process", n_jobs=1, chunksize=1, source="tuned")
    run = bench.run(plan, Part(stride=3, offset=1), math.inf)

    assert run.failure == "a worker ended in item 7 with exit code 3"


def test_a_function_that_fails_in_workers_alone_fails_the_cell():
    """An exception of a worker is told with its item."""
    found = small_grid(raise_in_workers)

    assert all("ValueError: not here" in one.reason for one in found.configurations)


def test_a_function_that_fails_in_the_loop_is_the_callers():
    """What it raises passes through, with a note."""
    with pytest.raises(ZeroDivisionError) as caught:
        small_grid(inverse)

    assert any("item 0" in note for note in caught.value.__notes__)


def test_ctrl_c_leaves_what_was_found(monkeypatch):
    """The exception carries the best so far."""
    monkeypatch.setattr(Session, "_search", stop_after_the_loop)
    with pytest.raises(KeyboardInterrupt) as caught:
        small_grid(noop)
    found = so_far(caught.value)

    assert found is not None
    assert found.configurations_tested == 1
    assert found.serial_time > 0
    assert found.function == "noop"
    assert found.tuning_s > 0
    assert "interrupted" in found.verdict
    assert not found.is_decided
    assert so_far(KeyboardInterrupt()) is None


def interrupted_at_7(item):
    if item == 7:
        raise KeyboardInterrupt
    return item


@pytest.mark.parametrize("tune", [small_grid, quick_tune, optimize])
def test_ctrl_c_tells_of_no_results_where_items_are_only_timed(tune):
    """They are of a part of the data, and nobody's: the tuning so far is what there is."""
    with pytest.raises(KeyboardInterrupt) as caught:
        tune(interrupted_at_7, [0, *[7] * 39])
    notes = "".join(getattr(caught.value, "__notes__", ()))

    assert "items were done" not in notes
    assert amorsize.partial_results(caught.value) == {}
    if tune is small_grid:
        assert "interrupted before the search was over. amorsize.tuning.so_far(error) has" in notes


def test_ctrl_c_before_anything_was_measured(monkeypatch):
    """Nothing was tested then, the loop neither."""
    monkeypatch.setattr(Session, "_search", stop_at_once)
    with pytest.raises(KeyboardInterrupt) as caught:
        small_grid(noop)

    assert so_far(caught.value).configurations_tested == 0


# -- what is kept ----------------------------------------------------------------------------


@pytest.mark.parametrize("saves", [True, False])
def test_the_next_call_starts_from_the_winner(saves):
    """As it stands, for about as many items; `save=False` leaves no trace of it."""
    func = waits_a_little()
    found = tune_parameters(
        func, range(64), [8], [4], prefer_threads_for_io=True, save=saves, repeats=3
    )
    amorsize.tuned_map(func, range(64))
    plan = memory_store.plan_of(func)

    assert found.is_saved is saves
    assert (plan.source == "tuned") is saves
    if saves:
        assert (plan.backend, plan.n_jobs, plan.chunksize) == ("thread", 8, 4)
        assert plan == found.plan


def test_another_process_starts_from_it_too(run_script):
    """The winner is on disk when the tuning is over."""
    text = """
import sys, time
from amorsize import tune_parameters, tuned_map
from amorsize._profiles import memory_store

def wait(x):
    time.sleep(0.004)
    return x

if sys.argv[1] == "tune":
    tune_parameters(wait, range(64), [8], [4], prefer_threads_for_io=True, repeats=3)
else:
    tuned_map(wait, range(64))
    print(memory_store.plan_of(wait))
"""
    run_script(text, "tune")

    assert "n_jobs=8, chunksize=4, source='tuned'" in run_script(text, "use").stdout


@pytest.mark.cores
@pytest.mark.forks
def test_calls_keep_what_was_tuned(monkeypatch):
    """Neither a call that follows the plan nor one of another size stores a learned one instead."""
    func = waits_a_little()
    tune_parameters(func, range(64), [8], [4], prefer_threads_for_io=True, repeats=3)
    for n_items in (64, 300, 64):
        amorsize.tuned_map(func, range(n_items))
    profile = memory_store.memory().profile(memory_store.key_of(func, 1))

    assert (profile.plan.source, profile.plan.n_jobs, profile.plan.chunksize) == ("tuned", 8, 4)
    assert profile.n_calls > 1


@pytest.mark.usefixtures("much_to_spend")
def test_a_tuned_function_can_be_tuned_now():
    """`.tune(sample)` is quick_tune with the function's own options, and `.plan` is its winner."""
    tuned = amorsize.autotune(thread_safe=True)(waits_a_little(12e-3))
    found = tuned.tune(range(120))

    assert found.search_strategy == "halving"
    assert found.is_saved
    assert tuned.plan == found.plan
    assert tuned.plan.source == "tuned"


# -- quick -----------------------------------------------------------------------------------


@pytest.mark.cores
def test_a_quick_tune_runs_about_one_and_a_half_loops(ledger):
    """Each item of a job of over a second runs less than twice in the mean, pilot run included."""
    n_items = 1200
    found = quick_tune(noted(ledger, 1e-3), range(n_items), save=False)

    assert found.verdict
    assert found.configurations_tested >= 2
    assert len(ledger.indices()) < 2.5 * n_items


def test_a_short_job_is_told_so(ledger, monkeypatch):
    """It runs a few of its items, names what they predict, and keeps nothing.

    Four sixteenths of them at most: where a busy host makes even items look uneven, and makes them
    long: here what is short takes up to a minute.
    """
    monkeypatch.setattr(session, "SHORT_S", 60.0)
    found = quick_tune(noted(ledger, 1e-3), range(200))

    assert "too short to tune" in found.verdict
    assert len(ledger.indices()) <= 4 * -(-200 // 16) + 16
    assert not found.is_decided
    assert not found.is_saved
    assert found.all_results == {(1, 200): found.serial_time}
    assert found.serial_time > 0.15


def dearer_but_where_first_looked_at(item):
    """8 ms, but of every 16th: those which tell first how long the loop is."""
    witness.compute(8e-3 if item % 16 != 8 else 0.1e-3)


def test_a_long_job_is_not_told_to_be_short_by_a_few_cheap_items():
    """Where the parts of a loop disagree, more of it is looked at."""
    found = quick_tune(dearer_but_where_first_looked_at, range(170), save=False)

    assert "too short" not in found.verdict
    assert found.serial_time > 0.8


def test_few_items_are_told_so(ledger):
    """However long they are: a part of few items tells little."""
    found = quick_tune(noted_wait(ledger, 10e-3), range(20))

    assert "too short to tune (20 items" in found.verdict
    assert len(ledger.indices()) == 1


def test_quick_tune_takes_the_same_limits():
    """A budget holds inside an item."""
    began = time.monotonic()
    found = quick_tune(hang, range(100), budget_s=0.4)

    assert time.monotonic() - began < 15
    assert not found.is_decided


@pytest.fixture
def much_to_spend(monkeypatch):
    """For claims of what a quick tuning tries: on a busy host it would try less."""
    monkeypatch.setattr(session, "QUICK_SHARE", 60.0)
    monkeypatch.setattr(session, "QUICK_S", 60.0)


def quickly(ledger, **options):
    """A quick tuning of items that wait, of which there are just enough."""
    return quick_tune(noted_wait(ledger, 14e-3), range(64), save=False, **options)


@pytest.mark.forks
@pytest.mark.usefixtures("much_to_spend")
def test_a_quick_tune_left_alone_tries_what_the_policy_would(ledger):
    """Items that wait run in threads and in processes; the loop is the caller's."""
    found = quickly(ledger)

    assert {one.backend for one in found.configurations} == {"thread", "process"}
    assert witness.CALLER in ledger.pids()
    assert len(ledger.pids()) > 2
    assert len(ledger.threads()) > 2


@pytest.mark.parametrize("options", [{"prefer_threads_for_io": True}, {"backends": "thread"}])
@pytest.mark.usefixtures("much_to_spend")
def test_a_quick_tune_keeps_to_threads(ledger, options):
    """No item runs in another process."""
    quickly(ledger, **options)

    assert ledger.pids() == {witness.CALLER}
    assert len(ledger.threads()) > 2


@pytest.mark.usefixtures("much_to_spend")
def test_a_quick_tune_keeps_to_processes(ledger):
    """No item runs in another thread of the caller's."""
    found = quickly(ledger, backends=["process"])

    assert {one.backend for one in found.configurations} == {"process"}
    assert len(ledger.threads()) == 1
    assert len(ledger.pids()) > 2


@pytest.mark.usefixtures("much_to_spend")
def test_a_quick_tune_with_a_time_limit_runs_nothing_here(ledger):
    """Neither the pilot run nor the loop: only another process can be ended."""
    found = quickly(ledger, timeout_per_config=20.0)

    assert found.configurations_tested >= 2
    assert witness.CALLER not in ledger.pids()


# -- named plans -----------------------------------------------------------------------------


def test_named_plans_are_measured_side_by_side(ledger):
    """Exactly these, with as many workers as they name, and the loop."""
    found = compare_plans(
        noted_wait(ledger), ITEMS, [(2, 10), (3, 5, "thread"), OptimizationResult(1, 40, "").plan]
    )
    told = [(one.n_jobs, one.chunksize, one.backend) for one in found.configurations]

    assert told == [(2, 10, "process"), (3, 5, "thread"), (1, 40, "process")]
    assert found.configurations_tested == 4
    assert not found.is_saved
    assert len(ledger.threads()) > 2


@pytest.mark.parametrize("plans", [[], [(2,)], [(2, 0)], [(2, 5, "serial")], ["2,5"]])
def test_plans_that_cannot_be_are_refused(plans):
    """Before anything runs."""
    with pytest.raises((InvalidOptionError, WrongTypeError)):
        compare_plans(never_called, ITEMS, plans)


# -- pipelines -------------------------------------------------------------------------------


def test_a_pipeline_is_tuned_on_what_stages_really_give(ledger):
    """The second function gets the results of the first, and the slowest stage is named."""
    found = tune_pipeline([double, partial(check_even, ledger=ledger.path), str], range(30))

    assert found.results == [str(4 * x) for x in range(30)]
    assert found.names[0] == "double"
    assert found.bottleneck == "check_even"
    assert found.bottleneck_share > 0.5
    assert found.serial_time == pytest.approx(sum(stage.serial_time for stage in found.stages))
    assert "Bottleneck: check_even" in str(found)
    assert set(ledger.indices()) == {2 * x for x in range(30)}
    assert found.to_dict()["bottleneck"] == "check_even"


def test_a_pipeline_needs_functions():
    """None, one that is no list, and what is no function are refused."""
    with pytest.raises(InvalidOptionError, match="no function"):
        tune_pipeline([], ITEMS)
    with pytest.raises(WrongTypeError, match="quick_tune"):
        tune_pipeline(double, ITEMS)
    with pytest.raises(WrongTypeError):
        tune_pipeline([double, 3], ITEMS)


# -- what is said ----------------------------------------------------------------------------


def test_verbose_says_what_is_done_in_order(capsys):
    """On stdout: what is tried, the loop, a line for each configuration, the result."""
    small_grid(noop)
    assert capsys.readouterr().out == ""

    small_grid(noop, verbose=True)
    out = capsys.readouterr().out
    said = (
        *("Auto-Tuning Configuration", "Testing n_jobs: [2]", "Testing chunksizes: [5, 10]"),
        *("Benchmarking serial execution", "n_jobs=2 chunksize=5", "Auto-Tuning Results"),
    )
    assert all(0 <= out.find(a) < out.find(b) for a, b in pairwise(said))


def test_empty_data_is_an_error():
    """There is nothing to measure with."""
    for tune in (tune_parameters, quick_tune):
        with pytest.raises(ValueError, match="empty dataset"):
            tune(noop, [])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n_jobs_range": []}, InvalidOptionError),
        ({"n_jobs_range": [0]}, InvalidOptionError),
        ({"n_jobs_range": 4}, WrongTypeError),
        ({"chunksize_range": [2.5]}, WrongTypeError),
        ({"chunksize_range": "123"}, WrongTypeError),
        ({"timeout_per_config": 0}, InvalidOptionError),
        ({"budget_s": "1"}, WrongTypeError),
        ({"strategy": "random"}, InvalidOptionError),
        ({"repeats": 0}, InvalidOptionError),
        ({"repeats": 2, "strategy": "halving"}, InvalidOptionError),
        ({"repeats": 2, "strategy": "bayes"}, InvalidOptionError),
        ({"backends": ["ray"]}, InvalidOptionError),
        ({"verbose": 1}, WrongTypeError),
        ({"seed": None}, WrongTypeError),
        ({"prefer_threads_for_io": True, "backends": ["thread"]}, InvalidOptionError),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(options, error):
    """The message names the option."""
    with pytest.raises(error, match=next(iter(options))):
        tune_parameters(never_called, ITEMS, **options)


def by_hand(**changes) -> TuningResult:
    fields = {
        "best_n_jobs": 4,
        "best_chunksize": 10,
        "best_time": 1.0,
        "best_speedup": 2.5,
        "serial_time": 2.5,
        "configurations_tested": 4,
        "all_results": {(4, 10): 1.0, (2, 10): 1.6, (8, 5): math.inf},
    }
    return TuningResult(**{**fields, **changes})


def test_a_result_in_words():
    """The figures that users look for, aligned."""
    text = str(by_hand(optimization_hint=OptimizationResult(2, 20, "why", 1.8)))

    assert "Auto-Tuning Results" in text
    assert "n_jobs:     4\n" in text
    assert "chunksize:  10\n" in text
    assert "Best speedup:   2.50x" in text
    assert "Optimizer suggested: n_jobs=2, chunksize=20" in text
    assert "Top configurations:" in text


def test_a_result_in_one_line():
    """The winner and how many were tried."""
    text = repr(by_hand())

    assert "best_n_jobs=4" in text
    assert "best_chunksize=10" in text
    assert "best_speedup=2.50x" in text
    assert "\n" not in text


def test_the_top_configurations_are_sorted_by_time():
    """As tuples, with the speedup of each."""
    assert by_hand().get_top_configurations() == [
        (4, 10, 1.0, 2.5),
        (2, 10, 1.6, 1.5625),
        (8, 5, math.inf, 0.0),
    ]
    assert by_hand().get_top_configurations(1) == [(4, 10, 1.0, 2.5)]


def test_a_result_in_a_notebook():
    """A table, with nothing in it that could be taken for markup."""
    html = by_hand(verdict="<b>")._repr_html_()

    assert "<td>4</td><td>10</td>" in html
    assert "&lt;b&gt;" in html


def test_a_result_survives_its_file(tmp_path):
    """Everything is read back as it was, infinite times as well."""
    found = small_grid(die_in_workers, use_optimizer_hint=True)
    path = tmp_path / "result.json"
    found.save_config(path)
    again = TuningResult.load_config(path)
    again.optimization_hint.data = found.optimization_hint.data

    assert again == found
    assert str(again) == str(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "amorsize tuning", "version": 1}',
        '{"format": "amorsize tuning", "version": 9}',
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, text):
    """Not a result half read."""
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(InvalidOptionError, match=r"result\.json"):
        TuningResult.load_config(path)


@pytest.mark.parametrize("lie", [[1], {"a": 1}, -1, math.nan, "\0"], ids=repr)
def test_a_field_that_cannot_be_right_is_refused_by_name(lie):
    """Whatever is in it: nothing is made of a file of which a part cannot be."""
    right = small_grid(noop, use_optimizer_hint=True).to_dict()
    for name in right:
        if lie == "\0" and type(right[name]) is str:
            continue
        with pytest.raises(InvalidOptionError, match=name):
            TuningResult.from_dict({**right, name: lie})
        with pytest.raises(InvalidOptionError, match=name):
            TuningResult.from_dict({one: right[one] for one in right if one != name})


# -- functions -------------------------------------------------------------------------------


def noop(x):
    return x


def compute_3_ms(x):
    witness.compute(3e-3)
    return x


def never_called(_):
    raise AssertionError("nothing should be run")


def hang(_):
    time.sleep(FOREVER_S)


def hang_in_threads(x, ledger):
    witness.note(ledger, x)
    if threading.current_thread() is not threading.main_thread():
        time.sleep(FOREVER_S)
    return x


def die_in_workers(x):
    if os.getpid() != witness.CALLER:
        os._exit(3)
    return x


def die_at_7(x):
    if x == 7:
        os._exit(3)
    return x


def raise_in_workers(x):
    if os.getpid() != witness.CALLER:
        raise ValueError("not here")
    return x


def inverse(x):
    return 1 / x


def double(x):
    return 2 * x


def check_even(x, ledger):
    assert x % 2 == 0
    witness.note(ledger, x)
    time.sleep(3e-3)
    return 2 * x


def waits_a_little(wait_s=4e-3):
    """A function of its own, of which nothing is known yet."""

    def wait(x):
        time.sleep(wait_s)
        return x

    memory_store.forget(wait)  # all of them are known by one code
    return wait


def stop_at_once(_):
    raise KeyboardInterrupt


def stop_after_the_loop(session):
    session.search.new_block()
    session.search.run(session.search.loop)
    raise KeyboardInterrupt


def witness_cores():
    from amorsize._host import resources

    return resources.usable_cpus().n_cores


# -- verdicts agree with what was measured -----------------------------------------------------


def test_the_prediction_is_always_tried():
    """Also where it has more threads than there are items for two rounds."""
    found = quick_tune(time.sleep, [0.02] * 120, save=False)
    hint = found.optimization_hint

    assert hint.backend == "thread"
    assert hint.plan.replace(source="tuned") in [one.plan for one in found.configurations]


@pytest.mark.parametrize("strategy", ["grid", "halving"])
def test_the_prediction_is_a_cell_of_every_open_space(strategy):
    """Whichever way it is searched."""
    found = tune_parameters(time.sleep, [0.01] * 60, strategy=strategy, save=False)

    assert found.optimization_hint.plan.replace(source="tuned") in [
        one.plan for one in found.configurations
    ]


@pytest.mark.parametrize(("chunksizes", "n_jobs"), [([7, 30], [2]), ([3], [1, 2])])
def test_a_loop_that_wins_names_a_chunksize_of_the_grid(chunksizes, n_jobs):
    """It asks for none itself."""
    found = tune_parameters(noop, ITEMS, n_jobs, chunksizes, save=False)

    assert found.backend == "serial"
    assert found.best_chunksize in chunksizes


@pytest.mark.parametrize("options", [{}, {"use_optimizer_hint": False}, {"n_jobs_range": [2]}])
def test_a_budget_below_the_loop_measures_something(options):
    """On parts of the data that fit into it."""
    found = tune_parameters(time.sleep, [0.03] * 200, budget_s=3.0, save=False, **options)

    assert found.configurations_tested > 1
    assert math.isfinite(found.best_time)


def test_a_budget_that_is_enough_for_nothing_says_so():
    """And what would be enough."""
    found = tune_parameters(hang, ITEMS, [2], [5], budget_s=0.3, save=False)

    assert "nothing could be measured within 300 ms" in found.verdict
    assert "Allow for more" in found.verdict
    assert "inf" not in str(found)


def test_few_long_items_are_not_called_a_short_job(ledger):
    """Ten seconds in the loop are no short job; that few parts tell little is another thing."""
    found = quick_tune(noted_wait(ledger, 0.5), range(20), save=False)

    assert "short" not in found.verdict
    (about_s,) = re.findall(r"too few items to tune \(20, about ([\d.]+) s", found.verdict)
    assert 9.0 < float(about_s) < 20.0
