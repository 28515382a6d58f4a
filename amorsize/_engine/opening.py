"""Collects what the policy has to know of a call beforehand, or looks it up on the way."""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from amorsize._engine.options import call_options
from amorsize._host import shortage
from amorsize._host.import_state import is_half_loaded
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import wall_clock
from amorsize._profiles import memory_store
from amorsize._workers import nesting
from amorsize.policy.events import ProfileLookedUp
from amorsize.policy.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.starting.remote import RemoteWorkers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.caller_only import CallerOnly

#: With more items, the function is not checked for being trivial: 8192 are still few for 256 cores.
MOST_LOOKED_AT = 8192
#: Seconds to load what inspects host and function, once in a process: 7 ms on 2 busy cores.
INSPECTION_LOAD_S = 5e-3


class Opening:
    """Finds out for one call its backend, its profile and whether there is room for workers."""

    def __init__(self, call: Call, recorder: Recorder, caller_only: CallerOnly) -> None:
        self._call, self._recorder, self._caller_only = call, recorder, caller_only
        #: The workers of an executor; None: the call was given none.
        self.remote: RemoteWorkers | None = None

    def find_remote(self) -> None:
        """Find the executor or cluster that the items go to, if there is one.

        Raises:
            AmorsizeError: It cannot be used, or not with these options.
        """
        options = self._call.options
        if options.given_workers is None or nesting.is_inside() or self._backend() == "serial":
            return
        from amorsize._engine.starting.remote import RemoteWorkers

        self.remote = RemoteWorkers(self._call.task.function, options)

    def look_up(self) -> None:
        """Look up what this process knows of the function.

        For an executor, the disk is read too: the first chunks depend on what it has cost before.
        """
        call = self._call
        first = call.source.first
        if call.source.holds(first) and call.key is None:
            call.key = memory_store.key_of(call.func, call.work.item(first), call.item_kwargs)
            if self.remote is not None:
                call.key = self.remote.key(call.key)
        if call.options.retune or call.key is None:
            return
        call.known = memory_store.memory().profile(call.key)
        call.known_from = None if call.known is None else "memory"
        if self.remote is not None and call.known is None and call.options.cache:
            call.known = memory_store.memory().ask_disk(call.key, call.func)
            call.known_from = None if call.known is None else "disk"

    def recall_caller_only(self) -> None:
        """Keep the items in the caller if an earlier call has seen that they belong there."""
        if self._call.key is not None and not self._call.options.retune:
            self._caller_only.recall(memory_store.memory().caller_reason(self._call.key[0]))

    def look_up_on_disk(self) -> None:
        """Look up what earlier processes have learned."""
        call = self._call
        profile = memory_store.memory().ask_disk(call.key, call.func)
        if profile is not None:
            call.known, call.known_from = profile, "disk"
        self._recorder.tell(ProfileLookedUp(profile=profile))
        if profile is not None:
            self._caller_only.recall(profile.bound)

    def request(self) -> Request:
        options = self._call.options
        backend = self._backend()
        n_jobs = None if options.n_jobs in (None, -1) else options.n_jobs
        chunksize = options.chunksize
        if self.remote is not None:
            backend = self.remote.backend
            if backend == "thread":  # other workers may increase in number
                n_jobs = n_jobs or self.remote.n_workers
            if self.remote.goes_alone(options) or (chunksize is None and self._has_references()):
                chunksize = 1
        return Request(
            n_items=self._call.source.n_read if self._call.source.all_read else None,
            backend=backend,
            n_jobs=n_jobs,
            chunksize=chunksize,
            may_inline=options.timeout is None or backend == "serial",
            n_cores_most=_n_cores_most(),
            inherits_items=self._call.task.source is not None,
            at_s=wall_clock(),
            keeps_failures=self._call.task.keep_errors,
            is_trivial=self._is_trivial(),
            may_look_up=self._may_look_up(backend),
            item_s_before=self._item_s_before() if backend == "process" else None,
            to_load_s=0.0
            if "amorsize._engine.starting.host_inspection" in sys.modules
            else INSPECTION_LOAD_S,
        )

    def _item_s_before(self) -> float | None:
        """What an item took in the last call of the function; None: nothing is known of that."""
        options = self._call.options
        if options.retune or (trace := memory_store.last_trace(self._call.func)) is None:
            return None
        return None if trace.profile is None else trace.profile.traits.item_s

    def _has_references(self) -> bool:
        """Whether items are values that the executor holds; each then runs where its value is."""
        assert self.remote is not None
        n_known = min(self._call.source.n_read, MOST_LOOKED_AT)
        columns = self._call.work.items(0, n_known) if n_known else ()
        found = [self.remote.locate(column) for column in columns]  # each of them
        return any(found)

    def _backend(self) -> str:
        """The backend by the environment, the user's choice or another option."""
        options = self._call.options
        if nesting.is_inside() or _is_thread_of(options.executor):
            return "serial"
        if is_half_loaded():  # modules of workers may be half loaded
            return "serial"
        backend = call_options.environment_backend() or options.backend
        if backend != "auto":
            return backend
        if options.max_worker_memory is not None:
            return "process"  # the caller and its threads cannot be replaced
        if options.setup is not None or options.teardown is not None:
            # They are meant for worker processes. The caller runs them if it is the only worker.
            return "serial" if options.n_jobs == 1 else "process"
        return backend

    def _may_look_up(self, backend: str) -> bool:
        """Whether a profile on disk would be used."""
        options = self._call.options
        is_open = backend == "auto" and options.cache and not options.retune
        return is_open and self._call.key is not None

    def _is_trivial(self) -> bool:
        """Whether the function is trivial, asked before workers are started for long items."""
        if self._call.known is not None or not 2 <= self._call.source.n_read <= MOST_LOOKED_AT:
            return False
        if self._call.shortage_reason is not None or not self._call.work.n_left:
            return False
        from amorsize._function.trivial import is_trivial

        return is_trivial(self._call.function, self._call.work.item(self._call.source.first))

    def check_open_files(self) -> None:
        """Have the caller run all items if this process is short of files or memory.

        Raises:
            WorkersUnavailable: Only workers may run the items, and there is no room for them.
        """
        if self._call.shortage_reason is None or self._call.tuner.request.is_loop:
            return
        if self._call.caller_may_run_items:
            self._caller_only.enforce(self._call.shortage_reason)
            return
        try:
            shortage.load_late()
        except shortage.CANNOT_LOAD as error:
            reraise_from_handler(error)
            if not shortage.is_lack(error):
                raise
            for name in ("warm_pool", "kept_forks"):  # workers may have rights that were given up
                waiting = sys.modules.get(f"amorsize._workers.processes.{name}")
                if waiting is not None:
                    waiting.shutdown()
            raise shortage.no_workers(self._call.shortage_reason, error) from error


def _is_thread_of(executor: object) -> bool:
    """Whether this thread is one of the executor's: to wait for others there may be for ever."""
    queue = getattr(executor, "_work_queue", None)  # of those of the standard library
    if queue is None or (threading := sys.modules.get("threading")) is None:
        return False
    # A new thread may serve the queue before the executor has noted that it has this thread.
    thread = threading._active.get(get_ident())  # no other is made, as `current_thread` would
    return any(given is queue for given in getattr(thread, "_args", ()))


def _n_cores_most() -> int:
    """An upper bound for the cores, without the quota. Takes a microsecond."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
