"""Measures what a chunk costs that a worker thread runs."""

from __future__ import annotations

from amorsize._workers import subprocess_time
from amorsize._workers.protocol import Chunk, ChunkDone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.chunk import Ran
    from amorsize._workers.first_items import FirstItems


class Meter:
    """Measures programs and the watching of items during a chunk, from when this is made."""

    __slots__ = ("_programs_s", "_spent_cpu_s", "_spent_s", "_watched")

    def __init__(self, watched: FirstItems | None) -> None:
        self._watched = watched
        self._programs_s = subprocess_time.cpu_s()
        self._spent_s, self._spent_cpu_s = self._spent()

    def _spent(self) -> tuple[float, float]:
        watched = self._watched
        return (0.0, 0.0) if watched is None else (watched.spent_s, watched.spent_cpu_s)

    def times_s(self, ran: Ran, n_running: int) -> tuple[float, float, float]:
        """Wall time, CPU time and run delay of the items, without the cost of watching them.

        Args:
            ran: The measurement of this thread.
            n_running: How many threads run chunks, as the CPU time of programs is that of all.
        """
        spent_s, spent_cpu_s = self._spent()
        spent_s, spent_cpu_s = spent_s - self._spent_s, spent_cpu_s - self._spent_cpu_s
        programs_s = (subprocess_time.cpu_s() - self._programs_s) / max(1, n_running)
        cpu_s = min(ran.wall_s, max(0.0, ran.cpu_s - spent_cpu_s) + programs_s)
        run_delay_s = subprocess_time.run_delay_s(ran.wall_s, cpu_s, programs_s, ran.run_delay_s)
        return ran.wall_s - spent_s, cpu_s, run_delay_s


def chunk_done(
    worker: int, chunk: Chunk, out: list[Any], ran: Ran, meter: Meter, n_running: int
) -> ChunkDone:
    """The event for a chunk that a thread has run."""
    wall_s, cpu_s, run_delay_s = meter.times_s(ran, n_running)
    end = chunk.start + ran.n_done
    return ChunkDone(
        worker=worker,
        start=chunk.start,
        results=out,
        n_sent=chunk.n_items,
        wall_s=wall_s,
        cpu_s=cpu_s,
        run_delay_s=run_delay_s,
        pickle_s=0.0,
        last=True,
        back=(end, chunk.stop) if ran.error is None and end < chunk.stop else None,
        error=ran.error,
    )
