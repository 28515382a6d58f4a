"""Workers from a clean start: new interpreters, kept warm between calls, safe beside any thread.

A plain interpreter that loads this package's few modules takes its first chunk after about 25 ms;
a process of loky's context takes 70-110 ms to its first word. So there is no server process that
forks warm workers: it would save little, and bring back what forking shares.
"""

from __future__ import annotations

import sys

from amorsize._function.callables import is_own_module
from amorsize._host.clocks import perf_counter
from amorsize._host.signals import no_interrupts
from amorsize._workers import exception_pickling, framing, serialization, worker_numbers
from amorsize._workers.process_pool import ProcessPoolBase
from amorsize._workers.protocol import Logged, SetupFailed, Text
from amorsize._workers.shared_data import LENT_BYTES, Lent
from amorsize._workers.spawned_main import PLACE, surroundings
from amorsize._workers.warm_pool import Resident, pool
from amorsize._workers.worker_handle import GRACE_S, WorkerHandle, end
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece
    from amorsize._workers.protocol import Event, Payload, Task

# What limits the threads of numerical libraries: read once, when such a library is loaded.
INNER_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),  # Arrow heeds the first
)


class SpawnPool(ProcessPoolBase):
    """Workers of one call, each in an interpreter of its own; those left idle stay warm."""

    def __init__(self, task: Task, payload: Payload, *, inner_threads: int = 1) -> None:
        super().__init__(task)
        self._payload = payload
        self._surroundings = surroundings(payload.carried())
        for name in _limiting(self._surroundings["environ"]):
            self._surroundings["environ"][name] = str(inner_threads)
        self._inner_threads = inner_threads
        self._own_modules = _own_modules()
        self._by_value = False
        self._lent: Lent | None = None
        self._order = self._lent_task() or self._packed_task(payload.data)  # or cannot travel
        self._stop = float("inf")
        self.ready_s: float | None = None  # what the last new worker took to be able to work

    # -- starting ---------------------------------------------------------------------------

    def start(self, number: int) -> None:
        """Have one worker, warm or new, to be known by this number."""
        with no_interrupts():  # else one might be left that nobody knows of
            resident = pool.take(self._inner_threads, self._own_modules)
            self._employ(number, resident or self._new_resident())

    def _new_resident(self) -> Resident:
        return Resident(self._surroundings["environ"], self._inner_threads)

    def _employ(self, number: int, resident: Resident) -> None:
        resident.begin(number, self._own_modules, self._stop)
        resident.was_sent_value, resident.place = self._by_value, worker_numbers.prepared()
        self._attend(resident)
        self._hand_task(resident)

    def _hand_task(self, resident: Resident) -> None:
        resident.writer.put(framing.TASK, PLACE.pack(resident.place), self._order)
        self._flush(resident)

    def _packed_task(self, task: bytes) -> bytes:
        return serialization.dumps((self._surroundings, task, None))

    def _lent_task(self) -> bytes | None:
        """A task that is large, in memory that all workers map; None: it goes through the pipe."""
        data, parts = self._payload.apart()
        whole = [*parts, memoryview(data)]
        if sum(part.nbytes for part in whole) < LENT_BYTES:
            return None
        try:
            self._lent = Lent(whole)
        except OSError:  # no such memory on this system, or a limit on files
            return None
        return serialization.dumps((self._surroundings, None, self._lent.ticket))

    def packed(self, items: Any) -> bytes:
        """Items as they are sent."""
        return self._payload.pack(items)

    # -- working ----------------------------------------------------------------------------

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more."""
        self._stop = min(self._stop, float(index))
        for remote in self._remotes.values():
            if remote.cells is not None:
                remote.cells[0] = self._stop

    def _packed_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        return self._payload.pack_apart(items)

    def _understand(self, remote: WorkerHandle, kind: bytes, payload: Piece | None) -> Event | None:
        assert isinstance(remote, Resident)
        if kind == framing.FREE:
            remote.n_ends -= 1
            return None
        if remote.n_ends and kind not in (framing.TEXT, framing.RECORD):
            return None  # said before it knew of this call
        if kind == framing.UNFIT:
            assert payload is not None
            return self._unfit(remote, payload)
        if kind in (framing.READY, framing.FAILED):
            remote.is_ready = True
            if kind == framing.READY and not remote.was_kept and self._task.setup is None:
                self.ready_s = perf_counter() - remote.began_s
        return super()._understand(remote, kind, payload)

    def _unfit(self, resident: Resident, payload: Piece) -> Event | None:
        """A worker cannot find the function, or finds another: send the function itself."""
        error, text = exception_pickling.unpack_error(payload)
        try:
            if not self._by_value:
                self._order = self._packed_task(self._payload.by_value())
                self._by_value = True
                self._take_back()
            if not resident.was_sent_value:
                resident.was_sent_value = True
                self._hand_task(resident)
                return None
        except SerializationError as refusal:
            refusal.add_note(f"What a worker that imported it met: {error}")
            return SetupFailed(worker=resident.number, error=refusal)
        failure = SerializationError(
            f"{self._payload.name} cannot be rebuilt in a worker process: "
            f"{type(error).__name__}: {error}. Make it importable there, or use backend='thread'."
        )
        failure.add_note(text)
        return SetupFailed(worker=resident.number, error=failure)

    def _bury(self, remote: WorkerHandle, happenings: list[Event]) -> None:
        assert isinstance(remote, Resident)
        if remote.was_kept and not remote.is_ready:
            # It had gone, or was just going, when it was given this call: no item is to blame.
            remote.process.collect()
            self._forget(remote)
            with no_interrupts():
                self._employ(remote.number, self._new_resident())
        else:
            super()._bury(remote, happenings)

    # -- ending -----------------------------------------------------------------------------

    def close(self, *, at_once: bool) -> list[str]:
        """Leave idle workers to the next call and end the rest; within about `GRACE_S`.

        One that setup= has made ready is not what another call would start from: it is ended.
        """
        self._take_back()
        if self._leave_to_owner():
            return []
        residents = [one for one in self._remotes.values() if isinstance(one, Resident)]
        has_hooks = self._task.setup is not None or self._task.teardown is not None
        kept = []
        for resident in residents:
            if resident.is_leaving and not at_once:
                resident.process.ended_by(perf_counter() + GRACE_S)
            if resident.is_leaving or resident.orders or (has_hooks and not resident.is_ready):
                self._end(resident)
            else:
                resident.n_ends += 1
                resident.writer.put(framing.END)
                self._flush(resident)
                kept.append(resident)
        if has_hooks and not at_once:
            self._hear_out(kept)
        for resident in kept:
            if resident.ended:
                continue
            if has_hooks:
                self._end(resident)
            else:
                self._overlook(resident)
                resident.rest()
                pool.put(resident)
        return []

    @property
    def lent_bytes(self) -> int:
        """What workers have mapped of the caller's, in all."""
        return 0 if self._lent is None else self._lent.n_bytes

    def has_changed_lent(self) -> bool:
        """Whether the caller's own is another by now than what it has lent."""
        return self._lent is None or self._lent.has_changed()

    def _take_back(self) -> None:
        """What was lent is freed as soon as workers are through with the call as well."""
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.close()

    def _end(self, resident: Resident) -> None:
        end(resident)
        self._forget(resident)

    def _hear_out(self, residents: list[Resident]) -> None:
        """Wait until teardown has run, and pass on what it said; for `GRACE_S` at most."""
        deadline = perf_counter() + GRACE_S
        while any(one.n_ends and not one.ended for one in residents):
            left_s = deadline - perf_counter()
            if left_s <= 0:
                return
            for happening in self.wait(left_s):
                if isinstance(happening, Text):
                    print(happening.text, end="", file=getattr(sys, happening.stream), flush=True)
                elif isinstance(happening, Logged):
                    from amorsize._workers.child_setup import handle_record

                    handle_record(happening.record)


# Of each module by its name: its spec, and whether it is the project's.
_whose: dict[str, tuple[Any, bool]] = {}


def _own_modules() -> dict[str, Any]:
    """The specs of the project's own modules; reloading a module gives it a new one."""
    found = {}
    for name, module in tuple(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None:
            continue
        known = _whose.get(name)
        if known is None or known[0] is not spec:
            known = _whose[name] = spec, is_own_module(name)
        if known[1]:
            found[name] = spec
    return found


def _limiting(environ: dict[str, str]) -> list[str]:
    """The variables to set so that workers times inner threads stay within the cores."""
    if "OMP_NUM_THREADS" in environ:  # the user has decided, and all such libraries heed it
        return []
    return [name for name in INNER_THREADS if name not in environ]
