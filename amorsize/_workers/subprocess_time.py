"""What programs that items run have computed: it is the items' own work, wherever it was done.

To a thread that waits for `ffmpeg` the CPU time of the thread itself says that it waits, and more
of them would do. The system counts what children computed once somebody has waited for them, for
the whole process, and not for each of its threads.
"""

from __future__ import annotations

from time import process_time, thread_time

try:
    from resource import RUSAGE_CHILDREN, getrusage
except ImportError:  # Windows: what programs compute is not seen there
    getrusage = None  # type: ignore[assignment]

_of_workers_s = 0.0  # they are children as well, whose items have told what they cost


def cpu_s() -> float:
    """CPU seconds of all programs that have ended so far, but for workers; 1 us."""
    if getrusage is None:
        return 0.0
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime - _of_workers_s


def leave_out(seconds: float) -> None:
    """So much of it was a worker's."""
    global _of_workers_s
    _of_workers_s += seconds


def run_delay_s(wall_s: float, cpu_s: float, programs_s: float, run_delay_s: float) -> float:
    """For how long items could have run, they or their programs, while others had the core.

    Of programs nobody tells that. They are kept from it as the thread is that waits for them, and
    those that compute a good part of their time do nothing else.

    Args:
        wall_s: What the items took.
        cpu_s: What they computed, programs included.
        programs_s: What programs computed of that.
        run_delay_s: For how long the thread itself was kept from a core.
    """
    if programs_s <= 0:
        return run_delay_s
    left_s = max(0.0, wall_s - cpu_s)
    if programs_s > COMPUTING_SHARE * wall_s:
        return max(run_delay_s, left_s)
    serial_item_s = max(LEAST_S, cpu_s - programs_s)
    return max(run_delay_s, min(left_s, run_delay_s * (1 + programs_s / serial_item_s)))


COMPUTING_SHARE = (
    0.3  # of its time, from which an item computes: as `policy.evidence.io_bound` has it
)
LEAST_S = 1e-4  # what starting a program takes at least


def with_thread() -> float:
    """CPU seconds of the calling thread and of programs."""
    return thread_time() + cpu_s()


def with_process() -> float:
    """CPU seconds of this process and of programs."""
    return process_time() + cpu_s()
