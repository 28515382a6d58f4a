"""A time limit of the user's ends what is under way, wherever in our code it comes.

A handler that raises `TimeoutError`, as time limits do, raises an `OSError`. It must not be taken
for a file that is not there, nor for what a value of the user's raises when it is looked at.
"""

import ast
import errno
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from conftest import ROOT

from amorsize import tuned_map
from amorsize._engine.options.call_checks import shown
from amorsize._engine.reading.item_snapshot import trace
from amorsize._engine.reporting import notify
from amorsize._host.fork_safety import OtherThreads
from amorsize._host.signals import no_interrupts
from amorsize._host.unpatched import kernel
from amorsize._profiles import disk_store
from amorsize._watching import descriptors, file_writes
from amorsize._workers.messages.serialization import short_repr
from amorsize._workers.run_delay import RunQueue
from amorsize.cache import database, location, network_filesystem
from amorsize.history import store

WIDE = {"Exception", "OSError", "EnvironmentError", "IOError", "TimeoutError"}
SOURCES = sorted((ROOT / "amorsize").rglob("*.py"))

#: Who catches them and loses no limit, by file and function.
LOSE_NONE = {
    ("amorsize/__main__.py", "_import_from_here_last"): "no code of the user's has run yet",
    ("amorsize/_clusters/dask_submission.py", "result"): "runs in the thread of Dask's loop",
    ("amorsize/_clusters/dask_watch.py", "_keep_looking"): "runs in the thread of Dask's loop",
    ("amorsize/_clusters/dask_watch.py", "_met"): "runs in the thread of Dask's loop",
    ("amorsize/_clusters/ray_watch.py", "_keep_looking"): "runs in a thread of its own",
    (
        "amorsize/_workers/chunk.py",
        "run_items",
    ): "hands on what an item raised: the engine asks",
    (
        "amorsize/_workers/processes/worker_main.py",
        "_pickled",
    ): "packs the results again, one by one",
    (
        "amorsize/_workers/processes/forking.py",
        "_launched",
    ): "hands it on: raised once all workers are noted",
    (
        "amorsize/_workers/processes/forking.py",
        "_fork_several",
    ): "raises it once all workers are noted",
    ("amorsize/_workers/executors/worker.py", "_packed"): "packs the results again, one by one",
    (
        "amorsize/_workers/messages/exception_pickling.py",
        "_packed_alike",
    ): "has a worker tell it in words",
    ("amorsize/cli/target.py", "_named_errors"): "ends the command with it",
    ("amorsize/cli/commands/run.py", "_run_over"): "ends the command with it",
    ("amorsize/cli/commands/report.py", "_of_call"): "ends the command with it",
    ("amorsize/cli/commands/tune.py", "_optimize"): "ends the command with it",
    ("amorsize/cli/commands/tune.py", "_measured"): "ends the command with it",
}


@pytest.fixture
def limit():
    """A time limit: what makes it run out, while the kernel is asked."""

    def too_long(*_):
        raise TimeoutError("too long")

    before = signal.signal(signal.SIGALRM, too_long)
    yield lambda *_, **__: signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)


def hold():
    with no_interrupts():
        pass


@pytest.mark.parametrize(
    ("asked", "act"),
    [
        ("listdir", hold),
        ("listdir", lambda: OtherThreads().doubt()),
        ("stat", lambda: trace("/etc/hostname")),
        ("stat", lambda: file_writes._likeness("/etc/hostname")),
        ("fstat", lambda: descriptors._identity(0)),
        ("getloadavg", disk_store._load),
        ("open", network_filesystem._mounts),
        ("lstat", location.exists),
        ("link", lambda: store._put_in_place("part", "whole", replace=False)),
        ("open", lambda: RunQueue().open()),
    ],
)
def test_a_limit_that_comes_while_the_kernel_is_asked_is_no_answer(limit, asked, act, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(TimeoutError, match="too long"):
        patched.setattr(os, asked, limit)
        patched.setattr(kernel, asked, limit, raising=False)
        act()


@pytest.mark.usefixtures("limit")
def test_what_the_kernel_answers_is_no_limit(monkeypatch):
    """The same class without a handler: a folder on the network that no longer answers."""

    def unanswered(*_):
        raise TimeoutError(errno.ETIMEDOUT, "timed out")

    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", unanswered)
        assert location.exists() is False


def test_a_limit_on_a_saved_result_is_no_trouble_with_its_folder(limit, monkeypatch):
    """It came as `HistoryError`: results cannot be read."""
    monkeypatch.setattr(store, "_folder", limit)
    with pytest.raises(TimeoutError, match="too long"):
        store.exists("any")


def test_a_limit_does_not_make_a_database_a_damaged_one(limit):
    """It was moved aside as one, and the limit was lost."""
    opened = object.__new__(database.Store)
    opened._connection = SimpleNamespace(execute=limit)
    with pytest.raises(TimeoutError, match="too long"):
        opened.clear()


def test_a_limit_that_comes_while_work_is_handed_on_is_no_refusal(limit):
    """It came as `WorkersUnavailable`: the executor takes no work."""

    class Slow(ThreadPoolExecutor):
        submit = staticmethod(limit)

    with Slow(2) as executor, pytest.raises(TimeoutError, match="too long"):
        tuned_map(nap, range(60), executor=executor)


def nap(item):
    time.sleep(0.02)
    return item


class Odd:
    """An object that takes too long to say anything."""

    def __init__(self, limit):
        self.says = limit

    def __repr__(self):
        return self.says()

    def fileno(self):
        return self.says()

    @property
    def closed(self):
        return self.says()

    def __call__(self, _):
        self.says()


class Retuned:
    """A drift after which something was decided anew."""

    is_retuned = True

    def replace(self, **_):
        return self


@pytest.mark.parametrize(
    "look",
    [
        short_repr,
        shown,
        descriptors.descriptor_of,
        trace,
        lambda odd: notify.notify("name", [Retuned()], odd, pytest.fail),
    ],
)
def test_a_limit_that_comes_while_a_value_is_looked_at_is_no_fault_of_the_value(limit, look):
    with pytest.raises(TimeoutError, match="too long"):
        look(Odd(limit))


def names_in(node: ast.AST | None) -> set[str]:
    """The names that are read there; nothing where all is caught without one."""
    return {one.id for one in ast.walk(node or ast.Pass()) if isinstance(one, ast.Name)}


def lets_through(handler: ast.ExceptHandler) -> bool:
    """Whether it asks if a signal's handler has raised it, or raises it again in any case."""
    called = {
        node.func.id
        for node in ast.walk(handler)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    last = handler.body[-1]
    is_raised_again = isinstance(last, ast.Raise) and last.exc is None
    return is_raised_again or not called.isdisjoint({"reraise_from_handler", "raised_by_handler"})


def loses(node: ast.AST) -> bool:
    """Whether this takes a limit for something else: the kernel's answer, a value's refusal."""
    if isinstance(node, ast.ExceptHandler):
        return not WIDE.isdisjoint(names_in(node.type)) and not lets_through(node)
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return is_call and node.func.id == "suppress" and not WIDE.isdisjoint(names_in(node))


def losing(node: ast.AST, within: str = "the module") -> Iterator[str]:
    """The functions that lose limits, each as often as it does."""
    for child in ast.iter_child_nodes(node):
        if loses(child):
            yield within
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from losing(child, child.name if is_function else within)


def test_who_catches_what_a_limit_may_be_lets_it_through():
    """`reraise_from_handler(error)` comes first, or what is caught is raised again."""
    found = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in SOURCES
        for name in losing(ast.parse(path.read_bytes()))
    ]
    assert sorted(found) == sorted(LOSE_NONE)


@pytest.mark.parametrize(
    ("handled", "is_lost"),
    [
        ("except OSError:\n  return", True),
        ("except (ValueError, TimeoutError) as error:\n  raise KeyError from error", True),
        ("except FileNotFoundError:\n  return", False),
        ("except OSError:\n  tidy()\n  raise", False),
        ("except Exception:\n  return", True),
        ("except OSError as error:\n  reraise_from_handler(error)\n  return", False),
    ],
)
def test_the_rule_tells_who_loses_limits(handled, is_lost):
    within = "\n ".join(f"try:\n  act()\n{handled}".split("\n"))
    assert [*losing(ast.parse(f"def read():\n {within}"))] == ["read"] * is_lost


def test_the_rule_knows_suppress():
    assert [*losing(ast.parse("with suppress(OSError): act()"))] == ["the module"]
    assert [*losing(ast.parse("with suppress(FileNotFoundError): act()"))] == []
