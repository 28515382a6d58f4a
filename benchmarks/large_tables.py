"""A function that looks into a large table, beside another thread: time and memory of each way.

    python -m benchmarks.large_tables [MB] [ITEMS]       # two minutes

An item takes 20 ms and reads one number of an array: a global of the program or a keyword of the
call. The ways take turns, each in a process of its own; the memory is the highest sum of
proportional shares (PSS) of the caller and all its children, read by another process. joblib is
measured where it is installed, with the table as an argument, which it maps from a file.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any

ITEM_S = 20e-3
N_TURNS = 3
WAYS = ("loop", "global", "keyword", "joblib")
WATCHER = """
import os, select, sys
from pathlib import Path
def family(pid):
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if int(child) != OWN:
                yield from family(int(child))
def share_kb(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
def command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()
OWN, caller, most_kb = os.getpid(), int(sys.argv[1]), 0
while not select.select([sys.stdin], [], [], 0.03)[0]:
    now_kb = 0
    try:
        for pid in family(caller):
            if pid == caller or command(pid) != command(caller):  # else it has yet to become itself
                now_kb += share_kb(pid)
    except OSError:
        continue
    most_kb = max(most_kb, now_kb)
print(most_kb)
"""

table: Any = None


def burn(seconds: float) -> None:
    """Compute for as long as this."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def of_global(k: int) -> float:
    """A number of the program's table."""
    burn(ITEM_S)
    return float(table[k * 1000])


def of_keyword(k: int, given: Any) -> float:
    """A number of a table that the call was given."""
    burn(ITEM_S)
    return float(given[k * 1000])


def call_of(way: str, n_items: int) -> Callable[[], list[float]]:
    """What a way does."""
    from amorsize import autotune

    if way == "loop":
        return lambda: [of_global(k) for k in range(n_items)]
    if way == "global":
        tuned = autotune(of_global, cache=False)
        return lambda: tuned(range(n_items))
    if way == "keyword":
        tuned = autotune(of_keyword, cache=False)
        return lambda: tuned(range(n_items), given=table)
    from joblib import Parallel, delayed

    return lambda: list(Parallel(n_jobs=-1)(delayed(of_keyword)(k, table) for k in range(n_items)))


def measure(way: str, size_mb: int, n_items: int) -> None:
    """In a process of its own: a first and a second call beside a thread, told as JSON."""
    import numpy as np

    global table
    table = np.ones(size_mb << 17)
    call = call_of(way, n_items)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    took_s = []
    for _ in range(2):
        began = time.perf_counter()
        found = call()
        took_s.append(time.perf_counter() - began)
        assert found == [1.0] * n_items
    most_kb = int(watcher.communicate("\n")[0])
    print(json.dumps({"took_s": took_s, "most_mb": most_kb / 1024}))


def measured(way: str, size_mb: int, n_items: int) -> dict[str, Any] | None:
    """One run of a way, as a program of its own; None where its library is missing."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, __file__, "measure", way, str(size_mb), str(n_items)],
            capture_output=True,
            text=True,
            env={**os.environ, "AMORSIZE_HOME": f"{home}/h"},
            check=False,
        )
    if "No module named 'joblib'" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{way}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(size_mb: int = 400, n_items: int = 200) -> None:
    """Print the table."""
    from benchmarks import host

    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(N_TURNS):
        for way in WAYS:
            if (one := measured(way, size_mb, n_items)) is not None:
                found[way].append(one)
    facts = host.facts()
    print(f"{size_mb} MB, {n_items} items of {ITEM_S * 1e3:.0f} ms; {facts['cpu']}, ", end="")
    print(f"{facts['n_cores']} cores; {facts['python']}; medians of {N_TURNS}\n")
    print("| way | first call | second call | most memory / table |\n|---|---|---|---|")
    for way, runs in found.items():
        if runs:
            first_s, second_s = (median(one["took_s"][n] for one in runs) for n in (0, 1))
            share = median(one["most_mb"] for one in runs) / size_mb
            print(f"| {way} | {first_s:.2f} s | {second_s:.2f} s | {share:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(*map(int, sys.argv[1:]))
