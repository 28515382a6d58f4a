"""Reading ends in time; a function that was not all read stays in the caller."""

import functools
import importlib.util

import pytest

from amorsize import tuned_map
from amorsize._engine.options import call_options
from amorsize._engine.placement.placement import Judge
from amorsize._function.changes import change
from amorsize._function.sharing.thread_safety import reach
from amorsize._function.sharing.values import MAX_EXAMINED

#: Functions, of which each calls the next; the last but one changes something.
CHAIN = "\n".join(f"def f{n}(x): return f{n + 1}(x)" for n in range(MAX_EXAMINED + 10))


def made(source, **names):
    """What a module of this text has."""
    space = {"__name__": "project", **names}
    exec(source, space)
    return space


def reason(func):
    """Why no process gets items of a function; None: they may."""
    return Judge(func, call_options.validated(), func).read([1, 2], ()).process_reason


def longer_by(last):
    return f"{CHAIN}\ndef f{MAX_EXAMINED + 10}(x):\n    {last}\n    return x"


@pytest.mark.parametrize(
    "last", ["TOTAL.append(x)", "global LAST; LAST = x", "Kept.last = x", "open('last', 'w')"]
)
def test_what_lies_too_far_to_be_read_keeps_items_in_the_caller(last):
    """It may change anything, and a worker process would lose that."""
    space = made(longer_by(last), TOTAL=[], Kept=type("Kept", (), {"__module__": "project"}))

    assert f"past {MAX_EXAMINED} functions" in reason(space["f0"])
    assert "past" not in (reason(space["f20"]) or "")


def test_a_change_too_far_to_be_read_is_not_lost():
    total: list[int] = []
    space = made(longer_by("TOTAL.append(x)"), TOTAL=total, burn=lambda: sum(range(30_000)))
    exec("def item(x): burn(); return f0(x)", space)

    assert list(tuned_map(space["item"], range(300), n_jobs=2)) == list(range(300))
    assert total == list(range(300))


def test_code_that_leads_to_ever_more_ways_is_given_up(monkeypatch):
    """The number of steps ends it, which is the same on any host; and the caller runs the items."""
    monkeypatch.setattr(change, "MOST_STEPS", 20)
    source = "\n".join(
        f"def f{n}(x, kept=None):\n  return [f{n * 7 % 20}(kept, x), f{(n + 1) % 20}(x, [kept])]"
        for n in range(20)
    )

    assert "too much to read" in reason(made(source)["f0"])


def own_copy_of(name):
    """A module of the standard library, once more, as one of the project."""
    spec = importlib.util.find_spec(name)
    space = {"__name__": f"project_{name.rpartition('.')[2]}", "__package__": "json"}
    exec(compile(spec.loader.get_source(name), spec.origin, "exec"), space)
    return space


@pytest.mark.parametrize("name", ["json.encoder", "textwrap"])
def test_modules_as_people_write_them_are_read_in_few_steps(name, monkeypatch):
    """Functions inside functions that hand one another on took minutes."""
    n_steps = 0

    class Work(change.Work):
        def spend(self, n):
            nonlocal n_steps
            n_steps += n

    monkeypatch.setattr("amorsize._function.changes.mutations.Work", Work)
    space = own_copy_of(name)
    found = [one for one in space.values() if getattr(one, "__module__", "") == space["__name__"]]
    for one in found:
        reach(functools.partial(one))

    assert found
    assert n_steps < 50_000 * len(found)
