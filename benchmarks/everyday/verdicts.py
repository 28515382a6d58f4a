"""Runs cases in processes of their own, the loop and `auto`, and compares what came of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.everyday.life import AUTO, CALLS, LOOP

ROOT = Path(__file__).parents[2]
PACKAGES = Path(__file__).parent / "packages"
MAIN = "from benchmarks.everyday.life import main; main()"
HASH_SEED = "20260"  # of texts: so that the loop's process and the other agree
BOUND_S = 25.0
EQUAL, DIFFERS, RAISES, HANGS = "equal", "differs", "raises", "hangs"
UNFAIR = "unfair"  # the loop itself fails
WORST = (UNFAIR, HANGS, RAISES, DIFFERS, EQUAL)
CHECKOUT, INSTALLED, SCRIPT = "checkout", "installed", "script"
ALONE, THREAD = "alone", "thread"


@dataclass(frozen=True, slots=True)
class Where:
    """Where the function's code lies, and what else is in its process."""

    place: str = CHECKOUT
    beside: str = ALONE

    def __str__(self) -> str:
        return f"{self.place}, {'alone' if self.beside == ALONE else 'beside a thread'}"


EVERYWHERE = (
    Where(CHECKOUT, ALONE),
    Where(CHECKOUT, THREAD),
    Where(INSTALLED, ALONE),
    Where(INSTALLED, THREAD),
    Where(SCRIPT, THREAD),
)
# What a function reaches matters where it has to travel itself, as those of a script.
BY_VALUE = ("settings", "state", "pure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a process wrote down of its calls, and how it ended."""

    calls: dict[str, dict[str, Any]]
    said: str  # its standard output
    complaints: str  # its standard error
    end: str  # "" if it ended well, "hangs", or how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One call of a case, judged."""

    case: str
    where: Where
    call: str
    verdict: str
    detail: str = ""
    ran: dict[str, int] = field(default_factory=dict)
    why: str = ""
    complaints: str = ""

    @property
    def is_parallel(self) -> bool:
        """Whether some items ran elsewhere than in the caller."""
        return self.ran.get("thread", 0) + self.ran.get("process", 0) > 0


def all_cases() -> dict[str, Any]:
    """Every case by its name; those of packages that are missing are left out."""
    if str(PACKAGES) not in sys.path:
        sys.path.insert(0, str(PACKAGES))
    import importlib

    for path in sorted((PACKAGES / "office").glob("*.py")):
        if path.stem not in ("__init__", "casebook") and not path.stem.startswith("at_import"):
            try:
                importlib.import_module(f"office.{path.stem}")
            except ModuleNotFoundError as error:
                if error.name in ("office", "thirdparty"):
                    raise
    return dict(sys.modules["office.casebook"].CASES)


@contextmanager
def places() -> Iterator[dict[str, list[str]]]:
    """Folders to import from: the checkout as it is, or a copy in a `site-packages`.

    The other library that some cases use is always an installed one.
    """
    with tempfile.TemporaryDirectory() as name:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        found = {}
        for place in (CHECKOUT, INSTALLED, SCRIPT):
            site = Path(name) / place / "lib" / version / "site-packages"
            shutil.copytree(PACKAGES / "thirdparty", site / "thirdparty", ignore=_NO_CACHES)
            found[place] = [str(site if place == INSTALLED else PACKAGES), str(site)]
            if place == INSTALLED:
                shutil.copytree(PACKAGES / "office", site / "office", ignore=_NO_CACHES)
        yield found


COMPILED = tempfile.TemporaryDirectory(prefix="everyday-")  # what processes have compiled

_NO_CACHES = shutil.ignore_patterns("__pycache__")


class Judge:
    """Runs cases and judges them; the loop of each case is run once."""

    def __init__(self, folders: dict[str, list[str]], bound_s: float = BOUND_S) -> None:
        self.folders, self.bound_s = folders, bound_s

    def judged(self, case: Any, wheres: tuple[Where, ...] = EVERYWHERE) -> list[Finding]:
        """A case in some surroundings, call by call."""
        loop, first = self._live(LOOP, case, Where()), None
        if loop.end or any(one["error"] for one in loop.calls.values()):
            errors = [one["error"] for one in loop.calls.values()]
            detail = f"the loop fails: {loop.end} {errors} {loop.complaints[-900:]}"
            return [Finding(case=case.name, where=Where(), call="", verdict=UNFAIR, detail=detail)]
        found = []
        for where in wheres:
            if where.place == SCRIPT and case.kind not in BY_VALUE:
                continue
            auto = self._live(AUTO, case, where)
            first = first or auto.calls.get(CALLS[0], {}).get("results")
            found += compared(case, where, loop, auto, first)
        return found

    def loops(self, case: Any) -> list[Finding]:
        """The loop against itself, elsewhere: a case that differs here is no fair one."""
        loop = self._live(LOOP, case, Where())
        other = Where(INSTALLED, THREAD)
        return compared(case, other, loop, self._live(LOOP, case, other))

    def _live(self, how: str, case: Any, where: Where) -> Told:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            work, out = folder / "work", folder / "told"
            work.mkdir()
            with (folder / "said").open("wb") as said, (folder / "complaints").open("wb") as errors:
                process = subprocess.Popen(
                    [sys.executable, "-c", MAIN, how, case.name, case.module, where.place,
                     where.beside, str(out), *self.folders[where.place]],
                    cwd=work,
                    env=_environ(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=errors,
                    start_new_session=True,
                )  # fmt: skip
            end = ""
            try:
                if code := process.wait(self.bound_s):
                    end = f"ends with {signal.Signals(-code).name if code < 0 else code}"
            except subprocess.TimeoutExpired:
                end = HANGS
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            told = [json.loads(line) for line in _text(out).splitlines() if line.endswith("}")]
            return Told(
                calls={one["call"]: one for one in told},
                said=_text(folder / "said"),
                complaints=_text(folder / "complaints"),
                end=end,
            )


def _environ(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMORSIZE")}
    (folder / "tmp").mkdir()
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # each process would compile all modules anew
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": COMPILED.name,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": HASH_SEED,
        "AMORSIZE_HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


# -- comparing -----------------------------------------------------------------------------------


def compared(
    case: Any, where: Where, loop: Told, auto: Told, first: list[str] | None = None
) -> list[Finding]:
    """Each call of a process held against the loop's; draws against those of a first call."""
    found: list[Finding] = []
    first = first or auto.calls.get(CALLS[0], {}).get("results")
    for call in CALLS:
        ours = auto.calls.get(call)
        if ours is None:
            verdict = HANGS if auto.end == HANGS else RAISES
            detail = f"{auto.end}: {auto.complaints[-500:]}"
            found.append(Finding(case=case.name, where=where, call=call, verdict=verdict,
                                 detail=detail, complaints=auto.complaints))  # fmt: skip
            break
        verdict, detail = _verdict(case, loop.calls[call], ours, first)
        found.append(_finding(case, where, call, verdict, detail, ours, auto))
    else:
        found += _of_the_whole(case, where, loop, auto)
        found += [
            _finding(case, where, call, *_of_draws(ours["results"], first), ours, auto)
            for call, ours in auto.calls.items()
            if call not in CALLS
        ]
    return found


def _finding(case: Any, where: Where, call: str, verdict: str, detail: str, ours: Any, auto: Told):
    return Finding(
        case=case.name,
        where=where,
        call=call,
        verdict=verdict,
        detail=detail,
        ran=ours.get("ran", {}),
        why=ours.get("why", ""),
        complaints=auto.complaints,
    )


def _verdict(case: Any, loop: Any, ours: Any, first: Any) -> tuple[str, str]:
    if ours["error"]:
        return RAISES, ours["error"]
    if case.draws:
        verdict, detail = _of_draws(ours["results"], first)
        if verdict != EQUAL:
            return verdict, detail
    elif detail := _of_results(loop["results"], ours["results"]):
        return DIFFERS, detail
    effects, theirs = ours["effects"], loop["effects"]
    odd = [
        f"{key}: {_apart(theirs.get(key), effects.get(key))}"
        for key in sorted({*theirs, *effects})
        if effects.get(key) != theirs.get(key)
    ]
    return (DIFFERS, "; ".join(odd[:4]) + f" ({len(odd)} effects)" * (len(odd) > 4)) if odd else (
        EQUAL, "")  # fmt: skip


def _of_results(theirs: list[str], ours: list[str]) -> str:
    if len(theirs) != len(ours):
        return f"{len(ours)} results, the loop has {len(theirs)}"
    odd = [k for k, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b]
    if not odd:
        return ""
    k = odd[0]
    return f"{len(odd)} of {len(ours)} results, e.g. [{k}] {ours[k][:80]} for {theirs[k][:80]}"


def _of_draws(ours: list[str], first: list[str]) -> tuple[str, str]:
    """Random results: none twice, and the same after the same seed."""
    n_twice = len(ours) - len(set(ours))
    if n_twice:
        return DIFFERS, f"{n_twice} of {len(ours)} draws are those of another item"
    if ours != first:
        n = sum(a != b for a, b in zip(ours, first, strict=False))
        return DIFFERS, f"{n} of {len(ours)} draws are others than those of the first call"
    return EQUAL, ""


def _apart(theirs: str | None, ours: str | None) -> str:
    """Where two texts begin to differ."""
    if theirs is None or ours is None:
        return f"{(ours or 'missing')[:80]} for {(theirs or 'nothing')[:80]}"
    at = next((k for k, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), 0)
    at = max(0, at - 30)
    return f"...{ours[at:][:90]!r} for ...{theirs[at:][:90]!r}"


def _of_the_whole(case: Any, where: Where, loop: Told, auto: Told) -> list[Finding]:
    """What was printed, and how the process ended."""
    verdict, detail = EQUAL, ""
    theirs, ours = loop.said, auto.said
    if "said" in case.shared:
        theirs, ours = ("\n".join(sorted(one.splitlines())) for one in (theirs, ours))
    if auto.end:
        verdict, detail = (HANGS if auto.end == HANGS else RAISES), f"at its end: {auto.end}"
    elif ours != theirs:
        lines = len(ours.splitlines()), len(theirs.splitlines())
        verdict = DIFFERS
        detail = f"printed text: {lines[0]} lines for {lines[1]}: {_apart(theirs, ours)}"
    return [Finding(case=case.name, where=where, call="in all", verdict=verdict, detail=detail,
                    complaints=auto.complaints)]  # fmt: skip


def judge_all(
    cases: list[Any], judge: Judge, wheres: tuple[Where, ...], n_at_once: int
) -> Iterator[tuple[Any, list[Finding]]]:
    """All cases, a few at once; twice as many of those that wait."""
    waiting = [case for case in cases if case.kind == "waits"]
    for some, n in (
        (waiting, 2 * n_at_once),
        ([case for case in cases if case.kind != "waits"], n_at_once),
    ):
        with ThreadPoolExecutor(n) as several:
            found = several.map(lambda case: judge.judged(case, wheres), some)
            yield from zip(some, found, strict=True)
