"""`optimize` runs a few items and predicts from them; how many, where and what is told."""

import itertools
import threading
import time
from collections import deque
from functools import partial

import pytest
import witness

import amorsize
from amorsize import InvalidOptionError, OptimizationResult, WrongTypeError, optimize
from amorsize._engine.options import call_options
from amorsize._profiles.memory_store import last_trace
from amorsize.optimizer.prediction import result_of
from amorsize.optimizer.sample import Sample


@pytest.fixture
def ledger(tmp_path):
    return witness.Ledger(tmp_path / "ledger")


def noted(ledger, work_s=1e-3):
    return partial(witness.noted_work, ledger=ledger.path, work_s=work_s)


def noted_wait(ledger, wait_s=2e-3):
    return partial(witness.noted_wait, ledger=ledger.path, wait_s=wait_s)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_as_many_items_run_as_are_asked_for(ledger, size):
    """The sample is run here, once each, evenly spread over the data, and its number is told."""
    found = optimize(noted_wait(ledger), list(range(90)), sample_size=size)

    assert len(ledger.indices()) == len(set(ledger.indices())) == size == found.n_sampled
    assert ledger.pids() == {witness.CALLER}
    assert max(ledger.indices()) - min(ledger.indices()) == 90 * (size - 1) // size
    assert found.sampled_s >= size * 2e-3


def test_five_items_run_unless_told_otherwise(ledger):
    """The default of sample_size is what the signature says."""
    assert optimize(noted_wait(ledger), range(40)).n_sampled == len(ledger.indices()) == 5


def test_a_longer_look_at_the_gil_is_told(ledger):
    """Items that compute briefly are run again until it is seen whether they hold the GIL."""
    found = optimize(noted(ledger, work_s=0.3e-3), range(4000))

    assert found.n_runs == len(ledger.indices()) > found.n_sampled == 5
    assert f"({found.n_runs} runs)" in found.explain()


def test_an_iterator_loses_nothing(ledger):
    """What was read of an iterator is put back in front of it: `data` has all items."""
    found = optimize(noted_wait(ledger), (i for i in range(50)), sample_size=3)

    assert list(found.data) == list(range(50))
    assert ledger.indices() == [8, 25, 41]  # its end was in sight
    assert found.n_items == 50


def test_an_endless_iterator_is_read_a_little_and_loses_nothing():
    """Data without an end is planned for in the long run, and told of."""
    found = optimize(lambda _: time.sleep(1e-3), itertools.count())

    assert found.n_items is None
    assert any("does not tell how many" in text for text in found.warnings)
    assert list(itertools.islice(found.data, 10_000)) == list(range(10_000))


def test_an_iterator_that_fails_does_so_in_its_place():
    """The error of an iterator comes after the items it gave, when somebody gets there."""

    def failing():
        yield from range(7)
        raise OSError("torn")

    found = optimize(str, failing())

    assert list(itertools.islice(found.data, 7)) == list(range(7))
    with pytest.raises(OSError, match="torn"):
        next(found.data)


@pytest.mark.parametrize("data", [list(range(9)), deque(range(9)), {*range(9)}, range(9)])
def test_data_that_can_be_read_again_is_given_back_as_it_is(data):
    """Only iterators are replaced."""
    assert optimize(str, data).data is data
    assert optimize(str, data).n_items == 9


class Again:
    """Iterable, without a length, and not its own iterator."""

    def __iter__(self):
        return iter(range(30))


def test_an_iterable_that_begins_anew_is_given_back_as_it_is():
    """Nothing of it is lost by reading, so nothing is put back."""
    data = Again()

    assert optimize(str, data).data is data


@pytest.mark.parametrize("data", [[], iter(()), range(0)])
def test_empty_data_is_the_loop_and_a_warning(data):
    """There is nothing to predict from, and that is said."""
    found = optimize(str, data)

    assert found.n_jobs == 1
    assert found.backend == "serial"
    assert any("empty" in text for text in found.warnings)


def test_waiting_items_are_sent_to_threads():
    """The policy's own reading of CPU shares decides."""
    found = optimize(lambda _: time.sleep(3e-3), range(500))

    assert found.backend == found.executor_type == "thread"
    assert found.n_jobs > 8
    assert found.estimated_speedup > 4
    assert found.reason == "the items wait"


@pytest.mark.skipif(not witness.MANY_CORES, reason="wants two cores")
def test_items_that_hold_the_gil_are_sent_to_processes():
    """Seen from a thread that wakes late."""
    found = optimize(lambda _: witness.compute(3e-3), range(500))

    assert found.backend == "process"
    assert 1 < found.estimated_speedup < found.n_jobs + 0.01
    assert found.estimated_serial_s == pytest.approx(500 * found.item_s)


def test_trivial_items_stay_in_the_loop():
    """A plan that would not pay is none, and the reason is told."""
    found = optimize(abs, range(1000))

    assert (found.backend, found.n_jobs, found.estimated_speedup) == ("serial", 1, 1.0)
    assert "would not pay" in found.reason


def test_the_duration_of_chunks_can_be_set():
    """target_chunk_duration turns the cost of an item into a chunksize."""
    short = optimize(
        lambda _: time.sleep(1e-3), range(2000), target_chunk_duration=5e-3, backend="process"
    )
    long = optimize(
        lambda _: time.sleep(1e-3), range(2000), target_chunk_duration=50e-3, backend="process"
    )

    assert 3 <= short.chunksize <= 5
    assert 30 <= long.chunksize <= 50


def test_what_is_asked_for_is_obeyed(ledger):
    """backend, n_jobs and keywords for the items."""
    found = optimize(
        witness.noted_wait,
        range(100),
        item_kwargs={"ledger": ledger.path, "wait_s": 1e-3},
        backend="process",
        n_jobs=3,
    )

    assert (found.backend, found.n_jobs) == ("process", 3)
    assert len(ledger.indices()) == 5


def test_thread_safe_forbids_threads_or_allows_them():
    """The option is that of a call."""
    wait = partial(time.sleep, 2e-3)
    seen = []

    def wait_and_tell(item):
        seen.append(item)
        time.sleep(2e-3)

    assert optimize(lambda _: wait(), range(400), thread_safe=False).backend == "process"
    assert optimize(wait_and_tell, range(400)).backend == "process"
    assert optimize(wait_and_tell, range(400), thread_safe=True).backend == "thread"


def test_a_tuned_function_is_sampled_item_by_item(ledger):
    """What it runs for each item is what counts, not the map around it."""
    tuned = amorsize.autotune(noted_wait(ledger))

    assert optimize(tuned, range(60)).n_sampled == len(ledger.indices()) == 5


def test_a_sample_leaves_no_trace_of_a_call():
    """It is no call of the user's: nothing is remembered of it, and nothing told by explain()."""

    def item(x):
        return str(x)

    tuned = amorsize.autotune(item)

    optimize(tuned, range(10))

    assert last_trace(item) is None
    assert tuned.plan is None


def test_verbose_prints_what_explain_tells(capsys):
    """Without it nothing is printed."""
    optimize(str, range(10))
    assert capsys.readouterr().out == ""

    found = optimize(str, range(10), verbose=True)
    assert capsys.readouterr().out == f"{found.explain()}\n"


def test_an_item_that_fails_is_named():
    """What the function raises passes through, with a note: where the item lies in the data."""
    with pytest.raises(ZeroDivisionError) as caught:
        optimize(lambda x: 1 / x, [1] * 10 + [0] + [1] * 10, 1)

    assert [note for note in caught.value.__notes__ if "item 10 (0)" in note]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sample_size": 0}, InvalidOptionError),
        ({"sample_size": 2.5}, WrongTypeError),
        ({"target_chunk_duration": 0}, InvalidOptionError),
        ({"target_chunk_duration": "1"}, WrongTypeError),
        ({"backend": "threads"}, InvalidOptionError),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(options, error, ledger):
    """Every option is checked first."""
    with pytest.raises(error, match=next(iter(options))):
        optimize(noted_wait(ledger), range(10), **options)
    assert ledger.indices() == []


def test_a_single_string_is_no_data():
    """As in a call."""
    with pytest.raises(WrongTypeError, match="not a collection"):
        optimize(str, "text")


def test_a_result_can_be_made_by_hand():
    """For comparing plans, and for those who store them."""
    found = OptimizationResult(4, 10, "why not", 2.5, executor_type="thread")

    assert (found.n_jobs, found.chunksize, found.backend) == (4, 10, "thread")
    assert found.warnings == []
    assert "4 threads, 10 items in a full chunk" in str(found)
    with pytest.raises(InvalidOptionError, match="n_jobs"):
        OptimizationResult(0, 10, "never")


def test_no_thread_and_no_process_is_left(ledger):
    """The watcher ends with the sample."""
    n_threads = threading.active_count()
    optimize(noted(ledger), range(100))

    assert threading.active_count() == n_threads


# -- options that came with users from elsewhere ---------------------------------------------


@pytest.mark.parametrize("name", ["use_spawn_benchmark", "use_chunking_benchmark", "profile"])
def test_an_option_that_is_not_needed_is_refused_with_what_replaced_it(name):
    """Accepted and ignored it would promise what nobody does."""
    with pytest.raises(WrongTypeError, match=rf"{name}.*(measured|explain)"):
        optimize(len, ["a"], **{name: True})


def test_an_option_that_never_was_is_refused_with_those_there_are():
    """As calls do with theirs."""
    with pytest.raises(WrongTypeError, match="progress_callback"):
        optimize(len, ["a"], sample=3)


@pytest.mark.parametrize(
    "options",
    [
        {"progress_callback": 1},
        {"prefer_threads_for_io": "yes"},
        {"auto_adjust_for_nested_parallelism": None},
    ],
)
def test_an_option_of_the_wrong_type_is_refused(options):
    """By its name."""
    with pytest.raises(WrongTypeError, match=next(iter(options))):
        optimize(len, ["a"], **options)


def test_progress_is_told_item_by_item(ledger):
    """From nothing to all, and then what follows."""
    told = []
    optimize(
        noted_wait(ledger),
        range(40),
        4,
        progress_callback=lambda what, share: told.append((what, share)),
    )

    assert told[:5] == [("sampling", share / 4) for share in range(5)]
    assert told[-2:] == [("predicting", 1.0), ("done", 1.0)]


COUNTS = {"n": 0}


def count_and_wait(_):
    """Waits, and changes what threads share: not fit for them as far as can be seen."""
    COUNTS["n"] += 1
    time.sleep(5e-3)


def test_waiting_items_run_in_threads_where_that_is_preferred():
    """Whatever they reach; without a word they do not."""
    assert optimize(count_and_wait, range(200)).backend != "thread"
    assert optimize(count_and_wait, range(200), prefer_threads_for_io=True).backend == "thread"


def test_items_that_use_several_cores_get_as_many_jobs_if_that_is_asked_for():
    """Left to itself it gives them fewer."""
    options = call_options.validated(backend="process")
    sample = Sample(witness.compute, [5e-3] * 200, 3, {}, options)
    sample.run()
    sample.costs.cores_per_item = 64.0

    assert result_of(sample).n_jobs == 1
    assert result_of(sample, adjusts=False).n_jobs == sample.host.n_cores


@pytest.mark.parametrize("func", [abs, time.sleep])
def test_what_is_printed_names_the_options(func):
    """So that they can be copied into a call."""
    found = optimize(func, [0.004] * 300)

    assert f"n_jobs={found.n_jobs}, chunksize={found.chunksize}" in str(found)
