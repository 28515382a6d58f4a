"""Runs chunks on Dask's distributed scheduler.

Each submission is bound to one worker process, and runs in no other. So the scheduler has nothing
to run again when a process dies, which it would otherwise do up to three times in silence.
"""

from __future__ import annotations

import sys
from time import thread_time

from amorsize._clusters import dask_worker
from amorsize._clusters.buffers import LARGE_BYTES, Buffer
from amorsize._clusters.dask_demand import Demand
from amorsize._clusters.dask_submission import DaskSubmission
from amorsize._clusters.dask_watch import SILENT_S, Watch
from amorsize._clusters.protocol import (
    CANCELLED,
    DIED,
    FAILED,
    REPLY_S,
    UNSTARTED,
    Process,
    ProcessReplaced,
    ResultLost,
    refuse_unknown,
)
from amorsize._host.signals import reraise_from_handler
from amorsize.errors import InvalidOptionError, WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import Done


#: Seconds that sending the task to all workers may take.
PUT_S = 60.0

#: Seconds after which a result that was read is released: until then the chunk after it is on its
#: way. A client sends nothing for 10 ms after each message.
RELEASE_S = 5e-3

#: Options of `client.get_executor(...)` that are refused where they are on, with the reason.
UNKEPT = {
    "retries": "Dask would run items again in silence, and each item is to run once. The option "
    "retries= of the map has items run again whose worker died",
    "pure": "Dask would give an earlier result in place of running the items",
    "allow_other_workers": "each chunk is bound to one worker, so that it runs once. Without "
    "workers= all of them are used",
}


#: What `Client.submit` is given as the user says.
GIVEN = ("workers", "resources", "priority")


class DaskAdapter:
    """The workers of the scheduler that a client is connected to."""

    shares_memory = False
    submit_s, lag_s = 1.5e-3, 5e-3  # distributed 2026.8, a client beside its workers on 2 cores
    names_processes = overlaps = True
    way_out = (
        "Install it where the workers are, or call client.register_plugin() with "
        "distributed.PipInstall([...]) for a package and distributed.diagnostics.plugin."
        "UploadDirectory(...) for your own modules."
    )
    tells_victims = True

    def __init__(
        self,
        client: Any,
        *,
        is_ours: bool = False,
        of_executor: dict[str, Any] | None = None,
        given: dict[str, Any] | None = None,
    ) -> None:
        """Use a client that is connected.

        Args:
            client: A `distributed.Client`.
            is_ours: Whether it was made for this call, and is closed with it.
            of_executor: Options of `client.get_executor(...)`.
            given: Options of `Client.submit` that the user gave besides.

        Raises:
            InvalidOptionError: An option that is unknown, or would have items run twice, or
                elsewhere.
        """
        self._client, self._is_ours = client, is_ours
        self.reference_types = frozenset((sys.modules["distributed"].Future,))
        self._held: dict[str, tuple[str, ...]] = {}  # addresses of workers, by key
        self._put: list[Any] = []
        self._demand = Demand(client)
        self._loop_s = (0.0, 0.0)  # CPU seconds of the loop's thread: at first, lately
        self._address: str = getattr(client.scheduler, "address", "")  # none, once it is closed
        self.described = "the Dask cluster" + (self._address and f" at {self._address}")
        refuse_unknown(given or {}, GIVEN, self.described)
        options = {**_kept(of_executor or {}), **(given or {})}
        only = options.pop("workers", None)
        self._options = options
        self._watch = Watch(
            client, [only] if isinstance(only, str) else only, options.get("resources") or {}
        )

    def n_workers(self, *, one_per_process: bool) -> int | None:
        """Threads of all workers, or their processes; None while there are none."""
        self._watch.begin()
        processes = self._watch.first_seen(REPLY_S)
        n_workers = sum(1 if one_per_process else one.n_threads for one in processes)
        return n_workers or None

    def processes(self) -> tuple[Process, ...]:
        """As the scheduler told at most a moment ago."""
        return self._watch.processes

    def expect(self, work_s: float) -> None:
        """An adaptive cluster starts workers for it."""
        self._demand.tell(work_s, sum(one.n_threads for one in self._watch.processes))

    def submit(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        key: str,
        process: Process | None,
        done: Done,
    ) -> DaskSubmission:
        """Have the client's own loop send it, wait for it and fetch what it gave."""
        assert process is not None
        self._watch.begin()
        one = DaskSubmission(key, process, function, arguments, done)
        self._client.loop.add_callback(self._run, one)
        return one

    async def _run(self, one: DaskSubmission) -> None:
        if not self._loop_s[0]:
            self._loop_s = (thread_time(), thread_time())
        arguments = future = result = failure = None
        try:
            arguments = [await self._sent(argument, one) for argument in one.arguments]
            if one.is_cancelled:
                raise _Cancelled
            future = one.future = self._client.submit(
                dask_worker.run_here,
                *(one.process.identity, one.key, one.function, *arguments),
                key=one.key,
                workers=[one.process.address],
                allow_other_workers=False,
                retries=0,
                pure=False,
                **self._options,
            )
            result = await one.result(self._client, self._watch.is_reachable(one.process))
            if result == dask_worker.MOVED:
                self._watch.forget(one.process)
                raise ProcessReplaced(f"{one.process.address} is another process by now")
            if result == dask_worker.BEGUN:
                raise ResultLost(f"{one.process.address} has lost what it had run")
        except BaseException as error:  # it is told, whatever it is
            failure = error
        if future is not None:  # with the chunk that comes next, in one message
            self._client.loop.call_later(RELEASE_S, future.release)
        self._loop_s = (self._loop_s[0], thread_time())
        one.tell(result, failure)
        arguments = result = failure = None  # an error holds this frame

    async def _sent(self, argument: Any, one: DaskSubmission) -> Any:
        """Large memory goes straight to the worker where it can be reached."""
        if not _is_large(argument) or not self._watch.is_reachable(one.process):
            return argument
        sent = await self._client.scatter(
            argument if isinstance(argument, Buffer) else Buffer(argument),
            workers=[one.process.address],
            direct=True,
            hash=False,
            asynchronous=True,
        )
        one.sent.append(sent)
        return sent

    def locate(self, references: list[Any]) -> None:
        """Ask the scheduler once for all of them."""
        keys = [one.key for one in references if one.status == "finished"]
        held = _asked(self, self._client.scheduler.who_has, SILENT_S, keys=keys)
        self._held = {key: tuple(addresses) for key, addresses in held.items()}

    def holder(self, references: list[Any]) -> Process | None:
        """By what `locate` has found."""
        n_at: dict[str, int] = {}
        for one in references:
            for address in self._held.get(one.key, ()):
                n_at[address] = n_at.get(address, 0) + 1
        there = [one for one in self._watch.processes if one.address in n_at]
        return max(there, key=lambda one: n_at[one.address], default=None)

    def has_cancelled(self, references: list[Any]) -> bool:
        """As the scheduler has told this client."""
        return any(one.cancelled() for one in references)

    def put_once(self, data: bytes) -> Any:
        """Scatter data; workers that need it later fetch it from one another."""
        put = _asked(self, _scattered, PUT_S, self._client, data)
        self._put.append(put)
        return put

    def cancel(self, handle: DaskSubmission) -> None:
        """Have the scheduler forget it; what has begun runs on."""
        handle.is_cancelled = True
        if self.why_gone() is None:
            self._client.loop.add_callback(handle.withdraw, self._client)

    def tell_all(self, function: Callable[..., Any], *arguments: Any) -> None:
        """By way of the scheduler, beside the threads that run tasks."""
        if self.why_gone() is not None:
            return
        try:
            self._client.sync(
                *(_told_all, self._client, self._watch.processes, function, arguments),
                callback_timeout=REPLY_S,
            )
        except (TimeoutError, OSError) as error:  # they are out of reach, with what they run
            reraise_from_handler(error)

    def meaning(self, error: BaseException) -> str:
        """What an error of a future says."""
        from concurrent.futures import CancelledError

        if isinstance(error, ProcessReplaced):
            return UNSTARTED
        if isinstance(error, ResultLost) or type(error).__name__ == "KilledWorker":
            return DIED
        return CANCELLED if isinstance(error, (CancelledError, _Cancelled)) else FAILED

    def recovers(self) -> bool:
        """True: other workers go on, and nannies start new ones."""
        return True

    def why_gone(self) -> str | None:
        """What the client says of its connection, and how long the scheduler has said nothing."""
        if self._client.status != "running":
            return f"the client's connection to the scheduler is {self._client.status}"
        return self._watch.why_silent()

    def cpu_s(self) -> float:
        """CPU seconds of the thread of the client's loop, up to the latest chunk that came back."""
        return self._loop_s[-1] - self._loop_s[0]

    def fingerprint(self) -> str:
        """Where its scheduler runs; its port changes from start to start."""
        return f"dask at {self._address.rpartition(':')[0]}"

    def dashboard(self) -> str | None:
        """The scheduler's own page, where it has one; asking one that is gone takes for ever."""
        if not self._watch.has_answered:
            return None
        link = getattr(self._client, "dashboard_link", None)
        return link if isinstance(link, str) else None

    def close(self) -> None:
        """Stop looking after the workers, and free what was sent to them."""
        self._watch.end()
        self._demand.end()
        for put in self._put:
            put.release()
        self._put.clear()
        if self._is_ours:
            self._client.close(timeout=REPLY_S)


def _kept(options: dict[str, Any]) -> dict[str, Any]:
    """The options of an executor, without those that are off as they always are here."""
    for name, why in UNKEPT.items():
        if options.get(name):
            raise InvalidOptionError(
                f"{name}={options[name]!r} of client.get_executor() cannot be kept: {why}. "
                f"Leave {name} out there."
            )
    return {name: value for name, value in options.items() if name not in UNKEPT}


def _asked(
    adapter: DaskAdapter, function: Callable[..., Any], within_s: float, *args: Any, **keys: Any
) -> Any:
    """What a coroutine gives that asks the scheduler."""
    try:
        return adapter._client.sync(function, *args, callback_timeout=within_s, **keys)
    except (TimeoutError, OSError) as error:
        reraise_from_handler(error)
        what = f"{type(error).__name__}: {error}"
        raise WorkersUnavailable(f"{adapter.described} is gone: {what}") from error


async def _scattered(client: Any, data: bytes) -> Any:
    scattered = await client.scatter([Buffer(data)], broadcast=True, hash=False, asynchronous=True)
    return scattered[0]


async def _told_all(
    client: Any,
    processes: tuple[Process, ...],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    addresses = [one.address for one in processes]
    await client._run(function, *arguments, workers=addresses, on_error="ignore")


def _is_large(value: Any) -> bool:
    return isinstance(value, (bytes, Buffer)) and len(value) >= LARGE_BYTES


class _Cancelled(Exception):  # noqa: N818 - says what happened
    """It was cancelled before it was sent."""
