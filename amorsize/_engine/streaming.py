"""Decides how far a stream runs ahead of its consumer."""

from __future__ import annotations

from amorsize._host.unpatched import kernel
from amorsize.errors import WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._engine.data.ordered_results import OrderedResults
    from amorsize._engine.state.call import Call
    from amorsize._workers.inherited_descriptors import Pipe

#: Before an item is read, results are waited for up to this share of the time of a reading.
PATIENT_SHARE = 1 / 8
#: About how many bytes a stream holds ahead of its consumer unless `buffer` is given.
STREAM_BYTES = 64 << 20


def pipes_of_items(call: Call) -> frozenset[Pipe]:
    """The pipes and sockets of the program that a stream's forks keep open.

    The consumer may use them. Under "auto", items that reach one stay in the caller. With
    backend="process" items may put results into a queue of multiprocessing. Then all that are open
    now are kept, unless reading shows that the items use none.
    """
    if call.tuner.request.backend in ("auto", "serial"):
        return frozenset()
    from amorsize._engine.placement.pipe_use import leaves_pipes_alone
    from amorsize._workers.inherited_descriptors import pipes

    called = call.task.function, call.task.setup, call.task.teardown
    functions = [one for one in called if one is not None]
    if leaves_pipes_alone(functions, getattr(call.source, "sequences", ())):
        return frozenset()

    return pipes()


def refuse_in_fork(call: Call, owner_pid: int) -> None:
    """Refuse to go on in a fork of the program: the workers report to the process that began.

    Raises:
        WorkersUnavailable: This is such a fork, and the stream has workers.
    """
    if call.pools and kernel.getpid() != owner_pid:
        raise WorkersUnavailable(
            f"process {owner_pid} has begun this stream and has its workers: a fork of it cannot "
            "go on with it. Begin another stream in the fork, or use backend='serial'."
        )


def buffer_items(call: Call, result_bytes: int) -> int:
    """The number of items ahead of the consumer: several chunks per worker, as memory allows."""
    item_s = call.tuner.costs.item_s
    if item_s is None:
        return 64
    n_cores = call.tuner.n_cores or 2
    n_items = max(64, 4 * call.tuner.plan().chunksize * n_cores)
    each_bytes = result_bytes + call.source.item_bytes
    if n_items * each_bytes > STREAM_BYTES:
        n_items = max(2 * n_cores, STREAM_BYTES // each_bytes)
    return n_items


def has_results(call: Call, look: Callable[[float], None], *, ordered: bool) -> bool:
    """Whether there are results to hand over.

    If reading the next item may take long, results are polled for before.
    """
    if call.work.results.has_some(ordered=ordered):
        return True
    if call.source.all_read or call.work.n_left or not call.tuner.workers.n_in_flight:
        return False
    look(_patience_s(call))
    return call.work.results.has_some(ordered=ordered)


def _patience_s(call: Call) -> float:
    """Seconds to wait for results before an item is read that takes far longer."""
    item_s, most_s = call.tuner.costs.item_s, PATIENT_SHARE * call.source.read_s
    return most_s if item_s is not None and item_s < most_s else 0.0


def taken(results: OrderedResults, *, ordered: bool) -> list[tuple[int, list[Any]]]:
    """The results that a stream yields now: consecutive ones together, with the first index."""
    if ordered:
        return [(results.n_given, results.take_in_order())]
    return results.take_all()
