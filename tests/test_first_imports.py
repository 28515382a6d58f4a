"""Modules that an item is the first to import are imported once, by the program itself."""

import importlib
import sys
import textwrap
from types import ModuleType

import pytest

from amorsize._function.sharing.first_imports import effect_of_import, load_ahead, unloaded_in

FILES = {
    "core.py": """
        REGISTRY, SEEN = {}, []

        def register(func):
            REGISTRY[func.__name__] = func
            return func

        class Base:
            def __init_subclass__(cls):
                SEEN.append(cls.__name__)
    """,
    "by_decorator.py": """
        from core import register

        @register
        def late():
            return 1
    """,
    "by_class.py": """
        import core

        class Late(core.Base):
            pass
    """,
    "prints.py": "print('loaded')",
    "fills.py": "import core\ncore.SEEN.append(1)",
    "assigns.py": "import core\ncore.LIMIT = 5",
    "counts.py": "with open('count', 'a') as file:\n    file.write('x')",
    "leads_on.py": "import prints",
    "runs.py": "def begin():\n    print('begun')\n\nbegin()",
    "plugins/__init__.py": "",
    "plugins/one.py": "import core\ncore.SEEN.append('one')",
    "plugins/plain.py": "LIMIT = 5",
    "lazy/__init__.py": """
        import sys, types
        sys.modules[__name__].__class__ = type("Lazy", (types.ModuleType,), {})
    """,
    "lazy/one.py": "import core\ncore.SEEN.append('one')",
    "lazy/plain.py": "LIMIT = 5",
    "harmless.py": """
        from __future__ import annotations
        import re, enum, json
        from dataclasses import dataclass, field
        from functools import lru_cache
        from typing import NamedTuple
        try:
            import nothing_of_this_name
        except ImportError:
            nothing_of_this_name = None

        WORD = re.compile("a+")
        NAMES = "a b c".split()
        TABLE = {name: len(name) for name in NAMES}
        TABLE["d"] = 1
        NAMES.append("d")
        SQUARES = [n * n for n in range(10)]

        class Kind(enum.Enum):
            A = 1

        class Pair(NamedTuple):
            one: int
            other: int = 2

        class Base: pass
        class Derived(Base):
            limit = 5

        @dataclass(frozen=True)
        class Row:
            names: list = field(default_factory=list)

        @lru_cache(maxsize=None)
        def cached(x, more=len(NAMES)):
            print(x)
            return x

        if __name__ == "__main__":
            print(cached(1))
    """,
}
#: What modules do to others, or wait for, by calls that look like ones that only compute.
HIDDEN = (
    "import core\nseen = core.SEEN\nseen.append(1)",
    "from core import SEEN\nseen = SEEN\nseen += [1]",
    "from core import SEEN\nfor seen in [SEEN]:\n    seen.append(1)",
    "from core import SEEN\nclass Late:\n    seen = SEEN\n    seen.append(1)",
    "import core\nnames = core.REGISTRY if core else {}\nnames['a'] = 1",
    "import core\nlist(map(core.SEEN.append, [1]))",
    "from core import register\nsorted([len], key=register)",
    "import core, functools\nfunctools.reduce(list.append, [core.SEEN, 1])",
    "from core import Base\nLate = type('Late', (Base,), {})",
    "from collections.abc import Sequence\nclass Late: pass\nSequence.register(Late)",
    "from decimal import Context, setcontext\nsetcontext(Context(prec=3))",
    "import time\ntime.sleep(60)",
    "from time import sleep as wait\nwait(60)",
    "from pathlib import Path\nPath('made').mkdir()",
    "from pathlib import Path\nFILE = Path('made')\nFILE.write_text('x')",
    "import logging\nLOG = logging.getLogger('late')\nLOG.warning('loaded')",
    "SQUARES = [n * n for n in range(10**9)]",
    "TOTAL = 0\nfor n in range(1_000_000_000):\n    TOTAL += n",
)
EFFECTS = ("by_decorator", "by_class", "prints", "fills", "assigns", "counts", "leads_on", "runs")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the modules, none of which is loaded."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", [*EFFECTS, "plugins.one"])
def test_what_a_module_does_to_others_is_told(project, name):
    """It is read, not run."""
    assert effect_of_import(name) is not None


@pytest.mark.parametrize("text", HIDDEN)
def test_what_a_module_does_by_other_names_is_told(project, text):
    """Nothing of it happens where no item imports the module, nor is it waited for."""
    (project / "late.py").write_text(text)

    assert load_ahead("late") is not None
    assert "late" not in sys.modules


@pytest.mark.parametrize(
    "text",
    [
        "from core import SEEN, register",
        "from core import Base\nfrom json import dumps\nfrom os.path import join",
        "from plugins.plain import LIMIT\nfrom plugins import plain",
        "try:\n    import no_such\nexcept ImportError:\n    no_such = None",
        "from pathlib import Path\nHERE = Path(__file__).resolve().parent",
        "ORDER = sorted(['b', 'a'], key=len)\nTABLE = [0 for _ in range(256)]",
        "COUNT = 0\nCOUNT += 1\nALL = ['a']\nALL += ['b']",
    ],
)
def test_a_module_that_takes_names_from_others_is_loaded(project, monkeypatch, text):
    """Names in modules, and libraries that are not there, are no libraries to wait for."""
    (project / "late.py").write_text(text)
    for name in ("core", "plugins", "plugins.plain", "late"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]

    assert load_ahead("late") is None
    assert "late" in sys.modules


def test_a_package_may_have_a_class_of_its_own(project, monkeypatch):
    """The modules in it are read like those of others."""
    monkeypatch.setitem(sys.modules, "lazy", None)  # so that it is taken out at the end
    del sys.modules["lazy"]
    assert type(importlib.import_module("lazy")) is not ModuleType

    assert effect_of_import("lazy.one") is not None
    assert effect_of_import("lazy.plain") is None
    assert set(unloaded_in(["lazy"])) == {"lazy.one", "lazy.plain"}


@pytest.mark.parametrize(
    "name", ["harmless", "core", "plugins", "plugins.plain", "no_such", "wave"]
)
def test_what_only_defines_does_nothing(project, name):
    """Neither do libraries, as far as anybody asks."""
    assert effect_of_import(name) is None


PROGRAM = """
import sys, threading, time
sys.path.insert(0, {folder!r})
from amorsize import autotune
import core, plugins

def in_a_branch(x):
    time.sleep(0.004)
    if x > 20:
        import {name}
    return x

def by_name(x):
    time.sleep(0.004)
    if x > 20:
        __import__({name!r})
    return x

def by_a_plugins_name(x):
    time.sleep(0.004)
    if x > 20:
        import importlib
        importlib.import_module(f"plugins.{{KIND}}")
    return x

def burning(x):
    sum(i * i for i in range(60_000))
    if x > 20:
        import {name}
    return x

KIND = "one"
if {beside}:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
tuned = autotune({func})
assert tuned(range(60)) == list(range(60))
assert {loaded!r} in sys.modules, tuned.explain()
print(len(core.SEEN), sorted(core.REGISTRY))
"""


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    ("func", "name", "expected"),
    [
        ("in_a_branch", "prints", "loaded\n0 []\n"),
        ("in_a_branch", "by_decorator", "0 ['late']\n"),
        ("burning", "by_class", "1 []\n"),
        ("burning", "leads_on", "loaded\n0 []\n"),
        ("by_name", "fills", "1 []\n"),
        ("by_a_plugins_name", "plugins.one", "1 []\n"),
    ],
)
def test_the_program_has_what_the_first_import_does(
    project, run_script, func, name, expected, beside
):
    """Once, as with the loop."""
    program = PROGRAM.format(folder=str(project), name=name, func=func, beside=beside, loaded=name)

    assert run_script(program).stdout == expected
