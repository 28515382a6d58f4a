"""Runs chunks on an executor of `concurrent.futures`."""

from __future__ import annotations

import sys

from amorsize._clusters.protocol import CANCELLED, DIED, FAILED, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from typing import Any

    from amorsize._clusters.protocol import Done, Process


class PlainAdapter:
    """An executor of which no more is known than its `submit`."""

    submit_s, lag_s = 0.15e-3, 0.5e-3  # of a ProcessPoolExecutor, on 2 cores
    names_processes = False
    overlaps = True  # so it is with those of the standard library
    reference_types: frozenset[type] = frozenset()
    way_out = "Make it importable there."
    tells_victims = False

    def __init__(self, executor: Executor, *, renew: Callable[[], Executor] | None = None) -> None:
        """Take an executor that is ready for work.

        Args:
            executor: Where functions are submitted; it is never shut down.
            renew: Gives a new executor after this one has lost a process; None: nothing does.
        """
        self._executor, self._renew = executor, renew
        self.shares_memory = runs_in_threads(executor)
        self.described = f"the executor (a {self.fingerprint()})"

    def n_workers(self, *, one_per_process: bool) -> int | None:  # noqa: ARG002 - it cannot tell
        """What the executors of the standard library, loky's and MPI's say."""
        n_workers = getattr(self._executor, "_max_workers", None)
        if isinstance(n_workers, int) and n_workers > 0:
            return n_workers
        return None

    def processes(self) -> tuple[Process, ...]:
        """None: its processes cannot be told apart."""
        return ()

    def expect(self, work_s: float) -> None:
        """Do nothing: it has the workers that it has."""

    def submit(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        key: str,  # noqa: ARG002 - futures have no names
        process: Process | None,  # noqa: ARG002 - it chooses
        done: Done,
    ) -> Future[Any]:
        """Submit it; raises what the executor raises."""
        future = self._executor.submit(function, *arguments)
        future.add_done_callback(lambda one: done(*outcome(one)))
        return future

    def locate(self, references: list[Any]) -> None:
        """Never asked for."""

    def holder(self, references: list[Any]) -> None:  # noqa: ARG002
        """Never asked for."""
        return

    def has_cancelled(self, references: list[Any]) -> bool:  # noqa: ARG002
        """Never: it knows no values."""
        return False

    def put_once(self, data: bytes) -> None:  # noqa: ARG002
        """None: it cannot."""
        return

    def cancel(self, handle: Future[Any]) -> None:
        """Cancel a future."""
        handle.cancel()

    def tell_all(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Do nothing: nobody can reach them."""

    def meaning(self, error: BaseException) -> str:
        """A broken executor has lost a process."""
        from concurrent.futures import BrokenExecutor, CancelledError

        if isinstance(error, BrokenExecutor):
            return DIED
        return CANCELLED if isinstance(error, CancelledError) else FAILED

    def recovers(self) -> bool:
        """Whether a new executor has taken its place."""
        if self._renew is None:
            return False
        self._executor = self._renew()
        return True

    def why_gone(self) -> None:
        """None: it says so when it is given work."""
        return

    def cpu_s(self) -> float:
        """Nobody knows which threads are its own."""
        return 0.0

    def fingerprint(self) -> str:
        """Its class."""
        kind = type(self._executor)
        return f"{kind.__module__}.{kind.__qualname__}"

    def dashboard(self) -> None:
        """None."""
        return

    def close(self) -> None:
        """Do nothing: it holds nothing of the call."""


def runs_in_threads(executor: object) -> bool:
    """Whether the executor runs everything in this interpreter, without pickling."""
    thread = sys.modules.get("concurrent.futures.thread")
    if thread is None or not isinstance(executor, thread.ThreadPoolExecutor):
        return False
    return not any(cls.__name__ == "InterpreterPoolExecutor" for cls in type(executor).__mro__)
