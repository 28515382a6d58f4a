"""Changes that code hands on: to a generator by `send`, to a context, to what a getter gives."""

import concurrent.futures
import contextvars
import functools
import operator
import types
from unittest import mock

import pytest

from amorsize._function.sharing.thread_safety import examine

SEEN: list[object] = []
TABLE: dict[object, object] = {}
STATE = types.SimpleNamespace(n=0)
CURRENT: contextvars.ContextVar[object] = contextvars.ContextVar("current")
CONTEXT = contextvars.copy_context()
APPEND = operator.attrgetter("append")
FAKE = mock.Mock()


def fills():
    while True:
        one = yield
        one.append(1)


def fills_attribute():
    while True:
        one = yield
        one.n += 1


def hands_on():
    yield from fills()


def sends(x):
    filling = fills()
    next(filling)
    filling.send(SEEN)
    return x


def sends_through_another(x):
    filling = hands_on()
    next(filling)
    filling.send(SEEN)
    return x


def sends_to_its_own(x):
    def counts():
        while True:
            one = yield x
            one.n += 1

    counting = counts()
    counting.send(None)
    return counting.send(STATE)


def send_to(filling, what):
    next(filling)
    filling.send(what)


def sends_by_helper(x):
    send_to(fills_attribute(), STATE)
    return x


def sends_all(x):
    filling = fills()
    next(filling)
    list(map(filling.send, [SEEN]))
    return x


def sends_all_to_its_own(x):
    def counts():
        while True:
            one = yield
            one.n += 1

    counting = counts()
    next(counting)
    list(map(counting.send, [STATE]))
    return x


def by_a_name_of_its_own(x):
    name = "append" if x else "remove"
    getattr(SEEN, name)(x)


@functools.lru_cache
def square(x):
    return x * x


def forgets(x):
    if x == 40:
        square.cache_clear()
    return square(x)


def makes_again(x):
    STATE.__init__(n=x)


def throws(x):
    def waits():
        try:
            yield
        except ValueError as error:
            error.args[0].append(x)

    waiting = waits()
    next(waiting)
    try:
        waiting.throw(ValueError(SEEN))
    except StopIteration:
        return x


async def gets():
    while True:
        one = yield
        one.append(1)


async def sends_there():
    getting = gets()
    await getting.asend(None)
    await getting.asend(SEEN)


def sends_asynchronously(x):
    try:
        sends_there().send(None)
    except StopIteration:
        return x


def by_getter(x):
    operator.attrgetter("append")(SEEN)(x)


def by_kept_getter(x):
    APPEND(SEEN)(x)


def by_getter_in_steps(x):
    get = operator.attrgetter("update")
    update = get(TABLE)
    update({x: x})


def by_one_of_two(x):
    append, _ = operator.attrgetter("append", "pop")(SEEN)
    append(x)


def by_caller(x):
    operator.methodcaller("append", x)(SEEN)


def by_item_getter(x):
    operator.itemgetter("rows")({"rows": SEEN}).append(x)


def runs_in_context(x):
    CONTEXT.run(CURRENT.set, x)


def appends_in_context(x):
    CONTEXT.run(SEEN.append, x)


def by_partial(x):
    functools.partial(CURRENT.set, x)()


def by_partial_in_context(x):
    CONTEXT.run(functools.partial(CURRENT.set, x))


def by_executor(x):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(CONTEXT.run, CURRENT.set, x).result()


def configures(x):
    FAKE.configure_mock(n=x)


@pytest.mark.parametrize(
    "function",
    [
        *(sends, sends_through_another, sends_to_its_own, sends_by_helper, throws),
        *(sends_asynchronously, by_getter, by_kept_getter, by_getter_in_steps, by_one_of_two),
        *(by_caller, by_item_getter, runs_in_context, appends_in_context, by_partial),
        *(by_partial_in_context, by_executor, configures),
        *(sends_all, sends_all_to_its_own, by_a_name_of_its_own, makes_again, forgets),
    ],
    ids=lambda function: function.__name__,
)
def test_a_change_that_is_handed_on_is_seen(function):
    """In a branch that few items take, no watching would show it."""
    reach, _ = examine(function)
    assert reach.stores or reach.changed


def sums():
    total = 0
    while True:
        total += (yield total) or 0


def sends_numbers(x):
    summing = sums()
    next(summing)
    return [summing.send(one) for one in range(x)]


def remembers(x):
    return square(x)


def asks_by_a_name_of_its_own(name):
    return getattr("text", name)(), getattr(operator, name)(1, 2)


def sends_its_own_list(x):
    filling, rows = fills(), [x]
    next(filling)
    filling.send(rows)
    return rows


def asks_by_getter(x):
    return operator.attrgetter("n")(STATE) + operator.itemgetter(0)([x])


@pytest.mark.parametrize(
    "function",
    [remembers, sends_numbers, sends_its_own_list, asks_by_getter, asks_by_a_name_of_its_own],
)
def test_what_is_the_items_own_may_be_handed_on(function):
    reach, _ = examine(function)
    assert not reach.stores
    assert not reach.changed
