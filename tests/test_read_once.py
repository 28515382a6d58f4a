"""What reading has found is believed as long as nothing that was read has changed."""

import time
import weakref
from typing import Any

import pytest

from amorsize import tuned_map
from amorsize._engine.options import call_options
from amorsize._engine.placement.placement import last_refusal
from amorsize._function.sharing import known_reaches, thread_safety
from amorsize._function.sharing.thread_safety import examine

OPTIONS = call_options.validated()


def made(source: str, **names: Any) -> dict[str, Any]:
    space = {"__name__": "project", **names}
    exec(source, space)
    return space


CLASS = """
class Shop:
    rate = 2
    def price(self, x): return x * self.rate
def f(x): return Shop().price(x)
def noting(self, x): SEEN.append(x); return x
SEEN = []
"""


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_method_that_was_replaced_is_read(is_kept):
    """As a mock replaces it, which keeps the old one; the function still names the same class."""
    space = made(CLASS)
    first, _ = examine(space["f"], [1, 2])
    old = space["Shop"].price if is_kept else None

    space["Shop"].price = space["noting"]
    second, _ = examine(space["f"], [1, 2])

    assert not first.stores
    assert "global SEEN.append()" in second.stores, old


def test_a_method_that_was_added_is_read():
    space = made(CLASS)
    examine(space["f"], [1, 2])

    space["Shop"].__getattribute__ = lambda self, name: space["SEEN"].append(name)
    second, _ = examine(space["f"], [1, 2])

    assert second.shared or second.stores or second.changed


STORING = """
SEEN = []
def note(x): SEEN.append(x)
def f(x): note(x); return x
"""


def refused(space, items=(1, 2)):
    return last_refusal(space["f"], items, OPTIONS)


@pytest.fixture
def _for_long(monkeypatch):
    """What objects have shown is believed for hours."""
    monkeypatch.setattr(known_reaches, "BELIEVED_FOR", 1e9)


@pytest.mark.usefixtures("_for_long")
def test_a_function_that_has_to_stay_is_known():
    space = made(STORING)
    found, _ = examine(space["f"], [1, 2])

    assert refused(space) is not None
    assert refused(space)[0] == found
    assert refused(space, [3.5, 1.5]) is None  # items of another kind may lead to something else


@pytest.mark.usefixtures("_for_long")
@pytest.mark.parametrize(
    "change",
    ["SEEN = ()", "note = abs", "f.__defaults__ = (1,)", "f.__code__ = (lambda x: x).__code__"],
)
def test_it_is_read_again_once_a_name_stands_for_something_else(change):
    space = made(STORING)
    examine(space["f"], [1, 2])

    exec(change, space)

    assert refused(space) is None


def test_it_is_read_again_after_a_while(monkeypatch):
    """An object may hold something else by then, which no name tells."""
    monkeypatch.setattr(known_reaches, "BELIEVED_FOR", 0)
    space = made(STORING)
    examine(space["f"], [1, 2])
    time.sleep(0.001)

    assert refused(space) is None


@pytest.mark.usefixtures("_for_long")
def test_what_allows_workers_is_no_refusal():
    space = made("TABLE = {1: 2}\ndef f(x): return TABLE.get(x)")
    examine(space["f"], [1, 2])

    assert refused(space) is None


@pytest.mark.usefixtures("_for_long")
def test_what_is_remembered_keeps_no_object_alive():
    class Box:
        held = 1

    box = Box()
    alive = weakref.ref(box)
    space = made("def f(x): BOX.held = x", BOX=box)
    examine(space["f"], [1, 2])

    del box
    space.clear()

    assert alive() is None


@pytest.mark.usefixtures("_for_long")
def test_calls_of_a_function_that_has_to_stay_read_it_once(monkeypatch):
    n_read = 0
    follow = thread_safety._Examination.follow

    def counted(self, items):
        nonlocal n_read
        n_read += 1
        follow(self, items)

    monkeypatch.setattr(thread_safety._Examination, "follow", counted)
    space = made(STORING.replace("return x", "return sum(range(20_000 + x))"))
    for _ in range(3):
        assert tuned_map(space["f"], list(range(300)), n_jobs=2)[5] == sum(range(20_005))

    assert space["SEEN"] == [*range(300)] * 3
    assert n_read <= 2  # without items, to see whether it draws random numbers, and with some
