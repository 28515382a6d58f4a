"""Importing amorsize and decorating loads next to nothing, told by the modules, never by a clock.

A program pays for an import before its first item; many a job is over in less than `inspect` takes.
"""

import importlib
import pkgutil

import pytest

import amorsize

HEAVY = (
    *("typing", "dataclasses", "inspect", "re", "enum", "json", "pickle", "logging", "functools"),
    *("subprocess", "socket", "multiprocessing", "hashlib", "asyncio", "threading", "contextlib"),
    *("importlib.metadata", "traceback", "tempfile", "pathlib", "collections"),
    *("wrapt", "psutil", "diskcache", "cloudpickle", "loky", "tqdm", "rich", "platformdirs"),
)
OURS = (
    *(
        "amorsize",
        "amorsize._api.decorator",
        "amorsize._api.late_map",
        "amorsize._api.receivers",
        "amorsize._host.signals",
        "amorsize._engine.call_options",
        "amorsize._engine.call_checks",
        "amorsize._engine.option_checks",
    ),
    *(
        "amorsize._host.descriptors",
        "amorsize._api.wrapt_proxy",
        "amorsize.errors",
        "amorsize.policy",
    ),
    *("amorsize._function.callables", "amorsize.policy.value"),
    *("amorsize._api", "amorsize._engine", "amorsize._function", "amorsize._host"),
)
DECORATING = """
import sys
before = set(sys.modules)
from amorsize import autotune

@autotune
def parse(path):
    return path

@autotune(n_jobs=2, timeout=5, setup=print)
def load(path):
    return path

class Parser:
    @autotune
    def parse(self, path):
        return path

method = Parser().parse
changed = parse.using(n_jobs=3)
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture
def loaded(run_script):
    """The modules that importing and decorating load, in a process that did nothing else."""
    return set(run_script(DECORATING).stdout.split())


def test_decorating_loads_nothing_heavy(loaded):
    """Not typing, not dataclasses, not the package of wrapt."""
    before = set(HEAVY) & loaded

    assert before == set()


def test_decorating_loads_what_decorating_takes(loaded):
    """What runs a call waits for the first call; wrapt is its one compiled module."""
    assert {name for name in loaded if name.split(".")[0] == "amorsize"} == set(OURS)
    assert {name for name in loaded if name.split(".")[0] == "wrapt"} == {"wrapt._wrappers"}


def test_importing_the_package_loads_no_part_of_it(run_script):
    """`import amorsize` alone is a table of names."""
    script = "import sys, amorsize\nprint(*[m for m in sys.modules if m.startswith('amorsize.')])"

    assert run_script(script).stdout.split() == []


@pytest.mark.parametrize(
    "imports",
    [
        "import amorsize._api.decorator\nimport wrapt",
        "import wrapt\nimport amorsize._api.decorator",
        "import wrapt._wrappers\nimport amorsize._api.decorator",
        "import os\nos.environ['WRAPT_DISABLE_EXTENSIONS'] = '1'\n"
        "import amorsize._api.decorator\nimport wrapt",
    ],
    ids=["wrapt after", "wrapt before", "its compiled module before", "no compiled module"],
)
def test_wrapt_and_amorsize_share_one_wrapper(run_script, imports):
    """Whoever imports first, a tuned function is an instance of wrapt's own classes."""
    script = f"""
{imports}
from amorsize import autotune
length = autotune(len)
assert isinstance(length, wrapt.FunctionWrapper)
assert issubclass(type(length).__bound_function_wrapper__, wrapt.BoundFunctionWrapper)
@wrapt.decorator
def passing(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)
assert passing(len)([1]) == 1
assert passing(length).one([1, 2]) == 2
"""
    run_script(script)


def test_without_a_compiled_module_the_package_does(run_script):
    """A module built for another interpreter is no reason to fail."""
    script = """
import sys
from _frozen_importlib_external import PathFinder
find = PathFinder.find_spec
def nothing_compiled(name, path=None, target=None):
    return None if name == "wrapt._wrappers" else find(name, path, target)
PathFinder.find_spec = nothing_compiled
from amorsize import autotune
assert "wrapt" in sys.modules
assert autotune(len).one([1]) == 1
"""
    run_script(script)


def test_the_face_is_sorted_and_there():
    """Everything that `__all__` promises can be had, and `dir` shows it."""
    assert amorsize.__all__ == sorted(amorsize.__all__)
    for name in amorsize.__all__:
        assert getattr(amorsize, name) is not None
        assert name in dir(amorsize)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        amorsize.no_such_name  # noqa: B018


def test_no_public_function_shares_a_name_with_a_module():
    """What `import amorsize.x` would overwrite cannot be a function called `x`."""
    modules = {module.name for module in pkgutil.iter_modules(amorsize.__path__)}

    for name in set(amorsize.__all__) & modules:
        assert getattr(amorsize, name) is importlib.import_module(f"amorsize.{name}")
