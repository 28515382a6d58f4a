"""Forked workers that wait for the next call of their function.

They began as copies of this process. So they are used again only while their function could not
tell them from new forks: it only computes or sleeps, and reaches the same values. They keep no
descriptor of this process except their own pipes, and at most `MOST_BYTES` of its memory.
"""

from __future__ import annotations

import _thread
import os
import sys
from _weakref import ref

from amorsize._function import sizeof
from amorsize._function.plain_values import PLAIN
from amorsize._function.purity.pure_reach import is_same
from amorsize._host import procfs, resources, shortage
from amorsize._host.signals import act_if_free, no_interrupts
from amorsize._host.unpatched import perf_counter
from amorsize._workers.carried_state import caller_state
from amorsize._workers.messages import serialization
from amorsize._workers.processes import process_rights, warm_blocks
from amorsize._workers.processes.surroundings import surroundings
from amorsize._workers.processes.worker_main import IDLE_S
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.processes.fork_pool import ForkPool

#: The most memory of this process that waiting workers may keep alive after it has freed it.
MOST_BYTES = 128 << 20
#: The largest share of the available memory for that, which is read only above `LITTLE_BYTES`.
MEMORY_SHARE, LITTLE_BYTES = 0.25, 32 << 20
#: The most bytes that may be mapped from files, devices and memory of other owners.
MOST_MAPPED_BYTES = 1 << 20
#: The most bytes of values that a function reaches which are kept to compare them.
MOST_REACHED_BYTES = 1 << 20
#: The share of the files that this process can still open for workers, which take `N_FILES` each.
FILES_SHARE, N_FILES = 0.25, 3
#: The share of the processes that may still start for workers, and the share of all processes that
#: a user may have: the system does not tell how many of those there are.
PROCESSES_SHARE, USERS_SHARE = 0.25, 1 / 32
#: The most pools that wait at once, as a program may call a few functions in turn.
MOST_POOLS = 4
#: A pool is not used again this many seconds before its workers end by themselves.
MARGIN_S = 0.5
#: The most frames of Python by which calls may differ in depth, as many as a call itself takes.
MOST_FRAMES = 16
_ONE, _TEN, _LEAST_NORMAL, _LEAST = 1.0, 10.0, 2.0**-1022, 2.0**-1074
_OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
_MAPPED_BY_US = (" /dev/zero (deleted)", " /memfd:amorsize (deleted)")


def shutdown() -> None:
    """End the workers that wait."""
    with no_interrupts():
        kept.shutdown()


class StateAtFork:
    """The state that a forked worker has from its caller and that its items may notice.

    Args:
        reach: What their function reaches (`pure_reach.py`).
        told: What else decides how items run.

    Raises:
        SerializationError: The state of this process cannot be compared.
    """

    __slots__ = ("_depth", "_reach", "_state", "_told")

    def __init__(self, reach: tuple[Any, ...], told: tuple[Any, ...]) -> None:
        self._reach, self._told = tuple(map(_held, reach)), told
        if sum(sizeof.of(one) for one in self._reach if type(one) is not ref) > MOST_REACHED_BYTES:
            raise SerializationError("this process would keep the large values that items reach")
        self._depth = serialization.depth()
        hooks = sys.gettrace(), sys.getprofile()
        self._state = (
            *(surroundings(caller_state.packed()), process_rights.rights(), hooks),
            _rounding(),
        )

    def is_for(self, other: StateAtFork) -> bool:
        """Whether both are for the same function, even if that has changed."""
        return self._reach[0] is other._reach[0]  # one reference for each function

    def is_still(self, now: StateAtFork) -> bool:
        """Whether workers of both states would give the same results."""
        return (
            is_same(self._reach, now._reach)
            and self._told == now._told
            and self._state == now._state
            and abs(self._depth - now._depth) <= MOST_FRAMES
        )

    def begins_as_deep_as(self, earlier: StateAtFork) -> None:
        """Its workers were forked earlier: else each call could be a little deeper, without end."""
        self._depth = earlier._depth


def _held(value: Any) -> Any:
    """A plain value as it is, any other object by a weak reference.

    All weak references to one object are the same one, as long as one of them is kept.
    """
    if type(value) in PLAIN or type(value) is tuple:
        return value
    try:
        return ref(value)
    except TypeError as error:
        raise SerializationError(f"this process would keep what items reach ({error})") from error


def _rounding() -> str:
    """A text that shows how this thread rounds, and whether it treats subnormal numbers as zero.

    It is a text because such a thread treats them as zero in comparisons as well.
    """
    return repr((_ONE / _TEN, -_ONE / _TEN, _LEAST_NORMAL * _ONE / 2, _LEAST * _ONE))


def why_not_keep() -> str | None:
    """Why forks of this process must not outlive the call; None: they may."""
    if not sys.platform.startswith("linux"):
        return "only Linux tells what a fork holds"
    from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_CPU, getrlimit

    if getrlimit(RLIMIT_CPU)[0] != RLIM_INFINITY:  # each process has its own
        return "the calls before have used some of the time that a process may compute"
    # Each worker has 64 MiB mapped in this process, nearly all of it without memory.
    if getrlimit(RLIMIT_AS)[0] != RLIM_INFINITY or procfs.read(_OVERCOMMIT).startswith("2"):
        return "this process may map little memory"
    if _mapped_bytes(procfs.read("/proc/self/maps")) > MOST_MAPPED_BYTES:
        return "they would keep what this process has mapped"
    return _why_too_large()


def _why_too_large() -> str | None:
    told = procfs.read("/proc/self/status")
    try:
        held = procfs.bytes_in(told, "RssAnon") + procfs.bytes_in(told, "RssShmem")
    except ValueError:
        return "the kernel does not tell what a fork holds"
    is_much = held > LITTLE_BYTES and held > MEMORY_SHARE * resources.memory().available_bytes
    if held > MOST_BYTES or is_much:
        return f"they would keep {held >> 20} MiB of this process in memory"
    return None


def _mapped_bytes(maps: str) -> int:
    """Mapped bytes that others may wait for: shared memory, and files that may be deleted."""
    n_bytes = 0
    programs = set()  # and libraries: their code is mapped before their data
    for line in maps.splitlines():
        span, _, rest = line.partition(" ")
        if rest[2] == "x":
            programs.add(line[line.find("/") :])
        is_lent = rest[3] == "s" or line.endswith(" (deleted)")
        if not is_lent and rest[1] == "w" and (place := line.find("/")) > 0:
            is_lent = line[place:] not in programs  # a private mapping of a data file
        if is_lent and not line.endswith(_MAPPED_BY_US):
            first, _, end = span.partition("-")
            n_bytes += int(end, 16) - int(first, 16)
    return n_bytes


def n_workers_most() -> int:
    """How many workers may wait: the program may need their descriptors and processes itself."""
    from resource import RLIM_INFINITY, RLIMIT_NPROC, getrlimit

    n_most: float = int(shortage.n_files_left() * FILES_SHARE) // N_FILES
    if (n_left := resources.n_processes_left()) is not None:
        n_most = min(n_most, n_left * PROCESSES_SHARE)
    if (n_of_user := getrlimit(RLIMIT_NPROC)[0]) != RLIM_INFINITY:
        n_most = min(n_most, n_of_user * USERS_SHARE)
    return int(n_most)


class KeptForks:
    """The pools of forked workers that wait in this process."""

    def __init__(self) -> None:
        self._pools: list[tuple[ForkPool, StateAtFork, float]] = []  # the latest last
        self._lock = _thread.allocate_lock()
        self._is_registered = False

    def _register(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            import atexit

            atexit.register(shutdown)
            os.register_at_fork(before=self.collect_ended, after_in_child=self.forget_in_fork)

    def keep(self, pool: ForkPool, state: StateAtFork) -> None:
        """Have the workers of a pool wait for the next call, if that is affordable."""
        self._register()
        if _why_too_large() is not None:  # it has grown since they began
            pool.end_resting()
            return
        until_s = float("inf") if warm_blocks.are_entered() else perf_counter() + IDLE_S - MARGIN_S
        n_left = n_workers_most()
        with self._lock:
            self._pools.append((pool, state, until_s))
            for place, (one, *_) in reversed(tuple(enumerate(self._pools))):
                n_left -= len(one.resting)
                if n_left < 0 or len(self._pools) - place > MOST_POOLS:
                    del self._pools[place]
                    one.end_resting()

    def n_workers(self, state: StateAtFork) -> int:
        """How many workers wait that could serve a call in this state."""
        with no_interrupts(), self._lock:
            self._end_late()
            found = [len(pool.resting) for pool, was, _ in self._pools if was.is_still(state)]
        return max(found, default=0)

    def take(self, state: StateAtFork, n_workers: int) -> ForkPool | None:
        """Take a pool with room for this many workers, some of which wait; None: there is none.

        All other pools of the same function are ended.
        """
        found: ForkPool | None = None
        with no_interrupts(), self._lock:
            self._end_late()
            for one in tuple(self._pools):
                pool, was, _ = one
                if was.is_for(state):
                    self._pools.remove(one)
                    if found is None and was.is_still(state) and pool.n_most >= n_workers:
                        found = pool
                        state.begins_as_deep_as(was)
                    else:
                        pool.end_resting()
        return found

    def _end_late(self) -> None:
        """End pools whose workers have ended or soon will."""
        now_s = perf_counter()
        for one in tuple(self._pools):
            if now_s > one[2] or not one[0].has_waiting():
                self._pools.remove(one)
                one[0].end_resting()

    def collect_ended(self) -> None:
        """Before a fork: a program that forks may wait for any child, and means its own."""
        if self._pools:
            act_if_free(self._lock, self._end_late)  # else they are being looked at

    def shutdown(self) -> None:
        """End all that wait."""
        with self._lock:
            pools, self._pools = self._pools, []
        for pool, *_ in pools:
            pool.end_resting()

    def forget_in_fork(self) -> None:
        """In a forked child, close the copies of the pipes to the workers of its parent."""
        self._lock = _thread.allocate_lock()
        pools, self._pools = self._pools, []
        for pool, *_ in pools:
            pool.forget_resting()


kept = KeptForks()


def state_at_fork(reach: tuple[Any, ...], told: tuple[Any, ...]) -> StateAtFork | str:
    """The state that workers forked now would have; or why they cannot be kept, in words."""
    if (why := why_not_keep()) is not None:
        return why
    try:
        return StateAtFork(reach, told)
    except SerializationError as error:
        return str(error)
