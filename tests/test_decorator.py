"""A tuned function is the function it was, called with many items; nothing of it gets lost."""

import copy
import functools
import inspect
import math
import operator
import pickle
import pydoc
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import pytest
import wrapt

import amorsize._api.late_map
from amorsize import InvalidOptionError, TunedFunction, WrongTypeError, autotune
from amorsize._engine.options.call_options import DEFAULTS, validated


def shown(value):
    """Part of a test's name: the same in every process, so that each of them knows its share."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


class Loop:
    """What `map` does, as plainly as can be; it remembers how it was asked."""

    def run(self, func, iterables, item_kwargs, options, name):
        self.asked = (func, options, name)
        return [func(*items, **item_kwargs) for items in zip(*iterables, strict=options.strict)]

    def stream(self, func, iterables, item_kwargs, options, ordered, buffer, name, **_):
        self.asked = (func, options, ordered, buffer, name)
        return (func(*items, **item_kwargs) for items in zip(*iterables, strict=False))

    def plan_of(self, func):
        return ("plan of", func)

    def explain(self, func):
        return f"why {func.__name__}"

    def forget(self, func):
        self.asked = (func,)
        return 1


@pytest.fixture(autouse=True)
def loop(monkeypatch):
    """Calls run in a plain loop here: what runs them otherwise has its own tests."""
    loop = Loop()
    monkeypatch.setattr(amorsize._api.late_map, "loaded", loop)
    return loop


@autotune
def power(base: int, exponent: int = 2, *, modulus: int | None = None) -> int:
    """Raise to a power."""
    return pow(base, exponent, modulus)


@autotune(n_jobs=2, chunksize=5)
def text_of(item: object) -> str:
    return str(item)


class Scale:
    """Methods of every kind, decorated in every order."""

    factor = 100

    def __init__(self, factor):
        self.factor = factor

    @autotune
    def times(self, number: int, plus: int = 0) -> int:
        return self.factor * number + plus

    @autotune
    @staticmethod
    def half(number: int) -> float:
        return number / 2

    @staticmethod
    @autotune
    def half_below(number: int) -> float:
        return number / 2

    @autotune
    @classmethod
    def shared(cls, number: int, plus: int = 0) -> int:
        return cls.factor * number + plus

    @classmethod
    @autotune
    def shared_below(cls, number: int, plus: int = 0) -> int:
        return cls.factor * number + plus

    @autotune
    def __hidden(self, number):
        return self.factor - number

    def hidden(self):
        return self.__hidden

    def __iter__(self):
        return iter([1, 2, self.factor])

    @autotune
    def __call__(self, number):
        return self.factor + number


class Double(Scale):
    factor = 200


def test_a_call_maps(loop):
    """Items in order; keywords go to every item; several iterables are zipped."""
    assert power([1, 2, 3]) == [1, 4, 9]
    assert power(iter([1, 2, 3]), exponent=3, modulus=5) == [1, 3, 2]
    assert power([2, 3], [3, 2]) == [8, 9]
    assert loop.asked == (power.__wrapped__, DEFAULTS, "power")


def test_the_machinery_gets_the_plain_function_and_the_options(loop):
    """Workers and loops never pay for the wrapper."""
    text_of([1])

    func, options, name = loop.asked
    assert type(func) is type(test_a_call_maps)
    assert options == validated(n_jobs=2, chunksize=5) == text_of.options
    assert name == "text_of"


def test_one_is_the_undecorated_function():
    """With its own signature and no wrapper."""
    assert power.one(3) == 9
    assert power.one is power.__wrapped__
    assert inspect.unwrap(power) is power.one
    assert str(inspect.signature(power.one)).startswith("(base: int, exponent: int = 2")


def test_stream_passes_its_options_on(loop):
    """Lazily; ordered or not."""
    assert next(power.stream([5, 6], exponent=3)) == 125
    assert loop.asked == (power.one, DEFAULTS, True, None, "power")
    text_of.stream([1], ordered=False, buffer=7)
    assert loop.asked == (text_of.one, text_of.options, False, 7, "text_of")


def test_using_changes_options_for_one_call(loop):
    """The decorated function itself stays as it was."""
    changed = text_of.using(n_jobs=4, timeout=5)

    assert changed([1, 2]) == ["1", "2"]
    assert loop.asked[1] == validated(n_jobs=4, chunksize=5, timeout=5)
    assert text_of.options == validated(n_jobs=2, chunksize=5)
    assert changed.one is text_of.one
    assert isinstance(changed, TunedFunction)
    with pytest.raises(InvalidOptionError, match="n_jobs=0"):
        text_of.using(n_jobs=0)


def test_what_is_known_is_asked_of_the_function(loop):
    """plan, explain and forget speak about the function, not about its wrapper."""
    assert power.plan == ("plan of", power.one)
    assert power.explain() == "why power"
    assert power.forget() == 1
    assert loop.asked == (power.one,)


def test_methods_are_bound_to_their_instance(loop):
    """Calls, and everything else that a tuned function has."""
    scale = Scale(10)

    assert scale.times([1, 2]) == [10, 20]
    assert scale.times([1, 2], plus=1) == [11, 21]
    assert scale.times([1, 2], [3, 4]) == [13, 24]
    assert scale.times.one(3, plus=1) == 31
    assert list(scale.times.stream([1, 2], plus=1)) == [11, 21]
    assert scale.times.using(n_jobs=1)([1, 2]) == [10, 20]
    assert loop.asked[1:] == (validated(n_jobs=1), "times")
    assert scale.times.plan[1] == scale.times.one
    assert isinstance(scale.times, TunedFunction)
    assert Double(3).times([1]) == [3]


def test_a_method_called_through_its_class_takes_the_instance_first():
    """As any method does."""
    scale = Scale(10)

    assert Scale.times(scale, [1, 2], plus=1) == [11, 21]
    assert Scale.times(Double(7), [1]) == [7]
    assert list(Scale.times.stream(scale, [1, 2])) == [10, 20]
    assert Scale.times.using(n_jobs=1)(scale, [1, 2]) == [10, 20]
    assert Scale.times.one(scale, 3) == 30


def test_an_instance_may_be_data_of_its_own_method():
    """What is bound already takes no second receiver; a static method takes none at all."""
    scale = Scale(10)

    assert scale.times(scale) == [10, 20, 100]
    assert Scale.half(scale) == [0.5, 1, 5]
    assert Scale.half_below(scale) == [0.5, 1, 5]
    assert Scale.shared(scale) == [100, 200, 1000]


@pytest.mark.parametrize("reached", [Scale, Scale(1)])
@pytest.mark.parametrize("name", ["half", "half_below"])
def test_static_methods(reached, name):
    """`@autotune` stands above or below `@staticmethod`."""
    half = getattr(reached, name)

    assert half([1, 2]) == [0.5, 1.0]
    assert half.one(3) == 1.5
    assert list(half.stream([4])) == [2.0]
    assert half.using(n_jobs=1)([4]) == [2.0]


@pytest.mark.parametrize(("reached", "factor"), [(Scale, 100), (Scale(1), 100), (Double, 200)])
@pytest.mark.parametrize("name", ["shared", "shared_below"])
def test_class_methods(reached, factor, name):
    """`@autotune` stands above or below `@classmethod`; the class is the one it was reached by."""
    shared = getattr(reached, name)

    assert shared([1, 2]) == [factor, 2 * factor]
    assert shared([1, 2], plus=1) == [factor + 1, 2 * factor + 1]
    if name == "shared" or sys.version_info < (3, 13):
        assert shared.one(3) == 3 * factor
        assert list(shared.stream([1])) == [factor]
        assert shared.using(n_jobs=1)([1]) == [factor]


def test_a_decorator_above_hands_the_instance_on():
    """Another decorator passes `self` as an argument, as for a plain function."""

    def logged(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            return func(*args, **kwargs)

        return wrapper

    class Logged:
        @logged
        @autotune
        def twice(self, number):
            return 2 * number

    assert Logged().twice([1, 2]) == [2, 4]


def test_special_methods():
    """`__call__` decorated makes the instance itself a map."""
    assert Scale(10)([1, 2]) == [11, 12]


@pytest.mark.parametrize(
    ("func", "data", "results"),
    [
        (math.sqrt, [4, 9], [2, 3]),
        (len, ["ab", []], [2, 0]),
        (int, ["1", "2"], [1, 2]),
        (str.upper, ["a"], ["A"]),
        ("-".join, [["a", "b"]], ["a-b"]),
        (lambda item: item + 1, [1], [2]),
        (functools.partial(pow, 2), [3, 4], [8, 16]),
        (functools.partial(functools.partial(int, base=2)), ["11"], [3]),
        (operator.itemgetter(1), ["ab"], ["b"]),
        (Scale(5).hidden, [], []),
        (functools.lru_cache(abs), [-1], [1]),
    ],
    ids=shown,
)
def test_whatever_can_be_called_can_be_tuned(func, data, results):
    """Builtins, classes, bound methods, lambdas, partials, callable objects."""
    tuned = autotune(func)

    assert tuned(data) == results
    assert tuned.one is func
    assert repr(tuned).startswith("<tuned function ")
    assert inspect.signature(tuned).return_annotation is not None
    assert autotune(n_jobs=2)(func)(data) == results


@pytest.mark.parametrize(
    ("func", "name"),
    [(power.one, "power"), (functools.partial(power.one), "power"), (operator.neg, "neg")],
)
def test_messages_name_the_function(loop, func, name):
    """A partial has the name of what it calls."""
    autotune(func)([1])

    assert loop.asked[2] == name


def test_a_callable_object_is_named_by_its_class(loop):
    """It has no name of its own."""
    autotune(operator.itemgetter(0))(["a"])

    assert loop.asked[2] == "itemgetter"


def test_tuning_twice_is_refused():
    """What is tuned already says what to do instead."""
    for tuned in (power, Scale(1).times, Scale.half, text_of.using(n_jobs=1)):
        with pytest.raises(WrongTypeError, match=r"already tuned.*\.using"):
            autotune(tuned)


def test_what_cannot_be_mapped_is_refused_when_decorating():
    """Not at the first call, somewhere else."""

    async def later(item):
        return item

    def several(item):
        yield item

    for func, words in [(later, "async"), (several, "generator"), (5, "cannot be called")]:
        with pytest.raises(WrongTypeError, match=words):
            autotune(func)
        with pytest.raises(WrongTypeError, match=words):
            autotune(n_jobs=2)(func)
    for method in (staticmethod(later), classmethod(several)):
        with pytest.raises(WrongTypeError):
            autotune(method)


def test_wrong_options_are_refused_when_decorating():
    """Before there is a function at all."""
    with pytest.raises(InvalidOptionError, match="n_jobs=0"):
        autotune(n_jobs=0)
    with pytest.raises(WrongTypeError, match="Did you mean n_jobs"):
        autotune(njobs=2)
    with pytest.raises(TypeError, match="positional"):
        autotune(power.one, 2)


def test_name_docstring_and_module_survive():
    """help(), documentation tools and error reports find the function."""
    assert power.__name__ == "power"
    assert power.__qualname__ == "power"
    assert power.one.__doc__ == "Raise to a power."
    assert power.__doc__.startswith("Raise to a power.\n\n")
    assert power.__module__ == __name__
    assert repr(power) == str(power) == f"<tuned function {__name__}.power>"
    assert repr(Scale(1).times) == f"<tuned function {__name__}.Scale.times>"
    assert "Raise to a power." in pydoc.render_doc(power)
    assert "Iterable[int]" in pydoc.render_doc(power, renderer=pydoc.plaintext)
    assert inspect.getsource(power).startswith("@autotune")
    assert isinstance(power, wrapt.FunctionWrapper)
    assert callable(power)

    @functools.wraps(power)
    def around():
        """Take its name."""

    assert around.__name__ == "power"
    assert around.__wrapped__ is power


def test_the_signature_is_the_mapped_one():
    """Items become iterables, parameters with a default become keywords for every item."""
    assert str(inspect.signature(power)) == (
        "(base: collections.abc.Iterable[int], /, *, exponent: int = 2, "
        "modulus: int | None = None) -> list[int]"
    )


def first_by_default(item=1, *more: int, named, **rest) -> None: ...


def two(left: str, right: "bytes", /, times: int = 1, *, sep=""): ...


def of_unknown(item: "Unknown", other: "int" = 0) -> "list[Unknown]": ...  # noqa: F821


@pytest.mark.parametrize(
    ("func", "signature"),
    [
        (
            first_by_default,
            "(item: Iterable, /, *more: Iterable[int], named, **rest) -> list[None]",
        ),
        (
            two,
            "(left: Iterable[str], right: Iterable[bytes], /, *, times: int = 1, sep='') -> list",
        ),
        (
            of_unknown,
            "(item: 'Iterable[Unknown]', /, *, other: 'int' = 0) -> 'list[list[Unknown]]'",
        ),
        (Scale(1).times.one, "(number: Iterable[int], /, *, plus: int = 0) -> list[int]"),
        (iter, "(*iterables: Iterable, **item_kwargs) -> list"),
        (lambda: 0, "() -> list"),
    ],
)
def test_signatures(func, signature):
    """Also where annotations are text, missing, or not to be had."""
    shown = str(inspect.signature(autotune(func))).replace("collections.abc.", "")

    assert shown == signature


def test_signatures_of_methods():
    """Without `self` where it is bound, with it where it is still to come."""
    mapped = "(number: Iterable[int], /, *, plus: int = 0) -> list[int]"

    def shown(func):
        return str(inspect.signature(func)).replace("collections.abc.", "")

    assert shown(Scale(1).times) == mapped
    assert shown(Scale.shared) == mapped
    assert shown(Scale.times) == mapped.replace("(", "(self, ")
    assert shown(Scale.half) == "(number: Iterable[int], /) -> list[float]"
    assert inspect.signature(Scale(1).times).parameters["number"].annotation == Iterable[int]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_the_name(protocol):
    """The other side imports the very same function."""
    assert pickle.loads(pickle.dumps(power, protocol)) is power
    assert len(pickle.dumps(power, protocol)) < 100


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
@pytest.mark.parametrize(
    "tuned",
    [
        Scale(10).times,
        Scale.times,
        Scale.half,
        Scale.half_below,
        Scale.shared,
        Double.shared,
        Scale(10).shared,
        vars(Scale)["shared"],
        vars(Scale)["times"],
        Scale(10).times.using(n_jobs=2),
        Scale.times.using(n_jobs=2),
        text_of,
        text_of.using(n_jobs=7),
        Double.shared.using(n_jobs=2),
        autotune(math.sqrt, n_jobs=3),
        autotune(functools.partial(pow, 2), n_jobs=3),
        autotune(int),
        autotune(Scale(10).times.one),
    ],
    ids=shown,
)
def test_what_arrives_is_the_same_with_the_same_options(tuned, dumps):
    """Methods with their instance or class, and functions with options of their own."""
    arrived = pickle.loads(dumps(tuned))

    assert isinstance(arrived, TunedFunction)
    assert arrived.options == tuned.options
    assert repr(arrived) == repr(tuned)
    data = (Scale(3), [1, 2]) if inspect.signature(tuned).parameters.get("self") else ([1, 2],)
    if vars(Scale)["shared"] is not tuned:
        assert arrived(*data) == tuned(*data)


def test_closures_and_lambdas_travel_by_cloudpickle():
    """By value: their options come along, an executor stays behind."""
    offset = 5
    with ThreadPoolExecutor(1) as executor:
        tuned = autotune(lambda item: item + offset, executor=executor, seed=3)
        arrived = pickle.loads(cloudpickle.dumps(tuned))

    assert arrived([1, 2]) == [6, 7]
    assert isinstance(arrived, TunedFunction)
    assert arrived.options == validated(seed=3)


def test_a_method_of_a_private_name_travels():
    """Its attribute is not called as it is named."""
    arrived = pickle.loads(cloudpickle.dumps(Scale(10).hidden()))

    assert arrived([1]) == [9]
    assert isinstance(arrived, TunedFunction)


SCRIPT = """
import pickle, sys, types
import cloudpickle
import amorsize._api.late_map
from amorsize import TunedFunction, autotune

def run(func, iterables, item_kwargs, options, name):
    return [func(*items, **item_kwargs) for items in zip(*iterables)]
amorsize._api.late_map.loaded = types.SimpleNamespace(run=run)

OFFSET = 10

@autotune(n_jobs=2)
def add(number, depth=0):
    if depth:
        return add([number, number], depth=depth - 1)
    return number + OFFSET

class Adder:
    def __init__(self, plus):
        self.plus = plus
    @autotune
    def add(self, number):
        return number + self.plus

# By name where the same script is there to be asked: a forked child, or one that ran it again.
assert pickle.loads(pickle.dumps(add))([1]) == [11]
assert pickle.loads(pickle.dumps(add)).options.n_jobs == 2
assert pickle.loads(pickle.dumps(add)).one is add.one
assert pickle.loads(pickle.dumps(Adder(1).add))([1]) == [2]
assert pickle.loads(pickle.dumps(add.using(n_jobs=3))).options.n_jobs == 3

sys.stdout.buffer.write(cloudpickle.dumps((add, add.using(n_jobs=5), Adder(3).add, add.one)))
"""


def test_functions_of_the_main_script_travel_by_value(tmp_path):
    """Where another script is `__main__`, cloudpickle brings the code, still tuned."""
    (tmp_path / "script.py").write_text(SCRIPT)
    script = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        check=True,
        timeout=30,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""},
    )

    add, changed, method, one = pickle.loads(script.stdout)

    assert isinstance(add, TunedFunction)
    assert add([1, 2]) == [11, 12]
    assert add([1], depth=1) == [[11, 11]]
    assert (add.options.n_jobs, changed.options.n_jobs) == (2, 5)
    assert method([1]) == [4]
    assert one(1) == 11


def test_copies():
    """A function is its own copy; a method of a copied instance belongs to the copy."""
    assert copy.copy(power) is power
    assert copy.deepcopy([power])[0] is power

    class Holder:
        def __init__(self):
            self.factor = 1
            self.map = autotune(self.times, n_jobs=2)

        def times(self, number):
            return self.factor * number

    copied = copy.deepcopy(holder := Holder())
    holder.factor = 5
    assert copied.map([3]) == [3]
    assert copied.map.options.n_jobs == 2
    bound = copy.deepcopy(scale_times := Scale(10).times)
    assert bound([1]) == scale_times([1])


def test_attributes_of_the_function_stay_reachable():
    """Set before or after decorating; what a tuned function has of its own cannot be set."""

    def marked(item):
        return item

    marked.mark = 1
    tuned = autotune(marked)
    tuned.other = 2

    assert vars(tuned) is vars(marked)
    assert tuned.mark == 1
    assert marked.other == 2
    with pytest.raises(AttributeError):
        tuned.plan = None


def test_keywords_of_any_name_reach_the_items():
    """Even those that the wrapper's own parameters are called by."""
    tuned = autotune(lambda item, **named: sorted(named))

    assert tuned([1], self=1, func=2, name=3, iterables=4, options=5) == [
        ["func", "iterables", "name", "options", "self"]
    ]
