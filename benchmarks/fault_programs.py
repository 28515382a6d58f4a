"""More items of `benchmarks.faults`: a map in the midst of a program that does other things."""

import importlib.abc
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.fault_items import BAD, _first, _folder, double, witness

BUSY = "i=0; while [ $i -lt 15000 ]; do i=$((i+1)); done"  # tens of milliseconds of one core
MORE_THAN_CORES = 2  # programs at once: the one that starts and the one that ends may overlap
AT_IMPORTS = frozenset({3, 10, 20, 30, 40})  # before which the signal comes
END_SEEN_S = 5.0  # in which a program sees the end of its input


# -- other programs ------------------------------------------------------------------------------


class TooManyAtOnceError(Exception):
    """More programs compute than there are cores."""


def runs_a_program(x: int) -> int:
    """As `ffmpeg` is run: the thread that waits for it waits, the core is busy all the same."""
    before_s = _children_cpu_s()
    with _counted() as n_at_once:
        subprocess.run(["sh", "-c", BUSY], check=True)
    if x == BAD and _children_cpu_s() > before_s:
        witness("its program has computed")
    if n_at_once > len(os.sched_getaffinity(0)) + MORE_THAN_CORES:
        raise TooManyAtOnceError(f"{n_at_once} programs at once")
    return 2 * x


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _counted() -> Iterator[int]:
    """How many programs run at once, this one included, whatever processes have started them."""
    running = _folder() / "running"
    running.mkdir(exist_ok=True)
    mine = running / f"{os.getpid()}-{time.monotonic_ns()}"
    mine.touch()
    try:
        yield len(os.listdir(running))
    finally:
        mine.unlink()


_program: "list[subprocess.Popen[bytes]]" = []


def starts_a_program(_: Any, __: Any) -> None:
    """One that reads until the end of its input, as an encoder does."""
    program = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    _program.append(program)


def feeds_the_program(results: Iterator[Any]) -> list[Any]:
    """Takes results from the map, and waits for the program's end in the midst of that."""
    (program,), taken = _program, []
    assert program.stdin is not None
    for number, result in enumerate(results):
        taken.append(result)
        if number < 50:
            program.stdin.write(b"%d\n" % result)
        if number == 50:
            program.stdin.close()
            witness("waits for the program that it has fed")
            try:
                program.wait(END_SEEN_S)
            finally:
                program.kill()
    return taken


def killed_with_its_number_free(x: int) -> int:
    """Its child holds every pipe of the worker until another process has its number.

    Who looks at pipes alone learns of its end when it is too late to send it anything.
    """
    if x == BAD and _first():
        child = os.fork()
        if not child:
            _wait_for(_folder() / "taken", 10)
            os._exit(0)
        witness(f"SIGKILL, child {child}")
        os.kill(os.getpid(), signal.SIGKILL)
    if x > BAD:  # nobody is through before the number is taken
        _wait_for(_folder() / "taken", 5)
    return double(x)


def _wait_for(path: Path, longest_s: float) -> None:
    until_s = time.monotonic() + longest_s
    while not path.exists() and time.monotonic() < until_s:
        time.sleep(1e-3)


# -- the program itself --------------------------------------------------------------------------


def with_greenlets(_: Any, __: Any) -> None:
    """What the program's first line did."""
    from gevent import monkey  # type: ignore[import-not-found, import-untyped, unused-ignore]

    if monkey.is_module_patched("threading"):
        witness("greenlets in the place of threads")


class _Signals(importlib.abc.MetaPathFinder):
    """Sends this process a signal before some of the modules that it loads."""

    def __init__(self) -> None:
        self.n_imports, self.name = 0, ""

    def find_spec(self, name: str, *_: Any) -> None:
        self.n_imports, self.name = self.n_imports + 1, name
        if self.n_imports in AT_IMPORTS:
            signal.raise_signal(signal.SIGALRM)


def maps_in_a_handler(_: Any, mapped: Any) -> None:
    """A first map loads its modules; a handler that comes between them maps as well.

    What comes after is the map of every case: whether later ones work.
    """
    _import_as_users_do()
    finder = _Signals()

    def handler(*_: Any) -> None:
        witness(f"maps in a handler while {finder.name} is loaded")
        _map_rightly(mapped)

    signal.signal(signal.SIGALRM, handler)
    sys.meta_path.insert(0, finder)
    try:
        _map_rightly(mapped)
    finally:
        sys.meta_path.remove(finder)


def _import_as_users_do() -> None:
    """At the top of the program, before it has handlers."""
    import multiprocessing.pool  # noqa: F401
    from concurrent.futures import ProcessPoolExecutor

    assert ProcessPoolExecutor  # loaded when it is first asked for
    with suppress(ImportError):
        import joblib  # type: ignore[import-untyped]  # noqa: F401
        import mpire.pool  # noqa: F401
    import amorsize._profiles.memory_store

    assert amorsize.autotune


def _map_rightly(mapped: Any) -> None:
    if list(mapped(double, list(range(20)))) != [2 * x for x in range(20)]:
        raise AssertionError("another result than the loop's")


class NothingLearnedError(Exception):
    """What a run had learned is not there for the next one."""


def slow_double_of_one(x: int) -> int:
    """One function for each way to end."""
    return double(x)


def slow_double_of_two(x: int) -> int:
    return double(x)


def slow_double_of_three(x: int) -> int:
    return double(x)


def learns_and_ends(_: Any, mapped: Any) -> None:
    """Three runs of a program, none of which comes to its exit functions."""
    import multiprocessing

    def exits() -> None:
        list(mapped(slow_double_of_one, list(range(60))))
        witness("os._exit after a map")
        os._exit(0)

    def is_terminated() -> None:
        list(mapped(slow_double_of_two, list(range(60))))
        witness("SIGTERM after a map")
        os.kill(os.getpid(), signal.SIGTERM)

    def returns() -> None:
        list(mapped(slow_double_of_three, list(range(60))))
        witness("the end of a process of multiprocessing after a map")

    for run in (exits, is_terminated, returns):
        process = multiprocessing.get_context("fork").Process(target=run)
        process.start()
        process.join()
    from amorsize import cache

    known = {str(entry) for entry in cache.entries()}
    for name in ("one", "two", "three"):
        if not any(f"slow_double_of_{name}" in entry for entry in known):
            raise NothingLearnedError(f"slow_double_of_{name}")
