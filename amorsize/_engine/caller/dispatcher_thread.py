"""A thread that serves the workers while the caller runs a long item of its own."""

from __future__ import annotations

import _thread
import os
import sys
from _contextvars import copy_context

from amorsize._host.unpatched import perf_counter
from amorsize._workers.thread_exit import ThreadExit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.state.call import Call

#: Seconds between two checks whether the caller runs a long item.
NAP_S = 10e-3
#: Seconds after which an item of the caller is long, so that this thread serves the workers.
AFTER_S = 10e-3
#: The most seconds that the caller waits for the thread to end.
END_S = 1.0
#: The switch interval of the GIL, in seconds, while this thread serves workers.
SWITCH_S = 0.2e-3


class _QuickSwitches:
    """Shortens the switch interval of the GIL while the dispatcher thread serves workers.

    Each system call of the dispatcher releases the GIL. While an item computes, the dispatcher gets
    it back only after `sys.getswitchinterval()`. At 5 ms, serving one worker took 90 ms.
    """

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._n_inside = 0
        self._usual_s = self._own_s = 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._n_inside += 1
            if self._n_inside == 1:
                self._usual_s = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual_s, SWITCH_S))
                self._own_s = sys.getswitchinterval()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                self._restore()

    def _restore(self) -> None:
        if sys.getswitchinterval() == self._own_s:  # else the program has set another
            sys.setswitchinterval(self._usual_s)

    def after_fork(self) -> None:
        """Drop the dispatcher in the child of an item that has forked: its thread is not there."""
        self._lock = _thread.allocate_lock()
        if self._n_inside:
            self._n_inside = 0
            self._restore()


_quick_switches = _QuickSwitches()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_quick_switches.after_fork)


class Dispatcher:
    """Asks the tuner in the caller's place, while the caller does not hold the call's lock.

    Args:
        call: The call whose lock it takes.
        is_probing: Whether a GIL probe is running.
        serve: Handles the events of workers, and acts on them.
        act: Carries out what the tuner asks for now.
    """

    def __init__(
        self,
        call: Call,
        *,
        is_probing: Callable[[], bool],
        serve: Callable[[], None],
        act: Callable[[], None],
    ) -> None:
        self._call = call
        self._is_probing, self._serve_workers, self._act = is_probing, serve, act
        self._stopping = False
        self._wake, self._ending = _thread.allocate_lock(), ThreadExit()
        self._wake.acquire()
        #: Modules that serving workers has loaded, rather than the caller's item.
        self.n_loaded = 0
        self.error: BaseException | None = None
        # In a copy of the caller's context: the threads that it starts copy theirs from it.
        _thread.start_new_thread(copy_context().run, (self._live,))

    def _live(self) -> None:
        call = self._call
        try:
            self._ending.begun()
            while not self._stopping:
                self._wake.acquire(timeout=NAP_S)
                since = call.inline_since
                if not since or perf_counter() - since < AFTER_S:
                    continue
                # Whoever holds the lock is the caller, back from its items: never wait for it here,
                # it may be waiting for this thread to end.
                if not call.lock.acquire(blocking=False):
                    continue
                try:
                    if call.inline_since and not self._stopping:
                        n_loaded = len(sys.modules)
                        self._serve()
                        self.n_loaded += len(sys.modules) - n_loaded
                finally:
                    call.lock.release()
        except BaseException as error:
            self.error = error
        finally:
            self._ending.announce()

    def _serve(self) -> None:
        if self._is_probing():
            self._act()  # it has likely been watched for long enough
        if self._is_probing():  # short switch intervals would distort the probe
            self._serve_workers()
            return
        with _quick_switches:
            self._serve_workers()

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        if self._wake.locked():
            self._wake.release()
        self._ending.wait(END_S)

    def raise_error(self) -> None:
        """Raise the thread's error in the caller, once."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
