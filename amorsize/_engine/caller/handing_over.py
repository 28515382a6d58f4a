"""Runs the user's code in the middle of a call as if no call were under way."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.caller.item_seeding import ItemSeeding
    from amorsize._engine.serving.workers import Workers


class Consumer:
    """A block for the user's code that receives results or progress."""

    def __init__(self, workers: Workers, seeding: ItemSeeding) -> None:
        self._workers, self._seeding = workers, seeding

    def __enter__(self) -> None:
        self._workers.stop_clock()
        if self._workers.library_limits is not None:  # the consumer has its own threads
            self._workers.library_limits.lift()
        self._seeding.lend()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return  # the call ends, so nothing is restored for it
        self._workers.start_clock()
        self._seeding.take()
        if self._workers.library_limits is not None:
            self._workers.library_limits.hold()
