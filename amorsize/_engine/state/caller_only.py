"""Keeps all items of a call in the caller after one was seen to need that."""

from __future__ import annotations

from amorsize.policy.events import DataDependsOnItems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._workers.tasks.shared_data import WrittenInto

#: Seconds per byte to compare memory that was lent to workers with its earlier content.
COMPARE_S = 0.25e-9
#: The largest share of a call's time that comparing may take.
COMPARED_SHARE = 0.05
CHANGED_HERE = (
    "an item here has changed a large array or table, and those in workers have not seen it"
)


class CallerOnly:
    """Has the caller run all items that are left after one was seen to need that."""

    def __init__(self, call: Call, recorder: Recorder) -> None:
        self._call, self._recorder = call, recorder
        #: What an item did in a worker that it may only do in the caller; None: nothing was seen.
        self.reason: str | None = None
        #: Whether this call has seen it, and not an earlier one.
        self.has_noticed = False
        #: Whether the user was warned of it.
        self.is_notice_given = False

    def enforce(self, why: str) -> None:
        """Have the caller run all other items one by one, unless the user has named a backend."""
        if self._call.caller_may_run_items and self._call.tuner.request.caller_reason is None:
            self._recorder.tell(DataDependsOnItems(why=why))

    def recall(self, reason: str | None) -> None:
        """Send no item to a worker if an earlier call has seen that it belongs in the caller."""
        if reason is None:
            return
        self.reason = reason
        if not self._call.options.thread_safe:  # else the user has vouched for threads
            self.enforce(f"an earlier call has seen in a worker that {reason}")

    def note_change_in_worker(self, why: str) -> None:
        """Note that an item changed something in a worker that belongs to the caller."""
        if not self._call.caller_may_run_items:
            if why not in self._recorder.warnings:
                self._recorder.warn(why)
            return
        if self.has_noticed:
            return
        self.reason, self.has_noticed = why, True
        self.enforce(f"in a worker, {why}")

    def stop_before_write(self, index: int, error: WrittenInto) -> None:
        """Note that an item, at this index or a little above, wrote into a worker's copy of data.

        Items before it have not seen the change, as in the loop. Later items should have seen it.
        """
        from amorsize._workers.tasks.shared_data import IS_WRITTEN

        self.note_change_in_worker(IS_WRITTEN)
        self.is_notice_given = True  # by the error, unless the caller can repeat the items
        self._call.work.fail(index, error)
        for pool in self._call.pools.values():
            pool.stop_at(index)

    def first_to_repeat(self) -> int | None:
        """The item that has written, if repeating from it gives the results of the loop."""
        call = self._call
        if not self.is_notice_given or call.work.failure is None:
            return None
        from amorsize._workers.tasks.shared_data import WrittenInto

        index, error = call.work.failure
        if not isinstance(error, WrittenInto) or not call.may_repeat or call.task.seed is not None:
            return None
        if call.task.source is None or call.source.has_changed:
            return None
        # An item in the caller may have written as well, and items in workers did not see it.
        return None if any(pool.has_changed_lent() for pool in call.pools.values()) else index

    def see_writes_here(self) -> None:
        """Warn if an item here has changed memory that items in workers should have seen changed.

        Comparing takes as long as lending did, so it is done only if the call is much longer.
        """
        if (
            self._call.work.failure is not None
            or self.has_noticed
            or not self._call.caller_may_run_items
        ):
            return
        most_bytes = COMPARED_SHARE * self._call.now_s / COMPARE_S
        for pool in self._call.pools.values():
            if 0 < pool.lent_bytes() <= most_bytes and pool.has_changed_lent():
                self.reason, self.has_noticed, self.is_notice_given = CHANGED_HERE, True, True
                self._recorder.warn(
                    f"{self._call.name}: {CHANGED_HERE}. Their results may not "
                    "be those of the loop. Later calls run all items here."
                )
