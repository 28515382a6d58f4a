"""Runs a program as a fresh process and measures it from outside, with all its descendants.

The wall time runs from just before the process is started until it has ended. Its CPU time is what
`wait4` says of it and its reaped children; a descendant that outlives its parent is handed to this
process (which makes itself the "subreaper" of its descendants), so it is waited for and counted as
well. Hidden is only the CPU time of a descendant whose parent ignores SIGCHLD.
"""

import ctypes
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
PR_SET_CHILD_SUBREAPER = 36
NEVER_COMPILED = "PYTHONDONTWRITEBYTECODE"
ORPHANS_MAY_TAKE_S = 5.0  # to end by themselves after their parent; what is left then is killed


class ChildFailed(RuntimeError):  # noqa: N818 - says what happened
    """The process did not end well or not in time; the text has its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one process took, measured from outside."""

    wall_s: float  # from just before its start to its end
    cpu_s: float  # user and system time, its own and its descendants'
    foreign_cpu_s: float  # what others on this machine used, or the hypervisor took, meanwhile
    n_orphans: int  # descendants that were still there when it ended
    output: str


def run_python(code: str, *arguments: str, timeout_s: float, environ: Mapping[str, str]) -> Outcome:
    """Run `python -c code arguments...` with the checkout to import from.

    Raises:
        ChildFailed: It exited with a failure or was not done after `timeout_s`.
    """
    before = _children()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, _adoption():
        busy_before_s = _busy_cpu_s()
        started_s = time.perf_counter()
        pid = _start([sys.executable, "-c", code, *arguments], environ, output, errors)
        try:
            in_time = _has_ended(pid, timeout_s)
        except BaseException:  # Ctrl-C reaches us alone: the child has a process group of its own
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        wall_s = time.perf_counter() - started_s
        if not in_time:
            os.killpg(pid, signal.SIGKILL)  # its children, too, unless they left its group
        _, status, usage = os.wait4(pid, 0)
        orphans_cpu_s, n_orphans = _reap_orphans(before)
        cpu_s = usage.ru_utime + usage.ru_stime + orphans_cpu_s
        busy_s = _busy_cpu_s() - busy_before_s
        if status or not in_time:
            raise ChildFailed(_last_words(arguments, status, in_time, timeout_s, _text(errors)))
        return Outcome(
            wall_s=wall_s,
            cpu_s=cpu_s,
            foreign_cpu_s=max(0.0, busy_s - cpu_s),
            n_orphans=n_orphans,
            output=_text(output),
        )


def _start(
    command: list[str], environ: Mapping[str, str], output: IO[bytes], errors: IO[bytes]
) -> int:
    return os.posix_spawn(
        command[0],
        command,
        {**_inherited(), "PYTHONPATH": str(ROOT), **environ},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ],
        setpgroup=0,
    )


def _inherited() -> dict[str, str]:
    """The environment, less what would compile the checkout anew in each process.

    Installed packages have been compiled once, by pip; so are those of the checkout, by the first
    untimed run of each contender. Where that is not written down, a process took 80 ms longer.
    """
    return {name: value for name, value in os.environ.items() if name != NEVER_COMPILED}


@contextmanager
def _adoption() -> Iterator[None]:
    """Be handed the descendants whose parent ends before they do."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _has_ended(pid: int, timeout_s: float) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([descriptor], [], [], timeout_s)
        return bool(ready)
    finally:
        os.close(descriptor)


def _reap_orphans(before: set[int]) -> tuple[float, int]:
    """Wait for the descendants that were handed to us; their CPU seconds and their number."""
    cpu_s, n_orphans = 0.0, 0
    give_up_s = time.monotonic() + ORPHANS_MAY_TAKE_S
    while orphans := _children() - before:
        for orphan in orphans:
            if time.monotonic() > give_up_s:
                os.kill(orphan, signal.SIGKILL)
            ended, _, usage = os.wait4(orphan, os.WNOHANG)
            if ended:
                n_orphans += 1
                cpu_s += usage.ru_utime + usage.ru_stime
        time.sleep(0.001)
    return cpu_s, n_orphans


def _children() -> set[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in children.split()}


def _busy_cpu_s() -> float:
    """CPU seconds this machine has spent on anything, time stolen from it included."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _last_words(
    arguments: tuple[str, ...], status: int, in_time: bool, timeout_s: float, errors: str
) -> str:
    how = (
        f"ended with {os.waitstatus_to_exitcode(status)}" if in_time else f"took over {timeout_s} s"
    )
    return f"{' '.join(arguments)} {how}\n{errors[-2000:]}"
