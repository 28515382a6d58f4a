"""`amorsize validate`: whether this machine parallelises as it should."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from amorsize._host import resources
from amorsize._host.unpatched import perf_counter
from amorsize.cli.command import Answer, Command, Table
from amorsize.cli.text import clean, size
from amorsize.policy.counted import counted
from amorsize.report import seconds

if TYPE_CHECKING:
    from amorsize._host.diagnostics import Findings

FINE, SLOW, BAD, NOTE = "fine", "slow", "bad", "note"

# Shares of what there should be. A virtual machine whose host was busy did 1.5 to 1.9 times the
# work of one process with two, an idle one 1.95 and more; second hyperthreads bring 0.3 of a core.
GOOD_SHARE, POOR_SHARE = 0.75, 0.6
#: The CPU / wall of a process that spins is below this if somebody else has its core.
CPU_SHARE = 0.9
#: Times that are too long: 20, 4 and 5 times the usual.
START_S, CLEAN_START_S, ROUND_TRIP_S = 20e-3, 0.25, 0.5e-3
#: Rates that are too low: a fifth of the usual, or less.
PIPE_BYTES_S, PICKLE_BYTES_S = 200e6, 10e6
JOB_S, N_ITEMS, N_ROUNDS = 0.3, 60, 3


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question, and what was seen."""

    what: str
    seen: str
    verdict: str  # "fine", "slow", "bad" or "note"
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the checks are made of."""

    findings: Findings
    n_cores: int
    cores_from: str
    quota: float | None
    costs: resources.Costs
    why_not_fork: str | None
    free_bytes: int
    load: float | None
    job_times: float  # loop / the same by worker processes of amorsize


def _validate(_asked: argparse.Namespace) -> Answer:
    seen = _seen()
    made = checks(seen)
    status, verdict = judged(made, seen)
    document = {
        "verdict": verdict,
        "parallelises": status == 0,
        "checks": [vars(one) for one in made],
        "n_cores": seen.n_cores,
        "spun": [one.as_dict() for one in seen.findings.spun],
        "two_processes_times": seen.findings.times(2),
        "job_times": seen.job_times,
        "pipe_bytes_s": seen.findings.pipe_bytes_s,
        "pickle_bytes_s": seen.findings.pickle_bytes_s,
        "blas_threads": seen.findings.blas_threads,
        "costs": seen.costs.as_dict(),
        "load": seen.load,
    }
    rows = [(one.what, one.seen, one.verdict) for one in made]
    advice = [f"{one.what}: {one.advice}" for one in made if one.advice]
    blocks: list[str | Table] = [Table(header=("check", "seen", ""), rows=rows)]
    return Answer(document=document, blocks=[*blocks, *advice, verdict], status=status)


def _seen() -> Seen:
    from amorsize._host import diagnostics

    cpus = resources.usable_cpus()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before ours is in it
    why_not_fork = resources.why_not_fork()
    job_times = _job_times()
    return Seen(
        findings=diagnostics.run(cpus.n_cores),
        n_cores=cpus.n_cores,
        cores_from=cpus.source,
        quota=cpus.quota,
        costs=resources.measure_costs(),
        why_not_fork=why_not_fork,
        free_bytes=resources.memory().available_bytes,
        load=load,
        job_times=job_times,
    )


def _job_times() -> float:
    """How many times as quick worker processes are at a short job that computes."""
    from amorsize._api.tuned_map import tuned_map
    from amorsize._host import diagnostics

    items = [diagnostics.turns_for(JOB_S / N_ITEMS)] * N_ITEMS
    ratios = []
    for _ in range(N_ROUNDS):
        begun_s = perf_counter()
        for item in items:
            diagnostics.work(item)
        loop_s, begun_s = perf_counter() - begun_s, perf_counter()
        tuned_map(diagnostics.work, items, backend="process", cache=False)
        ratios.append(loop_s / (perf_counter() - begun_s))
    return median(ratios)


# -- judging --------------------------------------------------------------------------------


def checks(seen: Seen) -> list[Check]:
    """What was seen, judged one by one."""
    made = [_cores(seen), _two(seen)]
    if seen.n_cores > 2:
        made.append(_all(seen))
    made += [_others(seen), _job(seen), *_starts(seen), *_speeds(seen), _memory(seen)]
    if (blas := _blas(seen)) is not None:
        made.append(blas)
    return made


def judged(made: list[Check], seen: Seen) -> tuple[int, str]:
    """The status and the sentence that sum it up."""
    if seen.n_cores == 1:
        return 1, (
            "With one usable core computing cannot be parallelised here; items that wait can, "
            "in threads."
        )
    times = f"{seen.findings.times(2) or 0.0:.2f}"
    what = f"two processes do {times} times the work of one, and amorsize is {seen.job_times:.2f} x"
    bad = [one.what for one in made if one.verdict == BAD]
    slow = [one.what for one in made if one.verdict == SLOW]
    machine = "As busy as it is now, this machine" if _is_shared(seen) else "This machine"
    if bad:
        return 1, f"{machine} does not parallelise as it should ({', '.join(bad)}): {what}."
    if slow:
        return 0, f"{machine} parallelises, though not at its best ({', '.join(slow)}): {what}."
    return 0, f"{machine} parallelises as it should: {what}."


def _cores(seen: Seen) -> Check:
    words = f"{seen.n_cores} usable: {clean(seen.cores_from)}"
    if seen.n_cores == 1:
        advice = "allow this process more cores: its affinity, its quota, or the variable named."
        return Check(what="cores", seen=words, verdict=BAD, advice=advice)
    if seen.quota is not None and seen.quota < seen.n_cores:
        advice = "the quota ends within a core: what exceeds it is throttled now and then."
        return Check(what="cores", seen=words, verdict=NOTE, advice=advice)
    return Check(what="cores", seen=words, verdict=FINE)


def _two(seen: Seen) -> Check:
    what, should = "two spinning processes", min(2, seen.n_cores)
    times = seen.findings.times(2)
    if times is None:
        return Check(what=what, seen="could not be tried", verdict=BAD, advice=_NO_START)
    return _of_cores(what, times, should, good=1 - (1 - GOOD_SHARE) / 1.5)


def _all(seen: Seen) -> Check:
    what, times = f"{seen.n_cores} spinning processes", seen.findings.times(seen.n_cores)
    if times is None:
        return Check(what=what, seen="could not be tried", verdict=BAD, advice=_NO_START)
    return _of_cores(what, times, seen.n_cores, good=GOOD_SHARE)


def _of_cores(what: str, times: float, should: int, *, good: float) -> Check:
    words = f"do {times:.2f} times the work of one; {should} would be all"
    if times >= good * should:
        return Check(what=what, seen=words, verdict=FINE)
    advice = (
        "the cores are not free, or are no whole ones: look at the load here, at CPU limits of a "
        "container or virtual machine, and whether cores are hyperthreads."
    )
    verdict = SLOW if times >= POOR_SHARE * should else BAD
    return Check(what=what, seen=words, verdict=verdict, advice=advice)


_NO_START = f"this Python could not be started again: {sys.executable or 'its path is not known'}."


def _share(seen: Seen) -> float:
    return min((one.cpu_share for one in seen.findings.spun), default=0.0)


def _is_shared(seen: Seen) -> bool:
    return _share(seen) < CPU_SHARE


def _others(seen: Seen) -> Check:
    share = _share(seen)
    load = "" if seen.load is None else f", load {seen.load:.1f} before"
    words = f"spinning processes had a core {min(1.0, share):.0%} of the time{load}"
    if not _is_shared(seen):
        return Check(what="other programs", seen=words, verdict=FINE)
    advice = "others use the cores: what is tuned now is tuned for a busy machine."
    return Check(what="other programs", seen=words, verdict=SLOW, advice=advice)


def _job(seen: Seen) -> Check:
    what = f"a job of {JOB_S:g} s"
    words = f"{seen.job_times:.2f} x as quick by amorsize's worker processes"
    should = min(seen.n_cores, 8)  # the start of more workers is a good part of so short a job
    if seen.n_cores == 1 or seen.job_times >= 0.65 * should:
        return Check(what=what, seen=words, verdict=FINE)
    verdict = SLOW if seen.job_times >= 0.5 * should or seen.job_times > 1.5 else BAD
    advice = "see the checks above and below for what keeps it from the number of cores."
    return Check(what=what, seen=words, verdict=verdict, advice=advice)


def _starts(seen: Seen) -> list[Check]:
    costs = seen.costs
    clean_s = costs.clean_start_s
    made = [
        Check(
            what="starting workers anew",
            seen=f"{seconds(clean_s)} until one can work",
            verdict=FINE if clean_s <= CLEAN_START_S else SLOW,
            advice=""
            if clean_s <= CLEAN_START_S
            else "starting Python is slow: its disk, or load.",
        )
    ]
    if seen.why_not_fork is not None:
        return [
            Check(what="forking workers", seen=f"not here: {seen.why_not_fork}", verdict=NOTE),
            *made,
        ]
    start_s, trip_s = costs.start_s + costs.ready_s, costs.dispatch_s + 2 * costs.latency_s
    is_quick, is_near = start_s <= START_S, trip_s <= ROUND_TRIP_S
    return [
        Check(
            what="forking workers",
            seen=f"{seconds(start_s)} until one can work",
            verdict=FINE if is_quick else SLOW,
            advice="" if is_quick else "a fork takes long where this process holds much memory.",
        ),
        *made,
        Check(
            what="sending a chunk",
            seen=f"{seconds(trip_s)} there and back",
            verdict=FINE if is_near else SLOW,
            advice="" if is_near else "messages wait for a core: short items gain little here.",
        ),
    ]


def _speeds(seen: Seen) -> list[Check]:
    pipe, pickling = seen.findings.pipe_bytes_s, seen.findings.pickle_bytes_s
    is_wide, is_quick = pipe is not None and pipe >= PIPE_BYTES_S, pickling >= PICKLE_BYTES_S
    return [
        Check(
            what="pipe",
            seen="did not work" if pipe is None else f"{size(pipe)}/s to another process",
            verdict=FINE if is_wide else SLOW,
            advice="" if is_wide else "large items and results are costly: send paths, summaries.",
        ),
        Check(
            what="pickle",
            seen=f"{size(pickling)}/s of small dicts, there and back",
            verdict=FINE if is_quick else SLOW,
            advice="" if is_quick else "many small objects are costly to send: send arrays, texts.",
        ),
    ]


def _memory(seen: Seen) -> Check:
    each = seen.free_bytes / seen.n_cores
    words = f"{size(seen.free_bytes)} free, {size(each)} a core"
    is_enough = each >= 128 * 1024**2
    return Check(
        what="memory",
        seen=words,
        verdict=FINE if is_enough else NOTE,
        advice="" if is_enough else "workers that need more than that each will be short of it.",
    )


def _blas(seen: Seen) -> Check | None:
    n, limits = seen.findings.blas_threads, seen.findings.blas_variables
    if n is None:
        return None
    words = f"{counted(n, 'thread')} in one process that multiplies matrices"
    if n == 1 or seen.n_cores == 1:
        return Check(what="BLAS", seen=words, verdict=FINE)
    set_ = f" although {', '.join(limits)} is set" if limits else ""
    advice = (
        f"each forked worker that uses NumPy's linear algebra would start {n} threads{set_}: "
        "OPENBLAS_NUM_THREADS=1 (or MKL_NUM_THREADS, OMP_NUM_THREADS) leaves the cores to workers."
    )
    return Check(what="BLAS", seen=words, verdict=NOTE, advice=advice)


COMMANDS = (
    Command(
        words=("validate",),
        help="measure whether this machine parallelises as it should (some seconds)",
        run=_validate,
        runs_code=True,
        epilog=(
            "It ends with 0 if it does, and with 1 if it does not, with what to look at.\n\n"
            "example:\n"
            "  amorsize validate || echo 'look at the machine first'"
        ),
    ),
)
