"""What the standard library wraps functions in travels with a script's code."""

import functools
import pickle
import types
from contextvars import ContextVar

import pytest

from amorsize._function.needs import stdlib_wrappers

SCRIPT = """
import abc, contextvars, functools, sys, types
from amorsize import tuned_map

@functools.lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

@functools.lru_cache(maxsize=8, typed=True)
def even(n):
    return True if n == 0 else odd(n - 1)

@functools.cache
def odd(n):
    return False if n == 0 else even(n - 1)

even.note = "kept"

def parities(n):
    return even(n), odd(n), even.note, even.cache_parameters()

@functools.singledispatch
def area(shape):
    raise TypeError(type(shape).__name__)

class Square:
    def __init__(self, a): self.a = a

class Circle(Square):
    pass

area.register(Square, lambda square: square.a ** 2)

@area.register
def _(circle: Circle):
    return 3 * area.dispatch(Square)(circle)

def areas(n):
    return area(Square(n)), area(Circle(n))

class Report:
    def __init__(self, n): self.n = n
    @functools.cached_property
    def rows(self): return [self.n] * 2
    @functools.singledispatchmethod
    def cell(self, value): return "?"
    @cell.register
    def _(self, value: int): return f"{self.n}.{value}"
    @staticmethod
    @functools.lru_cache
    def width(k): return 2 * k
    first = functools.partialmethod(lambda self, k: (self.n, k), 1)

def report(n):
    one = Report(n)
    return one.rows, one.cell(3), one.cell("a"), one.width(n), one.first()

TENANT = contextvars.ContextVar("tenant", default="nobody")
UNSET = contextvars.ContextVar("unset")
TABLE = types.MappingProxyType({"a": 1})

def context(n):
    try:
        return TENANT.get(), TABLE["a"], UNSET.get()
    except LookupError:
        return TENANT.get(), TABLE["a"], "unset"

if __name__ == "__main__":
    TENANT.set("acme")
    for function in (fibonacci, parities, areas, report, context):
        want = [function(n) for n in range(8)]
        got = tuned_map(function, range(8), backend="process", n_jobs=2)
        print(getattr(function, "__name__", "?"), got == want)
    print(tuned_map(context, range(1), backend="process", n_jobs=1)[0])
    TENANT.set("other")
    print(tuned_map(context, range(1), backend="process", n_jobs=1)[0])
"""


@pytest.mark.parametrize("start", ["clean", "fork"])
def test_a_script_s_wrapped_functions_run_in_workers(run_script, start):
    """Caches that call themselves, dispatchers, cached properties and context variables."""
    printed = run_script(SCRIPT, environ={"AMORSIZE_START": start}).stdout.splitlines()

    assert printed == [
        *(f"{name} True" for name in ("fibonacci", "parities", "areas", "report", "context")),
        "('acme', 1, 'unset')",
        "('other', 1, 'unset')",
    ]


class Dispatching:
    @functools.singledispatchmethod
    def kind(self, value):
        return "other", value

    @kind.register
    def _(self, value: int):
        return "int", value

    @functools.singledispatchmethod
    @classmethod
    def made(cls, value):
        return "other", value

    @made.register
    @classmethod
    def _(cls, value: float):
        return "float", value


class TestReduced:
    """Each kind alone, by plain pickle."""

    @pytest.mark.parametrize("value", [1, "text", len, [1], {"a": 1}, object(), int])
    def test_anything_else_is_left_to_pickle(self, value):
        assert stdlib_wrappers.reduced(value) is None

    def test_a_cache_starts_empty_and_keeps_its_size(self):
        """What was remembered here is recomputed where it arrives."""
        cache = functools.lru_cache(maxsize=3)(abs)
        cache(-1)

        make, arguments, attributes = stdlib_wrappers.reduced(cache)
        made = make(*arguments)

        assert "__wrapped__" not in attributes
        assert made.cache_info().currsize == 0
        assert made.cache_parameters() == cache.cache_parameters()
        assert made(-4) == 4

    def test_a_view_is_a_view_again(self):
        make, arguments = stdlib_wrappers.reduced(types.MappingProxyType({"a": [1]}))
        assert make(*arguments) == {"a": [1]}
        assert type(make(*arguments)) is types.MappingProxyType

    def test_a_dispatching_method_leaves_what_it_has_bound(self):
        """It dispatches as before, to new objects and by classes that are registered there."""
        thing = Dispatching()
        found = [thing.kind(1), thing.kind("a"), thing.made(2.5)]
        assert found == [("int", 1), ("other", "a"), ("float", 2.5)]

        for name in ("kind", "made"):
            original = vars(Dispatching)[name]
            make, arguments, state, _, _, fill = stdlib_wrappers.reduced(original)
            made = make(*arguments)
            fill(made, state)
            cls = type("Other", (), {name: made})

            assert type(made) is functools.singledispatchmethod
            assert set(vars(made)) == set(vars(original))
            assert not any("weakref" in type(one).__module__ for one in state.values())
            for value in (1, "a", 2.5):
                assert getattr(cls(), name)(value) == getattr(thing, name)(value)
        made.register(bytes, classmethod(lambda cls, value: (cls.__name__, value)))
        assert cls().made(b"") == ("Other", b"")

    @pytest.mark.parametrize("default", [None, 0, "text"])
    def test_a_variable_has_its_default_and_its_value(self, default):
        """The same variable each time it arrives, set to what it is in the sender."""
        var = ContextVar("var", default=default)
        make, arguments = stdlib_wrappers.reduced(var)
        made = make(*pickle.loads(pickle.dumps(arguments)))
        assert made.get() == default
        assert make(*arguments) is made

        var.set(5)
        make, arguments = stdlib_wrappers.reduced(var)
        assert make(*arguments) is made
        assert made.get() == 5


@pytest.mark.parametrize("maxsize", [None, 8])
@pytest.mark.parametrize("typed", [False, True])
def test_what_a_cache_has_kept_is_found_and_filled_into_another(maxsize, typed):
    """Whatever the arguments and results are, and however the cache was made."""

    @functools.lru_cache(maxsize=maxsize, typed=typed)
    def results(*args, **keywords):
        return {"of": (args, keywords)}

    calls = [
        ((1,), {}),
        (("a", 2.5), {}),
        ((), {}),
        (((1, 2),), {"k": (3,)}),
        ((), {"a": 1, "b": 2}),
    ]
    made = [results(*args, **keywords) for args, keywords in calls]

    entries = stdlib_wrappers.kept(results)
    assert entries == [(*call, result) for call, result in zip(calls, made, strict=True)]

    other = stdlib_wrappers.filled(results, entries)
    for (args, keywords), result in zip(calls, made, strict=True):
        assert other(*args, **keywords) is result
    assert other(99) == {"of": ((99,), {})}
    assert len(stdlib_wrappers.kept(other)) == len(calls) + 1
    assert (other.__name__, other.__wrapped__) == ("results", results.__wrapped__)


KEPT_BY_CLASSES = """
import abc, dataclasses, enum, functools, typing
from amorsize import tuned_map

class Base(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

class Square(Base):
    @functools.lru_cache
    def times(self, k): return 2 * k
    def area(self): return self.times(3)

@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    @functools.cache
    def far(self, k): return self.x + k

class Key:
    __slots__ = ("name",)
    def __init__(self, name): self.name = name
    def __eq__(self, other): return self.name == other.name
    def __hash__(self): return len(self.name)
    @functools.lru_cache(typed=True)
    def long(self, k): return len(self.name) + k

class Colour(enum.Enum):
    RED = 1
    @functools.cache
    def shade(self, k): return self.value + k

class Pair(typing.NamedTuple):
    a: int
    @functools.cache
    def sum(self, k): return self.a + k

class Left:
    def __eq__(self, other): return type(self) is type(other)
    def __hash__(self): return 1
    @functools.cache
    def meet(self, other): return "right"

class Right(Left):
    @functools.cache
    def join(self, other): return "left"

def square(k): return Square().area(), 0  # another key each time
def point(k): return Point(1).far(2), Point.far.cache_info().misses
def key(k): return Key("ab").long(2), Key.long.cache_info().misses
def colour(k): return Colour.RED.shade(2), Colour.shade.cache_info().misses
def pair(k): return Pair(1).sum(2), Pair.sum.cache_info().misses
def both(k): return Left().meet(Right()), Right().join(Left()), Left.meet.cache_info().currsize

if __name__ == "__main__":
    for function in (square, point, key, colour, pair, both):
        function(0)
        want = function(0)
        got = tuned_map(function, range(6), backend="process", n_jobs=2)
        print(function.__name__, got == [want] * 6 or (got, want))
"""


def test_caches_of_methods_keep_instances_of_their_classes(run_script):
    """They are filled once the classes are complete: instances can be made, and have their hash."""
    ran = run_script(KEPT_BY_CLASSES, environ={"AMORSIZE_START": "clean"})

    names = ("square", "point", "key", "colour", "pair", "both")
    assert ran.stdout.splitlines() == [f"{name} True" for name in names]
