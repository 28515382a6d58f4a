"""Ways to what is shared that no call shows: templates, metaclasses, modules by their names."""

import functools
import importlib
import itertools
import operator
import sys
import types

import jinja2
import numpy as np
import pytest

from amorsize._function.sharing.thread_safety import examine

total = 0
HERE = sys.modules[__name__]


class Tally:
    """Goes up as it is read."""

    n_read = 0
    rows: list[object] = []  # noqa: RUF012 - as people write it

    def __init__(self, n=0):
        self.n = n

    @property
    def total(self):
        self.n += 1
        return self.n

    @property
    def number(self):
        Tally.n_read += 1
        return Tally.n_read

    @property
    def row(self):
        self.rows.append(1)
        return len(self.rows)

    def next(self):
        self.n += 1
        return self.n


class Odd:
    """Goes up as C code uses it."""

    def __init__(self):
        self.n = 0

    def more(self, *_):
        self.n += 1
        return 0

    __index__ = __hash__ = __eq__ = __len__ = __bool__ = __lt__ = more

    def __str__(self):
        self.n += 1
        return ""

    __repr__ = __fspath__ = __str__


class Counted(type):
    n = 0

    @property
    def serial(cls):
        cls.n += 1
        return cls.n

    def more(cls, *_):
        cls.n += 1
        return cls.n

    __len__ = __contains__ = __getitem__ = __instancecheck__ = __lt__ = more

    def __iter__(cls):
        cls.n += 1
        return iter([cls.n])


class Orders(metaclass=Counted):
    pass


class Registered(type):
    known: list[type] = []  # noqa: RUF012

    def __call__(cls, *args):
        Registered.known.append(cls)
        return super().__call__(*args)


class Made(metaclass=Registered):
    pass


class Outer:
    def __init__(self, inner):
        self.inner = inner


def renders_later(x):
    if x == 99:
        return LATE.render(one=TALLY)
    return x


def fills_views(x):
    first, _ = np.split(ARRAY, 2)
    first += x


def by_frame(x):
    names = sys._getframe().f_globals
    names["total"] = x


def by_caller(x):
    sys._getframe().f_globals["total"] += x


def by_vars(x):
    vars(sys.modules[__name__])["total"] = x


def by_vars_of_module(x):
    vars(HERE)["total"] = x


def by_module_dict(x):
    sys.modules[__name__].__dict__["total"] = x


def by_sys_modules(x):
    sys.modules[__name__].total = x


def by_get(x):
    sys.modules.get(__name__).total += x


def by_globals(x):
    globals()["total"] = x


def by_globals_update(x):
    globals().update(total=x)


def by_import_module(x):
    importlib.import_module("test_hidden_ways_module").total = x


def by_named_import(x):
    module = importlib.import_module("test_hidden_ways_module")
    module.rows.append(x)


def by_dunder_import(x):
    __import__("test_hidden_ways_module").total = x


def setattr_of_a_module(x):
    sys.modules[__name__].total = x


def sets_any_name(x):
    setattr(sys.modules[__name__], f"total_{x}", x)


NAMED = types.ModuleType("test_hidden_ways_module")
NAMED.total, NAMED.rows = 0, []
sys.modules[NAMED.__name__] = NAMED

TALLY, ODD, ARRAY = Tally(), Odd(), np.zeros(10)
OUTER = Outer(TALLY)
PAGE, LATE = jinja2.Template("{{ one.total }}"), jinja2.Template("{{ one.next() }}")
TOTAL, NEXT = operator.attrgetter("total"), operator.methodcaller("next")
HOLDS = {"one": ODD}

WAYS = {
    "property in a template": lambda x: PAGE.render(one=TALLY, x=x),
    "property in a template, by a dict": lambda x: PAGE.render({"one": OUTER, "x": x}),
    "property of a new object": lambda x: PAGE.render(one=Tally(x)),
    "property of new objects": lambda x: PAGE.render(rows=[Tally(n) for n in range(x)]),
    "template made there": lambda x: jinja2.Template("{{ one.total }}").render(one=TALLY, x=x),
    "method in a template": renders_later,
    "property in a text": lambda x: "{0.total} {1}".format(TALLY, x),  # noqa: UP030, UP032
    "property in a text, by name": lambda _: "{one.inner.total}".format(one=OUTER),  # noqa: UP032
    "property in a text, of a dict": lambda _: "{one.total}".format_map({"one": TALLY}),
    "property of a new object in a text": lambda x: "{0.number}".format(Tally(x)),  # noqa: UP030, UP032
    "attrgetter as a key": lambda _: sorted([TALLY], key=operator.attrgetter("total")),
    "attrgetter that is kept, as a key": lambda _: sorted([TALLY], key=TOTAL),
    "attrgetter called at once": lambda _: operator.attrgetter("inner.total")(OUTER),
    "methodcaller called at once": lambda _: operator.methodcaller("next")(TALLY),
    "methodcaller that is kept, mapped": lambda _: list(map(NEXT, [TALLY])),
    "attrgetter of new objects": lambda x: list(map(operator.attrgetter("row"), [Tally(x)])),
    "index of a list": lambda _: [1, 2][ODD],
    "index of a range": lambda _: range(ODD),
    "key of a table": lambda x: {ODD: x},
    "looked for in a list": lambda x: [x, ODD].index(x),
    "counted in a list": lambda x: [x].count(ODD),
    "text of a list": lambda _: f"{[ODD]}",
    "text of a table": lambda _: "%(one)s" % HOLDS,  # noqa: UP031
    "joined texts": lambda _: ",".join(map(str, [ODD])),
    "path": lambda _: open(ODD),  # noqa: SIM115
    "property of a metaclass": lambda _: Orders.serial,
    "length of a class": lambda _: len(Orders),
    "looked for in a class": lambda x: x in Orders,
    "element of a class": lambda x: Orders[x],
    "instance of a class": lambda x: isinstance(x, Orders),
    "elements of a class": lambda _: list(Orders),
    "elements of a class, in a loop": lambda _: [one for one in Orders],  # noqa: C416
    "class that is called": lambda _: Made(),
    "class that is handed on": lambda _: list(itertools.islice(Orders, 1)),
    "names of the frame": by_frame,
    "names of the frame, at once": by_caller,
    "names of the module": by_vars,
    "names of a module that is kept": by_vars_of_module,
    "dict of the module": by_module_dict,
    "module by its name": by_sys_modules,
    "module that is got": by_get,
    "globals()": by_globals,
    "globals(), updated": by_globals_update,
    "import_module": by_import_module,
    "import_module, list": by_named_import,
    "__import__": by_dunder_import,
    "setattr of a module": setattr_of_a_module,
    "setattr of a module, any name": sets_any_name,
    "split array": fills_views,
    "array without a copy": lambda x: np.array(ARRAY, copy=False).fill(x),
    "array of a buffer": lambda x: np.frombuffer(ARRAY).fill(x),
    "transposed by a function": lambda x: np.transpose(ARRAY).fill(x),
    "columns of a table": lambda x: ARRAY.reshape(2, 5).T.fill(x),
    "numbers put in place of others": lambda x: np.nan_to_num(ARRAY, copy=False, nan=x),
    "median": lambda _: np.median(ARRAY, overwrite_input=True),
    "out as a tuple": lambda x: np.add(ARRAY, x, out=(ARRAY,)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_changed_by_a_hidden_way_is_told(way):
    """A worker would lose it."""
    reach, _ = examine(WAYS[way], [1, 2])

    assert reach.stores or reach.changed


class Item:
    """Is changed by what is asked of it."""

    def __init__(self):
        self.n = 0

    @property
    def total(self):
        self.n += 1
        return self.n

    @functools.cached_property
    def words(self):
        return [self.n]


COLUMNS = {"Words": "words", "Number": "n"}

CHANGING_ITEMS = {
    "kept property of a list": lambda one: [getattr(one, name) for name in COLUMNS.values()],
    "kept property of a table": lambda one: {k: getattr(one, COLUMNS[k], 0) for k in COLUMNS},
    "kept property by a partial": lambda one: [*map(functools.partial(getattr, one), COLUMNS)],
    "kept property by reduce": lambda one: functools.reduce(getattr, ["words"], one),
    "property by its name": lambda one: getattr(one, "total", None),
    "property of any name": lambda one: getattr(one, f"{'to' * one.n}tal", None),
    "property in a template": lambda one: PAGE.render(one=one),
    "property in a text": lambda one: "{.total}".format(one),  # noqa: UP032
    "property by attrgetter": lambda one: TOTAL(one),
    "property of a part": lambda one: PAGE.render({"one": one}),
}


@pytest.mark.parametrize("way", CHANGING_ITEMS)
def test_what_a_library_changes_of_an_item_is_told(way):
    """A worker changes a copy."""
    reach, _ = examine(CHANGING_ITEMS[way], [Item(), Item()])

    assert reach.changed


ARRAYS = {
    "numbers put in place of others": lambda row: float(np.nan_to_num(row, copy=False).sum()),
    "out as a tuple": lambda row: np.add(row, 1, out=(row,)) is row,
    "split": lambda row: [part.fill(0) for part in np.array_split(row, 2)],
    "without a copy": lambda row: np.array(row, copy=False).sort(),
    "median": lambda row: np.median(row, overwrite_input=True),
}


@pytest.mark.parametrize("way", ARRAYS)
def test_what_a_flag_lets_a_library_change_of_an_item_is_told(way):
    """The first items may have nothing to be changed, as rows without a gap have."""
    reach, _ = examine(ARRAYS[way], [np.zeros(4), np.zeros(4)])

    assert reach.changed


class Price:
    """Has a property that only looks."""

    def __init__(self, n):
        self.n = n

    @property
    def total(self):
        return self.n * 2

    def __str__(self):
        return f"{self.n}"

    def __eq__(self, other):
        return self.n == other.n

    def __hash__(self):
        return hash(self.n)


class Kinds(type):
    def __len__(cls):
        return len(vars(cls))


class Kind(metaclass=Kinds):
    pass


PRICE = Price(1)
PURE = {
    "property in a template": lambda x: PAGE.render(one=PRICE, x=x),
    "property in a text": lambda x: "{0.total} {1}".format(PRICE, x),  # noqa: UP030, UP032
    "new object in a template": lambda x: PAGE.render(one=Price(x)),
    "length of a class": lambda x: len(Kind) + x,
    "key of a table": lambda x: {PRICE: x},
    "array with a copy": lambda x: np.nan_to_num(ARRAY, nan=x),
    "copy of an array": lambda x: np.array(ARRAY).fill(x),
    "name of the frame": lambda x: sys._getframe().f_code.co_name,
    "split text": lambda x: str(x).split("a")[0],
    "object that is not handed on": lambda x: TALLY.n + x,
    "properties of any name": lambda x: [getattr(PRICE, name) for name in ("n", "total")][x:],
    "object handed to a builtin": lambda x: [isinstance(TALLY, Tally), id(TALLY), x],
}


@pytest.mark.parametrize("way", PURE)
def test_what_only_looks_by_a_hidden_way_is_not_told(way):
    """Such functions stay in workers."""
    reach, _ = examine(PURE[way], [1, 2])

    assert (reach.stores, reach.changed) == ((), ())
