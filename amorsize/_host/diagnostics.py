"""Experiments that show how many processes this host really runs at once.

They take two or three seconds. They use bare interpreters that spin, a pipe and pickle, and nothing
of the worker pools that they are to explain.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import time
from statistics import median

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SPIN_S = 0.15
N_ROUNDS = 3
#: Seconds until interpreters have started and can begin together: a fixed part, a part for each.
LEAD_S, LEAD_EACH_S = 0.12, 0.012
#: The most seconds of one experiment. On a slower host it fails.
LIMIT_S = 30.0
PIPE_BYTES = 32 * 1024**2
N_RECORDS = 20_000
THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)

_SPIN = """
import sys, time
start, end = float(sys.argv[1]), float(sys.argv[1]) + float(sys.argv[2])
clock, cpu, n = time.monotonic, time.process_time, 0
while clock() < start:
    pass
begun, begun_cpu = clock(), cpu()
while clock() < end:
    for _ in range(200):
        pass
    n += 1
took = max(clock() - begun, 1e-9)
print(n / took, (cpu() - begun_cpu) / took)
"""
_SINK = """
import os
n = 0
while part := os.read(0, 1 << 20):
    n += len(part)
print(n)
"""
_MULTIPLY = """
import numpy, os
matrix = numpy.ones((512, 512))
matrix @ matrix
print(len(os.listdir("/proc/self/task")))
"""


class Spun(Value):
    """The speed of some processes that computed side by side, over several rounds."""

    n_processes: int
    rate: float  # turns a second of all processes together, the median
    cpu_share: float  # CPU / wall time of each, the median; below 1, others had used its core


class Findings(Value):
    """What the experiments have shown."""

    spun: tuple[Spun, ...]  # by one process, by two, by one for each core
    pipe_bytes_s: float | None  # through a pipe to another process; None: that failed
    pickle_bytes_s: float  # pickled and unpickled, for many small dicts
    blas_threads: int | None  # started by one product of matrices; None: no numpy, or unknown
    blas_variables: tuple[str, ...]  # that are set in the environment and limit these threads

    def times(self, n_processes: int) -> float | None:
        """The speed of this many processes together over that of one; None: it was not tried."""
        rates = {one.n_processes: one.rate for one in self.spun}
        if n_processes not in rates or not rates.get(1):
            return None
        return rates[n_processes] / rates[1]


def run(n_cores: int) -> Findings:
    """Make the experiments for this number of usable cores."""
    return Findings(
        spun=spun(sorted({1, 2, n_cores})),
        pipe_bytes_s=_pipe_bytes_s(),
        pickle_bytes_s=_pickle_bytes_s(),
        blas_threads=_blas_threads(),
        blas_variables=tuple(name for name in THREAD_VARIABLES if os.environ.get(name)),
    )


def spun(numbers: Sequence[int]) -> tuple[Spun, ...]:
    """Let processes compute side by side: each of these numbers of them, in several rounds."""
    rounds = [[_spin(n) for n in numbers] for _ in range(N_ROUNDS)]
    return tuple(
        Spun(
            n_processes=n,
            rate=median(sum(rate for rate, _ in one[place]) for one in rounds),
            cpu_share=median([share for one in rounds for _, share in one[place]] or [0.0]),
        )
        for place, n in enumerate(numbers)
    )


def _spin(n: int) -> list[tuple[float, float]]:
    """Turns a second and CPU share of each of `n` processes that begin together."""
    start = time.monotonic() + LEAD_S + LEAD_EACH_S * n
    processes = [_started(_SPIN, str(start), str(SPIN_S)) for _ in range(n)]
    answers = [_answer(process) for process in processes]
    return [(float(one[0]), float(one[1])) for one in answers if len(one) == 2]


def _pipe_bytes_s() -> float | None:
    process = _started(_SINK, stdin=subprocess.PIPE)
    block = bytes(1 << 20)
    assert process.stdin is not None
    begun_s = time.perf_counter()
    try:
        for _ in range(PIPE_BYTES // len(block)):
            process.stdin.write(block)
        process.stdin.close()
        process.stdin = None
    except OSError as error:
        reraise_from_handler(error)
        _answer(process)
        return None
    done = _answer(process) == [str(PIPE_BYTES)]
    return PIPE_BYTES / (time.perf_counter() - begun_s) if done else None


def _pickle_bytes_s() -> float:
    records = [{"id": n, "name": f"record {n}", "value": n / 7} for n in range(N_RECORDS)]
    takes_s, n_bytes = [], 0
    for _ in range(N_ROUNDS):
        begun_s = time.perf_counter()
        data = pickle.dumps(records, pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)
        takes_s.append(time.perf_counter() - begun_s)
        n_bytes = len(data)
    return n_bytes / median(takes_s)


def _blas_threads() -> int | None:
    if not procfs.read("/proc/self/status") or importlib.util.find_spec("numpy") is None:
        return None
    answer = _answer(_started(_MULTIPLY, isolated=False))
    return int(answer[0]) if len(answer) == 1 and answer[0].isdecimal() else None


def _started(
    code: str, *arguments: str, stdin: int = subprocess.DEVNULL, isolated: bool = True
) -> subprocess.Popen[bytes]:
    bare = ["-I", "-S"] if isolated else ["-P"]  # imports nothing from the current folder
    return subprocess.Popen(
        [sys.executable, *bare, "-c", code, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _answer(process: subprocess.Popen[bytes]) -> list[str]:
    """The words that a process has printed; none if it failed, or was killed after `LIMIT_S`."""
    try:
        stdout, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return []
    return stdout.decode().split() if process.returncode == 0 else []


# -- an item of known cost -----------------------------------------------------------------------


def work(n: int) -> int:
    """An item that computes, and holds the GIL."""
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


def turns_for(item_s: float) -> int:
    """The argument with which `work` takes about this many seconds on this host."""
    begun_s = time.perf_counter()
    work(20_000)
    return max(1, round(20_000 * item_s / (time.perf_counter() - begun_s)))
