"""Drift, measured: how soon it is noticed, what calls take after a real change, sharing a cache.

python -m benchmarks.drift alarms      # how many chunks until an alarm, and how many false ones
python -m benchmarks.drift changes     # real functions that change: the second call after it
python -m benchmarks.drift processes   # 16 processes, 200 calls each, one cache
python -m benchmarks.drift lookup      # what is spent before the first item of a cached call
python -m benchmarks.drift busy        # constant calls beside two busy programs: what they tell
python -m benchmarks.drift plot docs/dev/drift.svg   # a real call whose items become dearer midway
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from math import exp, log
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
ROUNDS = 5


# ---- How soon an alarm, how often a false one ----


def alarms() -> None:
    """The figures of docs/dev/drift.md."""
    from amorsize.policy.evidence.cost_change_detector import Detector

    def drawn(rng: random.Random, cv: float) -> Detector:
        logs = [rng.gauss(0.0, cv) for _ in range(40)]
        mean = sum(logs) / 40
        spread = (sum((one - mean) ** 2 for one in logs) / 40) ** 0.5
        return Detector(exp(mean), spread, 40)

    def delay(rng: random.Random, factor: float, cv: float) -> int:
        one = drawn(rng, cv)
        for _ in range(rng.randrange(50)):
            one.see(exp(rng.gauss(0.0, cv)))
        seen = (n for n in range(1, 2000) if one.see(factor * exp(rng.gauss(0.0, cv))))
        return next(seen, 2000)

    for cv in (0.12, 0.5, 1.0):
        rng = random.Random(1)
        delays = [median(delay(rng, f, cv) for _ in range(400)) for f in (1.5, 2.0, 4.0)]
        calls = [drawn(rng, cv) for _ in range(2000)]
        n_false = sum(any(one.see(exp(rng.gauss(0.0, cv))) for _ in range(400)) for one in calls)
        told = ", ".join(f"{int(d) if d < 2000 else 'never'}" for d in delays)
        print(
            f"spread {cv:<5} x1.5, x2, x4 noticed after {told} chunks; false {n_false / 20:.2f} %"
        )


# ---- Real functions that change ----

CALLS = """
import json, os, sys, time, zlib
from amorsize import autotune
state = {"changed": False}
change, n_before = sys.argv[1], int(sys.argv[2])
block = os.urandom(60_000)

def spin(cost_s):
    until_s = time.thread_time() + cost_s
    while time.thread_time() < until_s:
        pass

class Work:
    def __init__(self):
        self.changed = False
    def slower(self, i):
        spin(10e-3 if os.environ.get("CHANGED") else 1e-3)
        return i
    def waits(self, i):
        time.sleep(4e-3) if os.environ.get("CHANGED") else spin(2e-3)
        return i
    def releases(self, i):
        if os.environ.get("CHANGED"):
            zlib.crc32(zlib.compress(block, 6))
        else:
            spin(2e-3)
        return i
    def fewer_cores(self, i):
        spin(2e-3)
        return i
    def half_quota(self, i):
        spin(2e-3)
        return i

work = autotune(getattr(Work(), change))
n_items = {"slower": 300, "waits": 800}.get(change, 400)

def set_quota(share):
    with open(os.path.join(sys.argv[3], "cpu.cfs_quota_us"), "w") as file:
        file.write(str(int(100_000 * share * len(os.sched_getaffinity(0)))))

if change == "half_quota":
    set_quota(1.0)
    with open(os.path.join(sys.argv[3], "cgroup.procs"), "w") as file:
        file.write(str(os.getpid()))

def call():
    began = time.perf_counter()
    assert work(range(n_items)) == list(range(n_items))
    return time.perf_counter() - began

for _ in range(n_before):
    call()
os.environ["CHANGED"] = "1"
if change == "fewer_cores":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: max(1, os.cpu_count() // 2)])
if change == "half_quota":
    set_quota(0.5)
took = [call(), call()]
print(json.dumps({"first_s": took[0], "second_s": took[1],
                  "drift": [str(one) for one in work.drift], "plan": list(work.plan)}))
"""


def run(script: str, *arguments: str, home: str, **environ: str) -> dict[str, object]:
    """What a script in a process of its own prints as JSON."""
    environment = {**os.environ, "AMORSIZE_HOME": home, "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def changes() -> None:
    """After each change: the second call, beside the second one of a process that knew nothing."""
    for change in ("slower", "waits", "releases", "fewer_cores", "half_quota"):
        group = own_cgroup() if change == "half_quota" else ""
        if group is None:
            print(f"{change:12} not run: no cgroup with a CPU quota can be made here")
            continue
        ratios, seconds, fresh_s = [], [], []
        last: dict[str, object] = {}
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as home:
                last = run(CALLS, change, "2", group, home=f"{home}/a")
                fresh = run(CALLS, change, "0", group, home=f"{home}/b")
            seconds.append(float(str(last["second_s"])))
            fresh_s.append(float(str(fresh["second_s"])))
            ratios.append(seconds[-1] / fresh_s[-1])
        print(
            f"{change:12} second call {median(seconds):.3f} s, freshly tuned {median(fresh_s):.3f}"
            f" s, ratio {median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
        if group:
            os.rmdir(group)
        for told in last["drift"] or ["no drift was told"]:  # type: ignore[attr-defined]
            print(f"             {told}")


def own_cgroup() -> str | None:
    """A control group for processes whose CPU quota is to be set (version 1); None: not allowed."""
    group = f"/sys/fs/cgroup/cpu/amorsize-benchmark-{os.getpid()}"
    try:
        os.mkdir(group)
    except OSError:
        return None
    return group


# ---- Before the first item ----

LOOKING_UP = """
import json, os, sys, time
from statistics import quantiles
opened = []
home = os.environ["AMORSIZE_HOME"]
def heard(event, arguments):
    if event in ("open", "sqlite3.connect") and str(arguments[0]).startswith(home):
        opened.append(arguments[0])
sys.addaudithook(heard)
from amorsize._engine import engine
from amorsize._engine.state.call import Invocation
from amorsize._profiles import memory_store
from amorsize import tuned_map

def work(i):
    until_s = time.thread_time() + 0.5e-3
    while time.thread_time() < until_s:
        pass
    return i

data = range(1000)
if sys.argv[1] == "fill":
    tuned_map(work, data)
    memory_store.write()
for _ in range(200):
    tuned_map(work, range(8))
n_by_short = len(opened)
tuned_map(work, data)
tuned_map(work, data)
n_opened = len(opened)
for _ in range(20):
    tuned_map(work, data[:200])
looks, decisions = [], []
for _ in range(20_000):
    began = time.perf_counter()
    memory_store.memory().profile(memory_store.key_of(work, data[0]))
    looks.append(time.perf_counter() - began)
    began = time.perf_counter()
    call = engine.Engine(Invocation(func=work, iterables=(data,)))
    call._begin()
    call.call.tuner.next(call.call.status(caller_busy=False))
    decisions.append(time.perf_counter() - began)
print(json.dumps({
    "lookup_us": [1e6 * quantiles(looks, n=100)[n] for n in (49, 98)],
    "decision_us": [1e6 * quantiles(decisions, n=100)[n] for n in (49, 98)],
    "n_by_short": n_by_short, "n_reads": n_opened, "n_later": len(opened) - n_opened,
}))
"""


def lookup() -> None:
    """What a call whose function is known spends before its first item, and on the disk."""
    with tempfile.TemporaryDirectory() as home:
        run(LOOKING_UP, "fill", home=f"{home}/a")
        told = run(LOOKING_UP, "read", home=f"{home}/a")
    for what in ("lookup", "decision"):
        half, most = told[f"{what}_us"]  # type: ignore[misc]
        print(f"{what:9} median {half:6.2f} us, p99 {most:6.2f} us")
    print(
        f"files of the cache opened: {told['n_by_short']} by 200 calls of 4 ms, {told['n_reads']} "
        f"in all by two calls of 0.5 s, {told['n_later']} by 20 later ones"
    )


# ---- Sixteen processes, one cache ----

SHARING = """
import json, sys, time
from amorsize import tuned_map
from amorsize._profiles import disk_store, memory_store
who, n_calls = int(sys.argv[1]), int(sys.argv[2])
in_cache = [0.0]

def timed(name):
    do = getattr(_disk, name)
    def run(*arguments):
        began = time.perf_counter()
        try:
            return do(*arguments)
        finally:
            in_cache[0] += time.perf_counter() - began
    setattr(_disk, name, run)

timed("read"), timed("write")

def work(i):
    until_s = time.thread_time() + 1e-3
    while time.thread_time() < until_s:
        pass
    return i + who

work.__qualname__ = work.__name__ = f"work_{who}"  # a function of its own for each process
began = time.perf_counter()
for number in range(n_calls):
    n_items = 20 if number else 400
    assert tuned_map(work, range(n_items)) == [i + who for i in range(n_items)]
memory_store.write()
print(json.dumps({"cache_s": in_cache[0], "run_s": time.perf_counter() - began}))
"""


def processes(n_processes: int = 16, n_calls: int = 200) -> None:
    """Every result right, no exception, no profile lost, and what the cache took of the time."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AMORSIZE_HOME": f"{home}/a", "PYTHONPATH": str(ROOT)}
        started = [
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", SHARING, str(who), str(n_calls)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for who in range(n_processes)
        ]
        told = []
        for process in started:
            stdout, stderr = process.communicate(timeout=600)
            if process.returncode or stderr:
                raise SystemExit(f"a process failed: {stderr}")
            told.append(json.loads(stdout))
        os.environ["AMORSIZE_HOME"] = f"{home}/a"
        from amorsize import cache

        n_profiles, n_damaged = len(cache.entries()), cache.n_damaged()
        cache.close()
    cache_s = sum(one["cache_s"] for one in told)
    run_s = sum(one["run_s"] for one in told)
    print(
        f"{n_processes} processes x {n_calls} calls: all results right; {n_profiles} profiles "
        f"of as many functions, {n_damaged} damaged; "
        f"cache {cache_s:.2f} s of {run_s:.1f} s, {cache_s / run_s:.2%}"
    )


# ---- Constant calls on a busy host ----

CONSTANT = """
import collections, json, sys, time, zlib
from amorsize import autotune
from amorsize._profiles.memory_store import last_trace

BLOB = bytes(range(256)) * 400

def compute(n):
    return sum(i * i for i in range(20_000))

def uneven(n):
    return sum(i * i for i in range(4000 * (1 + n % 9)))

def sizes(n):
    return sum(i * i for i in range(800 * (1 + 7 * n % 31)))

def wait(n):
    time.sleep(3e-3)

def release(n):
    return zlib.crc32(zlib.compress(BLOB))

func = globals()[sys.argv[1]]
told = collections.Counter()
for _ in range(60):
    autotune(func, cache=False)(range(200))
    told.update(one.what for one in last_trace(func).drifts)
print(json.dumps(told))
"""


def busy() -> None:
    """What sixty calls of functions that never change tell beside two busy programs."""
    loop = [sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(loop) for _ in range(2)]
    try:
        with tempfile.TemporaryDirectory() as home:
            for name in ("compute", "uneven", "sizes", "wait", "release"):
                print(name, run(CONSTANT, name, home=f"{home}/{name}") or "no change told")
    finally:
        for program in programs:
            program.kill()
            program.wait()


# ---- A picture of a real call ----

MIDWAY = """
import json, time
from amorsize import tuned_map
from amorsize._profiles.memory_store import last_trace

def work(i):
    until_s = time.thread_time() + (2e-3 if i >= dear_from else 1e-3)
    while time.thread_time() < until_s:
        pass
    return i

dear_from = 10**9
for _ in range(2):
    tuned_map(work, range(3000))
dear_from = 1500
tuned_map(work, range(3000))
trace = last_trace(work)
print(json.dumps({
    "chunks": [[c.now_s, c.wall_s / c.n_items, c.n_items] for c in trace.chunks if c.worker >= 0],
    "drifts": [[d.now_s, str(d)] for d in trace.drifts],
    "known_s": trace.known.level.typical_s,
}))
"""


def plot(path: str) -> None:
    """What the chunks of a real call cost, and when the change was noticed, as an SVG."""
    with tempfile.TemporaryDirectory() as home:
        told = run(MIDWAY, home=f"{home}/a")
    Path(path).write_text(picture(told), encoding="ascii")
    print(f"{path}: {told['drifts']}")


WIDTH, HEIGHT, LEFT, BELOW = 760, 300, 60, 40


def picture(told: dict[str, object]) -> str:
    """Dots for chunks on a log scale, a line for what was remembered, one for each alarm."""
    chunks: list[list[float]] = told["chunks"]  # type: ignore[assignment]
    drifts: list[tuple[float, str]] = told["drifts"]  # type: ignore[assignment]
    known_s = float(str(told["known_s"]))
    end_s = max(chunk[0] for chunk in chunks)
    low, high = log(known_s / 2), log(known_s * 8)

    def x(now_s: float) -> float:
        return LEFT + now_s / end_s * (WIDTH - LEFT - 20)

    def y(item_s: float) -> float:
        share = (min(high, max(low, log(item_s))) - low) / (high - low)
        return HEIGHT - BELOW - share * (HEIGHT - BELOW - 30)

    def text(at_x: float, at_y: float, words: str, anchor: str = "start") -> str:
        place = f'x="{at_x:.0f}" y="{at_y:.0f}" text-anchor="{anchor}"'
        return f'<text {place} font-family="sans-serif" font-size="12">{words}</text>'

    def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        line(LEFT, y(known_s), WIDTH - 20, y(known_s), 'stroke="#888" stroke-dasharray="4 3"'),
        text(WIDTH - 22, y(known_s) + 15, "remembered", "end"),
    ]
    for factor in (1, 2, 4):
        parts.append(text(LEFT - 8, y(factor * known_s) + 4, f"{factor} x", "end"))
    for second in range(int(end_s) + 1):
        parts.append(text(x(second), HEIGHT - BELOW + 18, f"{second} s", "middle"))
    for now_s, item_s, _ in chunks:
        parts.append(f'<circle cx="{x(now_s):.1f}" cy="{y(item_s):.1f}" r="2.2" fill="#1f6fb4"/>')
    for number, (now_s, words) in enumerate(drifts):
        parts.append(line(x(now_s), 24, x(now_s), HEIGHT - BELOW, 'stroke="#c0392b"'))
        parts.append(text(x(now_s) + 4, 34 + 14 * number, words.partition(":")[0]))
    parts.append(text(LEFT, 16, "cost of an item, chunk by chunk (log scale), over one call"))
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=("alarms", "busy", "changes", "lookup", "processes", "plot")
    )
    parser.add_argument("file", nargs="?", default="docs/dev/drift.svg")
    asked = parser.parse_args()
    match asked.what:
        case "plot":
            plot(asked.file)
        case "alarms":
            alarms()
        case "busy":
            busy()
        case "changes":
            changes()
        case "lookup":
            lookup()
        case _:
            processes()
