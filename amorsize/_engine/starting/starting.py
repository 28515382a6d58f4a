"""Starts the workers of a call, or goes on without them."""

from __future__ import annotations

import sys
from time import thread_time

from amorsize._engine.options import call_options
from amorsize._host import shortage
from amorsize._host.signals import no_interrupts, raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize._profiles import memory_store
from amorsize._workers import worker_numbers
from amorsize.errors import SerializationError, WorkersUnavailable
from amorsize.policy import best_backend
from amorsize.policy.events import HostInspected, Started, WorkersLimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.serving.workers import Workers
    from amorsize._engine.starting.fork_retention import ForkRetention
    from amorsize._engine.starting.host_inspection import HostInspection
    from amorsize._engine.starting.remote import RemoteWorkers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._workers.processes.fork_pool import ForkPool
    from amorsize._workers.protocol import WorkerPool

#: What helps where a worker cannot be started, by the kind of its error: the first that fits.
_MENDED_BY = (
    (PermissionError, "Let this user run that program"),
    (FileNotFoundError, "Set sys.executable to the Python of this program"),
    (RecursionError, "Raise the limit (sys.setrecursionlimit), make the call less deep"),
    (Exception, "Make room for one ({})"),
)


class Starter:
    """Starts the workers of one call."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        workers: Workers,
        inspection: HostInspection,
        *,
        remote: RemoteWorkers | None,
        stop_own_threads: Callable[[], None],
    ) -> None:
        self._call, self._recorder = call, recorder
        self._workers, self._inspection = workers, inspection
        self._remote, self._stop_own_threads = remote, stop_own_threads
        self._n_threads_for_memory: int | None = None  # None: not counted yet

    def start(self, backend: str) -> None:
        """Start one worker, or leave it to the tuner to decide what to do instead."""
        if not self._is_ready_for(backend):
            return
        if self._start_one(backend):
            self._start_those_there(backend)
            self._workers.poll(0.0)

    def _start_those_there(self, backend: str) -> None:
        """Start all others that are about to be asked for, as far as they are there.

        They have nothing to do before they are sent a chunk, so none is served later for it.
        """
        if backend != "process" or not self._is_there():
            return
        n = self._call.tuner.n_to_start(self._call.status(caller_busy=False))
        with no_interrupts():
            while n > 0 and self._is_there() and self._start_one(backend):
                n -= 1

    def _start_one(self, backend: str) -> bool:
        """Start one worker and tell of it; False: that was not possible, which is told."""
        number = sum(self._recorder.n_started.values())
        try:
            pool = self._pool(backend)
            is_there = self._is_there()
            if backend == "process" and not is_there:
                pool.expect(self._call.tuner.n_to_start(self._call.status(caller_busy=False)))
            worker_numbers.prepare(self._workers.numbers().of(number))
            began, began_cpu_s = perf_counter(), thread_time()
            pool.start(number)
            began -= pool.paid_before_s
        except SerializationError as error:  # an item may have changed what was judged before
            if not self._call.caller_may_run_items:
                raise
            self._recorder.tell(WorkersLimited(n_workers=0, why=str(error)))
            return False
        except (OSError, RuntimeError) as error:  # `threading` raises the second
            if raised_by_handler(error):
                raise
            self._cannot_start(backend, error)
            return False
        start_s = perf_counter() - began
        if self._workers.meter is not None:
            self._workers.meter.started(number, backend, began, began_cpu_s)
        self._workers.pool_of[number] = pool
        self._recorder.n_started[backend] = self._recorder.n_started.get(backend, 0) + 1
        self._recorder.tell(
            Started(
                worker=number,
                backend=backend,
                start_s=start_s,
                now_s=self._call.now_s,
            )
        )
        if backend == "process" and self._remote is None and not is_there:
            self._inspection.retention.note_start(self._recorder.n_started[backend])
        return True

    def _is_ready_for(self, backend: str) -> bool:
        """Whether a worker may start now; before a fork, this call's own threads end."""
        if backend == "process" and self._call.fork_reason is None and not self._is_there():
            self._stop_own_threads()
            if not self._is_sure_to_fork():
                return False
            self._limit_library_threads()
        if self._call.work.is_finished:  # the thread that read ahead has found no more items
            return False
        return backend != "thread" or self._has_room_for_thread()

    def _is_there(self) -> bool:
        """Whether the next worker process is there already, and need not be forked."""
        pool = self._call.pools.get("process")
        return pool is not None and pool.is_next_there()

    def _pool(self, backend: str) -> WorkerPool:
        """The pool that the next worker belongs to, made if this call has none of that kind."""
        kind, pool = backend, self._call.pools.get(backend)
        is_unsafe = self._call.fork_reason is not None
        if pool is not None and is_unsafe and pool.forks_more and not pool.is_next_there():
            kind = "new interpreter"  # beside forks that were made before there was a thread
            pool = self._call.pools.get(kind)
        if pool is None:
            pool = self._new_pool(backend)
            if not self._call.pools:
                # From here on the caller holds the lock, except in its own items.
                self._call.lock.acquire()
                self._workers.expect_returns()
            self._call.pools[kind] = pool
        return pool

    def _new_pool(self, backend: str) -> WorkerPool:
        from amorsize._engine.placement import verdict

        if verdict.are_threads_replaced():
            raise WorkersUnavailable(
                f"{verdict.WHY_REPLACED}: neither worker threads nor processes can be served. "
                "Leave backend= to 'auto', or use 'serial': both run items in the caller."
            )
        if self._remote is not None:
            return self._remote.new_pool(
                self._call.task, self._inspection.payload, self._call.tuner, self._recorder
            )
        if backend == "thread":
            from amorsize._workers.thread_pool import ThreadPool

            return ThreadPool(self._call.task)
        assert backend == "process", backend
        return self._new_process_pool()

    def _new_process_pool(self) -> WorkerPool:
        """Forks that wait since an earlier call, or a pool of new forks or new interpreters."""
        from amorsize._workers.processes import start_method

        if self._call.fork_reason is None:
            self._announce_code()
        else:
            self._check_new_interpreters()
        options, host = self._call.options, self._call.tuner.host
        n_asked = options.n_jobs if options.n_jobs not in (None, -1) else None
        n_most = max(64, best_backend.most_processes(host), self._call.tuner.n_most_jobs) + 8
        retention = self._inspection.retention
        if (kept := self._kept_pool(retention, n_most, n_asked)) is not None:
            return kept
        return start_method.new_process_pool(
            self._call.task,
            self._inspection.payload,
            forks=self._call.fork_reason is None,
            n_most=n_most,
            keep=None if retention.why_not() is not None else retention.keep,
            n_jobs=n_asked or host.n_cores,
            library_threads=self._n_library_threads,
        )

    def _announce_code(self) -> None:
        """Announce, before a fork, the code that forks may have to send."""
        from amorsize._workers.messages import code_pickle

        code_pickle.announce(
            self._call.task.function,
            [*self._call.work.results.in_order[:1], *self._inspection.next_items()[:1]],
        )

    def _check_new_interpreters(self) -> None:
        """Refuse interpreters that cannot be started or keep an option; warn of what they lack."""
        from amorsize._workers.processes import start_method

        self._refuse_without_interpreter()
        if not self._call.caller_may_run_items:
            self._warn_of_new_interpreters()
        if start_method.uses_loky():
            executor = "the executor that runs worker processes on this platform"
            call_options.refuse_unkept(self._call.options, "executor", executor)

    def _kept_pool(
        self, retention: ForkRetention, n_most: int, n_asked: int | None
    ) -> ForkPool | None:
        """Workers of an earlier call that can serve this one; None: there are none."""
        if self._call.fork_reason is not None or retention.is_first:
            return None
        tuner, state = self._call.tuner, retention.state_at_fork()
        if isinstance(state, str):
            tuner.note("workers are forked anew", state)
            return None
        from amorsize._workers.processes.kept_forks import kept

        pool = kept.take(state, n_most)
        if pool is not None:
            n = min(len(pool.resting), n_asked or n_most)
            told = "1 worker is there" if n == 1 else f"{n} workers are there"
            tuner.note(told, "kept since a call before")
            pool.reopen(self._call.task, retention.keep)
        return pool

    def _refuse_without_interpreter(self) -> None:
        """Refuse to start what is no interpreter, but this program once more."""
        from amorsize._workers.processes import start_method

        why = start_method.why_no_processes()
        if why is not None and not start_method.uses_loky():
            raise WorkersUnavailable(
                f"{self._call.name} cannot have worker processes: this program cannot be forked "
                f"({self._call.fork_reason}), and {why}. Use backend='auto' or 'thread'."
            )

    def _warn_of_new_interpreters(self) -> None:
        """Warn of what new interpreters lack if the user has asked for processes."""
        from amorsize._engine.placement import placement
        from amorsize._engine.starting.host_inspection import examined, held_by_several
        from amorsize._function.library import mocks

        judge = placement.Judge(
            self._call.task.function, self._call.options, memory_store.identity_of(self._call.func)
        )
        source = self._call.source
        judge.read(examined(self._inspection.next_items(), source), held_by_several(source))
        why = (
            judge.why_not_new_interpreters
            or mocks.why_not_new_interpreters()
            or self._inspection.payload().why_doubted()
        )
        if why is not None:
            self._recorder.warn(
                f"{self._call.name} may not give in worker processes what it gives here: {why}. "
                f"They cannot be forked ({self._call.fork_reason}); backend='auto' or 'thread' "
                "stays in this process."
            )

    def _has_room_for_thread(self) -> bool:
        """Whether one more thread would leave files and memory for other code."""
        n_alive = self._call.tuner.workers.of("thread").n_alive
        if self._workers.files is None:
            from amorsize._engine.serving.descriptor_limit import Files

            self._workers.files = Files()
        if self._n_threads_for_memory is None:
            self._n_threads_for_memory = shortage.n_threads_most()
        if self._call.options.n_jobs not in (None, -1):
            return True
        if n_alive >= self._n_threads_for_memory:
            why = "each thread takes some of the memory that this process may map (ulimit -v)"
        elif n_alive >= self._workers.files.n_threads_most():
            why = "items have files open, and this process may have so many (ulimit -n)"
        else:
            return True
        self._recorder.tell(WorkersLimited(n_workers=max(1, n_alive), why=why))
        return not n_alive

    def _is_sure_to_fork(self) -> bool:
        """Whether a fork is still safe: an item or the consumer may have started a thread.

        If it is not, later workers are new interpreters, or there are none.
        """
        from amorsize._engine.costs import spawn_costs
        from amorsize._host import resources

        if self._call.options.given_workers is not None:
            return True  # no fork is needed
        self._call.fork_reason = resources.why_not_fork()
        if self._call.fork_reason is None:
            return True
        why_none, request = self._inspection.why_not_processes(), self._call.tuner.request
        if request.backend == "auto":
            request = request.replace(
                process_reason=request.process_reason or why_none,
                may_pay_later=self._inspection.is_about_costs(why_none),
            )
        self._recorder.tell(
            HostInspected(host=spawn_costs.host(self._call.fork_reason), request=request)
        )
        if why_none is not None:
            why = f"a fork is not safe any more ({self._call.fork_reason}), and {why_none}"
            self._do_without("process", why)
        return False

    def _limit_library_threads(self) -> None:
        """Limit the threads of numerical libraries in the caller, which forks inherit."""
        if self._workers.library_limits is None:
            if "ctypes" not in sys.modules:  # then no such library is loaded
                return
            from amorsize._engine.serving.blas_threads import Limits

            self._workers.library_limits = Limits(self._n_library_threads)
        self._workers.library_limits.hold()

    @property
    def _n_library_threads(self) -> int:
        """How many threads a library may use in each worker, so that all fit into the cores."""
        return max(1, self._call.tuner.host.n_cores // self._call.tuner.n_most_jobs)

    def _cannot_start(self, backend: str, error: Exception) -> None:
        """Go on with the workers that are there, as the system has no room for another."""
        from amorsize.errors import AmorsizeError

        if isinstance(error, AmorsizeError):
            raise error
        what = f"{type(error).__name__}: {error}"
        mended_by = next(told for kind, told in _MENDED_BY if isinstance(error, kind))
        self._do_without(backend, what, f"{mended_by.format(backend)}, or use", cause=error)

    def _do_without(
        self, backend: str, what: str, instead: str = "Use", *, cause: Exception | None = None
    ) -> None:
        """Go on with the workers of this kind that are there, or else in the caller.

        If there are none of this kind, those of another kind finish what they have.
        """
        n_alive, why = (
            self._call.tuner.workers.of(backend).n_alive,
            f"no further worker could be started: {what}",
        )
        if not n_alive and (self._call.work.has_suspect or not self._call.caller_may_run_items):
            raise WorkersUnavailable(f"{why}. {instead} backend='serial'.") from cause
        self._recorder.tell(WorkersLimited(n_workers=n_alive, why=why))
