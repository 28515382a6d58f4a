"""What is asked of a call."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value


class Request(Value):
    """What one call is asked for, and what may be done to fulfil it."""

    n_items: int | None  # None: not known before the data ends
    backend: str = "auto"  # "auto", "serial", "thread", "process": what the user asked for
    n_jobs: int | None = None  # an upper bound set by the user
    chunksize: int | None = None  # fixed by the user: every chunk has this many items but the last
    may_inline: bool = True  # items may run in the caller
    thread_reason: str | None = None  # why threads may not be used; None when they may
    process_reason: str | None = None  # why processes may not be used; None when they may
    may_pay_later: bool = False  # processes may not: too little seems left. That is asked again
    caller_reason: str | None = None  # why items run in the caller, in turn; None: they need not
    n_cores_most: int = 1  # what the host cannot exceed, told before anybody looks closely
    keeps_failures: bool = False  # as results, instead of ending with the first
    at_s: float | None = None  # when the call began, in seconds since 1970
    inherits_items: bool = False  # workers get the data by fork: only indices travel
    is_trivial: bool = False  # an item is over in no time, as the function's code shows
    may_look_up: bool = False  # what earlier processes have learned can be looked up
    to_load_s: float = 0.0  # what inspects host and function, still to be paid in this process
    item_s_before: float | None = None  # what an item took in the last call, for workers only
    connects: bool = False  # items use the network: what they wait for takes so many at a time

    @property
    def is_loop(self) -> bool:
        """The caller runs all items, one after the other."""
        if self.backend == "auto" and self.may_inline:
            return self.n_jobs == 1 or self.caller_reason is not None
        return self.backend == "serial"
