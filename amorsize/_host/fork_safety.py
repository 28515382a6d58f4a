"""Whether this process may be forked now.

A fork copies the calling thread alone. A lock that another thread held stays locked in the child
for ever, so with other threads about a fork is safe only where their library sees to it.
"""

from __future__ import annotations

import _thread
import os
import sys
from time import sleep

from amorsize._host import procfs
from amorsize._host.clocks import monotonic
from amorsize._host.signals import let_through
from amorsize.errors import InvalidOptionError
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

START_VARIABLE = "AMORSIZE_START"
_TASKS = "/proc/self/task"
#: Seconds for which a thread that was joined may still be listed, until it has run to its end. Most
#: need 0.2 ms; of 1000 on a host with more to run than CPUs, 10 took 4 ms and one 12 ms. A clean
#: start, to which such a thread would lead, takes 100 ms.
_ENDING_S = 20e-3
_POLL_S = 50e-6
#: Seconds for which a refusal stands: with many libraries, finding out again takes 4 ms.
_JUDGED_FOR_S = 20e-3
_N_NAMED = 3


# Libraries known by a part of their file's path, each with the reason for the verdict.
FORK_SAFE = {
    "openblas": "its pthread_atfork handler stops the pool before a fork, and either side starts "
    "a new one when it next needs it (OpenBLAS, driver/others/memory.c)",
}
FORK_UNSAFE = {
    "libgomp": "GNU's OpenMP goes on counting on its threads in the child, where they are gone: "
    "the next parallel region there waits for ever (GCC bug 58378)",
}
# The variables that OpenBLAS obeys, in its order. They limit all its threads, the caller included.
_OPENBLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")


def start_method(*, environ: Mapping[str, str] | None = None) -> str:
    """How workers are started on this platform: "fork", or "clean" (a new interpreter).

    Raises:
        InvalidOptionError: `AMORSIZE_START` is set to something else.
    """
    wanted = (os.environ if environ is None else environ).get(START_VARIABLE) or "fork"
    if wanted not in ("fork", "clean", "loky"):
        raise InvalidOptionError(
            f"{START_VARIABLE}={wanted!r} in the environment is not a way to start workers. "
            "Set it to 'fork', 'clean' or 'loky', or unset it."
        )
    return "fork" if wanted == "fork" and _no_fork_here() is None else "clean"


def why_not_fork(*, environ: Mapping[str, str] | None = None) -> str | None:
    """None when a fork is safe now, else the reason in words.

    Takes 10 us in a process with one thread, 1 ms when OpenBLAS has just started its pool. Where a
    thread may be just ending it waits for that, 20 ms at most, once for the same threads.

    Raises:
        InvalidOptionError: `AMORSIZE_START` is set to something unknown.
    """
    reason = _no_fork_here()
    if reason is not None:
        return reason
    if start_method(environ=environ) == "clean":
        wanted = (os.environ if environ is None else environ)[START_VARIABLE]
        return f"{START_VARIABLE}={wanted} in the environment"
    doubt = _THREADS.doubt()
    if doubt is None:
        return None
    if doubt.settled:
        return doubt.reason
    give_up_s = monotonic() + _ENDING_S
    while True:
        sleep(_POLL_S)  # lets run a thread that is about to end, or has begun but is not counted
        doubt = _THREADS.doubt()
        if doubt is None:
            return None
        if doubt.lasting or monotonic() >= give_up_s:
            return doubt.reason


def _no_fork_here() -> str | None:
    if sys.platform == "linux":
        return None
    if sys.platform == "darwin":
        return "macOS: its system libraries break in a forked process"
    return f"this platform ({sys.platform}) has no fork that is known to be safe"


class _Doubt(Value):
    """Why a fork may not be safe."""

    reason: str
    lasting: bool  # False: perhaps only a thread that is just ending
    settled: bool = False  # these same threads have been there for a while


class OtherThreads:
    """The threads of this process besides the calling one, and whether a fork survives them.

    Of those that Python does not know, OpenBLAS's bear the name of the process and spin for long,
    so they cannot be told by what they are doing. They are known by what they are not: threads
    with a name of their own, threads waiting inside libgomp, more than the pools can hold.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._known: set[str] = set()  # taken for OpenBLAS's before
        self._n_pooled = 0  # as many as its pools may have
        self._refused: tuple[int, set[str]] = (0, set())  # so many of Python's in these threads,
        self._refusal: str | None = None  # for this reason,
        self._refused_since_s = 0.0  # since then,
        self._judged_s = 0.0  # last looked at then

    def doubt(self) -> _Doubt | None:
        """None when there are none but a fork-safe library's."""
        try:
            others = {*os.listdir(_TASKS)} - {str(_thread.get_native_id())}
        except OSError as error:
            let_through(error)
            unknown = f"{_TASKS} cannot be read, so it is not known which threads run"
            return _Doubt(reason=unknown, lasting=True)
        if not others:
            return None
        if (n_python := _thread._count()) == 0:  # which does not count the main thread
            return self._native_doubt(others)  # or one of Python's that is about to vanish
        reason = _python_threads(n_python)
        threading = sys.modules.get("threading")
        # One that `threading` does not list (any more) may be ending, or was never its own
        listed = threading is not None and threading.active_count() - 1 >= n_python
        settled = self._lasting(n_python, others)
        return _Doubt(reason=reason, lasting=listed or settled, settled=settled)

    def _native_doubt(self, others: set[str]) -> _Doubt | None:
        lasting, now_s = self._lasting(0, others), monotonic()
        if not lasting or now_s - self._judged_s >= _JUDGED_FOR_S:
            self._refusal, self._judged_s = self._judged(others), now_s
        if self._refusal is None:
            self._refused = (0, set())
            return None
        return _Doubt(reason=self._refusal, lasting=lasting, settled=lasting)

    def _lasting(self, n_python: int, others: set[str]) -> bool:
        now_s = monotonic()
        if (n_python, others) != self._refused:
            self._refused, self._refused_since_s = (n_python, others), now_s
        return now_s - self._refused_since_s >= _ENDING_S

    def _judged(self, others: set[str]) -> str | None:
        if self._pid != os.getpid():  # forked since: those were the parent's threads
            self._pid, self._known = os.getpid(), set()
        strangers = others - self._known
        if not strangers and len(others) <= self._n_pooled:
            return None
        maps = procfs.read("/proc/self/maps")
        self._n_pooled = _n_pooled(maps)
        reason = _named_threads(strangers) or _openmp_threads(strangers, maps)
        if reason is None and len(others) > self._n_pooled:
            beside = f" (OpenBLAS may have {self._n_pooled})" if self._n_pooled else ""
            reason = f"{_counted(len(others), 'native thread')} of unknown libraries{beside}"
        if reason is None:
            self._known = others
        return reason


_THREADS = OtherThreads()


def _python_threads(n_python: int) -> str:
    threading = sys.modules.get("threading")
    threads = threading.enumerate() if threading else []
    me = _thread.get_ident()
    names = sorted(repr(thread.name) for thread in threads if thread.ident != me)
    if not names:
        return f"{_counted(n_python, 'other Python thread')} started by `_thread`"
    return f"{_counted(len(names), 'other Python thread')}: {_some(names)}"


def _n_pooled(maps: str) -> int:
    """How many threads the fork-safe pools in this process may have started."""
    # numpy and scipy each bring a copy in a folder of their own, and each copy has its pool
    copies = {path.rpartition("/")[0] for path in _libraries(maps, FORK_SAFE)}
    settings = [os.environ.get(variable, "") for variable in _OPENBLAS_VARIABLES]
    limits = [int(setting) for setting in settings if setting.isdecimal() and int(setting) > 0]
    per_copy = limits[0] if limits else os.cpu_count() or 1
    return len(copies) * (per_copy - 1)


def _libraries(maps: str, parts: Iterable[str]) -> set[str]:
    """The mapped libraries with one of `parts` in their name or their folder's.

    The folder counts because Debian's libblas.so.3 lies in one named openblas-pthread.
    """
    lines = [line for line in maps.splitlines() if ".so" in line and any(p in line for p in parts)]
    paths = {line.split(None, 5)[5] for line in lines if line.count(" ") >= 5}
    return {path for path in paths if any(p in "/".join(path.split("/")[-2:]) for p in parts)}


def _named_threads(tids: Iterable[str]) -> str | None:
    """Name the threads that have another name than the process: some library's own service."""
    ours = procfs.read(f"{_TASKS}/{os.getpid()}/comm").strip()
    names = {tid: procfs.read(f"{_TASKS}/{tid}/comm").strip() for tid in tids}
    other = sorted(repr(name) for name in names.values() if name not in (ours, ""))
    return f"{_counted(len(other), 'native thread')}: {_some(other)}" if other else None


def _openmp_threads(tids: Iterable[str], maps: str) -> str | None:
    """Say whether some thread is, or may be, one of GNU's OpenMP."""
    ranges = [
        [int(edge, 16) for edge in line.split(None, 1)[0].split("-")]
        for line in maps.splitlines()
        if any(part in line for part in FORK_UNSAFE)
    ]
    if not ranges:
        return None
    n_openmp = n_running = 0
    for tid in tids:
        # "running", or the system call it waits in, with the program counter last
        *_, counter = procfs.read(f"{_TASKS}/{tid}/syscall").split() or [""]
        if not counter.startswith("0x"):
            n_running += 1
        elif any(low <= int(counter, 16) < high for low, high in ranges):
            n_openmp += 1
    if n_openmp:
        return f"{_counted(n_openmp, 'thread')} of OpenMP (libgomp), which no fork survives"
    if n_running:
        return f"{_counted(n_running, 'busy native thread')}, perhaps of OpenMP (libgomp)"
    return None


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_N_NAMED])
    return shown if len(names) <= _N_NAMED else f"{shown} and {len(names) - _N_NAMED} more"
