"""A chunk on its way through Dask, which its worker runs once."""

from __future__ import annotations

import sys

from amorsize._clusters import dask_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import Done, Process


class DaskSubmission:
    """What is to be run once, in one process."""

    def __init__(
        self,
        key: str,
        process: Process,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        done: Done,
    ) -> None:
        self.key, self.process = key, process
        self.function, self.arguments = function, arguments
        self._done: Done | None = done
        self.future: Any = None
        self.sent: list[Any] = []  # items that went ahead of it
        self.is_cancelled = False

    async def result(self, client: Any, is_reachable: bool) -> Any:
        """What it gave: from its worker itself if it can be reached, as the scheduler asks too."""
        has_run = False
        if is_reachable:
            try:
                await self.future._state.wait()
                if has_run := self.future.status == "finished":
                    get_data: Any = sys.modules["distributed.worker"].get_data_from_worker
                    got = await get_data(client.rpc, [self.future.key], self.process.address)
                    return got["data"][self.future.key]
            except Exception:  # the scheduler finds out what it means, or this Dask has other parts
                pass
        result = await client.gather(self.future, asynchronous=True)
        # Dask computes anew what was lost with its process; another one then says that it moved.
        return dask_worker.BEGUN if has_run and result == dask_worker.MOVED else result

    async def withdraw(self, client: Any) -> None:
        """Have the scheduler forget it, if it was sent."""
        if self.future is not None and client.status == "running":
            await client.cancel([self.future], asynchronous=True)

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Hand over what came of it, and keep nothing."""
        done, self._done = self._done, None
        self.arguments, self.future = (), None
        self.sent.clear()
        if done is not None:
            done(result, error)
