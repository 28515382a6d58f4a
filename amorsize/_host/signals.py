"""Holds back what signal handlers raise, where it would leave something behind.

Ctrl-C is one such handler, a time limit by SIGALRM another: between the start of a process and its
entry in our books, an exception would leave a process that nobody knows of.
"""

from __future__ import annotations

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[[int, Any], Any]

_outermost: no_interrupts | None = None


class no_interrupts:  # noqa: N801 - reads as a word where it is used: `with no_interrupts():`
    """Let the signals that Python code handles wait for as long as a block lasts.

    Where there is but one thread, it is told to block them. A thread that does not would take them,
    and have the handler run in the main thread all the same: beside others, the handlers are
    replaced meanwhile. Python runs them in the main thread alone, so elsewhere nothing is held.
    """

    def __init__(self) -> None:
        self._blocked: Any = None  # the signals that were, before the block
        self._handlers: dict[int, Handler] = {}  # those replaced
        self._came: list[int] = []
        self._is_over = False

    def __enter__(self) -> None:
        global _outermost
        if _outermost is not None:
            return  # in a block within a block
        signal = signals()
        handlers = {
            number: handler
            for number in range(1, signal.NSIG)
            if callable(handler := _handler_of(signal, number))
        }
        try:
            # A signal that was already on its way is raised by these very calls.
            if _is_alone():
                self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
                signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
            else:
                self._replace(signal, handlers)
        except BaseException:
            self._end(signal)
            raise
        if self._handlers or self._blocked is not None:
            _outermost = self

    def __exit__(self, *_: object) -> None:
        global _outermost
        if _outermost is not self:
            return
        _outermost = None
        self._end(signals())

    def _end(self, signal: Any) -> None:
        try:
            self.put_back(signal)
        finally:
            self._deliver(signal)

    def _replace(self, signal: Any, handlers: dict[int, Handler]) -> None:
        for number, handler in handlers.items():
            self._handlers[number] = handler
            try:
                signal.signal(number, self.note)
            except ValueError:  # another thread than the main one
                self._handlers.clear()
                return

    def note(self, number: int, frame: Any) -> None:
        """Keep a signal that came for later."""
        if self._is_over:  # another handler raised while this one was not yet back in its place
            handler = self._handlers[number]
            signals().signal(number, handler)
            handler(number, frame)
        else:
            self._came.append(number)

    def put_back(self, signal: Any) -> None:
        """Have signals handled as they were; in a fork, this is all there is to do."""
        self._is_over = True
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self.note:  # else set anew meanwhile
                signal.signal(number, handler)
        if self._blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)

    def _deliver(self, signal: Any) -> None:
        if self._came:
            try:
                signal.raise_signal(self._came.pop())
            finally:
                self._deliver(signal)

    def held(self, number: int) -> Handler:
        """The program's handler of a signal, in whose place ours is."""
        return self._handlers[number]

    @property
    def blocked(self) -> Any:
        """The signals that are blocked when this is over; None: those that are now."""
        return self._blocked


def leave_to_caller(blocked: list[int] | None = None) -> None:
    """In a worker: Ctrl-C and an event loop's wake-ups are the caller's, all else is as there.

    `blocked`: the signals that the caller blocks; None in a fork, which knows.
    """
    global _outermost
    signal = signals()
    if blocked is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # before one that waits is let through
    if _outermost is not None:  # it was forked from within
        _outermost.put_back(signal)
        _outermost = None
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def ignore_handled() -> None:
    """In a worker that outlives its call: what the program handles is for the program alone.

    A signal to all processes of a terminal or a group would have each of them run its handler.
    """
    signal = signals()
    for number in range(1, signal.NSIG):
        if callable(_handler_of(signal, number)):
            signal.signal(number, signal.SIG_IGN)


def handlers_of_program() -> list[Any]:
    """What handles each signal once nothing holds it back any more."""
    signal = signals()
    return [_seen_through(signal.getsignal(one), one) for one in sorted(signal.valid_signals())]


def _seen_through(handler: Any, number: int) -> Any:
    if getattr(handler, "__func__", None) is not no_interrupts.note:
        return handler
    return handler.__self__.held(number)


def raised_by_handler(error: BaseException) -> bool:
    """Whether a signal's handler has raised it: then it is no fault of what was just under way."""
    signal, codes, traceback = signals(), set(), error.__traceback__
    while traceback is not None:
        codes.add(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    handlers = (_handler_of(signal, number) for number in range(1, signal.NSIG))
    return any(_code_of(handler) in codes for handler in handlers if callable(handler))


def let_through(error: BaseException) -> None:
    """Raise an exception again that a signal's handler has raised: it is about no one's attempt.

    Wherever `OSError` is caught this comes first: a time limit may well be a `TimeoutError`.
    """
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is None:
        return  # raised where it was caught, as for most files that are not there: 0.1 us, not 6
    if raised_by_handler(error):
        raise error


def _code_of(handler: Any) -> Any:
    functools = sys.modules.get("functools")  # no partial was ever made where it is not loaded
    while functools is not None and isinstance(handler, functools.partial):
        handler = handler.func
    found = getattr(handler, "__code__", None)
    return found or getattr(type(handler).__call__, "__code__", None)


def blocked() -> list[int]:
    """The signals that this thread blocks, as a worker should."""
    signal = signals()
    found = None if _outermost is None else _outermost.blocked
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()) if found is None else found)


def _handler_of(signal: Any, number: int) -> Any:
    try:
        return signal.getsignal(number)
    except ValueError:  # no signal has this number
        return None


def _is_alone() -> bool:
    """Whether this is the only thread; a native one could take a signal, too."""
    if _thread._count():
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError as error:
        let_through(error)
        return False


def signals() -> Any:
    """What `signal` presents, without importing enum for it (4 ms)."""
    try:
        import _signal  # type: ignore[import-not-found]
    except ImportError:  # another implementation of Python
        import signal as _signal
    return _signal
