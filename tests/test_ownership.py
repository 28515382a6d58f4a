"""Whose code a function is: the package that it comes from is the project's, wherever it lies."""

import functools
import sys

import pytest
import state_items

from amorsize import tuned_map
from amorsize._function.needs.dependencies import needs_of
from amorsize._function.ownership import Owns
from amorsize._function.sharing import thread_safety
from amorsize._workers.protocol import Task
from amorsize._workers.tasks.payload import Payload

TOOLS = """
LIMIT = 5

class Sizes:
    def of(self, x):
        return min(x, LIMIT)

    def __call__(self, x):
        return self.of(x)

def scaled(x, by=1):
    return min(x, LIMIT) * by
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A package of the project that was installed."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "installed_tools.py").write_text(TOOLS)
    monkeypatch.syspath_prepend(site)
    import installed_tools

    yield installed_tools
    monkeypatch.delitem(sys.modules, "installed_tools")


@pytest.mark.parametrize(
    "mapped",
    [
        lambda tools: tools.scaled,
        lambda tools: functools.partial(tools.scaled, by=2),
        lambda tools: tools.Sizes().of,
        lambda tools: tools.Sizes(),
        lambda tools: functools.partial(functools.partial(tools.Sizes().of)),
    ],
    ids=["function", "partial", "method", "instance", "partial of a method"],
)
def test_an_installed_package_is_the_projects_if_its_function_is_mapped(mapped, tools):
    """Its state goes along with the function; it is nobody's where another function is mapped."""
    function = mapped(tools)

    assert Owns([function]).module("installed_tools")
    assert needs_of([function]).settings["installed_tools:LIMIT"] == 5
    assert not Owns([len]).module("installed_tools")


@pytest.mark.parametrize("make", [lambda np: np.sqrt, lambda np: functools.partial(np.add, 1)])
def test_a_compiled_function_makes_no_package_the_projects(make):
    """It has no code of the package that could be read, and other packages are large."""
    np = pytest.importorskip("numpy")

    assert not Owns([make(np)]).module("numpy")


def test_an_item_makes_no_package_the_projects():
    """It is the function that tells whose code is run."""
    np = pytest.importorskip("numpy")

    assert not needs_of([TOOLS.count], np.zeros(3)).owns.module("numpy")
    assert not needs_of([TOOLS.count], np.ma.zeros(3)).owns.module("numpy")


LARGE = {
    "object of NumPy": lambda np, _: np.vectorize(state_items.by_global),
    "method that takes functions": lambda _, pd: pd.DataFrame({"a": [1, 2]}).apply,
    "method of a column": lambda _, pd: pd.Series([1, 2]).map,
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_a_large_library_is_never_the_projects(make):
    """It would be read for a second, and refused for what some other part of it does."""
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    function = make(np, pd)
    needs = needs_of([function])

    assert not needs.owns.module("numpy")
    assert not needs.owns.module("pandas")
    assert not any(one.startswith("class ") for one in thread_safety.reach(function).shared)
    assert Payload(Task(function), function).why_not() is None


def test_what_an_object_of_a_library_calls_is_followed(monkeypatch):
    """The function in a `vectorize` has what the program has set since the import."""
    np = pytest.importorskip("numpy")
    mapped = np.vectorize(state_items.by_global)
    monkeypatch.setattr(state_items, "FACTOR", 11)
    monkeypatch.setenv("AMORSIZE_START", "clean")

    assert needs_of([mapped]).settings["state_items:FACTOR"] == 11
    assert needs_of([mapped.__call__]).settings["state_items:FACTOR"] == 11
    found = tuned_map(mapped, [[1], [2]], backend="process", n_jobs=1)
    assert [one.tolist() for one in found] == [mapped([1]).tolist(), mapped([2]).tolist()]


SEEN = {}


def note(x):
    SEEN["last"] = x
    return x


@pytest.mark.parametrize(
    ("make", "items"),
    [
        (lambda np, _: np.vectorize(note), [[1], [2]]),
        (lambda _, pd: pd.DataFrame({"a": [1]}).apply, [note, note]),
    ],
    ids=["held", "handed over"],
)
def test_what_a_method_of_a_large_library_calls_is_read(make, items):
    """Whether its object holds the function, or an item is it."""
    function = make(pytest.importorskip("numpy"), pytest.importorskip("pandas"))

    assert thread_safety.examine(function, items)[0].stores == ("global SEEN[...]",)
