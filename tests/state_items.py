"""Functions that answer by state which a program may change after this module was imported."""

import abc
import builtins
import collections
import contextvars
import dataclasses
import enum
import functools
import json
import numbers
import string
import struct
import threading
import time
import weakref
from typing import ClassVar

import state_items_prices as prices

FACTOR = 1
TABLE = {"a": 1}
QUEUE = collections.deque(maxlen=5)
REGISTRY = {}


def by_global(x):
    return x * FACTOR


def by_table(x):
    return TABLE.get("b", 0) + x


def by_deque(x):
    return len(QUEUE) + x


def helper(x):
    return x


HELD = None  # whatever the program puts here


class Register(dict):
    """A table that has a name."""

    def __init__(self, name, **entries):
        super().__init__(entries)
        self.name = name

    def __repr__(self):
        return f"{self.name}: {dict(self)}"


class Point:
    """Without a dict of its own."""

    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x

    def __repr__(self):
        return f"Point({self.x})"


def by_held(x):
    return repr(HELD), x


def by_helper(x):
    return helper(x)


class Settings:
    """One instance for all."""

    rate = 1
    _instance = None

    def __init__(self):
        self.level = 0

    @classmethod
    def get(cls):
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def scaled(self, x):
        return x


SETTINGS = Settings()
LISTS = [prices]
SHOP = Settings()
SHOP.prices = prices


def by_module_in_list(x):
    return LISTS[0].rated(x)


def by_module_of_instance(x):
    return SHOP.prices.RATE * x


def by_module_of_default(x, lists=prices):
    return lists.rated(x)


def by_text_of_default(x, lists=prices):
    return getattr(lists, "RATE", 0) * x


def by_class_attribute(x):
    return Settings.rate * x


def by_singleton(x):
    return Settings.get().level + x


def by_instance(x):
    return SETTINGS.level + x


def by_patched_method(x):
    return SETTINGS.scaled(x)


@functools.lru_cache
def cached_settings():
    return Settings()


def by_cached_singleton(x):
    return cached_settings().level + x


def by_own_attribute(x):
    return by_own_attribute.factor * x


by_own_attribute.factor = 1


def by_attribute_of_another(x):
    return helper.table.get("k", 0) + x


helper.table = {}


@functools.singledispatch
def described(_):
    return "?"


def by_registration(x):
    return described(x)


def by_registry(x):
    return REGISTRY.get("f", abs)(x)


def by_alias(x):
    return prices.price(x)


def by_default(x, seen=[]):  # noqa: B006 - as people write it
    return len(seen) + x


def _counting(func):
    hits = {"n": 0}

    @functools.wraps(func)
    def counted(x):
        return func(x) + hits["n"]

    counted.hits = hits
    return counted


@_counting
def by_closure(x):
    return x


class Kind(enum.Enum):
    """Members that carry more than their value."""

    A = 1
    B = [1]  # noqa: RUF012


Kind.A.weight = 1


def by_enum(x):
    return Kind.A.weight * x + len(Kind.B.value)


def by_import(x):
    import state_items_prices

    return state_items_prices.RATE + x


def by_name(x):
    import sys

    return getattr(sys.modules[__name__], "FAC" + "TOR") * x


now = time.time


def by_replaced_builtin(_):
    return now() > 1e9


def by_library_function(x):
    return json.dumps({"x": x})


def by_library_class(x):
    return json.JSONEncoder().encode([x, x])


def by_library_value(_):
    return string.digits


def by_hash(x):
    return hash(f"name {x}")


def by_order_of_a_set(x):
    return "".join({f"{x}", "a", "b", "c", "d"})


def by_error_handler(x):
    return f"ü{x}".encode("ascii", "of a test")


def by_encoding(x):
    return f"{x}".encode("encoding_of_a_test")


@functools.lru_cache(maxsize=4)
def opened(name, *, mode="r"):
    return {name: mode}


def by_kept(x):
    return len(opened("log", mode="w")) + x


@functools.cache
def run_number():
    return len(REGISTRY)


def by_kept_number(x):
    return run_number() + x


def by_added_builtin(x):
    return x + LEVEL_OF_TEST if "LEVEL_OF_TEST" in dir(builtins) else x  # noqa: F821


def by_text_of_builtin(x):
    return getattr(builtins, "translated_by_test", {}).get("a", "?"), x


class Plugin:
    """Found by its class alone."""

    factor = 1


def by_subclasses(x):
    return [x * one.factor for one in Plugin.__subclasses__()]


class Plain:
    """Counts as what somebody registers it for."""


def by_abstract_class(_):
    return isinstance(Plain(), numbers.Number), isinstance(Plain(), Shape)


class Shape(abc.ABC):  # noqa: B024 - others are registered for it
    """One of the project's own."""


VARIABLE = None
HOLDER = {"variable": None}


def by_late_variable(x):
    return VARIABLE.get() + x if VARIABLE is not None else x


def by_held_variable(x):
    variable = HOLDER["variable"]
    return variable.get() + x if variable is not None else x


class Tracing:
    """Has its variable once it is switched on."""

    variable = None
    since = None
    counted = collections.Counter()  # noqa: RUF012 - as people write it
    lock = threading.Lock()


def by_date_of_class(x):
    return str(Tracing.since), x


def by_counter_of_class(x):
    with Tracing.lock:
        return Tracing.counted["a"] + x


def by_variable_of_class(x):
    return Tracing.variable.get() + x if Tracing.variable is not None else x


def late_variable():
    variable = contextvars.ContextVar("late", default=1)
    variable.set(70)
    return variable


def closing_over(variable):
    return lambda x: variable.get() + x


def scaled(k, by=1, *, plus=0):
    return k * by + plus


def by_default_number(k):
    return scaled(k)


class Teller:
    """Tells kinds apart, by what was registered."""

    @functools.singledispatchmethod
    def told(self, _):
        return "anything"


def by_method_for_kind(k):
    return Teller().told(k)


SCALED = functools.partial(scaled, by=3)
PRICES = {"a": 1}
price = PRICES.get
joined = ",".join


class Scale:
    """An object whose method is kept under a name."""

    def __init__(self):
        self.factor = 2

    def scaled(self, k):
        return k * self.factor


SCALE = Scale()
scaled_by_object = SCALE.scaled


def by_partial(k):
    return SCALED(k)


def by_bound_methods(k):
    return price("a"), joined(("x", "y")), k


def by_kept_method(k):
    return scaled_by_object(k)


ABSENT = object()


@dataclasses.dataclass
class Order:
    """One default is a number, the other is made for each."""

    number: int = 1
    lines: list = dataclasses.field(default_factory=list)


def found(text, *, start=0, default=ABSENT):
    return "nothing" if default is ABSENT else default + start


def by_marked_defaults(k):
    order = Order()
    order.lines.append(k)
    return order.number, order.lines, found("a"), found("b", default=k)


def multiplying(by):
    def multiplied(k):
        return k * by

    def set_factor(new):
        nonlocal by
        by = new

    return multiplied, set_factor


multiply, set_factor = multiplying(2)


def by_made_function(k):
    return multiply(k)


class Measure(type):
    """The class of classes that share a factor."""

    factor = 2


class Length(metaclass=Measure):
    """Has the factor of its class, until it has its own."""


def by_class_of_class(k):
    return Length.factor * k


def by_attribute_of_enum(k):
    return getattr(Kind, "unit", "none"), k


def by_own_name(_):
    return __name__


def by_names_of_members(_):
    return Kind.A.name, repr(Kind(1))


def by_statements(_):
    import colorsys

    class Made:
        pass

    return colorsys.__name__, vars(Made).get("mark")


def by_members(_):
    return [member.name for member in Kind]


def by_blocked_module(_):
    try:
        import colorsys
    except ImportError:
        return "blocked"
    return colorsys.__name__


def by_made_up_module(k):
    try:
        import made_up_by_test
    except ImportError:
        return "none"
    return made_up_by_test.FACTOR * k


def by_name_of_encoding(k):
    try:
        return f"ä{k}".encode("Text-of-Test")
    except LookupError:
        return "none"


class Node:
    """Ends at a node that stands for none."""

    def __init__(self, value, left=None, right=None):
        self.value, self.left, self.right = value, left or NONE, right or NONE


NONE = Node.__new__(Node)
NONE.value, NONE.left, NONE.right = 0, NONE, NONE
TREE = Node(5, Node(3), Node(8))
UNSET = object()
CHOSEN = {"level": UNSET, "root": TREE}
OWNED = {TREE: "a tree"}


def summed(node):
    return 0 if node is NONE else node.value + summed(node.left) + summed(node.right)


def by_tree(k):
    return summed(TREE) * k


def by_marked_table(_):
    return CHOSEN["level"] is UNSET, CHOSEN["root"] is TREE


def by_owner(_):
    return OWNED.get(TREE)


@functools.cache
def root():
    return TREE


def by_cached_root(_):
    return root() is TREE


class Limit:
    """A descriptor."""

    most = 3

    def __get__(self, owner, kind):
        return self.most


class Limited:
    """Asks its descriptor."""

    limit = Limit()


def by_descriptor(k):
    return Limited().limit * k


def bound():
    return vars(Limited)["limit"]


class Table(type):
    """Finds the attributes of its classes in a table, and is sure that they are there."""

    entries: ClassVar = {"rate": 2}

    def __getattr__(cls, name):
        return Table.entries[name]


class Tabled(metaclass=Table):
    """Has no attributes of its own."""


def by_table_of_metaclass(k):
    return Tabled.rate * k


class Quick:
    """One way."""

    pace = 5


class Careful:
    """Another."""

    pace = 1


class Runner(Quick):
    """Goes one of them."""


def by_base(k):
    return Runner().pace * k


class Bounds:
    """Has its limits in a class of its own."""

    class Limits:
        """Some of them deeper."""

        most = 1

        class Deep:
            """Those."""

            least = 1


def by_nested_class(k):
    return Bounds.Limits.most * k, Bounds.Limits.Deep.least


class Cached:
    """Its methods have defaults."""

    @classmethod
    def scaled(cls, x, *, factor=1):
        return x * factor

    def named(self, left, right):
        return left, right

    bound = functools.partialmethod(named, 1)


def by_default_of_class_method(k):
    return Cached.scaled(k)


def by_partial_method(k):
    return Cached().bound(k)


def by_registered_builtin(_):
    return isinstance(3, Shape), isinstance("a", Shape)


@functools.lru_cache
def looked_up(k):
    return k


def by_size_of_cache(_):
    return looked_up.cache_parameters()["maxsize"]


def by_made_up_attribute(k):
    return prices.discount * k


def chosen_level():
    return UNSET


LAYOUT = struct.Struct("i")


def by_layout(k):
    return LAYOUT.size * k


NUMBERED = {}


def by_number(_):
    return NUMBERED.get(id(SCALE))


def by_number_of_code(_):
    return NUMBERED.get(id(helper))


OF_THREAD = threading.local()
OPENED = contextvars.ContextVar("opened")


def count_in_thread(_):
    OF_THREAD.count = getattr(OF_THREAD, "count", 0) + 1
    return OF_THREAD.count


class WithLock(threading.local):
    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0


LOCKED = WithLock()


def count_under_lock(_):
    with LOCKED.lock:
        LOCKED.count += 1
        return LOCKED.count


def connect():
    """What an executor has each thread begin with."""
    OF_THREAD.count = 7
    OPENED.set(5)


def given_to_thread(_):
    return OF_THREAD.count, OPENED.get()


Place = collections.namedtuple("Place", "x y", defaults=(5,))


class Leaf(abc.ABC):
    """Cannot be made before its method is there."""

    @abc.abstractmethod
    def weight(self):
        """How much it weighs."""


@dataclasses.dataclass
class Row:
    """With fields that are asked for."""

    name: str = "a"
    count: int = 2


class Pair:
    """Taken apart by its two attributes."""

    __match_args__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b

    def of_both(self):
        """With a text of its own."""
        return self.a, self.b

    @functools.cached_property
    def both(self):
        return self.a + self.b


def with_default(x, plus=1):
    return x + plus


GOING = 1


def error_of(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__


def by_default_of_named_tuple(x):
    return Place(x)


def by_abstract_method(_):
    return error_of(lambda: Leaf() and "made")


def by_fields(_):
    return [(one.name, one.default) for one in dataclasses.fields(Row)]


def by_taken_apart(x):
    match Pair(x, 0):
        case Pair(a, b):
            return a, b


def by_lost_default(x):
    return error_of(with_default, x)


def by_annotations(_):
    return sorted(with_default.__annotations__), sorted(Row.__annotations__)


def by_names_and_docs(_):
    return with_default.__name__, Pair.__name__, Pair.of_both.__doc__, __doc__


def by_cached_property(x):
    return Pair(x, 1).both


def by_what_is_there(x):
    return hasattr(Pair, "of_both"), error_of(lambda: GOING + x)


def by_registered_number(_):
    return isinstance("a", numbers.Number)


def by_slot(x):
    return Point(x).x


def by_made_up_by_module(_):
    import state_items_prices

    return getattr(state_items_prices, "made_up", None), getattr(state_items_prices, "of_class", 0)


def by_library_default(_):
    return json.dumps([1])


def by_alias_of_builtin(x):
    return error_of(lambda: abs(-x))


def by_environment_of_programs(_):
    import subprocess

    return subprocess.run(("printenv", "OF_A_TEST"), capture_output=True, text=True).stdout


def by_nested_handler(_):
    return error_of(lambda: "\u00e4".encode("ascii", "of a test"))


def by_replaced_module(_):
    import colorsys

    return hasattr(colorsys, "made_up")


NAMED = weakref.WeakValueDictionary()


def by_weak_table(_):
    return len(NAMED)


ROWS = [[1], [2]]


def is_the_first_row(table):
    return any(row is ROWS[0] for row in table.values())
