"""Every order in which workers can become ready, report, die, hang or be interrupted is fine.

A call runs over a pool without processes, whose next event hypothesis chooses: the same choices
give the same call, and a failure is shrunk to the shortest schedule that shows it.
"""

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import amorsize
from amorsize import AmorsizeError, ItemTimeout, WorkerDied
from amorsize._engine import action_runner, ending, engine
from amorsize._engine.caller import inline
from amorsize._engine.options import call_options
from amorsize._engine.serving import retries, workers
from amorsize._engine.starting import starting
from amorsize._engine.state import call
from amorsize._workers.protocol import (
    ChunkDone,
    PoolDefaults,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)

MOST_DEATHS = 6  # in a schedule: fewer in a row than make a call give up
LIMIT_S = 1.0
TELLING_TIME = (action_runner, call, ending, engine, inline, retries, starting, workers)


class Clock:
    """Time that passes when the pool says so."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


class Scheduled(PoolDefaults):
    """A pool of workers that exist on paper; `choose(n)` says which of n things happens next."""

    backend = "process"
    inherits_items = True

    def __init__(self, task, choose, clock, *, interrupts):
        self.task, self.choose, self.clock, self.interrupts = task, choose, clock, interrupts
        self.function = task.function_of_one()
        self.workers = {}  # number: is it ready, its orders, since when it is in an item
        self.runs = []  # items that were begun, each time
        self.n_deaths = self.n_waits = 0
        self.stop = float("inf")
        self.is_closed = False
        self.killed = []
        self.died_in = []

    def start(self, number):
        assert number not in self.workers
        self.workers[number] = {"ready": False, "orders": [], "since": self.clock()}

    def send(self, worker, chunk, *, time_budget_s, flush_s):  # noqa: ARG002 - time does not pass in items
        assert self.workers[worker]["ready"], "a chunk for a worker that never was ready"
        assert chunk.n_items > 0
        if not self.workers[worker]["orders"]:
            self.workers[worker]["since"] = self.clock()
        self.workers[worker]["orders"].append((chunk, flush_s == 0))

    def packed(self, items):
        raise AssertionError(items)

    def wait(self, timeout_s):
        assert not self.is_closed
        self.n_waits += 1
        assert self.n_waits < 5000, "the call does not end"
        self.clock.now_s += min(timeout_s, 0.1) + 1e-4
        lost = [self._lose(number, -9) for number in self.killed]
        self.killed = []
        possible = [(self._ready, n) for n, w in self.workers.items() if not w["ready"]]
        for number, worker in self.workers.items():
            if worker["orders"]:
                possible += [(self._finish, number), (self._report_some, number)]
                possible.append((self._finish_and_leave, number))
            if self.n_deaths < MOST_DEATHS:
                possible.append((self._die, number))
        if self.interrupts:
            possible.append((self._interrupt, -1))
        if not possible:
            return lost
        which = self.choose(len(possible) + 1)
        if which == len(possible):  # nothing: time passes
            return lost
        act, number = possible[which]
        found = act(number)
        return [*lost, *(found if isinstance(found, list) else filter(None, [found]))]

    def _ready(self, number):
        self.workers[number]["ready"] = True
        return WorkerReady(worker=number)

    def _interrupt(self, _):
        raise KeyboardInterrupt

    def _run(self, number, n_most):
        worker = self.workers[number]
        chunk, is_single = worker["orders"][0]
        results, error, index = [], None, chunk.start
        while index < min(chunk.stop, chunk.start + n_most) and index < self.stop:
            self.runs.append(index)
            item = next(self.task.each(self.task.source, 0, index))
            try:
                results.append(self.function(item))
            except ValueError as failure:
                if self.task.keep_errors:
                    results.append(failure)
                else:
                    error = failure
                    break
            index += 1
        return worker, chunk, is_single, results, error

    def _finish(self, number):
        n_most = self.choose(4) or 100  # a box that was over after a few items, or not
        worker, chunk, _, results, error = self._run(number, n_most)
        del worker["orders"][0]
        worker["since"] = self.clock()
        end = chunk.start + len(results) + (error is not None)
        return self._done(number, chunk, results, last=True).replace(
            error=error, back=(end, chunk.stop) if end < chunk.stop else None
        )

    def _finish_and_leave(self, number):
        """A worker has grown too large: it ends after this chunk, others it has come back."""
        done = self._finish(number)
        orders = self.workers.pop(number)["orders"]
        ranges = tuple((chunk.start, chunk.stop) for chunk, _ in orders)
        return [done, WorkerRetired(worker=number, ranges=ranges, why="grown")]

    def _report_some(self, number):
        chunk, _ = self.workers[number]["orders"][0]
        if chunk.n_items < 2:
            return None
        worker, chunk, is_single, results, error = self._run(number, 1)
        if error is not None or not results:
            self.runs.pop() if error is not None else None
            return None
        worker["orders"][0] = (chunk.replace(start=chunk.start + 1), is_single)
        worker["since"] = self.clock()
        return self._done(number, chunk, results, last=False)

    def _done(self, number, chunk, results, *, last):
        return ChunkDone(
            worker=number,
            start=chunk.start,
            results=results,
            n_sent=chunk.n_items,
            wall_s=1e-3 * len(results),
            cpu_s=1e-3 * len(results),
            pickle_s=0.0,
            last=last,
        )

    def _die(self, number):
        self.n_deaths += 1
        return self._lose(number, 3)

    def _lose(self, number, code):
        worker = self.workers.pop(number)
        orders = [chunk for chunk, _ in worker["orders"]]
        suspect_item, n_suspects = None, 1
        if orders and worker["ready"] and self.choose(3):
            chunk, is_single = worker["orders"][0]
            suspect_item = chunk.start
            left = 1 if is_single else chunk.n_items
            n_suspects = 1 + self.choose(left)
            self.runs.append(suspect_item)
            self.died_in.append((suspect_item, suspect_item + n_suspects))
        return WorkerLost(
            worker=number,
            how=f"code {code}",
            code=code,
            ranges=tuple((chunk.start, chunk.stop) for chunk in orders),
            suspect_item=suspect_item,
            n_suspects=n_suspects,
        )

    def begun(self, number):
        worker = self.workers.get(number)
        if worker is None or not worker["orders"]:
            return None
        return worker["orders"][0][0].start, worker["since"]

    def native_id(self, _):
        """None: its workers are no threads."""

    def kill(self, number):
        self.killed.append(number)

    def stop_at(self, index):
        self.stop = min(self.stop, index)

    def close(self, *, at_once):  # noqa: ARG002 - nothing takes time to end
        self.is_closed = True
        return []


def bad_at(index):
    """An item that raises when it is 3 of 7."""
    if index % 7 == 3:
        raise ValueError(index)
    return 2 * index


def good(index):
    return 2 * index


OPTIONS = st.fixed_dictionaries(
    {
        "retries": st.integers(0, 2),
        "n_jobs": st.integers(1, 3),
        "return_exceptions": st.booleans(),
        "timeout": st.sampled_from([None, LIMIT_S]),
        "chunksize": st.sampled_from([None, 1, 2, 5]),
    }
)


@settings(max_examples=500, deadline=None)
@given(
    n_items=st.integers(1, 24),
    options=OPTIONS,
    choices=st.lists(st.integers(0, 40), max_size=60),
    fails=st.booleans(),
    interrupts=st.booleans(),
)
def test_any_schedule_ends_as_the_loop_would(n_items, options, choices, fails, interrupts):
    """Results, the lowest failure, or an item named with cause; each item begun once but for it."""
    clock, chosen = Clock(), iter(choices)
    function = bad_at if fails else good
    made = call.Invocation(
        func=function,
        iterables=(range(n_items),),
        options=call_options.validated(backend="process", **options),
        name="work",
    )
    run = engine.Engine(made)
    # What is not chosen goes well: the first thing that can happen, happens.
    pool = Scheduled(
        run.call.task,
        lambda n: next(chosen, 0) % n,
        clock,
        interrupts=interrupts and len(choices) > 5,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(starting.Starter, "_new_pool", lambda *_: pool)
        for module in TELLING_TIME:
            patched.setattr(module, "perf_counter", clock)
        try:
            outcome = run.run()
        except (ValueError, AmorsizeError, KeyboardInterrupt) as error:
            outcome = error

    assert pool.is_closed or not pool.workers
    event(f"{type(outcome).__name__}, {min(pool.n_deaths, 2)} deaths or more")
    judge(outcome, function, n_items, options, pool)


def judge(outcome, function, n_items, options, pool):
    """Compare with the loop, as far as deaths and time limits leave it."""
    blamed = {i for start, beyond in pool.died_in for i in range(start, beyond)}
    if isinstance(outcome, list):
        assert len(outcome) == n_items
        for index, found in enumerate(outcome):
            if isinstance(found, (WorkerDied, ItemTimeout)):
                assert options["return_exceptions"]
                assert index in blamed
                assert f"item {index} " in str(found)
            elif isinstance(found, ValueError):
                assert options["return_exceptions"]
                assert found.args == (index,)
            else:
                assert found == function(index)
    else:
        kept = amorsize.partial_results(outcome)
        for index, result in kept.items():
            assert isinstance(result, Exception) or result == function(index)
        if isinstance(outcome, ValueError):
            assert outcome.args[0] % 7 == 3
            assert set(kept) >= set(range(outcome.args[0]))
    for index in set(pool.runs):
        n_lost = sum(start <= index for start, _ in pool.died_in)
        assert pool.runs.count(index) <= 1 + n_lost
    if options["retries"] == 0:
        assert all(pool.runs.count(index) == 1 for index in set(pool.runs))


def test_a_schedule_can_be_told_apart():
    """The judge is not blind: a pool that loses a result is caught."""
    task = engine.Engine(call.Invocation(func=good, iterables=(range(3),))).call.task
    pool = Scheduled(task, None, Clock(), interrupts=False)
    options = {"retries": 0, "return_exceptions": False}

    for wrong in ([0, 2], [0, 2, 5]):
        with pytest.raises(AssertionError):
            judge(wrong, good, 3, options, pool)
    pool.runs = [1, 1]
    with pytest.raises(AssertionError):
        judge([0, 2, 4], good, 3, options, pool)
