"""What a new interpreter cannot have as the caller has it: told, and never silently another result.

Tests run beside a thread, so that worker processes are new interpreters.
"""

import ast
import calendar
import contextlib
import fractions
import os
import shutil
import string
import sys
import textwrap
import time
import types
import warnings
import weakref
from pathlib import Path
from unittest import mock

import pytest

import amorsize
from amorsize import autotune, tuned_map
from amorsize._function.library import mocks
from amorsize._function.sharing.thread_safety import reach
from amorsize._host import procfs
from amorsize.errors import AmorsizeWarning, SerializationError

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="tested on Linux")

N = 100


def computes(answer):
    """Makes items long enough for workers."""

    def item(k):
        until = time.thread_time() + 3e-3
        while time.thread_time() < until:
            pass
        return answer(k)

    return item


#: What the code that is mapped may have mocks of, each with an answer that would mislead workers.
OF_KERNEL = {
    **dict.fromkeys(("_exit", "close", "kill", "set_blocking", "write"), None),
    **{"fork": 0, "getpid": -1, "getppid": -1, "pipe": (0, 1), "read": b"", "waitpid": (0, 0)},
}


@pytest.mark.forks
@pytest.mark.parametrize("replaced", OF_KERNEL)
def test_workers_live_where_a_function_of_the_kernel_is_replaced(monkeypatch, replaced):
    """By a mock meant for the code that is mapped: with one of `os._exit`, a worker ran on."""
    monkeypatch.setenv("AMORSIZE_START", "fork")

    with mock.patch.object(os, replaced, return_value=OF_KERNEL[replaced]):
        assert tuned_map(abs, range(-9, 0), backend="process") == list(range(9, 0, -1))


def test_workers_ask_the_kernel_for_what_programs_replace():
    """Wherever a call runs: not by a name that a mock may stand for."""
    root = Path(amorsize.__file__).parent
    for part in ("_workers", "_engine", "_host"):
        for path in (root / part).rglob("*.py"):
            for one in ast.walk(ast.parse(path.read_text())):
                if isinstance(one, ast.Attribute) and getattr(one.value, "id", "") == "os":
                    is_of_gevent = path.name == "forking.py" and one.attr == "fork"
                    assert one.attr not in OF_KERNEL or is_of_gevent, path


def test_nothing_that_runs_in_a_call_opens_files_by_the_builtin():
    """A mock in its place would count files that the loop does not open, and answer for /proc."""
    root = Path(amorsize.__file__).parent
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[0] not in ("cli", "history", "tuning", "_page", "_plots"):
            calls = [one for one in ast.walk(ast.parse(path.read_text())) if type(one) is ast.Call]
            named = {one.func.id for one in calls if isinstance(one.func, ast.Name)}
            assert "open" not in named, path

    with mock.patch("builtins.open", mock.mock_open(read_data="1")) as opened:
        assert "VmRSS" in procfs.read("/proc/self/status")
    opened.assert_not_called()


# -- numbers of descriptors ------------------------------------------------------------------

NUMBER = os.open(__file__, os.O_RDONLY)
HELD = {"source": NUMBER}


class Source:
    def __init__(self, number):
        self.number = number

    def n_bytes(self, _):
        return os.fstat(self.number).st_size


SOURCE = Source(NUMBER)


def first_line(_):
    with open(NUMBER, closefd=False) as file:
        return os.pread(file.fileno(), 3, 0)


def by_its_path(_):
    return os.readlink(f"/proc/self/fd/{NUMBER}")


def beside_a_file_of_its_own(_):
    with open(__file__):
        return os.fstat(HELD["source"]).st_size


def a_copy(_):
    number = os.dup(NUMBER)
    try:
        return os.fstat(number).st_size
    finally:
        os.close(number)


OF_DESCRIPTORS = [first_line, by_its_path, beside_a_file_of_its_own, a_copy, SOURCE.n_bytes]


@pytest.mark.parametrize("function", OF_DESCRIPTORS, ids=lambda one: one.__name__)
def test_auto_leaves_numbers_of_descriptors_in_the_caller(function, beside_a_thread):
    tuned = autotune(computes(function), cache=False)

    assert tuned(range(N)) == [function(k) for k in range(N)]


@pytest.mark.parametrize("function", OF_DESCRIPTORS, ids=lambda one: one.__name__)
def test_who_asks_for_processes_is_told_of_descriptors(function, beside_a_thread):
    """Whatever comes of it: the number is nobody's there, or another file's."""
    with pytest.warns(AmorsizeWarning, match="descriptors have other numbers"):
        tuned_map(function, range(2), backend="process", return_exceptions=True)


def own_file(_):
    with open(__file__) as file:
        return os.fstat(file.fileno()).st_size


def number_that_is_none(k):
    return round(NUMBER, k), max(NUMBER, k)


@pytest.mark.parametrize("function", [own_file, number_that_is_none])
def test_of_files_that_items_open_nothing_is_told(function, beside_a_thread):
    assert reach(function).at_descriptors == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tuned_map(function, range(2), backend="process")
    assert found == [function(0), function(1)]


# -- what a mock stands for ------------------------------------------------------------------


def found_shell(_):
    return shutil.which("sh")


def filled(k):
    return textwrap.fill(f"{k} items of it")


def month(_):
    return calendar.month(2026, 2)


def refused(*_):
    """Stands for a function that a test replaces by one of its own."""
    return ""


def shortened(*_):
    return "day"


REPLACED = {  # in a library, and named by none of the functions' own code
    "function by a mock": (found_shell, lambda: mock.patch("os.path.exists", return_value=False)),
    "function by a lambda": (found_shell, lambda: mock.patch("os.access", refused)),
    "method by a lambda": (
        filled,
        lambda: mock.patch.object(textwrap.TextWrapper, "fill", refused),
    ),
    "method by a mock": (
        filled,
        lambda: mock.patch("textwrap.TextWrapper.wrap", return_value=["wrapped"]),
    ),
    "method of another module": (
        month,
        lambda: mock.patch("calendar.TextCalendar.formatweekday", shortened),
    ),
}


@pytest.mark.parametrize("name", REPLACED)
def test_auto_stays_where_a_mock_stands(name, beside_a_thread):
    """A library calls what was replaced: one call never has both."""
    function, patch = REPLACED[name]
    with patch():
        expected = [function(k) for k in range(N)]
        tuned = autotune(computes(function), cache=False)

        assert tuned(range(N)) == expected


@pytest.mark.parametrize("name", REPLACED)
def test_who_asks_for_processes_is_told_of_mocks(name, beside_a_thread):
    function, patch = REPLACED[name]
    is_told = pytest.warns(AmorsizeWarning, match="as it was before a mock")
    says_so_as_well = contextlib.suppress(SerializationError)
    with patch(), is_told, says_so_as_well:
        tuned_map(function, range(2), backend="process", return_exceptions=True)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("fractions.Fraction.limit_denominator", "Fraction.limit_denominator"),
        ("shutil.copyfile", "shutil.copyfile"),
    ],
)
def test_a_patch_that_was_started_is_found_until_it_is_stopped(place, told):
    patch = mock.patch(place, fractions.Fraction.__abs__)
    patch.start()
    try:
        assert told in mocks.why_not_new_interpreters()
    finally:
        patch.stop()
    assert mocks.why_not_new_interpreters() is None


CHANGES = {  # in modules of libraries that were found clean before
    **{name: patch for name, (_, patch) in REPLACED.items()},
    "data by a mock": lambda: mock.patch("string.digits", mock.Mock()),
    "a new name": lambda: mock.patch("string.no_such_name", refused, create=True),
    "a module by a mock": lambda: mock.patch.dict(sys.modules, {"calendar": mock.Mock()}),
    "a module by another": lambda: mock.patch.dict(sys.modules, {"calendar": with_a_mock()}),
    "a class by a mock": lambda: mock.patch("fractions.Fraction"),
    "in a class that was replaced": lambda: mock.patch("fractions.Fraction", of_a_library()),
}


def with_a_mock():
    module = types.ModuleType("calendar")
    module.month = mock.Mock()
    return module


def of_a_library():
    """A class that tells that it is a library's, with a function of the project in it."""
    return type("Fraction", (), {"__module__": "fractions", "limit_denominator": refused})


@pytest.mark.parametrize("name", CHANGES)
def test_a_library_that_was_clean_is_looked_at_again_when_it_changes(name):
    """What was found is kept between calls for as long as nothing is another."""
    assert mocks.why_not_new_interpreters() is None

    with CHANGES[name]():
        assert "as it was before a mock" in mocks.why_not_new_interpreters()
    assert mocks.why_not_new_interpreters() is None


def test_libraries_that_did_not_change_are_not_looked_through_again(monkeypatch):
    """To see that nothing has changed takes a third of the time."""
    assert mocks.why_not_new_interpreters() is None
    monkeypatch.setattr(mocks, "_standing", lambda *_: iter(["all that was looked through again"]))

    assert mocks.why_not_new_interpreters() is None
    monkeypatch.setattr("string.digits", 10)
    assert "looked through again" in mocks.why_not_new_interpreters()


def test_what_libraries_drop_is_freed():
    """Nothing but functions and classes is kept to be compared."""
    string.held_for_a_while = held = Held()
    freed = weakref.ref(held)
    del held
    assert mocks.why_not_new_interpreters() is None

    del string.held_for_a_while
    assert freed() is None


class Held:
    """What a library may keep for a while."""


def test_what_is_the_projects_own_is_carried(beside_a_thread):
    """As any other state of its modules; and so is the environment."""
    with mock.patch(f"{__name__}.NUMBER", 77), mock.patch.dict(os.environ, STANDS_IN="yes"):
        assert mocks.why_not_new_interpreters() is None

        def told(_):
            return NUMBER, os.environ["STANDS_IN"]

        assert tuned_map(told, range(2), backend="process") == [(77, "yes")] * 2


def test_library_functions_with_other_names_are_no_stand_ins():
    """Nothing is told of a program that has only loaded `unittest.mock`."""
    assert mocks.why_not_new_interpreters() is None
