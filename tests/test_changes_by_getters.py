"""What an object in a class changes of its owner as an attribute is read, and what hides in C."""

import functools

import pytest

from amorsize._function.sharing.thread_safety import examine

SEEN: list[object] = []


class Counted:
    """Counts in its owner how often it is read."""

    def __get__(self, owner, kind=None):
        owner.n = getattr(owner, "n", 0) + 1
        return owner.n


class Kept:
    """Computes a value when it is first read, and puts it in its own place."""

    def __init__(self, compute):
        self.compute = compute

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, owner, kind=None):
        value = owner.__dict__[self.name] = self.compute(owner)
        return value


class OfClass:
    """Counts in the class that it is read from."""

    def __get__(self, owner, kind=None):
        kind.n = getattr(kind, "n", 0) + 1
        return kind.n


class Positive:
    """A field that is checked when it is set, and changes nothing when it is read."""

    def __set_name__(self, owner, name):
        self.name = f"_{name}"

    def __get__(self, owner, kind=None):
        return getattr(owner, self.name)

    def __set__(self, owner, value):
        if value < 0:
            raise ValueError(value)
        setattr(owner, self.name, value)


class Owner:
    counted = Counted()

    def __init__(self, price=1):
        self.price = price

    @Kept
    def kept(self):
        return [self.price]


class Family:
    of_class = OfClass()


class Article:
    price = Positive()

    def __init__(self, price=1):
        self.price = price


OWNER, ARTICLE = Owner(), Article()


def counting(a, b):
    SEEN.append(a)
    return a - b


class Comparing:
    def __init__(self):
        self.n = 0

    def __call__(self, a, b):
        self.n += 1
        return a - b


BY_COUNTING = functools.cmp_to_key(counting)
BY_COMPARING = functools.cmp_to_key(Comparing())
BY_NUMBER = functools.cmp_to_key(lambda a, b: a - b)

CHANGING = {
    "owner": lambda x: OWNER.counted if x == 40 else x,
    "owner by name": lambda x: getattr(OWNER, "counted") if x == 40 else x,  # noqa: B009
    "kept": lambda x: OWNER.kept if x == 40 else x,
    "class": lambda x: Family.of_class if x == 40 else x,
    "class of a new one": lambda x: Family().of_class if x == 40 else x,
    "key": lambda x: sorted([x, 1], key=BY_COUNTING) if x == 40 else x,
    "key of an object": lambda x: min([x, 1], key=BY_COMPARING) if x == 40 else x,
}
CHANGING_NOTHING = {
    "new owner": lambda x: Owner(x).counted,
    "new kept": lambda x: Owner(x).kept,
    "field": lambda x: ARTICLE.price * x,
    "key": lambda x: sorted([x, 1], key=BY_NUMBER),
}
OF_ITEMS = {"owner": lambda x: x.counted if x.price == 40 else x, "kept": lambda x: x.kept}


@pytest.mark.parametrize("item", CHANGING.values(), ids=CHANGING)
def test_what_is_changed_as_an_attribute_is_read_is_told(item):
    reach, _ = examine(item, [1, 2])

    assert reach.stores or reach.changed


@pytest.mark.parametrize("item", OF_ITEMS.values(), ids=OF_ITEMS)
def test_what_is_changed_in_items_is_told(item):
    reach, _ = examine(item, [Owner(1), Owner(2)])

    assert reach.changed


@pytest.mark.parametrize("item", CHANGING_NOTHING.values(), ids=CHANGING_NOTHING)
def test_what_changes_nothing_that_lasts_is_no_reason(item):
    reach, _ = examine(item, [1, 2])

    assert not reach.stores
    assert not reach.changed


def test_fields_of_items_that_are_only_read_are_no_reason():
    reach, _ = examine(lambda x: x.price * 2, [Article(1), Article(2)])

    assert not reach.stores
    assert not reach.changed
