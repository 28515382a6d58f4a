"""Raises the failure that ends a call, with the item that it comes from."""

from __future__ import annotations

import sys

from amorsize._host import shortage
from amorsize._workers.chunk import INDEX, KEPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize._engine.state.call import Call, Recorder


class Failures:
    """Takes the failures of one call's items, and raises the one of the lowest item."""

    def __init__(self, call: Call, recorder: Recorder) -> None:
        self._call, self._recorder = call, recorder
        #: The indices of the items in the user's data, if they are a part of it.
        self.indices: Sequence[int] | None = None
        #: Whether the results so far are of use to who made the call: not where it is only timed.
        self.keeps_results = True

    def fail(self, index: int, error: BaseException) -> None:
        if self._call.task.keep_errors and isinstance(error, Exception):
            error.__dict__[KEPT] = True
            if self._recorder.progress is not None:
                self._recorder.progress.n_failed += 1
            self.note_kept(index, [error])
            self._call.work.results.store(index, [error])
            return
        self._call.work.fail(index, error)
        for pool in self._call.pools.values():
            pool.stop_at(index)

    def note_broken_data(self) -> None:
        """Note that the iterator of items has raised, a failure after all items that it gave."""
        error = getattr(self._call.source, "error", None)
        if error is not None and self._call.work.failure is None:
            self._call.work.fail(self._call.source.n_read, error)

    def raise_lowest(self) -> None:
        if self._call.work.failure is None:
            return
        index, error = self._call.work.failure
        try:
            if error is not getattr(self._call.source, "error", None):
                self._note_item(index, error)
                self._note_waiters(error)
            self._attach_partial(error)
            raise error
        finally:
            del error  # whose traceback has this frame

    def note_kept(self, start: int, results: list[Any]) -> None:
        """Note on exceptions that are results which item has raised them."""
        for index, one in enumerate(results, start):
            if not issubclass(type(one), BaseException) or not one.__dict__.pop(KEPT, False):
                continue  # an exception that was returned is a result like any other
            if (tracebacks := shortage.loaded("_workers.messages.tracebacks")) is not None:
                tracebacks.leave_variables(one)  # one of them is the list of results
            if INDEX not in one.__dict__:  # several items may raise one exception
                self._note_item(index, one)

    def _note_item(self, index: int, error: BaseException) -> None:
        error.__dict__[INDEX] = index
        if (travel := shortage.loaded("_workers.messages.serialization")) is None:
            return  # items may have opened all files that are allowed
        told = f"{self._call.name}: item {index if self.indices is None else self.indices[index]}"
        if not self._call.source.holds(index):  # it was taken straight from the data
            travel.add_note(error, told)
            return
        travel.add_note(error, f"{told} ({travel.short_repr(self._call.work.item(index))})")
        if type(error) is TypeError and (hint := self._hint(index)) is not None:
            travel.add_note(error, hint)

    def _note_waiters(self, error: BaseException) -> None:
        """Note how many items ran at once, which may be the cause and was not the user's choice."""
        tuner, n_at_once = self._call.tuner, sum(self._recorder.n_started.values())
        if tuner.costs.waits:
            n_at_once, n_usual = min(tuner.waiters.n_wanted, n_at_once), 1
        else:  # on a busy host, items that wait may seem to compute in part
            is_mixed = tuner.costs.n_at_once > 1 and tuner.is_host_inspected
            n_usual = tuner.host.n_cores if is_mixed else n_at_once
        if self._call.options.n_jobs is not None or n_at_once <= n_usual:
            return
        if (travel := shortage.loaded("_workers.messages.serialization")) is not None:
            travel.add_note(
                error,
                f"{self._call.name}: up to {n_at_once} items ran at once, since they wait. If "
                "those are too many for what they wait for, n_jobs= sets a limit.",
            )

    def _hint(self, index: int) -> str | None:
        """The right call, in words, if the function cannot be called with such an item."""
        from amorsize._function import call_hints

        item = self._call.work.item(index)
        arguments = item if self._call.task.star else (item,)
        return call_hints.of_call(
            self._call.func, arguments, self._call.item_kwargs, self._call.name
        )

    def keep_in(self, error: BaseException) -> None:
        """Keep the results so far in the exception that ends the call, and note that on it."""
        if not self.keeps_results:
            return
        self._attach_partial(error)
        if isinstance(error, Exception) or self._call.is_stream:  # its consumer has the results
            return
        from amorsize._workers.messages.serialization import add_note

        n_done, source = len(error.__dict__["_amorsize_partial"]), self._call.source
        of_all = f" of {source.n_read}" if source.all_read else ""
        add_note(
            error,
            f"{self._call.name}: {n_done}{of_all} items were done. "
            f"amorsize.partial_results({name_of_caught()}) has their results, by index.",
        )

    def _attach_partial(self, error: BaseException) -> None:
        if not self.keeps_results:
            return
        # Not as an attribute: some exceptions refuse attributes.
        error.__dict__["_amorsize_partial"] = self._call.work.results.by_index()


def name_of_caught() -> str:
    """The name by which an exception is found: at a prompt, Python keeps what nobody has caught."""
    return "sys.last_value" if hasattr(sys, "ps1") else "error"
