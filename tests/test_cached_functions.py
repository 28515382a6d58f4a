"""A function with a cache runs once for each key, and gives all who ask the same object."""

import functools
import logging
import random
import subprocess
import uuid

import pytest

from amorsize._function.sharing.thread_safety import examine

CALLS: list[int] = []
LOGGER = logging.getLogger("test_cached_functions")
LOGGER.setLevel("INFO")


@functools.lru_cache
def stats(category):
    return {"hits": 0}


class Service:
    @functools.cache  # noqa: B019 - the case
    def get(self, _key):
        return {"n": 0}

    @functools.lru_cache(maxsize=64)  # noqa: B019 - the case
    def row(self, _key):
        return [0]

    @classmethod
    @functools.cache
    def shared(cls, _key):
        return []

    @staticmethod
    @functools.cache
    def common(_key):
        return []


class Rows:
    def __init__(self):
        self.rows = {1: {"n": 0}}

    def get(self, key):
        return self.rows[key]


SERVICE, ROWS = Service(), Rows()


def of_category(x):
    return stats(x % 3)


def count_in(counts):
    counts["hits"] += 1


def by_store(x):
    stats(x % 3)["hits"] += 1


def by_helper(x):
    count_in(stats(x % 3))


def by_function_in_between(x):
    counts = of_category(x)
    counts["hits"] = counts["hits"] + 1


def by_get(x):
    SERVICE.get(x)["n"] += 1


def by_method(x):
    SERVICE.row(x).append(x)


def by_class_method(x):
    Service.shared(x).append(x)


def by_static_method(x):
    Service.common(x).append(x)


def by_get_without_cache(x):
    ROWS.get(x)["n"] += 1


CHANGING = [by_store, by_helper, by_function_in_between, by_get, by_method]
CHANGING += [by_class_method, by_static_method, by_get_without_cache]


@pytest.mark.parametrize("func", CHANGING)
def test_what_a_cache_gives_is_shared_by_all_items(func):
    """A change of it would be lost with a worker, and mix between threads."""
    reach, _ = examine(func, [1, 2])

    assert reach.changed or reach.stores
    assert not reach.thread_safe


def reading(x):
    return stats(x % 3)["hits"] + x


def changing_a_copy(x):
    mine = dict(stats(x % 3))
    mine["hits"] += 1
    return mine


def changing_another_copy(x):
    mine = stats(x % 3).copy()
    mine["hits"] += 1
    return mine


@pytest.mark.parametrize("func", [reading, changing_a_copy, changing_another_copy])
def test_results_of_a_cache_may_be_read_in_workers(func):
    """Items that only read them, or change copies, stay parallel."""
    reach, _ = examine(func, [1, 2])

    assert [*reach.changed, *reach.stores, *reach.bound, *reach.copies] == []


def printing(key):
    print("loading", key)
    return key


def printing_by_helper(key):
    return printing(key)


def appending(key):
    with open("requests.log", "a") as log:
        log.write(f"GET {key}\n")
    return key


def counting(key):
    CALLS.append(key)
    return key


def running(key):
    return subprocess.run(["true"], check=True).returncode


def logging_it(key):
    LOGGER.info("loading %s", key)
    return key


def drawing(key):
    return random.random()


def naming(key):
    return uuid.uuid4().hex


EFFECTS = [printing, printing_by_helper, appending, counting, running, logging_it, drawing, naming]


@pytest.mark.parametrize("func", EFFECTS)
def test_what_a_cached_function_does_happens_once_for_each_key(func):
    """Each worker would do it again, so the items stay in the caller."""
    cached = functools.lru_cache(func)

    assert examine(lambda x: cached(x % 3))[0].bound
    assert examine(cached)[0].bound


def computing(key):
    return sum(i * i for i in range(key))


def loading(path):
    with open(path, "rb") as file:
        return file.read()


def building(key):
    table = {}
    for i in range(key):
        table[i] = str(i)
    return table


def logging_in_debug_mode(key):
    LOGGER.debug("loading %s", key)
    return key


@pytest.mark.parametrize("func", [computing, loading, building, logging_in_debug_mode])
def test_cached_functions_that_only_give_a_result_stay_parallel(func):
    """A worker that computes or loads it once more changes nothing."""
    cached = functools.lru_cache(func)
    reach, _ = examine(lambda x: cached(x % 3))

    assert [*reach.changed, *reach.stores, *reach.bound] == []


@functools.cache
def partitions(n, most):
    return 1 if n == 0 else sum(partitions(n - k, k) for k in range(1, min(n, most) + 1))


@functools.cache
def is_even(n):
    return n == 0 or is_odd(n - 1)


@functools.cache
def is_odd(n):
    return n > 0 and is_even(n - 1)


class Tree:
    @functools.cache  # noqa: B019
    def depth(self, n):
        return 0 if n < 2 else 1 + self.depth(n // 2)


TREE = Tree()


@pytest.mark.parametrize(
    "func", [lambda x: partitions(x, x), lambda x: is_even(x), lambda x: TREE.depth(x)]
)
def test_a_cached_function_may_call_itself(func):
    """It is looked into once, however it leads back to itself."""
    reach, _ = examine(func)

    assert [*reach.changed, *reach.stores, *reach.bound, *reach.copies] == []
    assert not any("could not be examined" in one for one in reach.unread)


@functools.cache
def counted(n):
    CALLS.append(n)
    return 1 if n < 2 else counted(n - 1) + odd_counted(n - 2)


@functools.cache
def odd_counted(n):
    return 1 if n < 2 else counted(n - 1)


@pytest.mark.parametrize("func", [counted, odd_counted, lambda x: odd_counted(x)])
def test_what_a_function_does_that_calls_itself_happens_once_for_each_key(func):
    assert examine(func)[0].bound
