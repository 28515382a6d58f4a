"""What becomes of a map of 100 items when one of them, or somebody else, does harm.

Each case runs in a process of its own, by the loop, by other libraries and by amorsize, with two
workers each, and is ended after 20 s. `python -m benchmarks.faults` runs amorsize's column and
writes the table in docs/dev/reliability.md, together with the other libraries' results, which are
kept; `--peers` runs these again (about 20 minutes, because many of them hang).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import host
from benchmarks.fault_cases import CASES, CONTENDERS, Case

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "benchmarks" / "results" / "faults-peers.json"
PAGE = ROOT / "docs" / "dev" / "reliability.md"
MARKS = "<!-- faults: begin -->", "<!-- faults: end -->"
BOUND_S = 20.0
GONE_WITHIN_S = 2.0  # what a contender started must be gone so soon after its own end
LAST_NUMBER = Path("/proc/sys/kernel/ns_last_pid")  # root may say which number comes next
BYSTANDER_KILLED = "was a bystander, and was killed"
MAIN = "from benchmarks.fault_cases import main; main()"
Harm = Generator[None, None, None]
TITLES = {
    "loop": "loop",
    "pool": "`Pool.map`",
    "executor": "`ProcessPool-Executor`",
    "joblib": "joblib",
    "mpire": "mpire",
    "amorsize": "**amorsize**",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of one case, as seen from outside."""

    outcome: str  # "result", "ValueError naming the item", "hangs", "SIGKILL", ...
    n_left: int  # processes that were still there 2 s after the contender's end
    n_kept: int | None  # amorsize: other items' results that could be had from the error
    n_started: int | None  # amorsize: worker processes
    evidence: tuple[str, ...]  # what items wrote down before they did harm, each after its pid
    text: str  # of the error, with its notes
    wall_s: float

    def __str__(self) -> str:
        left = f"; leaves {self.n_left} process{'es' * (self.n_left > 1)}" if self.n_left else ""
        return self.outcome + left + "; kills a bystander" * self.has_killed_a_bystander

    @property
    def has_killed_a_bystander(self) -> bool:
        """Whether a process that had nothing to do with the map was ended."""
        return any(BYSTANDER_KILLED in line for line in self.evidence)


def run(
    case: Case,
    contender: str,
    *,
    bound_s: float = BOUND_S,
    environ: Mapping[str, str] | None = None,
) -> Seen:
    """Run a case in a process of its own, which is gone when this returns, with all it started."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", f"{case.first}\n{MAIN}", contender, case.name, name],
                cwd=ROOT,
                env={
                    **os.environ,
                    "AMORSIZE_FAULTS": name,
                    "AMORSIZE_HOME": f"{name}/home",
                    **(environ or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        began_s = time.monotonic()
        try:
            ended = _watch(case, process, folder, began_s + bound_s)
            wall_s = time.monotonic() - began_s
            n_left = len(_left_by(process.pid, folder)) if ended else 0
        finally:
            for pid in (process.pid, *_session(process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        return _seen(process.returncode, folder, ended=ended, n_left=n_left, wall_s=wall_s)


def _watch(case: Case, process: "subprocess.Popen[bytes]", folder: Path, until_s: float) -> bool:
    """Do what the case does from outside; True when the process has ended by itself in time."""
    with closing(HARMS[case.outside](process.pid, folder)) as harm:
        while time.monotonic() < until_s:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
                return True
            next(harm, None)
    return False


def _seen(returncode: int, folder: Path, *, ended: bool, n_left: int, wall_s: float) -> Seen:
    told = json.loads(_text(folder / "outcome") or "{}")
    outcome = told.get("outcome", "")
    if not ended:
        outcome = f"{outcome}, then hangs" if outcome else "hangs"
    elif not outcome:
        by_signal = returncode < 0
        outcome = signal.Signals(-returncode).name if by_signal else f"exit code {returncode}"
        outcome = f"ends by {outcome}"
    return Seen(
        outcome=outcome,
        n_left=n_left,
        n_kept=told.get("n_kept"),
        n_started=told.get("n_started"),
        evidence=tuple(_text(folder / "evidence").splitlines()),
        text=told.get("text", "") or _text(folder / "said")[-2000:],
        wall_s=wall_s,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


# -- who is there --------------------------------------------------------------------------------


def _session(leader: int) -> list[int]:
    """All processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        state, _, _, session, *_ = _text(path).rpartition(")")[2].split() or ["Z", 0, 0, 0]
        if state not in "ZX" and int(session) == leader:
            found.append(int(path.parent.name))
    return [pid for pid in found if pid != leader]


def _left_by(leader: int, folder: Path) -> list[int]:
    """What a process has left behind, but for the children of its items."""
    until_s = time.monotonic() + GONE_WITHIN_S
    of_items = {int(line.split()[-1]) for line in _evidence(folder) if " child " in line}
    while left := [pid for pid in _session(leader) if pid not in of_items]:
        if time.monotonic() > until_s:
            return left
        time.sleep(0.02)
    return []


def _evidence(folder: Path, word: str = "") -> list[str]:
    return [line for line in _text(folder / "evidence").splitlines() if word in line]


def state_of(pid: int) -> str:
    """The state of a process, as in /proc: "T" is stopped; empty when there is none."""
    return (_text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or [""])[0]


def _workers(caller: int) -> list[int]:
    """Child processes that run items."""
    found = []
    for listing in Path(f"/proc/{caller}/task").glob("*/children"):
        for pid in map(int, _text(listing).split()):
            command = _text(Path(f"/proc/{pid}/cmdline"))
            if "resource_tracker" not in command and state_of(pid) not in "ZX":
                found.append(pid)
    return sorted(found)


# -- what is done from outside -------------------------------------------------------------------


def _note(folder: Path, pid: int, what: str) -> None:
    with (folder / "evidence").open("a") as evidence:
        evidence.write(f"{pid} {what}\n")


def _send(folder: Path, pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        _note(folder, pid, f"was sent {number.name}")


def _to_computing(number: signal.Signals) -> "Callable[[int, Path], Harm]":
    """Hit the process that is inside the bad item."""

    def harm(_: int, folder: Path) -> Harm:
        while not (found := _evidence(folder, " computing")):
            yield
        _send(folder, pid := int(found[0].split()[0]), number)
        if number is signal.SIGSTOP:
            yield from _see_stopped(pid, folder)

    return harm


def _see_stopped(pid: int, folder: Path) -> Harm:
    while state_of(pid) != "T":
        yield
    _note(folder, pid, "is stopped")


def _watch_it_stop(_: int, folder: Path) -> Harm:
    """Do nothing but see that the bad item stops its process."""
    while not (found := _evidence(folder, " SIGSTOP")):
        yield
    yield from _see_stopped(int(found[0].split()[0]), folder)


def _to_idle(number: signal.Signals) -> "Callable[[int, Path], Harm]":
    """Hit a process that waits for items, as all do while the data pauses."""

    def harm(caller: int, folder: Path) -> Harm:
        while not _evidence(folder, " idle"):
            yield
        for _ in range(20):  # the items handed out before take 2 ms each
            yield
        for worker in _workers(caller)[:1]:
            _send(folder, worker, number)
            if number is signal.SIGSTOP:
                yield from _see_stopped(worker, folder)
        (folder / "hit").touch()

    return harm


def _to_caller(number: signal.Signals, *, group: bool = False) -> "Callable[..., Harm]":
    """Hit the process that called the map while a worker computes; or all, as a terminal does."""

    def harm(caller: int, folder: Path) -> Harm:
        while not _evidence(folder, " computing"):
            yield
        _note(folder, caller, f"was sent {number.name}")
        (os.killpg if group else os.kill)(caller, number)

    return harm


def _every_50_ms(caller: int, folder: Path) -> Harm:
    """Kill a random worker again and again."""
    pick = random.Random(0)
    while True:
        if workers := _workers(caller):
            _send(folder, pick.choice(workers), signal.SIGKILL)
        until_s = time.monotonic() + 0.05
        while time.monotonic() < until_s:
            yield


def _stop_all(caller: int, folder: Path) -> Harm:
    """Stop the caller and all workers for a while, as a paused container does."""
    while not _evidence(folder, " computing"):
        yield
    os.killpg(caller, signal.SIGSTOP)
    _note(folder, caller, "was sent SIGSTOP")
    until_s = time.monotonic() + 1.5
    while time.monotonic() < until_s:
        yield
    os.killpg(caller, signal.SIGCONT)


def _take_the_number(_: int, folder: Path) -> Harm:
    """Have somebody live under the number of a worker that has ended."""
    while not (found := _evidence(folder, " SIGKILL")):
        yield
    pid = int(found[0].split()[0])
    while state_of(pid):
        yield
    while (bystander := _started_after(pid - 1)).pid != pid:
        bystander.kill()
        bystander.wait()
        yield
    _note(folder, pid, "is the number of a bystander")
    (folder / "taken").touch()
    try:
        while True:
            yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            bystander.wait(0.5)
            _note(folder, pid, BYSTANDER_KILLED)
        bystander.kill()
        bystander.wait()


def _started_after(pid: int) -> "subprocess.Popen[bytes]":
    """A process with the next number, as if all others had been given away since."""
    LAST_NUMBER.write_text(str(pid))
    return subprocess.Popen(["sleep", "60"])


def _nothing(_: int, __: Path) -> Harm:
    yield from ()


HARMS: "dict[str, Callable[[int, Path], Harm]]" = {
    "kill computing": _to_computing(signal.SIGKILL),
    "terminate computing": _to_computing(signal.SIGTERM),
    "stop computing": _to_computing(signal.SIGSTOP),
    "kill idle": _to_idle(signal.SIGKILL),
    "stop idle": _to_idle(signal.SIGSTOP),
    "see it stop": _watch_it_stop,
    "interrupt": _to_caller(signal.SIGINT, group=True),
    "terminate caller": _to_caller(signal.SIGTERM),
    "kill caller": _to_caller(signal.SIGKILL),
    "kill often": _every_50_ms,
    "stop all": _stop_all,
    "see its number taken": _take_the_number,
    "": _nothing,
}


# -- the table -----------------------------------------------------------------------------------


def column(contender: str, cases: list[Case]) -> dict[str, str]:
    """What becomes of each case with one contender, two at a time."""
    with ThreadPoolExecutor(2) as both:
        seen = both.map(lambda case: _told(case, contender), cases)
        return {case.name: str(one) for case, one in zip(cases, seen, strict=True)}


def _told(case: Case, contender: str) -> Seen:
    seen = run(case, contender)
    print(f"{contender:9} {case.name:24} {seen.wall_s:5.1f} s  {seen}", flush=True)
    return seen


def table(columns: dict[str, dict[str, str]]) -> str:
    """All cases in Markdown, a column for each contender."""
    names = [name for name in TITLES if name in columns]
    lines = [
        "| | fault | " + " | ".join(TITLES[name] for name in names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for number, case in enumerate(CASES, 1):
        cells = [columns[name].get(case.name, "not run") for name in names]
        lines.append(f"| {number} | {case.what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _last_column(page: str) -> dict[str, str]:
    """What the table tells of amorsize by now."""
    rows = [
        line.strip(" |").split(" | ")
        for line in page.splitlines()
        if line[:3].strip("| 0123456789") == ""
    ]
    told = {row[1]: row[-1] for row in rows if len(row) == 2 + len(TITLES)}
    return {case.name: told[case.what] for case in CASES if case.what in told}


def machine(facts: dict[str, Any]) -> str:
    """What the other libraries were measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    where = f"{facts['cpu']}, {facts['n_cores']} cores, {facts['kernel']}, {facts['python']}"
    return f"The other libraries' columns: one run on {where}; {versions}; {facts['date']}."


def main() -> None:
    """Run what was asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="run the other libraries, too")
    parser.add_argument("--new", action="store_true", help="run what the table lacks, alone")
    parser.add_argument("--only", nargs="*", help="these cases, and write nothing")
    parser.add_argument("--contender", default="amorsize", choices=CONTENDERS)
    chosen = parser.parse_args()
    if chosen.only is not None:
        column(chosen.contender, [case for case in CASES if case.name in chosen.only])
        return
    kept = json.loads(_text(KEPT) or "{}")
    if chosen.peers:
        peers = [name for name in CONTENDERS if name != "amorsize"]
        kept = {"machine": host.facts(), "columns": {name: column(name, CASES) for name in peers}}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    page = PAGE.read_text()
    columns: dict[str, dict[str, str]] = {"amorsize": {}}
    if chosen.new:
        columns["amorsize"] = _last_column(page)
        columns.update(kept["columns"])
        for name in CONTENDERS:
            missing = [case for case in CASES if case.name not in columns[name]]
            columns[name].update(column(name, missing))
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    else:
        columns = {**kept["columns"], "amorsize": column("amorsize", CASES)}
    head, _, rest = page.partition(MARKS[0])
    tail = rest.partition(MARKS[1])[2]
    shown = f"{machine(kept['machine'])}\n\n{table(columns)}"
    PAGE.write_text(f"{head}{MARKS[0]}\n{shown}\n{MARKS[1]}{tail}")


if __name__ == "__main__":
    main()
