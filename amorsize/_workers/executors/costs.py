"""Measures what the chunks of an executor cost beyond their items."""

from __future__ import annotations

from time import thread_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._clusters.protocol import ClusterAdapter
    from amorsize._workers.executors.submissions import Submission
    from amorsize._workers.protocol import ChunkDone

#: Chunks up to this size of items and results show the cost of a chunk rather than of its bytes.
SMALL_BYTES = 1 << 16


class ChunkCosts:
    """Measures the CPU time of this process for chunks, and their time on the way.

    Args:
        adapter: The adapter of the executor, which counts the executor's own threads.
    """

    def __init__(self, adapter: ClusterAdapter) -> None:
        self._adapter = adapter
        self._began_s = self._spent_s = 0.0
        self._told_s: float | None = None  # CPU seconds when the latest chunk came back
        self._loaded: set[int] = set()  # workers that have run a chunk: the first loads modules

    def __enter__(self) -> None:
        """Count this thread's CPU time from now on."""
        self._began_s = thread_time()

    def __exit__(self, *_: object) -> None:
        """Stop counting it."""
        self._spent_s += thread_time() - self._began_s

    def of(self, submission: Submission, done: ChunkDone) -> tuple[float | None, float | None]:
        """Seconds that a chunk was on its way, and CPU seconds since the one before.

        Each is None if the chunk does not show it: it had many bytes, waited behind another chunk,
        or was its worker's first. If a waiting chunk is not in the worker yet, the time counts for
        which the worker had nothing to do before it.
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
