"""Options, functions and data that cannot be right are refused at once, in words that help."""

import ast
import functools
import math
from collections import OrderedDict, UserDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import amorsize
from amorsize import InvalidOptionError, WrongTypeError
from amorsize._engine.options import call_options
from amorsize._engine.options.call_checks import check_data, check_function
from amorsize._engine.options.call_options import (
    DEFAULTS,
    HABITS,
    HINTS,
    environment_backend,
    merged,
    spelled,
    validated,
)


def test_without_options_the_shared_defaults_are_used():
    """A call without options constructs nothing."""
    assert validated() is DEFAULTS
    assert merged(DEFAULTS) is DEFAULTS


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backend", "process"),
        ("n_jobs", -1),
        ("n_jobs", None),
        ("n_jobs", 64),
        ("chunksize", 1),
        ("timeout", 0.5),
        ("retries", 0),
        ("seed", 0),
        ("thread_safe", False),
        ("setup", print),
        ("strict", True),
    ],
)
def test_allowed_values_are_kept(option, value):
    """What is allowed arrives as it was said."""
    assert getattr(validated(**{option: value}), option) == value


def test_numbers_of_numpy_become_plain_ones():
    """An option may be computed with numpy; what is kept is a plain number."""
    options = validated(n_jobs=np.int64(3), timeout=np.float32(0.5))

    assert type(options.n_jobs) is int
    assert type(options.timeout) is float


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backend", "threads"),
        ("backend", ""),
        ("n_jobs", 0),
        ("n_jobs", -2),
        ("chunksize", 0),
        ("timeout", 0),
        ("timeout", -1.0),
        ("timeout", math.inf),
        ("timeout", math.nan),
        ("retries", -1),
        ("seed", -1),
        ("start_timeout", 0),
    ],
)
def test_a_value_that_is_not_allowed_is_named(option, value):
    """The message has the option, the value and what is allowed."""
    with pytest.raises(InvalidOptionError, match=f"^{option}=") as caught:
        validated(**{option: value})

    assert repr(value) in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backend", 3),
        ("backend", None),
        ("executor", ThreadPoolExecutor),  # the class
        ("executor", "threads"),
        ("n_jobs", 2.0),
        ("n_jobs", True),
        ("n_jobs", "4"),
        ("n_jobs", np.array([1, 2])),
        ("chunksize", 1.5),
        ("chunksize", False),
        ("setup", "connect"),
        ("teardown", 0),
        ("thread_safe", 1),
        ("timeout", "5"),
        ("timeout", True),
        ("timeout", np.array([1.0, 2.0])),
        ("retries", None),
        ("engine", "GPU"),
        ("engine", [("priority", 1)]),
        ("start_timeout", "5"),
        ("return_exceptions", 1),
        ("seed", "x"),
        ("progress", None),
        ("cache", "off"),
        ("retune", 0),
        ("strict", "yes"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(option, value):
    """A bool is not an integer, a string is not a number, a class is not an instance."""
    with pytest.raises(WrongTypeError, match=f"^{option}=") as caught:
        validated(**{option: value})

    assert type(value).__name__ in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_an_unknown_option_names_its_neighbours():
    """`n_job` is answered with `n_jobs`, and with all there is."""
    with pytest.raises(WrongTypeError, match=r"no option 'n_job'\. Did you mean n_jobs") as caught:
        validated(n_job=4)

    assert all(name in str(caught.value) for name in DEFAULTS.as_dict())


@pytest.mark.parametrize(
    ("habit", "ours"),
    [
        ("max_workers", "n_jobs"),  # concurrent.futures
        ("processes", "n_jobs"),  # multiprocessing
        ("workers", "n_jobs"),
        ("n_workers", "n_jobs"),  # dask
        ("chunk_size", "chunksize"),  # mpire
        ("batch_size", "chunksize"),  # joblib
        ("initializer", "setup"),
        ("initargs", "setup"),
        ("verbose", "progress"),
        ("maxtasksperchild", "max_worker_memory"),
        ("random_state", "seed"),
    ],
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda **options: amorsize.autotune(len, **options),
        lambda **options: amorsize.autotune(**options),
        lambda **options: amorsize.autotune(len).using(**options),
        lambda **options: amorsize.tuned_map(len, ["a"], **options),
    ],
    ids=["autotune", "autotune()", "using", "tuned_map"],
)
def test_options_of_other_libraries_are_answered_with_ours(ask, habit, ours):
    """However unlike ours a name is spelled: `batch_size` is no `max_worker_memory`."""
    with pytest.raises(WrongTypeError, match=rf"no option '{habit}'\. Here it is {ours}: \w+"):
        ask(**{habit: 4})


def test_habits_lead_to_options():
    """What is answered exists, is explained, and is no option of ours itself."""
    assert set(HABITS.values()) == set(HINTS) <= set(DEFAULTS.as_dict())
    assert not set(HABITS) & set(DEFAULTS.as_dict())


def test_defaults_that_are_spelled_are_no_options():
    """A call of `tuned_map` that names a default constructs nothing either."""
    arguments = {**DEFAULTS.as_dict(), "unknown": {}, "func": len}

    assert spelled(arguments) is DEFAULTS
    assert spelled({**arguments, "n_jobs": 3}) == validated(n_jobs=3)
    with pytest.raises(WrongTypeError, match="retries=True"):
        spelled({**arguments, "retries": True})  # equal to the default, yet no number


def test_a_misspelt_backend_names_its_neighbour():
    """The word a user of another library would write is understood, not guessed."""
    with pytest.raises(InvalidOptionError, match="Did you mean 'process'"):
        validated(backend="processes")


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_an_executor_excludes_a_backend(backend):
    """Both say where items run."""
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(InvalidOptionError, match="exclude each other"):
            validated(executor=executor, backend=backend)
        assert validated(executor=executor).executor is executor


def test_the_loop_cannot_keep_a_timeout():
    """A promise that nobody can keep is not taken."""
    with pytest.raises(InvalidOptionError, match="timeout= cannot be kept with backend='serial'"):
        validated(backend="serial", timeout=1)


@pytest.mark.parametrize("option", [{"timeout": 5}, {"teardown": print}, {"max_worker_memory": 9}])
@pytest.mark.parametrize("where", ["backend='dask'", "backend='ray'", "executor="])
def test_workers_of_others_are_not_asked_for_what_they_cannot_keep(where, option):
    """It is refused when decorating, in the same words for each of them."""
    with ThreadPoolExecutor(1) as executor:
        name, _, value = where.partition("=")
        asked = {name: value.strip("'") or executor}
        with pytest.raises(InvalidOptionError, match=f"{next(iter(option))}= .* kept with {where}"):
            validated(**asked, **option)


def test_merged_changes_what_is_named_and_checks_it():
    """`using` keeps the other options."""
    base = validated(n_jobs=2, timeout=5)

    assert merged(base, n_jobs=3) == validated(n_jobs=3, timeout=5)
    with pytest.raises(InvalidOptionError, match="n_jobs"):
        merged(base, n_jobs=0)
    with pytest.raises(WrongTypeError, match="no option"):
        merged(base, workers=3)


def test_what_is_said_last_wins():
    """An executor for one call replaces the backend of the decorator, and the other way round."""
    with ThreadPoolExecutor(1) as executor:
        changed = merged(validated(backend="process"), executor=executor)
        assert (changed.backend, changed.executor) == ("auto", executor)
        changed = merged(changed, backend="thread")
        assert (changed.backend, changed.executor) == ("thread", None)
        with pytest.raises(InvalidOptionError, match="exclude"):
            merged(DEFAULTS, backend="thread", executor=executor)


def test_type_checkers_know_every_option():
    """The keywords that type checkers see are the options, with their types."""
    tree = ast.parse(Path(call_options.__file__).read_text())
    fields = {
        node.name: {
            line.target.id: ast.unparse(line.annotation)
            for line in node.body
            if isinstance(line, ast.AnnAssign)
        }
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert fields["Changes"] == fields["Options"]


@pytest.mark.parametrize(
    ("value", "backend"),
    [(None, None), ("", None), ("auto", None), ("serial", "serial"), (" Thread ", "thread")],
)
def test_the_environment_may_choose_the_backend(monkeypatch, value, backend):
    """AMORSIZE_BACKEND=serial makes every call the plain loop."""
    if value is None:
        monkeypatch.delenv("AMORSIZE_BACKEND", raising=False)
    else:
        monkeypatch.setenv("AMORSIZE_BACKEND", value)

    assert environment_backend() == backend


def test_a_wrong_backend_in_the_environment_is_named(monkeypatch):
    """The message names the variable, for the caller wrote no such option."""
    monkeypatch.setenv("AMORSIZE_BACKEND", "loop")

    with pytest.raises(InvalidOptionError, match="AMORSIZE_BACKEND is 'loop'"):
        environment_backend()


def generator(item):
    yield item


async def coroutine(item):
    return item


async def async_generator(item):
    yield item


class Generating:
    def __call__(self, item):
        yield item

    def method(self, item):
        yield item


class Plain:
    def __call__(self, item):
        return item

    async def __aenter__(self):
        return self


class Broken:
    def __repr__(self):
        raise RuntimeError("no name")


@pytest.mark.parametrize(
    ("func", "word"),
    [
        (generator, "generator function"),
        (functools.partial(functools.partial(generator)), "generator function"),
        (Generating(), "generator function"),
        (Generating().method, "generator function"),
        (functools.partial(Generating().method), "generator function"),
        (coroutine, "async function"),
        (functools.partial(coroutine, 1), "async function"),
        (async_generator, "async generator function"),
        (5, "cannot be called"),
        (Broken(), "cannot be called"),
        (None, "cannot be called"),
    ],
)
def test_what_gives_no_result_per_item_is_refused(func, word):
    """Found through partials, bound methods and callable objects."""
    with pytest.raises(WrongTypeError, match=word):
        check_function(func)


@pytest.mark.parametrize(
    "func",
    [
        len,
        int,
        Path,
        str.upper,
        "a".join,
        lambda item: item,
        functools.partial(int, base=2),
        Plain(),
        Plain().__call__,
        functools.lru_cache(abs),
        np.sqrt,
        np.vectorize(abs),
    ],
)
def test_what_can_be_called_per_item_is_accepted(func):
    """Functions, classes, builtins, partials and callable objects."""
    check_function(func)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a.txt", ["str", "'a.txt'", "parse.one(x)", "parse([x])", "parse(list(x))"]),
        (b"abc", ["bytes", "parse.one(x)", "parse([x])"]),
        (bytearray(b"abc"), ["bytearray", "parse.one(x)"]),
        (Path("a.txt"), ["Path", "parse.one(x)", "parse([x])", "parse(x.iterdir())"]),
        ({"a": 1}, ["dict", "parse(d.items())", "parse(d.values())"]),
        (OrderedDict(), ["OrderedDict", "parse(d.items())"]),
        (UserDict(), ["UserDict", "parse(d.items())"]),
        (MappingProxyType({}), ["mappingproxy", "parse(d.items())"]),
        (5, ["5 (int)", "cannot be iterated over", "parse.one(x)"]),
        (None, ["None", "cannot be iterated over"]),
        (len, ["cannot be iterated over"]),
        (async_generator(1), ["async iterable", "async for"]),
        (Broken(), ["<Broken>", "cannot be iterated over"]),
    ],
)
def test_data_that_is_one_item_names_the_right_call(data, words):
    """A single path where a list of paths belongs is no list of its letters."""
    with pytest.raises(WrongTypeError) as caught:
        check_data(([1], data), "parse")

    message = str(caught.value)
    assert not [word for word in words if word not in message], message


def test_a_plain_function_is_called_by_its_name():
    """Beside `tuned_map` there is no `.one`."""
    with pytest.raises(WrongTypeError, match=r"parse\(x\).*tuned_map\(parse, \[x\]\)"):
        check_data(("abc",), "parse", decorated=False)


def test_a_long_value_is_cut_in_the_message():
    """A message stays readable whatever was passed."""
    with pytest.raises(WrongTypeError) as caught:
        check_data(("x" * 10_000,), "parse")

    assert len(str(caught.value)) < 400


def test_no_data_at_all_is_refused():
    """As `map(f)` is."""
    with pytest.raises(WrongTypeError, match=r"Call parse\(data\)"):
        check_data((), "parse")


class OldSequence:
    def __getitem__(self, index):
        return [1, 2][index]


@pytest.mark.parametrize(
    "data",
    [
        [],
        (1,),
        range(3),
        {1, 2},
        iter([1]),
        (item for item in [1]),
        {"a": 1}.items(),
        np.arange(3),
        OldSequence(),
    ],
)
def test_any_other_iterable_is_accepted(data):
    """Sized or not, a sequence or not; nothing is taken from it."""
    check_data((data,), "parse")


@pytest.mark.parametrize(
    "given", [{"engine": {"priority": 1}}, {"start_timeout": 5}], ids=["engine", "start_timeout"]
)
def test_what_only_an_engine_can_keep_needs_one(given, monkeypatch):
    """It is not accepted and ignored; the environment may name the engine."""
    monkeypatch.delenv("AMORSIZE_BACKEND", raising=False)
    with pytest.raises(InvalidOptionError, match="cannot be kept with amorsize's own workers"):
        validated(**given)

    validated(backend="dask", **given)
    validated(executor="ray", **given)
    monkeypatch.setenv("AMORSIZE_BACKEND", "dask")
    validated(**given)
