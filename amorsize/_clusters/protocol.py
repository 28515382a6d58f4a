"""What an executor has to offer for chunks to run on it.

A new executor is one file with a class that follows `ClusterAdapter`, with a line in `finding.py`.
It is done when it passes the contract tests, `tests/test_engines.py`.
"""

from __future__ import annotations

from amorsize.errors import InvalidOptionError, WorkersUnavailable
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from concurrent.futures import Future
    from typing import Any, Protocol

    #: Called once with what a submission gave: its result, or what came instead of one.
    Done = Callable[[Any, BaseException | None], None]

    class ClusterAdapter(Protocol):
        """The workers of one executor, as one call uses them.

        No method waits for longer than `REPLY_S`, whatever has become of the executor.
        """

        #: What messages call it, such as "the Dask cluster at tcp://10.0.0.1:8786".
        described: str
        #: Whether it runs submissions in threads of this process, without pickling them.
        shares_memory: bool
        #: Whether each submission names the process that it is to run in.
        names_processes: bool
        #: Whether a submission may wait in a worker while another runs there.
        overlaps: bool
        #: Whether the end of a process fails only the submissions that were in it.
        tells_victims: bool

        #: What to do where workers lack a module, as a sentence.
        way_out: str
        #: Types of items that stand for values which the executor has, or will have.
        reference_types: frozenset[type]
        #: CPU seconds of this process for a submission, until it was measured.
        submit_s: float
        #: Seconds for the way there and back, until they were measured. Where no submission can
        #: wait in a worker, those between two of them in a worker.
        lag_s: float

        def n_workers(self, *, one_per_process: bool) -> int | None:
            """How many chunks it runs at once; None where that is unknown."""
            ...

        def processes(self) -> tuple[Process, ...]:
            """The worker processes that there are now; nodes where submissions name no process."""
            ...

        def expect(self, work_s: float) -> None:
            """Start workers for the work that is left, in seconds of one, where it can do that.

            With 0 seconds it starts one if there is none.
            """
            ...

        def submit(
            self,
            function: Callable[..., Any],
            arguments: tuple[Any, ...],
            *,
            key: str,
            process: Process | None,
            done: Done,
        ) -> Any:
            """Run a function once, without waiting for it; gives a handle.

            Args:
                function: Importable where it is to run.
                arguments: Those that `put_once` gave, and references, arrive as what they stand
                    for.
                key: A name for it that no other submission has.
                process: Where it has to run, or not at all; None: anywhere.
                done: Called in any thread, once.
            """
            ...

        def locate(self, references: list[Any]) -> None:
            """Ask where these values are; some may not be there yet."""
            ...

        def holder(self, references: list[Any]) -> Process | None:
            """The process that has the most of these values; None where that is not known."""
            ...

        def has_cancelled(self, references: list[Any]) -> bool:
            """Whether somebody has cancelled one of these values."""
            ...

        def put_once(self, data: bytes) -> Any:
            """Send data once to each worker that needs it; None: the executor cannot do that."""
            ...

        def cancel(self, handle: Any) -> None:
            """Take a submission back, as far as it has not begun."""
            ...

        def tell_all(self, function: Callable[..., Any], *arguments: Any) -> None:
            """Call a function in each process now, whatever it runs, where that is possible."""
            ...

        def meaning(self, error: BaseException) -> str:
            """What an error means that came instead of a result: `DIED` or another below."""
            ...

        def recovers(self) -> bool:
            """Whether there is somewhere to go on after a process has died."""
            ...

        def why_gone(self) -> str | None:
            """Why the executor can run nothing any more; None: it can."""
            ...

        def cpu_s(self) -> float:
            """CPU seconds that threads of the executor have taken in this process so far."""
            ...

        def fingerprint(self) -> str:
            """What tells this executor from others that cost differently."""
            ...

        def dashboard(self) -> str | None:
            """The address of a page that shows it at work."""
            ...

        def close(self) -> None:
            """Release what the call has put there; the executor itself goes on."""
            ...


#: The process that ran it has ended; it came to another process, which has not run it; it was
#: cancelled; the executor could not run it.
DIED, UNSTARTED, CANCELLED, FAILED = "died", "unstarted", "cancelled", "failed"
#: Seconds that an executor is waited for at most before it counts as gone.
REPLY_S = 4.0


def outcome(future: Future[Any]) -> tuple[Any, BaseException | None]:
    """What a future that is done gave, as `Done` takes it."""
    if future.cancelled():
        from concurrent.futures import CancelledError

        return None, CancelledError()
    error = future.exception()
    return (None, error) if error is not None else (future.result(), None)


def raise_if_gone(adapter: ClusterAdapter) -> None:
    """Raise `WorkersUnavailable` if an executor can run nothing any more."""
    if (why := adapter.why_gone()) is not None:
        raise WorkersUnavailable(f"{adapter.described} is gone: {why}")


def refuse_unknown(given: dict[str, Any], known: Collection[str], described: str) -> None:
    """Refuse what an executor could only drop.

    Args:
        given: The value of `engine=`.
        known: The names that the executor knows.
        described: What messages call the executor.

    Raises:
        InvalidOptionError: It does not know one of them.
    """
    for name, value in given.items():
        if name not in known:
            what = f"it takes {', '.join(known)}" if known else "it takes nothing"
            raise InvalidOptionError(
                f"engine={{{name!r}: {value!r}}} means nothing to {described}: {what}."
            )


class Process(Value):
    """One worker process of an executor, or one of its nodes where submissions name none."""

    address: str
    identity: str  # another one under the same address has another
    n_threads: int  # submissions that it runs at once


class ProcessReplaced(Exception):  # noqa: N818 - says what happened
    """A submission came to another process than the one that it was for, which has not run it."""


class ResultLost(Exception):  # noqa: N818 - says what happened
    """A submission was run, and what came of it was lost before it was fetched."""
