"""Delays signal handlers while an exception would leave something behind.

The handlers of Ctrl-C and of a time limit by SIGALRM raise. Between the start of a process and its
registration, such an exception would leave a process that nobody ends.
"""

from __future__ import annotations

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from threading import Thread
    from typing import Any

    Handler = Callable[[int, Any], Any]

_outermost: no_interrupts | None = None


class no_interrupts:  # noqa: N801 - reads as a word where it is used: `with no_interrupts():`
    """Hold back the signals that Python code handles during a block.

    A single thread blocks them. Beside other threads that is not enough: one of them would take the
    signal, and Python would run the handler in the main thread. So the handlers are replaced during
    the block. Other threads than the main one hold nothing back, as Python runs no handler there.

    Args:
        may_block: False where a thread is started: it would block them as well for as long as it
            lives, and so would the programs that it starts.
    """

    def __init__(self, *, may_block: bool = True) -> None:
        self._may_block = may_block
        self._blocked: Any = None  # the signals that were blocked before
        self._handlers: dict[int, Handler] = {}  # the replaced handlers, by signal
        self._came: list[int] = []
        self._is_over = False

    def __enter__(self) -> None:
        global _outermost
        if _outermost is not None:
            return  # in a block within a block
        signal = signals()
        handlers = _handlers(signal)
        try:
            # The handler of a signal that has already arrived runs in these very calls.
            if self._may_block and _is_alone():
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
        """Note a signal, which is handled after the block."""
        if self._is_over:  # another handler raised before this one was restored
            handler = self._handlers[number]
            signals().signal(number, handler)
            handler(number, frame)
        else:
            self._came.append(number)

    def put_back(self, signal: Any) -> None:
        """Restore the handlers, which is all that a fork has to do."""
        self._is_over = True
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self.note:  # else the program has set another
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
        """The program's handler of a signal, which is replaced now."""
        return self._handlers[number]

    @property
    def blocked(self) -> Any:
        """The signals that will be blocked after the block; None: those that are now."""
        return self._blocked


def leave_to_caller(blocked: list[int] | None = None) -> None:
    """In a worker: leave Ctrl-C and the wake-ups of an event loop to the caller.

    `blocked` are the signals that the caller blocks; None in a fork, which has inherited them.
    """
    global _outermost
    signal = signals()
    if blocked is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # before a pending one is delivered
    if _outermost is not None:  # it was forked in such a block
        _outermost.put_back(signal)
        _outermost = None
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def start_thread(thread: Thread) -> None:
    """Start a thread. `threading` forgets one in whose start a handler raises, and it fails."""
    with no_interrupts(may_block=False):
        thread.start()


def act_if_free(lock: LockType, act: Callable[[], None]) -> None:
    """Act under a lock, unless somebody has it; no interrupt leaves it taken."""
    with no_interrupts():  # one must not come before the lock is known to be taken
        if lock.acquire(blocking=False):
            try:
                act()
            finally:
                lock.release()


def ignore_handled() -> None:
    """In a worker that outlives its call: ignore the signals that the program handles.

    Otherwise a signal to all processes of a terminal or group would run the handler in each worker.
    """
    signal = signals()
    for number in _handlers(signal):
        signal.signal(number, signal.SIG_IGN)


def handlers_of_program() -> list[Any]:
    """The program's handler of each signal, whether it is replaced now or not."""
    signal = signals()
    return [_seen_through(signal.getsignal(one), one) for one in sorted(signal.valid_signals())]


def _seen_through(handler: Any, number: int) -> Any:
    if getattr(handler, "__func__", None) is not no_interrupts.note:
        return handler
    return handler.__self__.held(number)


def raised_by_handler(error: BaseException) -> bool:
    """Whether a signal handler has raised an error, rather than the code that it interrupted."""
    signal, codes, traceback = signals(), set(), error.__traceback__
    while traceback is not None:
        codes.add(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    return any(_code_of(handler) in codes for handler in _handlers(signal).values())


def reraise_from_handler(error: BaseException) -> None:
    """Raise an exception again if a signal handler has raised it.

    This comes first wherever `OSError` is caught: a time limit may be a `TimeoutError`.
    """
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is None:
        return  # raised where it was caught, as for missing files: takes 0.1 us instead of 6
    if raised_by_handler(error):
        raise error


def is_of_outside(error: BaseException) -> bool:
    """Whether Ctrl-C or a signal handler has raised an error, as far as can be told.

    Workers ignore Ctrl-C: a KeyboardInterrupt there is one that code of the program has raised.
    """
    if isinstance(error, KeyboardInterrupt):
        signal = signals()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            return True
    return raised_by_handler(error)


def short_text(error: BaseException) -> str:
    """The text of an exception; no error of its own."""
    try:
        return str(error)
    except BaseException as failure:
        if is_of_outside(failure):
            raise
        return f"<str() raised {type(failure).__name__}>"


def in_words(error: BaseException) -> str:
    """Type and text of an exception, for a message of ours."""
    return ": ".join(one for one in (type(error).__name__, short_text(error)) if one)


def _code_of(handler: Any) -> Any:
    functools = sys.modules.get("functools")  # without it, no partial was ever made
    while functools is not None and isinstance(handler, functools.partial):
        handler = handler.func
    found = getattr(handler, "__code__", None)
    return found or getattr(type(handler).__call__, "__code__", None)


def blocked() -> list[int]:
    """The signals that this thread blocks, for a worker to block them as well."""
    signal = signals()
    found = None if _outermost is None else _outermost.blocked
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()) if found is None else found)


def _handlers(signal: Any) -> dict[int, Handler]:
    """The signals that Python code handles, each with its handler."""
    getsignal = signal.getsignal
    return {
        number: handler
        for number in signal.valid_signals()
        if callable(handler := getsignal(number))
    }


def _is_alone() -> bool:
    """Whether this is the only thread, native ones included: they could take a signal as well."""
    if _thread._count():
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError as error:
        reraise_from_handler(error)
        return False


def signals() -> Any:
    """The C module behind `signal`, whose import of enum takes 4 ms."""
    try:
        import _signal  # type: ignore[import-not-found]
    except ImportError:  # another implementation of Python
        import signal as _signal
    return _signal
