"""Makes the event for a chunk that has run on an executor."""

from __future__ import annotations

from amorsize._clusters.buffers import Buffer
from amorsize._host.signals import reraise_from_handler
from amorsize._workers.messages import exception_pickling, serialization
from amorsize._workers.protocol import ChunkDone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.executors.submissions import Submission


def done_of(submission: Submission, content: list[Any]) -> ChunkDone:
    """The event for a chunk that has run."""
    n_done, (wall_s, cpu_s, run_delay_s), pickle_s, results, error, some_stayed, *rest = content
    text, n_bytes = "", None
    chunk = submission.chunk
    if isinstance(results, Buffer):
        results = results.data
    if not isinstance(results, list):  # memory of some kind
        n_bytes = len(results)
        try:
            results = serialization.loads(results)
        except Exception as failure:
            reraise_from_handler(failure)
            results = serialization.cannot_read_back(chunk.start, n_done, failure)
            some_stayed = True
    if isinstance(error, bytes):
        error, text = exception_pickling.unpack_error(error)
    unstarted = chunk.start + n_done + (error is not None)
    stop = submission.stop
    return ChunkDone(
        worker=submission.worker,
        start=chunk.start,
        results=results,
        n_sent=stop - chunk.start,
        wall_s=wall_s,
        cpu_s=cpu_s,
        run_delay_s=run_delay_s,
        pickle_s=pickle_s,
        last=True,
        back=(unstarted, stop) if unstarted < stop else None,
        error=error,
        error_text=text,
        some_stayed=some_stayed,
        n_bytes=n_bytes,
        idle_s=rest[0] if rest else None,
    )


def failed(submission: Submission, error: BaseException) -> ChunkDone:
    """The event for a chunk of one item that has raised an error before it was run."""
    return done_of(submission, [0, (0.0, 0.0, 0.0), 0.0, [], error, False])
