"""Gives the reasons against threads or processes that lie in the state of the program."""

from __future__ import annotations

import sys

from amorsize._host.import_state import being_imported
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._engine.options.call_options import Options

WHY_REPLACED = "gevent has put greenlets in the place of threads"
WHY_SEEDS = "items seed a random generator, with which the program goes on"
ALLOWS_THREADS = "thread_safe=True allows it"
ALLOWS_PROCESSES = "backend='process' allows it"
WHY_IN_TURN = "items that are read one by one may have in common what they change"
HOLDS_GIL = "its items compute in Python alone, so they hold the GIL"


class Verdict(Value):
    """Why items may not run in threads, or in worker processes; None: they may."""

    thread_reason: str | None = None
    process_reason: str | None = None
    must_watch: bool = False  # reading the code could not settle it

    @property
    def is_open(self) -> bool:
        """Whether items may run in workers of one kind or the other."""
        return self.thread_reason is None or self.process_reason is None

    def without(self, why: str) -> Verdict:
        """The verdict with a reason against workers of any kind."""
        return self.replace(
            thread_reason=self.thread_reason or why, process_reason=self.process_reason or why
        )

    def in_turn(self, options: Options) -> Verdict:
        """The verdict where items change something, and no one knows whether it is their own."""
        against_threads: str | None = f"{WHY_IN_TURN} ({ALLOWS_THREADS})"
        if options.thread_safe is not None:
            against_threads = why_no_threads(options)
        against_processes = f"a worker process would lose what items change ({ALLOWS_PROCESSES})"
        return self.replace(
            thread_reason=self.thread_reason or against_threads,
            process_reason=self.process_reason or against_processes,
        )


def why_no_threads(options: Options) -> str | None:
    """Why the options of a call rule out threads; None: they do not."""
    if options.seed is not None:
        return "seed= needs random generators that threads would share"
    return "thread_safe=False" if options.thread_safe is False else None


def are_threads_replaced() -> bool:
    """Whether `gevent.monkey.patch_all()` has replaced threads and locks."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def runs_event_loop() -> bool:
    """Whether an event loop runs in this thread, so that the call blocks it."""
    running = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
    return running is not None and running() is not None


def why_stay(locks: dict[str, Any]) -> str | None:
    """Why no item may run elsewhere now: it may have to wait for a lock that the caller holds."""
    if are_threads_replaced():
        return WHY_REPLACED
    for lock in locks.values():
        is_owned = getattr(lock, "_is_owned", None)
        if is_owned is not None and is_owned():
            return "the caller holds a lock (RLock) that items take again"
    # Threads that import such a module would wait for the caller, which waits for them.
    for name in being_imported():
        return f"the caller is in the midst of importing {name}"
    return None
