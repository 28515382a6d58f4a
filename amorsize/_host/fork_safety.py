"""Tells whether this process may be forked now.

A fork copies the calling thread alone. A lock that another thread holds stays locked in the child
for ever. So beside other threads a fork is safe only if their library prepares for it.
"""

from __future__ import annotations

import _thread
import os
import sys

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel, monotonic, sleep
from amorsize.errors import InvalidOptionError
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

START_VARIABLE = "AMORSIZE_START"
_TASKS = "/proc/self/task"
#: Seconds to wait for the kernel to remove a thread that was joined. Most need 0.2 ms. Of 1000 on a
#: busy host, 10 took 4 ms and one took 12 ms. Without the wait, workers would start in new
#: interpreters, which takes 100 ms.
_ENDING_S = 20e-3
_POLL_S = 50e-6
#: Seconds for which a refusal is kept: with many libraries, a new judgement takes 4 ms.
_JUDGED_FOR_S = 20e-3
_N_NAMED = 3


#: Libraries by a part of their file's path, each with the reason for the verdict.
FORK_SAFE = {
    "openblas": "its pthread_atfork handler stops the pool before a fork, and either side starts "
    "a new one when it next needs it (OpenBLAS, driver/others/memory.c)",
}
FORK_UNSAFE = {
    "libgomp": "GNU's OpenMP goes on counting on its threads in the child, where they are gone: "
    "the next parallel region there waits for ever (GCC bug 58378)",
}
#: The variables that OpenBLAS obeys, in its order. They limit its threads including the caller.
_OPENBLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")


def start_method(*, environ: Mapping[str, str] | None = None) -> str:
    """How workers start on this platform: "fork", or "clean" for a new interpreter.

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
    """Why a fork is not safe now; None: it is.

    Takes 10 us in a process with one thread, and 1 ms if OpenBLAS has just started its pool. A
    thread that may be ending is waited for, 20 ms at most, once for the same threads.

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
        sleep(_POLL_S)  # lets a thread end, or begin to be counted
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
    lasting: bool  # False: it may be only a thread that is ending
    settled: bool = False  # the same threads were already waited for


class OtherThreads:
    """Judges the threads of this process besides the calling one.

    Python does not know the threads of OpenBLAS. They have the name of the process, and spin for
    long, so what they do does not tell them from others. They are recognised by exclusion: they
    have no name of their own, do not wait inside libgomp, and are no more than its pools can have.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._known: set[str] = set()  # judged as OpenBLAS's before
        self._n_pooled = 0  # how many its pools may have
        #: The latest refusal: how many threads Python had, and all of them.
        self._refused: tuple[int, set[str]] = (0, set())
        self._refusal: str | None = None  # its reason
        self._refused_since_s = 0.0
        self._judged_s = 0.0  # when it was last confirmed

    def doubt(self) -> _Doubt | None:
        """Why a fork may not be safe; None: all other threads are those of a fork-safe library."""
        try:
            others = {*os.listdir(_TASKS)} - {str(_thread.get_native_id())}
        except OSError as error:
            reraise_from_handler(error)
            unknown = f"{_TASKS} cannot be read, so it is not known which threads run"
            return _Doubt(reason=unknown, lasting=True)
        if not others:
            return None
        if (n_python := _thread._count()) == 0:  # the main thread is not counted
            return self._native_doubt(others)  # or one of Python's that is ending
        reason = _python_threads(n_python)
        threading = sys.modules.get("threading")
        # A thread that `threading` does not list may be ending, or was started without it.
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
        if self._pid != kernel.getpid():  # a fork: those were the parent's threads
            self._pid, self._known = kernel.getpid(), set()
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
    """How many threads the fork-safe libraries of this process may have started."""
    # numpy and scipy each bring a copy in a folder of their own, and each copy has a pool.
    copies = {path.rpartition("/")[0] for path in _libraries(maps, FORK_SAFE)}
    settings = [os.environ.get(variable, "") for variable in _OPENBLAS_VARIABLES]
    limits = [int(setting) for setting in settings if setting.isdecimal() and int(setting) > 0]
    per_copy = limits[0] if limits else os.cpu_count() or 1
    return len(copies) * (per_copy - 1)


def _libraries(maps: str, parts: Iterable[str]) -> set[str]:
    """The mapped libraries with one of `parts` in their name or in that of their folder.

    The folder counts because Debian has libblas.so.3 in one named openblas-pthread.
    """
    lines = [line for line in maps.splitlines() if ".so" in line and any(p in line for p in parts)]
    paths = {line.split(None, 5)[5] for line in lines if line.count(" ") >= 5}
    return {path for path in paths if any(p in "/".join(path.split("/")[-2:]) for p in parts)}


def _named_threads(tids: Iterable[str]) -> str | None:
    """Names threads with another name than the process, which belong to some library."""
    ours = procfs.read(f"{_TASKS}/{kernel.getpid()}/comm").strip()
    names = {tid: procfs.read(f"{_TASKS}/{tid}/comm").strip() for tid in tids}
    other = sorted(repr(name) for name in names.values() if name not in (ours, ""))
    return f"{_counted(len(other), 'native thread')}: {_some(other)}" if other else None


def _openmp_threads(tids: Iterable[str], maps: str) -> str | None:
    """Tells whether some thread is, or may be, one of GNU's OpenMP."""
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
    from amorsize.policy.counted import counted  # most processes have nothing to tell

    return counted(n, what)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_N_NAMED])
    return shown if len(names) <= _N_NAMED else f"{shown} and {len(names) - _N_NAMED} more"
