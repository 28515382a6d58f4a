"""Ctrl-C, or what another signal's handler raises, at any line of a call.

It is raised, nobody is left behind, and the next call works.
"""

import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

import amorsize
from amorsize import autotune, tuned_map
from amorsize._engine.ending import Ending
from amorsize._engine.engine import Engine
from amorsize._host import shortage
from amorsize._workers import nesting
from amorsize._workers.run_delay import RunDelayClock

PACKAGE = str(Path(amorsize.__file__).parent)


def double(x):
    return 2 * x


def calls(backend, start, monkeypatch):
    """One call of each kind, as a function that makes it and checks the results."""
    if start:
        monkeypatch.setenv("AMORSIZE_START", start)

    def call():
        found = tuned_map(double, range(12), backend=backend, n_jobs=2, chunksize=3)
        assert found == [2 * x for x in range(12)]

    return call


class InterruptAt:
    """Sends this process a signal before the n-th line that it runs inside the package.

    A real signal: where one is held back, it comes as soon as it is not any more.
    """

    def __init__(self, n_lines, number=signal.SIGINT):
        self.n_left, self.number = n_lines, number
        self.where = None
        self._pid = os.getpid()

    def __enter__(self):
        sys.settrace(self._trace_call)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _trace_call(self, frame, *_):
        is_ours = frame.f_code.co_filename.startswith(PACKAGE) and os.getpid() == self._pid
        return self._trace_line if is_ours else None

    def _trace_line(self, frame, event, _):
        if event == "line":
            self.n_left -= 1
            if self.n_left <= 0:
                sys.settrace(None)
                if os.getpid() == self._pid:  # not a worker that was forked meanwhile
                    self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                    signal.raise_signal(self.number)
        return self._trace_line


def state():
    """What a call may have left: children, descriptors, a thread thought to be inside an item."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    descriptors = sorted(os.listdir("/proc/self/fd"), key=int)
    return (
        path.read_text().split(),
        descriptors,
        nesting.is_inside(),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    )


@pytest.fixture
def quick_collections():
    """Collections that leave alone what earlier tests have loaded: there are hundreds of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


# A file that was just being opened is closed by the collector, which says so.
@pytest.mark.usefixtures("quick_collections")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("backend", "start", "stride"),
    [
        pytest.param("process", "", 131, marks=pytest.mark.forks),
        ("process", "clean", 1009),
        ("thread", "", 61),
        ("serial", "", 13),
    ],
)
def test_at_any_line(backend, start, stride, monkeypatch):
    """Lines of the whole call, from checking options to giving results, a stride apart."""
    call = calls(backend, start, monkeypatch)
    call()  # what is imported once is imported
    amorsize.shutdown()
    before = state()
    n_lines, n_hit = 1, 0
    while True:
        with InterruptAt(n_lines) as interrupt:
            try:
                call()
            except KeyboardInterrupt:
                n_hit += 1
        if not interrupt.where:
            break
        amorsize.shutdown()
        gc.collect()
        assert state() == before, interrupt.where
        n_lines += stride
    call()
    assert n_hit > 10


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts run delays")
def test_the_file_of_run_delays_is_closed_whichever_line_has_opened_it():
    before, n_lines = state(), 1
    while True:
        clock = RunDelayClock()
        with InterruptAt(n_lines) as interrupt, suppress(KeyboardInterrupt):
            clock()
        if not interrupt.where:
            break
        clock.close()
        assert state() == before, interrupt.where
        n_lines += 1
    clock.close()
    assert n_lines > 10


class TooLongError(TimeoutError):
    """A limit for the call: by pytest-timeout, timeout-decorator, or `signal.alarm` itself."""


def too_long(*_):
    raise TooLongError


def ends(*_):
    raise SystemExit("told to end")


@pytest.mark.usefixtures("quick_collections")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("backend", "number", "handler", "raised", "is_beside_a_thread", "stride"),
    [
        pytest.param(
            *("process", signal.SIGALRM, too_long, TooLongError, False, 331),
            marks=pytest.mark.forks,
        ),
        ("process", signal.SIGALRM, too_long, TooLongError, True, 2503),
        ("process", signal.SIGTERM, ends, SystemExit, True, 2803),
        ("thread", signal.SIGUSR1, too_long, TooLongError, False, 251),
    ],
)
def test_other_signals_at_any_line(backend, number, handler, raised, is_beside_a_thread, stride):
    """What any handler raises ends a call as Ctrl-C does, beside other threads as well."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    if is_beside_a_thread:
        thread.start()
    before_handler = signal.signal(number, handler)

    def call():
        found = tuned_map(double, range(12), backend=backend, n_jobs=2, chunksize=3)
        assert found == [2 * x for x in range(12)]

    try:
        call()
        amorsize.shutdown()
        before, n_lines, n_hit, passed_over = state(), 1, 0, []
        while True:
            with InterruptAt(n_lines, number) as interrupt:
                try:
                    call()
                except raised:
                    n_hit += 1
                else:
                    passed_over.append(interrupt.where)
            if not interrupt.where:
                break
            amorsize.shutdown()
            gc.collect()
            assert state() == before, interrupt.where
            assert signal.getsignal(number) is handler, interrupt.where
            n_lines += stride
        call()
        assert n_hit > 5
        assert passed_over == [None], "a limit that nobody kept"
    finally:
        signal.signal(number, before_handler)
        end.set()
        if is_beside_a_thread:
            thread.join()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("is_beside_a_thread", [False, True])
@pytest.mark.parametrize("starts", [1, 2])
def test_a_signal_while_a_worker_thread_starts_leaves_no_thread_that_fails(
    starts, is_beside_a_thread, monkeypatch
):
    """`threading` forgets a thread where a handler raises in its start, and then that fails."""
    end, left = threading.Event(), [starts]
    thread = threading.Thread(target=end.wait)
    if is_beside_a_thread:
        thread.start()
    joinable = hasattr(threading, "_start_joinable_thread")  # since 3.13
    starter = "_start_joinable_thread" if joinable else "_start_new_thread"
    was = getattr(threading, starter)

    def interrupted(*given, **named):
        ident = was(*given, **named)
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGUSR1)
        return ident

    before_handler = signal.signal(signal.SIGUSR1, too_long)
    try:
        with monkeypatch.context() as patch, pytest.raises(TooLongError):
            patch.setattr(threading, starter, interrupted)
            tuned_map(double, range(12), backend="thread", n_jobs=2, chunksize=3)
        assert tuned_map(double, range(9), backend="thread") == [2 * x for x in range(9)]
        assert signal.getsignal(signal.SIGUSR1) is too_long
    finally:
        signal.signal(signal.SIGUSR1, before_handler)
        end.set()
        if is_beside_a_thread:
            thread.join()


def test_worker_threads_block_no_signal_that_their_caller_does_not():
    """A program that an item starts inherits what is blocked: Ctrl-C would not end it."""
    blocked = tuned_map(
        lambda _: set(signal.pthread_sigmask(signal.SIG_BLOCK, ())), range(4), backend="thread"
    )

    assert blocked == 4 * [signal.pthread_sigmask(signal.SIG_BLOCK, ())]


@pytest.mark.parametrize("raised", [TooLongError, PermissionError, FileNotFoundError])
def test_what_a_handler_raises_while_open_files_are_counted_is_no_missing_folder(
    raised, monkeypatch
):
    """A limit of the program's may be an OSError, as TimeoutError is; it is not about a file."""

    def handler(*_):
        raise raised

    def look(_):
        signal.raise_signal(signal.SIGUSR1)
        return []

    before_handler = signal.signal(signal.SIGUSR1, handler)
    try:
        for name in ("listdir", "stat"):  # the first of them where Linux is older than 6.2
            with monkeypatch.context() as patch, pytest.raises(raised):
                patch.setattr(shortage.os, "stat", lambda _: SimpleNamespace(st_size=0))
                patch.setattr(shortage.os, name, look)
                shortage.n_files_open()
    finally:
        signal.signal(signal.SIGUSR1, before_handler)


def test_a_stream_is_closed_by_an_interrupt_in_its_consumer():
    """The consumer's own lines are interrupted: the stream ends with it."""
    before = state()

    with pytest.raises(KeyboardInterrupt):
        for x in autotune(double, backend="process", n_jobs=2).stream(range(10_000)):
            if x == 100:
                raise KeyboardInterrupt
    amorsize.shutdown()

    assert state() == before


@pytest.mark.parametrize("backend", ["serial", "thread", "process", "auto"])
@pytest.mark.parametrize(("part", "place"), [(Ending, "end_all"), (Engine, "_remember")])
def test_an_interrupt_after_the_last_item_loses_nothing(backend, part, place, monkeypatch):
    """All results are in the exception, which says how many there are and how to get at them."""
    was = getattr(part, place)
    left = [2]  # the first, and a second one while the first is being dealt with

    def interrupted(one, **options):
        was(one, **options)
        if left[0] > 0:
            left[0] -= 1
            raise KeyboardInterrupt

    monkeypatch.setattr(part, place, interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        autotune(double, backend=backend, n_jobs=2)(range(300))

    assert amorsize.partial_results(caught.value) == {x: 2 * x for x in range(300)}
    assert "double: 300 of 300 items were done" in caught.value.__notes__[-1]
    assert "amorsize.partial_results(error)" in caught.value.__notes__[-1]


@pytest.mark.parametrize("name", ["error", "sys.last_value"])
def test_an_interrupt_inside_an_item_tells_what_was_done_before(name, monkeypatch):
    """Those items' results are kept. At a prompt, Python keeps the error that nobody has caught."""
    if name != "error":
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)

    def item(x):
        if x == 70:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt) as caught:
        autotune(item, backend="serial")(range(100))

    assert amorsize.partial_results(caught.value) == {x: x for x in range(70)}
    assert "item: 70 of 100 items were done" in caught.value.__notes__[-1]
    assert f"amorsize.partial_results({name}) has" in caught.value.__notes__[-1]


@pytest.mark.parametrize(
    "backend", ["auto", "serial", "thread", pytest.param("process", marks=pytest.mark.forks)]
)
def test_explain_tells_of_a_call_that_ctrl_c_has_ended(backend):
    """What a user asks after it: why was that taking so long?"""

    def item(x):
        if x == 70:
            os.kill(parent, signal.SIGINT)
            over.wait(10)
        return x

    parent, over = os.getpid(), threading.Event()
    func = autotune(item, backend=backend, n_jobs=2, chunksize=1)

    with pytest.raises(KeyboardInterrupt) as caught:
        func(range(100))
    over.set()

    n_done = len(amorsize.partial_results(caught.value))
    assert f"item: {n_done} items in" in str(func.explain())


CAUGHT = """
import sys
from amorsize.policy.frozen_record import OFTEN, Value

class Cost(Value):
    wall_s: float

def interrupt(frame, event, argument):
    if frame.f_code.co_name == "<module>":
        raise KeyboardInterrupt

sys.settrace(interrupt)
n_made = 0
try:
    for _ in range(OFTEN):
        Cost(wall_s=1.0)
        n_made += 1
except KeyboardInterrupt:
    print("caught at", n_made + 1 == OFTEN)
sys.settrace(None)
"""


def test_a_caught_interrupt_does_not_end_the_program_when_it_is_over(run_script):
    """As a program does by the signal whose last `exec` of a text was interrupted."""
    assert run_script(CAUGHT).stdout == "caught at True\n"
