"""Whose code a function is: the package that it comes from is the project's, wherever it lies."""

import functools
import sys

import pytest

from amorsize._function.dependencies import needs_of
from amorsize._function.ownership import Owns

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
