"""Which calls may leave their forked workers to the next one."""

from __future__ import annotations

from amorsize._engine.source import Sliced
from amorsize._function import sizeof
from amorsize._function.pure_code import ASKING_S
from amorsize._function.pure_reach import reach_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.call import Call
    from amorsize._workers.kept_forks import Standing

#: The most items of unknown cost that are asked for their types: 0.3 ms.
MOST_ITEMS = 10_000
#: The share of the work left that may go into asking them.
ASKING_SHARE = 0.02
#: The size of an item from which on sending it may take longer than forking.
MOST_BYTES = 4096


def standing_of(call: Call) -> Standing | str:
    """What workers forked now would stand on; in words why they end with the call."""
    options, task, source = call.options, call.task, call.source
    if options.setup is not None or options.teardown is not None:
        return "setup= and teardown= are for one call"
    if options.most_worker_bytes is not None or task.seed is not None:
        return "what they have drawn and hold is of this call"
    if call.is_stream or callable(options.progress) or not isinstance(source, Sliced):
        return "other code of the program runs beside the items"
    if call.work.n_left and sizeof.of(call.work.item(call.work.results.n_in_order)) > MOST_BYTES:
        return "forks have large items for nothing"
    if task.watch is not None and (task.watch.handles or task.watch.mutables):
        return f"{call.name} reaches what may change"
    most_items: float = MOST_ITEMS
    if call.tuner.costs.item_s is not None:
        left_s = call.tuner.left_s(call.status(caller_busy=False))
        most_items = max(most_items, ASKING_SHARE * left_s / ASKING_S)
    data = (*source.sequences, [*call.item_kwargs.values()])
    reach = reach_of(call.func, data, most_items)
    if reach is None:
        return f"{call.name} does more than compute with plain values"
    from amorsize._workers import kept_forks

    told = task.star, task.keep_errors, *call.item_kwargs
    return kept_forks.standing((*reach, *call.item_kwargs.values()), told)
