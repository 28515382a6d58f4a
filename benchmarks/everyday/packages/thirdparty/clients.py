"""Clients of services as libraries make them: a session, a connection each thread, a limiter."""

import threading
import time

OPENED = []
_local = threading.local()


class Session:
    """Keeps what the last answer was, as sessions keep cookies."""

    def __init__(self):
        self._request = self.last = None
        self.n_requests = 0

    def get(self, path, wait_s=0.005):
        """One request at a time."""
        self._request = path
        time.sleep(wait_s)
        self.n_requests += 1
        self.last, self._request = f"answer to {self._request}", None
        return self.last


def connection():
    """The connection of this thread, opened when it is first asked for."""
    if not hasattr(_local, "connection"):
        _local.connection = Session()
        OPENED.append(1)
    return _local.connection


_default = None


def get(path):
    """With a session that the module keeps."""
    global _default
    if _default is None:
        _default = Session()
    return _default.get(path)


class Limiter:
    """Hands out turns, correctly locked: each number once."""

    def __init__(self, per_s):
        self.pause_s, self._lock, self._next_s, self.n = 1 / per_s, threading.Lock(), 0.0, 0

    def turn(self):
        """Wait for the next turn; its number."""
        with self._lock:
            now_s = time.monotonic()
            at_s, self.n = max(now_s, self._next_s), self.n + 1
            self._next_s = at_s + self.pause_s
            number = self.n
        time.sleep(max(0.0, at_s - now_s))
        return number
