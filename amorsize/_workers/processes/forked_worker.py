"""A forked worker that can wait for another call of its function."""

from __future__ import annotations

import os
from math import inf

from amorsize._host import signals
from amorsize._host.clocks import perf_counter
from amorsize._workers import inherited_descriptors
from amorsize._workers.messages import framing
from amorsize._workers.processes import parent_death
from amorsize._workers.processes.worker_main import Worker, flush_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from amorsize._workers.messages.framing import Piece


class KeptWorker(Worker):
    """A worker whose function reads and changes nothing but its items."""

    def _obey(self, kind: bytes, payload: Piece | None) -> bool:
        if kind == framing.TASK:
            self._idle_since = inf
            self.rss_limit.begin(None)
            return True
        if kind == framing.END:
            self._rest(stays=payload == framing.STAY)
            return True
        return super()._obey(kind, payload)

    def _rest(self, *, stays: bool) -> None:
        """Wait for the next call, without the caller's standard streams."""
        self._idle_since = inf if stays else perf_counter()
        if self.counters is not None:
            self.counters[self.slot + 1] = 0.0
        flush_streams()
        own = self.reading.number(), self.writing.number(), parent_death.held()
        inherited_descriptors.redirect_standard(own)


def hold_nothing(own: Collection[int]) -> None:
    """Release what a fork has inherited and does not need for items.

    Other programs may wait for the end of a pipe, for a lock on a file, a port or a folder. All of
    these are free only when the last copy is closed.
    """
    signals.ignore_handled()
    inherited_descriptors.close_all(own)
    os.chdir("/")
