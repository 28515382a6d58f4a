"""Measures what the chunks of an executor cost beside their items."""

from __future__ import annotations

from time import thread_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._clusters.protocol import ClusterAdapter
    from amorsize._workers.protocol import ChunkDone
    from amorsize._workers.submissions import Submission

#: Items with results up to this size say what a chunk costs, not what its bytes do.
SMALL_BYTES = 1 << 16


class ChunkCosts:
    """The CPU time that chunks have taken of this process, and their time on the way.

    Args:
        adapter: Of the executor; its own threads are counted by it.
    """

    def __init__(self, adapter: ClusterAdapter) -> None:
        self._adapter = adapter
        self._began_s = self._spent_s = 0.0
        self._told_s: float | None = None  # what was spent when the latest chunk came back
        self._loaded: set[int] = set()  # workers that have run a chunk: the first loads modules

    def __enter__(self) -> None:
        """This thread works for chunks from now on."""
        self._began_s = thread_time()

    def __exit__(self, *_: object) -> None:
        """It does something else."""
        self._spent_s += thread_time() - self._began_s

    def of(self, submission: Submission, done: ChunkDone) -> tuple[float | None, float | None]:
        """Seconds that a chunk was on its way, and CPU seconds since the one before.

        None stands for what it does not tell: with many bytes, behind another chunk, or before it
        has become usual. Where a chunk that waits is not in the worker yet, it counts how long that
        had nothing to do before the chunk.
        """
        before_s, self._told_s = self._told_s, self._spent_s + self._adapter.cpu_s()
        is_usual = submission.worker in self._loaded and submission.is_first
        self._loaded.add(submission.worker)
        if (
            submission.parts
            or submission.references
            or len(submission.items) + (done.n_bytes or 0) > SMALL_BYTES
        ):
            return None, None
        cpu_s = None if before_s is None else self._told_s - before_s
        if not self._adapter.overlaps:
            return (None if submission.is_first else done.idle_s), cpu_s
        lag_s = submission.back_s - submission.sent_s - done.wall_s - done.pickle_s
        return (max(0.0, lag_s) if is_usual else None), cpu_s
