"""Jobs of 0.2 to 0.3 s beside another thread: what a call takes beyond the loop.

    python -m benchmarks.short_jobs [PROCESSES]      # two minutes

Beside another thread workers are new interpreters, and such a job is over before they pay. In
each of several fresh processes the loop and a call take turns, ten times: 30 waits of 10 ms,
which may run in threads or (`kept`, they count what they did) may not, and 24 files of CSV that
take 8 ms each. Given are the medians and quartiles over the processes of what the first, the
second and the tenth call took beyond the loops just before and after it, in wall time and in CPU
time of this process.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.outside import ROOT

N_PROCESSES, N_CALLS = 9, 10
TOLD = (1, 2, 10)  # the calls whose figures are printed
N_WAITS, WAIT_S = 30, 10e-3
N_FILES, FILE_S = 24, 8e-3
counts: dict[str, int] = {}


def wait(number: int) -> int:
    """A request, say."""
    time.sleep(WAIT_S)
    return number


def wait_and_count(number: int) -> int:
    """One that no thread may share."""
    time.sleep(WAIT_S)
    counts["done"] = counts.get("done", 0) + 1
    return number


def total(path: str) -> float:
    """The sum of a column of a file."""
    with open(path, newline="") as file:
        return sum(float(row["price"]) * int(row["number"]) for row in csv.DictReader(file))


JOBS: dict[str, Callable[[Any], Any]] = {"waits": wait, "kept": wait_and_count, "files": total}


def main() -> None:
    """Print the table; or, in a process of its own, the figures of one job as JSON."""
    if sys.argv[1:2] == ["--of"]:
        print(json.dumps(figures(sys.argv[2], sys.argv[3:])))
        return
    n_processes = int(sys.argv[1]) if len(sys.argv) > 1 else N_PROCESSES
    with tempfile.TemporaryDirectory() as folder:
        paths = made_files(folder)
        found: dict[str, list[Any]] = {name: [] for name in JOBS}
        for turn in range(n_processes):
            for name in JOBS:
                items = paths if name == "files" else map(str, range(N_WAITS))
                found[name].append(apart(name, items, f"{folder}/home-{turn}"))
    print(f"{'job':8} {'call':>4} {'loop':>10}   over the loop: wall time, quartiles; CPU time")
    for name, runs in found.items():
        for call in TOLD:
            print(line(name, call, [run[call - 1] for run in runs]))


def line(name: str, call: int, seen: list[tuple[float, float, float]]) -> str:
    """One row of the table, of figures of several processes."""
    loop_s, wall_s, cpu_s = zip(*seen, strict=True)
    low_s, _, high_s = quantiles(wall_s, n=4)
    return (
        f"{name:8} {call:>4} {1e3 * median(loop_s):7.1f} ms   {1e3 * median(wall_s):8.2f} ms "
        f"({1e3 * low_s:.2f} to {1e3 * high_s:.2f}); {1e3 * median(cpu_s):8.2f} ms"
    )


def apart(name: str, items: Iterable[str], home: str) -> Any:
    """What a fresh process says of one job."""
    command = [sys.executable, "-m", "benchmarks.short_jobs", "--of", name, *items]
    environ = {**os.environ, "AMORSIZE_HOME": home}
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def figures(name: str, items: list[str]) -> list[tuple[float, float, float]]:
    """Of each call: the loop's seconds, and the call's beyond that, in wall and CPU time."""
    from amorsize import tuned_map

    threading.Thread(target=threading.Event().wait, daemon=True).start()
    job = JOBS[name]
    data = items if name == "files" else [int(one) for one in items]
    before, found = taken_s(lambda: [job(one) for one in data]), []
    for _ in range(N_CALLS):
        call = taken_s(lambda: tuned_map(job, data))
        after = taken_s(lambda: [job(one) for one in data])
        loop_s, loop_cpu_s = ((one + other) / 2 for one, other in zip(before, after, strict=True))
        found.append((loop_s, call[0] - loop_s, call[1] - loop_cpu_s))
        before = after
    return found


def taken_s(act: Callable[[], object]) -> tuple[float, float]:
    """Wall time and CPU time of this process."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - began_s, time.process_time() - began_cpu_s


def made_files(folder: str) -> list[str]:
    """Files of as many rows as take the wanted time here."""
    sample = _written(f"{folder}/sample.csv", 1000)
    row_s = min(taken_s(lambda: total(sample))[1] for _ in range(5)) / 1000
    n_rows = int(FILE_S / row_s)
    return [_written(f"{folder}/{number}.csv", n_rows) for number in range(N_FILES)]


def _written(path: str, n_rows: int) -> str:
    rows = "".join(f"article {n},{n % 97}.50,{n % 7}\n" for n in range(n_rows))
    Path(path).write_text(f"name,price,number\n{rows}")
    return path


if __name__ == "__main__":
    main()
