"""Workers in new interpreters, which are safe to start beside any thread.

An interpreter that loads the few modules of this package takes its first chunk after about 25 ms; a
process of loky's context needs 70 to 110 ms. A server that forks warm workers would save little,
and would share its state with them like any fork.
"""

from __future__ import annotations

import sys

from amorsize._function.needs.libraries import libraries_of
from amorsize._function.ownership import is_own_module
from amorsize._host.signals import no_interrupts, reraise_from_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers import stream_calls, worker_numbers
from amorsize._workers.messages import exception_pickling, framing, serialization
from amorsize._workers.processes import warm_blocks
from amorsize._workers.processes.library_threads import thread_variables
from amorsize._workers.processes.process_pool import ProcessPoolBase
from amorsize._workers.processes.spawned_main import WORKER_NUMBER
from amorsize._workers.processes.surroundings import surroundings
from amorsize._workers.processes.warm_pool import WarmWorker, pool
from amorsize._workers.processes.worker_handle import GRACE_S, WorkerHandle, end
from amorsize._workers.protocol import Logged, SetupFailed, Text
from amorsize._workers.tasks.shared_data import LENT_BYTES, Lent
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.messages.framing import Piece
    from amorsize._workers.protocol import Event, Task
    from amorsize._workers.tasks.payload import Payload


class SpawnPool(ProcessPoolBase):
    """Workers of one call, each in an interpreter of its own; idle ones stay warm for the next."""

    def __init__(self, task: Task, payload: Payload, *, library_threads: int = 1) -> None:
        super().__init__(task)
        self._payload = payload
        self._surroundings = surroundings(payload.carried())
        for name in thread_variables(self._surroundings["environ"]):
            self._surroundings["environ"][name] = str(library_threads)
        self._library_threads = library_threads
        self._own_modules = _own_modules()
        self._libraries = libraries_of(task.function)
        self._by_value = False
        self._lent: Lent | None = None
        self._order = self._lent_task() or self._packed_task(
            payload.data
        )  # raises where the task cannot be sent
        self._stop = float("inf")

    # -- starting ---------------------------------------------------------------------------

    def start(self, number: int) -> None:
        """Take a warm worker or start one, with this number."""
        with no_interrupts():  # else Ctrl-C could leave a worker that nobody ends
            worker = pool.take(self._library_threads, self._own_modules)
            self._assign(number, worker or self._new_worker())

    def _new_worker(self) -> WarmWorker:
        return WarmWorker(self._surroundings["environ"], self._library_threads)

    def _assign(self, number: int, worker: WarmWorker) -> None:
        worker.begin(number, self._own_modules, self._stop)
        worker.loaded |= self._libraries
        worker.was_sent_value, worker.worker_number = self._by_value, worker_numbers.next_number()
        self._register(worker)
        self._send_task(worker)

    def _send_task(self, worker: WarmWorker) -> None:
        worker.writer.put(framing.TASK, WORKER_NUMBER.pack(worker.worker_number), self._order)
        self._flush(worker)

    def _packed_task(self, task: bytes) -> bytes:
        return serialization.dumps((self._surroundings, task, None))

    def _lent_task(self) -> bytes | None:
        """A large task, put into memory that all workers map; None: send it through the pipe."""
        data, parts = self._payload.apart()
        whole = [*parts, memoryview(data)]
        if sum(part.nbytes for part in whole) < LENT_BYTES:
            return None
        try:
            self._lent = Lent(whole)
        except OSError as error:  # the system has no such memory, or limits files
            reraise_from_handler(error)
            return None
        return serialization.dumps((self._surroundings, None, self._lent.location))

    def packed(self, items: Any) -> bytes:
        """Items as bytes, in one piece."""
        return self._payload.pack(items)

    # -- working ----------------------------------------------------------------------------

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more."""
        self._stop = min(self._stop, float(index))
        for handle in self._handles.values():
            if handle.counters is not None:
                handle.counters[0] = self._stop

    def _packed_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        return self._payload.pack_apart(items)

    def _event_of(self, handle: WorkerHandle, kind: bytes, payload: Piece | None) -> Event | None:
        assert isinstance(handle, WarmWorker)
        if kind == framing.FREE:
            handle.n_ends -= 1
            return None
        if handle.n_ends and kind not in (framing.TEXT, framing.RECORD):
            return None  # a message of an earlier call
        if kind == framing.UNFIT:
            assert payload is not None
            return self._send_code(handle, payload)
        if kind in (framing.READY, framing.FAILED):
            handle.is_ready = True
            if kind == framing.READY and not handle.was_kept and self._task.setup is None:
                self.ready_s = perf_counter() - handle.started_s
        return super()._event_of(handle, kind, payload)

    def _send_code(self, worker: WarmWorker, payload: Piece) -> Event | None:
        """A worker cannot import the function, or imports another: send its code."""
        error, text = exception_pickling.unpack_error(payload)
        try:
            if not self._by_value:
                self._order = self._packed_task(self._payload.by_value())
                self._by_value = True
                self._free_lent()
            if not worker.was_sent_value:
                worker.was_sent_value = True
                self._send_task(worker)
                return None
        except SerializationError as refusal:
            refusal.add_note(f"What a worker that imported it met: {error}")
            return SetupFailed(worker=worker.number, error=refusal)
        failure = SerializationError(
            f"{self._payload.name} cannot be rebuilt in a worker process: "
            f"{type(error).__name__}: {error}. Make it importable there, or use backend='thread'."
        )
        failure.add_note(text)
        return SetupFailed(worker=worker.number, error=failure)

    def _on_exit(self, handle: WorkerHandle, events: list[Event]) -> None:
        assert isinstance(handle, WarmWorker)
        if handle.was_kept and not handle.is_ready:
            # It ended before it began this call, so no item is to blame: replace it.
            handle.process.collect()
            self._remove(handle)
            with no_interrupts():
                self._assign(handle.number, self._new_worker())
        else:
            super()._on_exit(handle, events)

    # -- ending -----------------------------------------------------------------------------

    def close(self, *, at_once: bool) -> list[str]:
        """Keep idle workers for the next call and end the rest, within about `GRACE_S`.

        A worker that has run setup= is ended: the next call must not start from its state.
        """
        self._free_lent()
        if self._release_in_fork():
            return []
        workers = [one for one in self._handles.values() if isinstance(one, WarmWorker)]
        has_hooks = self._task.setup is not None or self._task.teardown is not None
        kept = []
        for worker in workers:
            if worker.is_leaving and not at_once:
                worker.process.ended_by(perf_counter() + GRACE_S)
            if worker.is_leaving or worker.in_flight or (has_hooks and not worker.is_ready):
                self._end(worker)
            else:
                worker.n_ends += 1
                worker.writer.put(framing.END, framing.STAY if warm_blocks.are_entered() else b"")
                self._flush(worker)
                kept.append(worker)
        if has_hooks and not at_once:
            self._wait_for_teardown(kept)
        for worker in kept:
            if worker.ended:
                continue
            if has_hooks:
                self._end(worker)
            else:
                self._unregister(worker)
                worker.rest()
                pool.put(worker)
        return []

    def lent_bytes(self) -> int:
        """Bytes of the task that workers map instead of holding a copy."""
        return 0 if self._lent is None else self._lent.n_bytes

    def has_changed_lent(self) -> bool:
        """Whether the caller has changed its data since it lent a copy."""
        return self._lent is None or self._lent.has_changed()

    def _free_lent(self) -> None:
        """Close the lent memory; it is freed when the last worker has unmapped it."""
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.close()

    def _end(self, worker: WarmWorker) -> None:
        end(worker)
        self._remove(worker)

    def _wait_for_teardown(self, workers: list[WarmWorker]) -> None:
        """Wait up to `GRACE_S` for teardown= to run, and print its output."""
        deadline = perf_counter() + GRACE_S
        while any(one.n_ends and not one.ended for one in workers):
            left_s = deadline - perf_counter()
            if left_s <= 0:
                return
            for event in self.wait(left_s):
                if isinstance(event, Text):
                    stream_calls.repeat(event.calls)
                elif isinstance(event, Logged):
                    from amorsize._workers.processes.child_setup import handle_record

                    handle_record(event.record)


#: The spec of each module, and whether the module belongs to the project.
_specs: dict[str, tuple[Any, bool]] = {}


def _own_modules() -> dict[str, Any]:
    """The specs of the project's own modules: a reloaded module has a new one."""
    found = {}
    for name, module in tuple(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None:
            continue
        known = _specs.get(name)
        if known is None or known[0] is not spec:
            known = _specs[name] = spec, is_own_module(name)
        if known[1]:
            found[name] = spec
    return found
