"""A `defaultdict` that is asked for a key which it has not gets that key: a change like any other.

The items that are watched may find all their keys, so it is read from the code.
"""

import collections
import functools
import operator
import re
import time

import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine

PLACES = collections.defaultdict(list)
PLAIN = {"a": [1]}
FROZEN = collections.defaultdict(None, {"a": 1})
COUNTED = collections.Counter("a")
BY_NAME = operator.itemgetter("a")


class Named(collections.defaultdict):
    """A class of its own, which changes nothing of that."""


class Asked(collections.defaultdict):
    def __missing__(self, key):
        return key


class Index:
    def __init__(self):
        self.places = collections.defaultdict(list)

    def look_up(self, x):
        return len(self.places[x])


NAMED, ASKED, INDEX = Named(int), Asked(int), Index()


def by_key(x):
    return len(PLACES[x])


def by_a_helper(x):
    return first_of(PLACES, x)


def first_of(table, x):
    return second_of(table, x)


def second_of(table, x):
    return table[x] if x == 40 else []


def by_a_keyword(x, places):
    return places[x]


def in_a_comprehension(x):
    return [PLACES[one] for one in range(x)]


def in_a_callback(x):
    return re.sub(".", lambda one: str(PLACES[one[0]]), str(x))


def by_its_method(x):
    return PLACES.__getitem__(x)


def by_its_method_for_each(x):
    return list(map(PLACES.__getitem__, [x]))


def by_an_operator(x):
    return operator.getitem(PLACES, x)


def by_a_getter(x):
    return operator.itemgetter(x)(PLACES)


def by_a_getter_made_before(_):
    return BY_NAME(PLACES)


def in_a_text(_):
    return "{a}".format_map(PLACES), "%(b)s" % PLACES  # noqa: UP031 - that is the point


def of_a_class_of_its_own(x):
    return NAMED[x]


def walk(x):
    seen, ahead = set(), [x]
    while ahead:
        place = ahead.pop()
        seen.add(place)
        ahead += [one for one in PLACES[place] if one not in seen]
    return len(seen)


GROWING = [
    *(by_key, by_a_helper, functools.partial(by_a_keyword, places=PLACES), in_a_comprehension),
    *(in_a_callback, by_its_method, by_its_method_for_each, by_an_operator, by_a_getter),
    *(by_a_getter_made_before, in_a_text, of_a_class_of_its_own, walk, INDEX.look_up),
]


@pytest.mark.parametrize("item", GROWING, ids=lambda one: getattr(one, "__name__", "partial"))
def test_to_ask_for_a_key_counts_as_a_change(item):
    """However it is asked for."""
    assert examine(item, [1, 2])[0].stores


def asks_whether_it_is_there(x):
    return x in PLACES, PLACES.get(x), len(PLACES), list(PLACES.items())


def others(x):
    mine = collections.defaultdict(int)
    return PLAIN["a"], COUNTED[x], FROZEN["a"], ASKED[x], mine[x], second_of(PLAIN, x)


@pytest.mark.parametrize("item", [asks_whether_it_is_there, others])
def test_what_leaves_a_table_as_it_is_does_not(item):
    """Nor does a table that the item has made."""
    reach, _ = examine(item, [1, 2])

    assert not reach.stores
    assert not reach.changed


def test_items_that_grow_are_changed():
    """A worker process would change its copies of them."""
    rows = [collections.defaultdict(int, a=1) for _ in range(2)]

    assert examine(lambda row: row["b"], rows)[0].changed == ("the items themselves",)
    assert not examine(lambda row: list(row.values()), rows)[0].changed


@pytest.mark.parametrize("pause", [time.sleep, lambda s: sum(range(int(s * 4e7)))])
def test_a_table_has_the_keys_that_the_loop_would_have_given_it(pause):
    """All of them, whichever items ask for new ones."""
    places = collections.defaultdict(list, {one: [one] for one in range(50)})

    tuned_map(lambda x: (pause(2e-3), len(places[x]))[1], range(60))

    assert list(places) == list(range(60))
