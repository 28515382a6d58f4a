"""When a call is over, nothing of the user's is kept: no garbage collection has to come first."""

import functools
import gc
import operator
import threading
import time
import weakref

import pytest

from amorsize import autotune, tuned_map
from amorsize._function.code_identity import identity_of
from amorsize._workers.protocol import Task
from amorsize._workers.tasks.payload import Payload


class Held:
    """What may be large: a table, a model."""

    def __call__(self, number):
        return work(number)

    def score(self, number):
        return work(number)

    def __getitem__(self, number):
        return work(number)


class Result:
    """What an item gives."""


class Table(dict):
    """A dict that can be watched."""


def work(number, held=None):
    until_s = time.perf_counter() + 5e-4
    while time.perf_counter() < until_s:
        pass
    return Result()


def refuses(number, held=None):
    if number == 30:
        raise ValueError(number)
    return work(number)


ITEMS = range(40)


def by_partial(run):
    held = Held()
    return held, run(functools.partial(work, held=held), ITEMS)


def by_closure(run):
    held = Held()
    return held, run(lambda number: work(number, held), ITEMS)


def by_keyword(run):
    held = Held()
    return held, run(work, ITEMS, item_kwargs={"held": held})


def by_method(run):
    held = Held()
    return held, run(held.score, ITEMS)


def by_slot(run):
    held = Held()
    return held, run(held.__getitem__, ITEMS)


def by_object(run):
    held = Held()
    return held, run(held, ITEMS)


def by_setup(run):
    held = Held()
    return held, run(work, ITEMS, setup=lambda: id(held))


def by_items(run):
    items = [Held() for _ in ITEMS]
    return items[7], run(functools.partial(work, held=None), items)


def by_generator(run):
    held = Held()
    return held, run(functools.partial(work, held=held), (number for number in ITEMS))


def by_failing(run):
    held = Held()
    with pytest.raises(ValueError, match="30"):
        run(functools.partial(refuses, held=held), ITEMS)
    return held, [Result(), Result()]


def by_kept_failures(run):
    held = Held()
    results = run(functools.partial(refuses, held=held), ITEMS, return_exceptions=True)
    assert type(results[30]) is ValueError
    return held, results


def by_failing_again(run):
    """The third time the function is known to be quick."""
    held = Held()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            run(lambda number: held and 1 / number, [1, 2, 0])
    return held, [Result(), Result()]


WAYS = [
    *(by_partial, by_closure, by_keyword, by_method, by_slot, by_object, by_setup, by_items),
    *(by_generator, by_failing, by_kept_failures, by_failing_again),
]


@pytest.fixture
def no_collections():
    """Nothing but the end of the last reference frees anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("backend", ["auto", "serial", "thread", "process"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_a_call_was_given_and_gave_goes_with_its_last_reference(way, backend):
    """In every backend, and where an item fails."""

    def run(function, data, **options):
        return tuned_map(function, data, backend=backend, **options)

    held, results = way(run)
    watched = [weakref.ref(one) for one in (held, results[0], results[-1])]
    del held, results

    assert [one() for one in watched] == [None, None, None]


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("way", [by_partial, by_closure, by_keyword, by_object, by_failing])
def test_beside_another_thread_too(way):
    """Where workers come from a clean start, the task is a payload: none is kept either."""
    over = threading.Event()
    threading.Thread(target=over.wait, daemon=True).start()
    try:
        held, results = way(functools.partial(tuned_map, backend="process", n_jobs=1))
        watched = [weakref.ref(one) for one in (held, results[0])]
        del held, results
        assert [one() for one in watched] == [None, None]
    finally:
        over.set()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("backend", ["auto", "thread", "process"])
def test_streams_keep_nothing_either(backend):
    """Taken to their end, or left."""
    held = Held()
    tuned = autotune(functools.partial(work, held=held), backend=backend)
    results = list(tuned.stream(ITEMS))
    left = tuned.stream(iter(ITEMS))
    results.append(next(left))
    left.close()
    watched = [weakref.ref(one) for one in (held, results[0], results[-1])]
    del held, results, left, tuned

    assert [one() for one in watched] == [None, None, None]


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("asks_first", [True, False])
def test_variables_of_the_consumer_live_as_long_as_without_a_stream(asks_first):
    """They are read by name; a dict of them that the consumer has asked for stays as it is."""
    held, other = Held(), Held()
    known = locals() if asks_first else {}
    names = sorted(known)
    assert next(autotune(work).stream(ITEMS)) is not None
    watched = weakref.ref(other)
    del other

    assert sorted(set(known) & set(names)) == names
    assert held is not None
    assert asks_first or watched() is None


@pytest.mark.parametrize(
    "make",
    [lambda held: Table(a=held).get, lambda held: operator.methodcaller("score", held)],
    ids=["builtin method", "methodcaller"],
)
def test_what_c_has_made_is_not_kept_by_what_is_known_of_it(make):
    """A key of the memory stands for a function without holding it."""
    held = Held()
    watched, identity = weakref.ref(held), identity_of(make(held))
    del held

    assert watched() is None
    assert identity == identity


def test_classes_and_functions_of_c_are_told_apart():
    """Each has its own profile, and the same one again."""
    functions = [abs, len, str, int, Table, Held, "".join, [].count, operator.itemgetter(1)]

    assert len({identity_of(one) for one in functions}) == len(functions)
    assert [identity_of(one) for one in functions] == [identity_of(one) for one in functions]


GROWS = """
import gc, threading
from amorsize import tuned_map

def length(number, table):
    return len(table) + number

def held_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

gc.disable()
threading.Thread(target=threading.Event().wait, daemon=True).start()
sizes = []
for n in range(4):
    found = tuned_map(length, range(8), item_kwargs={"table": bytes(33 << 20)}, backend="process")
    assert found[0] == 33 << 20
    sizes.append(held_mb())
print(max(sizes[1:]) - sizes[0])
"""


def test_a_large_keyword_beside_a_thread_leaves_no_memory(run_script):
    """Four calls hold what one holds; so large that malloc gives it back at once."""
    assert int(run_script(GROWS).stdout) < 33


class Thing:
    """Something that is sent by the name of its class."""


def packed_with_a_cache():
    """What a function's cache has kept, after that was packed with it."""
    kept = functools.lru_cache(lambda number: Thing())
    things = [weakref.ref(kept(number)) for number in range(3)]

    def item(number):
        return kept(number)

    assert Payload(Task(item), item).why_not() is None
    return things


def test_what_a_packed_task_refers_to_is_freed_at_once():
    """Packing makes nothing that only the collector would find, with the task in it."""
    gc.collect()
    gc.disable()
    try:
        assert [one() for one in packed_with_a_cache()] == [None] * 3
    finally:
        gc.enable()
