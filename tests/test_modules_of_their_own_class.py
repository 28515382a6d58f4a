"""Modules that give themselves a class of their own are modules all the same."""

import textwrap
import types

import pytest
import state_items as items

from amorsize._function.needs.dependencies import needs_of

FILES = {
    "own_kind.py": """
        LIMIT, COUNT = [1], 0

        def bump():
            global COUNT
            COUNT += 1
            return COUNT
    """,
    "site-packages/decimals/__init__.py": """
        __version__ = "1.4"
        SETTINGS = {"scale": 1}

        def scaled(x):
            return x * SETTINGS["scale"]
    """,
}
CLASS = """
import sys, types

class Kind(types.ModuleType):
    @property
    def made(self):
        return 1

sys.modules[__name__].__class__ = Kind
"""
PROGRAM = """
import sys, threading
sys.path[:0] = [{folder!r}, {folder!r} + "/site-packages"]
import decimals, own_kind
from amorsize import autotune, tuned_map

def burn():
    return sum(i * i for i in range(20_000))

def bumps(x):
    burn()
    return own_kind.bump()

def appends(x):
    burn()
    own_kind.LIMIT.append(x)
    return len(own_kind.LIMIT)

def counts_inside(x):
    import own_kind as other
    burn()
    other.COUNT += 1
    return other.COUNT

def scales(x):
    burn()
    return decimals.scaled(x) + decimals.made

def scales_inside(x):
    import decimals as found
    burn()
    return found.scaled(x)

if {beside}:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
for func in (bumps, appends, counts_inside):
    results = []
    for run in (lambda: [func(x) for x in range(60)], lambda: tuned_map(func, range(60))):
        own_kind.COUNT, own_kind.LIMIT[:] = 0, [1]
        results.append((run(), own_kind.COUNT, len(own_kind.LIMIT)))
    assert results[0] == results[1], func
for scale in (1, 3):
    decimals.SETTINGS["scale"] = scale
    for func in (scales, scales_inside):
        expected = [func(x) for x in range(20)]
        for backend in ("auto", "process"):
            assert tuned_map(func, range(20), backend=backend, n_jobs=2) == expected, func
"""


@pytest.mark.parametrize("beside", [True, False])
def test_what_items_change_and_read_there_is_that_of_the_loop(tmp_path, run_script, beside):
    """A module of the project, and one of a library."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text) + CLASS)

    run_script(PROGRAM.format(folder=str(tmp_path), beside=beside))


class Kind(types.ModuleType):
    """What a module may make its class."""


@pytest.mark.parametrize(
    "func",
    [items.by_import, items.by_alias, items.by_module_in_list, items.by_module_of_instance],
)
def test_a_worker_needs_what_it_needs_of_a_plain_module(func, monkeypatch):
    """The same values and the same code, by the same names."""
    plain = needs_of([func])
    monkeypatch.setattr(items.prices, "__class__", Kind)
    found = needs_of([func])

    assert found.settings == plain.settings
    assert (found.digests, found.names) == (plain.digests, plain.names)
