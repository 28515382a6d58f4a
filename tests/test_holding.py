"""What signal handlers raise waits where it would leave something behind, and is not lost."""

import functools
import os
import signal
import threading
from contextlib import nullcontext

import pytest
from conftest import another_thread

from amorsize import partial_results, tuned_map
from amorsize._engine.costs import pickling_cost
from amorsize._host import procfs, signals
from amorsize._host.signals import no_interrupts, raised_by_handler

RAISED = (signal.SIGALRM, signal.SIGUSR1, signal.SIGTERM)


class CutShortError(Exception):
    """What a handler raises: a time limit, a request to end."""


@pytest.fixture
def handled():
    """Handlers of which the first that runs raises; what has come to them."""
    came = []

    def handler(number, _):
        came.append(number)
        if len(came) == 1:
            raise CutShortError(number)

    before = {number: signal.signal(number, handler) for number in RAISED}
    yield came
    for number, old in before.items():
        signal.signal(number, signal.SIG_IGN)  # one that is still pending would end the tests
        signal.signal(number, old)


@pytest.fixture(params=["alone", "beside a thread"])
def company(request):
    """A thread that blocks nothing takes what is sent to the process."""
    with another_thread() if request.param == "beside a thread" else nullcontext():
        yield


def set_now():
    """All handlers, and what is blocked."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return handlers, signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.usefixtures("company")
class TestHolding:
    def test_what_comes_is_raised_afterwards(self, handled):
        """The block runs to its end, then the handler runs."""
        before, steps = set_now(), []

        with pytest.raises(CutShortError), no_interrupts():
            os.kill(os.getpid(), signal.SIGALRM)
            steps.append("to the end")

        assert steps == ["to the end"]
        assert handled == [signal.SIGALRM]
        assert set_now() == before

    def test_of_several_none_is_lost(self, handled):
        """Each handler runs, though the first raises; all are in their places again."""
        before = set_now()

        with pytest.raises(CutShortError), no_interrupts():
            for number in RAISED:
                os.kill(os.getpid(), number)

        assert set_now() == before  # Python looks for signals here, at the latest
        assert sorted(handled) == sorted(RAISED)

    def test_a_block_within_a_block(self, handled):
        """Held until the outer one is over."""
        steps = []

        with pytest.raises(CutShortError), no_interrupts():
            with no_interrupts():
                os.kill(os.getpid(), signal.SIGUSR1)
            steps.append("still held")

        assert steps == ["still held"]
        assert handled == [signal.SIGUSR1]

    def test_one_that_comes_as_the_block_begins(self, handled, monkeypatch):
        """The block is not begun, and nothing stays held."""
        before, steps, is_alone = set_now(), [], signals._is_alone

        def hit():
            signal.raise_signal(signal.SIGUSR1)
            return is_alone()

        with monkeypatch.context() as patched:  # not until workers of earlier tests are ended
            patched.setattr(signals, "_is_alone", hit)
            with pytest.raises(CutShortError), no_interrupts():
                steps.append("begun")

        assert steps == []
        assert handled == [signal.SIGUSR1]
        assert set_now() == before

    def test_a_handler_set_inside_stays(self):
        """What the program sets meanwhile is the program's."""

        def other(*_):
            pass

        before = signal.signal(signal.SIGUSR2, signal.default_int_handler)
        try:
            with no_interrupts():
                signal.signal(signal.SIGUSR2, other)
            assert signal.getsignal(signal.SIGUSR2) is other
        finally:
            signal.signal(signal.SIGUSR2, before)

    def test_what_the_handler_raises_names_what_was_cut_short(self, handled):
        """An error inside the block is not forgotten over it."""
        with pytest.raises(CutShortError) as caught, no_interrupts():
            os.kill(os.getpid(), signal.SIGALRM)
            raise ValueError("inside")

        assert isinstance(caught.value.__context__, ValueError)
        assert handled == [signal.SIGALRM]


@pytest.mark.forks
def test_a_fork_from_within_handles_signals_as_the_caller(handled):
    """It is not held for ever, and the caller's Ctrl-C is not for it."""
    with no_interrupts():
        pid = os.fork()
        if not pid:
            signals.leave_to_caller()
            handlers, blocked = set_now()
            as_usual = all(callable(handlers[number]) for number in RAISED[:2]) and not blocked
            os._exit(0 if as_usual and handlers[signal.SIGINT] == signal.SIG_IGN else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert handled == []


def test_in_another_thread_nothing_is_replaced(handled):
    """Handlers run in the main thread; elsewhere there is nothing to hold back."""
    seen = []

    def look():
        before = set_now()
        with no_interrupts():
            seen.append(set_now()[0] == before[0])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [True]
    assert handled == []


def test_one_that_could_not_be_put_back_in_time_still_does_its_own(handled):
    """Where a handler raises while the others are put back, these put themselves back."""
    block = no_interrupts()
    block._replace(signal, {signal.SIGALRM: signal.getsignal(signal.SIGALRM)})
    block._is_over = True

    with pytest.raises(CutShortError):
        os.kill(os.getpid(), signal.SIGALRM)

    assert handled == [signal.SIGALRM]
    assert signal.getsignal(signal.SIGALRM) != block.note


class Caller:
    """Handlers of the kinds there are."""

    def __call__(self, *_):
        raise ValueError("too long")

    def method(self, *_):
        raise ValueError("too long")


def function(*_):
    deeper()


def deeper():
    raise ValueError("too long")


@pytest.mark.parametrize(
    "handler",
    [
        function,
        functools.partial(function, 1),
        Caller(),
        Caller().method,
        lambda *_: deeper(),
    ],
    ids=["a function", "a partial", "an object", "a method", "a lambda"],
)
def test_what_a_handler_raises_is_told_from_what_an_item_does(handler):
    """The same exception, once from a handler and once from the code that was interrupted."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(ValueError, match="too long") as by_handler:
            signal.raise_signal(signal.SIGUSR1)
        assert raised_by_handler(by_handler.value)
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(ValueError, match="too long") as by_itself:
        deeper()
    assert not raised_by_handler(by_itself.value)


def test_a_limit_that_comes_while_the_kernel_is_asked_is_no_missing_file(monkeypatch):
    """A `TimeoutError` is an `OSError`: the limit was lost where such a file was being read."""

    def too_long(*_):
        raise TimeoutError("too long")

    before = signal.signal(signal.SIGUSR1, too_long)
    try:
        with monkeypatch.context() as patched, pytest.raises(TimeoutError, match="too long"):
            patched.setattr(procfs.os, "fsdecode", lambda _: signal.raise_signal(signal.SIGUSR1))
            procfs.read("/proc/self/comm")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert procfs.read("/proc/none") == ""


def test_a_limit_that_ends_an_item_ends_the_call(handled):
    """It is not about this item: the call does not wait for those before it, in other workers."""

    def item(x):
        if x == 3:
            signal.raise_signal(signal.SIGALRM)
        return x

    with pytest.raises(CutShortError) as caught:
        tuned_map(item, range(20), backend="serial", return_exceptions=False)

    assert handled == [signal.SIGALRM]
    assert not any("item 3" in note for note in getattr(caught.value, "__notes__", ()))
    assert len(partial_results(caught.value)) == 3


def test_a_limit_is_no_reason_why_results_cannot_be_pickled(handled):
    """It comes while a result is weighed: it is raised, and not taken for what is wrong with it."""

    class Slow:
        def __reduce__(self):
            signal.raise_signal(signal.SIGALRM)
            return Slow, ()

    with pytest.raises(CutShortError):
        pickling_cost.measure([Slow()], [])
    assert handled == [signal.SIGALRM]
