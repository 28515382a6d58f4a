"""Streams that `map` and the like take, or that are left and gone on with: each item waits."""

import collections
import functools
import itertools
import time

import pytest

from amorsize import autotune
from amorsize._engine.caller import stream_consumers

TABLE: dict[int, object] = {}
TAKEN: list[object] = []
N = 24


def look(x):
    time.sleep(0.003)
    return TABLE.get(x % 10)


def put(result):
    TABLE[len(TAKEN) % 10] = len(TAKEN)
    TAKEN.append(result)
    return result


def fill(value):
    TABLE.update(dict.fromkeys(range(10), value))


class Sink:
    def __init__(self):
        self.n = 0

    def write(self, result):
        TABLE[self.n % 10] = self.n
        self.n += 1
        return result


def by_map(stream):
    return list(map(put, stream))


def by_a_loop_over_map(stream):
    out = []
    for one in map(put, stream):
        out.append(one)
    return out


def by_a_map_with_a_name(stream):
    taken = map(put, stream)
    return list(taken)


def by_a_loop_over_a_map_with_a_name(stream):
    out, taken = [], map(put, stream)
    for one in taken:
        out.append(one)
    return out


def by_deque(stream):
    collections.deque(map(put, stream), maxlen=0)
    return TAKEN[:]


def by_a_lambda(stream):
    return functools.reduce(lambda before, one: [*before, put(one)], stream, [])


def by_starmap(stream):
    return list(itertools.starmap(put, ((one,) for one in stream)))


def by_partial(stream):
    return ",".join(map(str, map(functools.partial(put), stream)))


def by_a_method(stream):
    return list(map(Sink().write, stream))


def by_yield_from(stream):
    def taken():
        yield from map(put, stream)

    return list(taken())


def by_a_helper(stream):
    def taken(through):
        return map(put, through)

    out = []
    for one in taken(stream):
        out.append(one)
    return out


def by_star(stream):
    return [*map(put, stream)]


def left_by_break(stream):
    out = []
    for one in stream:
        out.append(one)
        if len(out) == 5:
            break
    fill("late")
    return out + list(stream)


def left_by_break_often(stream):
    out, is_going_on = [], True
    while is_going_on:
        is_going_on = False
        for one in stream:
            is_going_on = True
            out.append(one)
            if len(out) % 5 == 0:
                break
        fill(len(out))
    return out


def left_by_return(stream):
    def first():
        for one in stream:
            return one
        return None

    out = []
    for _ in range(N):
        out.append(first())
        fill(len(out))
    return out


def left_by_islice(stream):
    out = []
    for one in itertools.islice(stream, 5):
        out.append(one)
    fill("late")
    return out + list(stream)


def left_by_zip(stream):
    out = []
    for _, one in zip(range(5), stream, strict=False):
        out.append(one)
    fill("late")
    return out + list(stream)


def left_by_takewhile(stream):
    out = list(itertools.takewhile(lambda one: one != "end" and len(TAKEN) == 0, stream))
    fill("late")
    return out + list(stream)


TAKERS = (
    *(by_map, by_a_loop_over_map, by_a_map_with_a_name, by_a_loop_over_a_map_with_a_name),
    *(by_deque, by_a_lambda, by_starmap, by_partial, by_a_method, by_yield_from, by_a_helper),
    *(by_star, left_by_break, left_by_break_often, left_by_return, left_by_islice, left_by_zip),
    left_by_takewhile,
)


@pytest.fixture(autouse=True)
def _forget():
    yield
    TABLE.clear()
    TAKEN.clear()


@pytest.mark.parametrize("take", TAKERS)
def test_items_see_what_the_taker_has_done(take):
    expected = take(iter(map(look, range(N))))
    TABLE.clear()
    TAKEN.clear()
    tuned = autotune(look)

    assert take(tuned.stream(range(N))) == expected, tuned.explain()


def tells(stream):
    fill("early")
    return list(map(str, stream))


def stops_early(stream):
    out = []
    for one in stream:
        out.append(one)
        if len(out) == 5:
            break
    return [*out, *stream]


def stops_for_good(stream):
    out = []
    for one in (one for one in stream):
        out.append(one)
        if len(out) == 5:
            break
    fill("late")
    return out


def numbers(stream):
    return dict(enumerate(stream)), list(zip(range(3), [4, 5, 6], strict=True))


@pytest.mark.parametrize("take", [tells, stops_early, stops_for_good, numbers])
def test_others_need_not_wait(take, monkeypatch):
    """What is done before, or where the stream cannot be gone on with, changes nothing."""
    found = []
    why = stream_consumers._why
    monkeypatch.setattr(stream_consumers, "_why", lambda func: found.append(why(func)))
    take(autotune(look).stream(range(N)))

    assert found == [None]
