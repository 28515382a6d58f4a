"""Runs the user's code in the middle of a call as if no call were under way."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.item_seeding import ItemSeeding
    from amorsize._engine.workers import Workers


class Consumer:
    """A block for code of the user's that receives results or progress."""

    def __init__(self, workers: Workers, draws: ItemSeeding) -> None:
        self._workers, self._draws = workers, draws

    def __enter__(self) -> None:
        self._workers.stop_clock()
        if self._workers.library_limits is not None:  # what the consumer does is its own
            self._workers.library_limits.lift()
        self._draws.lend()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return  # the call ends, and with it what would be taken back
        self._workers.start_clock()
        self._draws.take()
        if self._workers.library_limits is not None:
            self._workers.library_limits.hold()
