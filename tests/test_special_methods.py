"""Special methods change something where code never names them: in operators, `with`, builtins.

Few items use them, so that no watched item shows it: reading has to tell.
"""

import asyncio
import collections
import contextlib
import functools
import itertools
import math
import operator
import time
from types import SimpleNamespace

import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine
from amorsize._function.unlike_items import MOST_KINDS, one_of_each

SEEN: list[int] = []


class Counting:
    """Counts how it is used, in ways of which its user's code names none."""

    def __init__(self):
        self.n = 0

    def _count(self, *_):
        self.n += 1
        return self

    __add__ = __radd__ = __mul__ = __lshift__ = __or__ = __neg__ = __pos__ = _count
    __call__ = __enter__ = __imatmul__ = _count

    def __exit__(self, *exc):
        self.n += 1


class Decorating(contextlib.ContextDecorator):
    def __init__(self):
        self.n = 0

    def __enter__(self):
        self.n += 1

    def __exit__(self, *exc):
        pass


class Plain:
    """A part of items that changes something global."""

    @property
    def asked(self):
        SEEN.append(1)
        return 1

    def __iter__(self):
        SEEN.append(1)
        return iter(())


class Setting:
    """Notes what is set, and has nothing that is read."""

    def __init__(self):
        self.seen = []

    def __set__(self, owner, value):
        self.seen.append(value)


class Described:
    field = Setting()


COUNTING, DECORATING = Counting(), Decorating()


@DECORATING
def decorated(x):
    return x


def calls_what_is_entered(x):
    return decorated(x) if x == 40 else x


def decorates(x):
    return DECORATING(len)("a") if x == 40 else x


def sums(x):
    return sum([COUNTING]) if x == 40 else x


def multiplies(x):
    return math.prod([COUNTING]) if x == 40 else x


def folds(x):
    return functools.reduce(operator.add, [COUNTING, 1]) if x == 40 else x


def accumulates(x):
    return list(itertools.accumulate([1, COUNTING], operator.or_)) if x == 40 else x


def puts_a_sign(x):
    return +COUNTING if x == 40 else x


def adds_in_place(x):
    counting = COUNTING
    if x == 40:
        counting += 1


def passed_on_and_entered(x):
    return enters(COUNTING) if x == 40 else x


def enters(counting):
    with counting:
        return 1


class Matched:
    __match_args__ = ("asked",)

    def __init__(self):
        self.n = 0

    @property
    def asked(self):
        self.n += 1
        return self.n

    def __await__(self):
        self.n += 1
        return iter(())


MATCHED = Matched()


def matches(x):
    match MATCHED:
        case Matched(40) if x == 40:
            return 1


def waits(x):
    async def wait():
        return await MATCHED

    return asyncio.run(wait()) if x == 40 else x


def sets_by_name(x):
    if x == 40:
        setattr(Described(), "field", x)  # noqa: B010 - that is the point


@pytest.mark.parametrize(
    "item",
    [
        *(calls_what_is_entered, decorates, sums, multiplies, folds, accumulates, puts_a_sign),
        *(adds_in_place, passed_on_and_entered, sets_by_name, matches, waits),
    ],
)
def test_what_special_methods_of_shared_objects_change_is_told(item):
    """No name in the function's code leads to them."""
    reach, _ = examine(item, [1, 2])

    assert reach.stores or reach.changed


def enters_part(item):
    with item[1]:
        return 1


def adds_to_part(item):
    return item[1] + 1


def part_on_the_right(item):
    return 1 + item[1]


def shifts_part(item):
    item[1] << 2  # as builders are filled


def calls_part(item):
    return list(map(item[1], [1]))


def negates_part(item):
    return operator.neg(item[1])


PARTS = [enters_part, adds_to_part, part_on_the_right, shifts_part, calls_part, negates_part]


@pytest.mark.parametrize("item", PARTS)
@pytest.mark.parametrize("kind", [lambda one: (0, one), lambda one: [0, one]])
def test_parts_of_items_that_special_methods_change_are_told(item, kind):
    """A worker process would change a copy."""
    reach, _ = examine(item, [kind(Counting()), kind(Counting())])

    assert reach.changed == ("the items themselves",)


def asks_part(item):
    return item["part"].asked


def goes_through_part(item):
    return [*item["part"]]


@pytest.mark.parametrize("item", [asks_part, goes_through_part])
def test_what_the_class_of_a_part_changes_elsewhere_is_told(item):
    """The part itself stays as it is."""
    reach, _ = examine(item, [{"part": Plain()}, {"part": Plain()}])

    assert reach.stores


def grows_by_method(row):
    row["set"].__ixor__({9})


def grows_by_the_type_s_method(row):
    list.__imul__(row["list"], 2)


def is_masked(row):
    set.__iand__(row["set"], {9})


@pytest.mark.parametrize("item", [grows_by_method, grows_by_the_type_s_method, is_masked])
def test_operators_in_place_are_told_as_methods(item):
    """As `operator` and the type itself spell them."""
    rows = [{"set": {1}, "list": [1]} for _ in range(2)]

    assert examine(item, rows)[0].changed == ("the items themselves",)


@pytest.mark.parametrize("item", [sums, adds_in_place, calls_what_is_entered])
def test_what_they_count_is_as_in_the_loop(item):
    """Once, by the only item that uses them, and found by those after it."""
    counted = COUNTING if item is not calls_what_is_entered else DECORATING
    before = counted.n

    def slow(x):
        time.sleep(4e-3)
        item(x)
        return counted.n - before

    assert tuned_map(slow, range(60)) == [0] * 40 + [1] * 20


def test_what_they_change_in_items_is_as_in_the_loop():
    """One that few items enter."""
    items = [(i, Counting()) for i in range(60)]

    def slow(item):
        time.sleep(4e-3)
        return enters_part(item) if item[0] == 40 else 0

    tuned_map(slow, items)

    assert [i for i, counting in items if counting.n] == [40]


class Reading:
    """Has the same methods, which change nothing."""

    def __init__(self):
        self.kept = collections.Counter()

    def __add__(self, other):
        return self.kept["a"] + other

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def set_up(self):
        self.kept["a"] += 1


def uses(item):
    with item[1] as part:
        return part + 1


def test_special_methods_that_change_nothing_are_no_reason():
    """Nor are other methods of the class, which the code does not use."""
    reach, _ = examine(uses, [(0, Reading()), (1, Reading())])

    assert (reach.stores, reach.changed) == ((), ())


class Shape:
    def area(self):
        return 1


class Noting(Shape):
    def area(self):
        SEEN.append(1)
        return 2


def notes(x):
    SEEN.append(x)
    return x


@pytest.mark.parametrize(
    ("func", "items"),
    [
        (lambda row: row[1].area(), [(0, Shape()), (1, Shape()), (2, Noting())]),
        (lambda row: row["of"].area(), [{"of": Shape()}, {"of": Shape()}, {"of": Noting()}]),
        (lambda row: sum(o.area() for o in row), [[Shape()], [Shape()], [Shape(), Noting()]]),
        (lambda row: row.of.area(), [SimpleNamespace(of=o()) for o in (Shape, Shape, Noting)]),
        (lambda row: row[0](row[1]), [(abs, 1), (abs, 2), (notes, 3)]),
        (lambda row: row[0]().area(), [(Shape,), (Shape,), (Noting,)]),
        (lambda row: row["do"](1), [{"do": abs}, {"do": abs}, {"do": notes}]),
        (lambda row: row[1] and row[1].area(), [(0, None), (1, None), (2, Noting())]),
        (lambda row: row and row[0].area(), [(), (), (Noting(),)]),
    ],
)
def test_what_only_parts_of_later_items_change_is_told(func, items):
    """Each kind of what items hold is read: objects, functions and classes."""
    reach, _ = examine(func, [*items[:2], *one_of_each(items)])

    assert reach.stores == ("global SEEN.append()",)


def test_items_with_the_same_parts_are_of_one_kind():
    """However many there are, and whatever else they hold."""
    dicts = [{"of": Shape(), "n": n} for n in range(100)]
    assert one_of_each(dicts) == dicts[:1]
    assert one_of_each([(n, str(n)) for n in range(100)]) == []
    assert len(one_of_each([(n, [Shape(), Noting()][n % 2]) for n in range(100)])) == 2


class Refusing(type):
    def __hash__(cls):
        raise RuntimeError("no hash")


class OfRefusing(metaclass=Refusing):
    pass


class Hiding:
    @property
    def __dict__(self):
        raise RuntimeError("no dict")

    @property
    def __class__(self):
        raise RuntimeError("no class")


@pytest.mark.parametrize("kind", [OfRefusing, Hiding])
def test_objects_that_refuse_to_be_looked_at_end_no_call(kind):
    """Looking for kinds of items runs no code of metaclasses, and outlives that of classes."""
    assert len(one_of_each([(n, kind()) for n in range(5)])) == 1
    assert len(one_of_each([[kind(), {}], [kind()]])) == 1
    assert len(one_of_each([kind() for _ in range(5)])) <= 1


def test_no_more_kinds_of_parts_are_gathered_than_are_examined():
    """A list of 3000 classes took 0.2 s to read."""
    rows = [(n, type(f"Kind{n}", (), {})()) for n in range(MOST_KINDS + 70)]
    assert len(one_of_each(rows)) == MOST_KINDS + 1
