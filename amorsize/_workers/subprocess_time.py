"""Measures the CPU time of programs that items run, which is work of these items.

The CPU time of a thread that waits for `ffmpeg` looks like idle waiting, as if more such threads
would help. The system counts the CPU time of a child once it was waited for, per process rather
than per thread.
"""

from __future__ import annotations

from time import process_time, thread_time

try:
    from resource import RUSAGE_CHILDREN, getrusage
except ImportError:  # Windows: what programs compute is not seen there
    getrusage = None  # type: ignore[assignment]

_of_workers_s = 0.0  # workers are children too, but report their own cost


def cpu_s() -> float:
    """CPU seconds of all programs that have ended so far, without workers. Takes 1 us."""
    if getrusage is None:
        return 0.0
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime - _of_workers_s


def leave_out(seconds: float) -> None:
    """Exclude the CPU seconds of a worker."""
    global _of_workers_s
    _of_workers_s += seconds


def run_delay_s(wall_s: float, cpu_s: float, programs_s: float, run_delay_s: float) -> float:
    """How long items and their programs have waited for a core.

    The system does not tell the run delay of programs. Programs that compute for much of the time
    are assumed to wait for a core in the rest of it. Others are assumed to wait for cores as their
    thread does.

    Args:
        wall_s: Wall seconds of the items.
        cpu_s: CPU seconds of the items, including their programs.
        programs_s: CPU seconds of the programs.
        run_delay_s: Run delay of the thread itself.
    """
    if programs_s <= 0:
        return run_delay_s
    left_s = max(0.0, wall_s - cpu_s)
    if programs_s > COMPUTING_SHARE * wall_s:
        return max(run_delay_s, left_s)
    serial_item_s = max(LEAST_S, cpu_s - programs_s)
    return max(run_delay_s, min(left_s, run_delay_s * (1 + programs_s / serial_item_s)))


#: An item with more than this CPU share computes, as in `policy.evidence.io_bound`.
COMPUTING_SHARE = 0.3
#: The least time that starting a program takes.
LEAST_S = 1e-4


def with_thread() -> float:
    """CPU seconds of the calling thread and of programs."""
    return thread_time() + cpu_s()


def with_process() -> float:
    """CPU seconds of this process and of programs."""
    return process_time() + cpu_s()
