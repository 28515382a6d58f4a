"""A forked worker that can wait for another call of its function."""

from __future__ import annotations

import os

from amorsize._host import signals
from amorsize._workers import inherited_descriptors
from amorsize._workers.messages import framing
from amorsize._workers.messages.shared_memory import SharedBlock
from amorsize._workers.processes import parent_death
from amorsize._workers.processes.worker_main import Worker, flush_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from amorsize._workers.messages.framing import Piece


class KeptWorker(Worker):
    """A worker whose function reads and changes nothing but its items."""

    def _obey(self, kind: bytes, payload: Piece | None) -> bool:
        if kind == framing.END:
            self._rest()
            return True
        return super()._obey(kind, payload)

    def is_needed(self) -> bool:
        """Whether to keep waiting: the caller notes since when there is no call."""
        assert self.counters is not None
        self._idle_since = self.counters[SharedBlock.WAITING_SINCE]
        return super().is_needed()

    def _rest(self) -> None:
        """Wait for further calls without the caller's standard streams."""
        flush_streams()
        own = self.reading.number(), self.writing.number(), parent_death.held()
        inherited_descriptors.redirect_standard(own)


def hold_nothing(own: Collection[int], n_descriptors: int) -> None:
    """Release what a fork has inherited and does not need for items.

    Other programs may wait for the end of a pipe, for a lock on a file, a port or a folder. All of
    these are free only when the last copy is closed.

    Args:
        own: The descriptors that it needs.
        n_descriptors: None that is open is larger; 0: nobody knows.
    """
    signals.ignore_handled()
    inherited_descriptors.close_all(own, n_descriptors)
    os.chdir("/")
