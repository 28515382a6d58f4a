"""Looks who the workers of a Dask scheduler are, from the loop of its client."""

from __future__ import annotations

from _thread import allocate_lock

from amorsize._clusters.protocol import REPLY_S, Process
from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

#: Seconds between two looks, and how many more for each worker: an answer names all of them.
LOOK_S, LOOK_AT_ONE_S = 0.1, 0.3e-3
#: Seconds in which a worker answers to this process itself, or counts as out of its reach.
REACH_S = 2.0
#: Seconds without an answer after which a scheduler that is still connected counts as gone.
SILENT_S = 30.0


class Watch:
    """Keeps the list of worker processes up to date while a call lasts."""

    def __init__(
        self, client: Any, only: Collection[str] | None, resources: dict[str, float]
    ) -> None:
        """Look at nothing yet.

        Args:
            client: Whose scheduler is asked.
            only: Addresses, names or hosts of the workers that count; None: all.
            resources: What each submission takes of its worker's.
        """
        self._client, self._only = client, None if only is None else frozenset(only)
        self._resources = resources
        self._told: dict[str, Any] = {}  # what the scheduler knows of workers, where that counts
        self.processes: tuple[Process, ...] = ()
        self._reachable: set[str] = set()  # identities
        self._answered_s = 0.0
        self.has_answered = False
        self._is_on = False
        self._first_look = allocate_lock()
        self._first_look.acquire()

    def begin(self) -> None:
        """Look from now on, until `end`."""
        if not self._is_on:
            self._is_on = True
            self._answered_s = perf_counter()
            self._client.loop.add_callback(self._keep_looking)

    def end(self) -> None:
        """Look no more."""
        self._is_on = False

    def first_seen(self, timeout_s: float) -> tuple[Process, ...]:
        """The processes, once they were looked at, or the client has lost its scheduler."""
        until_s = perf_counter() + timeout_s
        while self._client.status == "running" and perf_counter() < until_s:
            if self._first_look.acquire(timeout=LOOK_S):
                self._first_look.release()
                break
        return self.processes

    def is_reachable(self, process: Process) -> bool:
        """Whether this process can talk to that one without the scheduler."""
        return process.identity in self._reachable

    def forget(self, process: Process) -> None:
        """Take it for gone: another one has its address, and is met at the next look."""
        self.processes = tuple(one for one in self.processes if one.identity != process.identity)

    def why_silent(self) -> str | None:
        """What to say of a scheduler that has not answered for too long."""
        silent_s = perf_counter() - self._answered_s
        if self._is_on and silent_s > SILENT_S:
            return f"the scheduler has not answered for {silent_s:.0f} s"
        return None

    async def _keep_looking(self) -> None:
        import asyncio

        while self._is_on and self._client.status == "running":
            try:
                await asyncio.wait_for(self._look(), SILENT_S)
            except (TimeoutError, OSError):
                pass  # `why_silent` and the client's status tell how long that goes on
            finally:
                if self._first_look.locked():
                    self._first_look.release()
            await asyncio.sleep(LOOK_S + LOOK_AT_ONE_S * len(self.processes))

    async def _look(self) -> None:
        import asyncio

        n_threads = await self._client.scheduler.ncores()
        self._answered_s, self.has_answered = perf_counter(), True
        if self._only is not None or self._resources:
            n_threads = await self._usable(n_threads)
        known = {one.address: one for one in self.processes}
        wanted = list(n_threads)
        new = [one for one in wanted if one not in known]
        met = await asyncio.gather(*(self._met(one, n_threads[one]) for one in new))
        known.update({one.address: one for one in met if one is not None})
        self.processes = tuple(known[one] for one in wanted if one in known)

    async def _usable(self, n_threads: dict[str, int]) -> dict[str, int]:
        """The workers that may be used, with how many submissions each can run at once."""
        if not n_threads.keys() <= self._told.keys():
            self._told = (await self._client.scheduler.identity())["workers"]
        found = {}
        for address in n_threads.keys() & self._told.keys():
            told = self._told[address]
            names = {address, told["host"], told["name"], str(told["name"])}
            has = told["resources"]
            rooms = [has.get(name, 0) // n for name, n in self._resources.items() if n]
            n_most = int(min([n_threads[address], *rooms]))
            if n_most and (self._only is None or names & self._only):
                found[address] = n_most
        return found

    async def _met(self, address: str, n_threads: int) -> Process | None:
        """Ask a worker who it is: itself where it can be reached, else by way of the scheduler."""
        import asyncio

        try:
            told = await asyncio.wait_for(self._client.rpc(address).identity(), REACH_S)
            self._reachable.add(told["id"])
        except (TimeoutError, OSError):
            answers = await asyncio.wait_for(
                self._client.scheduler.broadcast(
                    msg={"op": "identity"}, workers=[address], on_error="ignore"
                ),
                REPLY_S,
            )
            told = answers.get(address)
        if not isinstance(told, dict):
            return None  # it has just ended
        return Process(address=address, identity=told["id"], n_threads=n_threads)
