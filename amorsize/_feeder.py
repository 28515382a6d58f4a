"""A thread that serves the workers while the caller is in a long item of its own."""

from __future__ import annotations

import _thread
import sys
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._call import Call

NAP_S = 10e-3  # how often it looks whether the caller is in a long item
AFTER_S = 10e-3  # how long that must last for it to serve workers: they are fed within 20 ms
END_S = 1.0  # how long the caller waits for its end


class Feeder:
    """Asks the tuner in the caller's place, as long as the caller lets go of the call's lock."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stopping = False
        self._wake, self._ended = _thread.allocate_lock(), _thread.allocate_lock()
        self._wake.acquire()
        self._ended.acquire()
        self.n_loaded = 0  # modules: not by the caller's item, whatever it does meanwhile
        self.error: BaseException | None = None
        _thread.start_new_thread(self._live, ())

    def _live(self) -> None:
        call = self._call
        try:
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
                        call.feed()
                        self.n_loaded += len(sys.modules) - n_loaded
                finally:
                    call.lock.release()
        except BaseException as error:
            self.error = error
        finally:
            self._ended.release()

    def stop(self) -> None:
        """End the thread; what went wrong in it is raised here, in the caller."""
        self._stopping = True
        if self._wake.locked():
            self._wake.release()
        self._ended.acquire(timeout=END_S)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
