"""Compares amorsize with the plain loop and the peers, interleaved and in fresh processes.

    python -m benchmarks.peers                        # everything, 15 rounds
    python -m benchmarks.peers --rounds 2 --workloads zlib waits --contenders loop threads amorsize
    python -m benchmarks.peers --resume               # the rounds that are missing
    python -m benchmarks.peers --render benchmarks/results/peers-....json   # the report once more

In every round each contender runs each workload once, in an order drawn anew. Three kinds of
process are timed: `first` (one call in a fresh process, timed from outside from before its start to
its end), `cached` (the same for amorsize, with the home that its `first` of this round has filled)
and `warm` (the last of several calls in one process, timed from inside). A fourth, `busy`, runs
amorsize on items that account for their own CPU time.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import commits, host, micro, tables
from benchmarks.outside import ROOT, ChildFailed, Outcome, run_python
from benchmarks.results import (
    AMORSIZE,
    BUSY,
    CACHED,
    FIRST,
    LOOP,
    PEERS,
    TWO_FORKS,
    WARM,
    Results,
    Sample,
    read,
    write,
)
from benchmarks.workloads import WORKLOADS, Workload, by_name

CHILD = "from benchmarks.contenders import main; main()"
PRIMING = "60 ms in all"  # the workload each contender runs once, untimed, before the first round
KINDS = (FIRST, CACHED, WARM, BUSY)
SEED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run covers."""

    workloads: tuple[Workload, ...] = WORKLOADS
    contenders: tuple[str, ...] = (*PEERS, TWO_FORKS, AMORSIZE)
    kinds: tuple[str, ...] = KINDS
    n_rounds: int = 15
    warm_calls: int = 2  # in a `warm` process; the last one counts
    trial_rounds: int = 2  # a peer may be dropped after these ...
    drop_above: float = 1.3  # ... if its median is above this times the best peer's
    hopeless_above: float = 5.0  # and after the first round, above this
    give_up_s: float = 20.0  # a process that takes longer is stopped, and its case not run again


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One process to be run in every round."""

    kind: str
    workload: Workload
    contender: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.workload.name}/{self.contender}"


@dataclass(kw_only=True)
class Run:
    """Rounds of cases, until all are done."""

    terms: Terms
    results: Results
    keep_at: Path
    draw: random.Random = field(default_factory=random.Random)

    def measure(self) -> Results:
        """Run all rounds; the results are kept on disk after each."""
        contenders = [name for name in self.terms.contenders if self._can_run(name)]
        _import_jobs(self.terms.workloads)
        self.results.cores_before = host.cores_that_are_ours()
        cases = cases_of(self.terms, contenders)
        for n in range(self.results.n_rounds, self.terms.n_rounds):
            self.draw.seed(f"{SEED}, round {n}")
            began_s = time.monotonic()
            self._round(n, [case for case in cases if not self._is_dropped(case, n)])
            self._tell(n, time.monotonic() - began_s)
            write(self.results, self.keep_at)
        self.results.cores_after = host.cores_that_are_ours()
        return self.results

    def _can_run(self, contender: str) -> bool:
        """Run it once, untimed: what can be compiled and read into memory is so for all alike."""
        case = Case(kind=FIRST, workload=by_name(PRIMING), contender=contender)
        try:
            with _home() as home:
                self._run(case, home)
        except ChildFailed as failure:
            print(f"left out: {contender}, which fails here:\n{failure}", file=sys.stderr)
            return False
        return True

    def _round(self, n: int, cases: list[Case]) -> None:
        workloads = list(dict.fromkeys(case.workload for case in cases))
        self.draw.shuffle(workloads)
        for workload in workloads:
            own = [case for case in cases if case.workload is workload]
            self.draw.shuffle(own)
            own.sort(key=lambda case: case.kind == CACHED)  # it needs what `first` has filled
            with _home() as filled_by_first:
                for case in own:
                    self._sample(n, case, filled_by_first)

    def _sample(self, n: int, case: Case, filled_by_first: str) -> None:
        with _home() as empty:
            home = filled_by_first if case.kind in (FIRST, CACHED) else empty
            try:
                outcome = self._run(case, home)
            except ChildFailed as failure:
                self.results.given_up[str(case)] = str(failure).splitlines()[0]
                print(f"  round {n + 1}, {case}: {failure}", file=sys.stderr)
                return
        self.results.samples.append(sample_of(case, n, outcome))

    def _run(self, case: Case, home: str) -> Outcome:
        n_calls = self.terms.warm_calls if case.kind in (WARM, BUSY) else 1
        workload = case.workload
        module = f"benchmarks.jobs.{workload.module}"
        arguments = [case.contender, module, workload.job, workload.data, str(n_calls)]
        with tempfile.TemporaryDirectory() as accounts:
            return run_python(
                CHILD,
                *arguments,
                *([accounts] if case.kind == BUSY else []),
                timeout_s=self.terms.give_up_s,
                environ={"AMORSIZE_HOME": home},
            )

    def _is_dropped(self, case: Case, n: int) -> bool:
        """Whether it failed, or is a peer too slow to become the best one."""
        if case.contender in (LOOP, AMORSIZE, TWO_FORKS):
            return False  # the measures, and the measured
        if str(case) in self.results.given_up:
            return True
        kind, name = case.kind, case.workload.name
        best = self.results.best_peer(kind, name)
        best_s = best and self.results.median_s(kind, name, best)
        own_s = self.results.median_s(kind, name, case.contender)
        if n == 0 or not own_s or not best_s:
            return False
        tried = n >= self.terms.trial_rounds
        return own_s > best_s * (self.terms.drop_above if tried else self.terms.hopeless_above)

    def _tell(self, n: int, round_s: float) -> None:
        left = self.terms.n_rounds - n - 1
        print(
            f"round {n + 1} of {self.terms.n_rounds}: {round_s:.0f} s; "
            f"at most {left * round_s / 60:.0f} min to go",
            file=sys.stderr,
            flush=True,
        )


def cases_of(terms: Terms, contenders: list[str]) -> list[Case]:
    """Every process of a round, before any is dropped."""
    return [
        Case(kind=kind, workload=workload, contender=contender)
        for workload in terms.workloads
        for contender in contenders
        for kind in terms.kinds
        if _belongs(kind, workload, contender)
    ]


def sample_of(case: Case, n: int, outcome: Outcome) -> Sample:
    """What a process said of itself, and what was seen from outside."""
    lines = [line.split() for line in outcome.output.splitlines()]
    return Sample(
        kind=case.kind,
        workload=case.workload.name,
        contender=case.contender,
        round=n,
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        foreign_cpu_s=outcome.foreign_cpu_s,
        n_orphans=outcome.n_orphans,
        calls_s=[float(wall_s) for wall_s, _ in lines],
        items_cpu_s=[float(cpu_s) for _, cpu_s in lines],
    )


def _belongs(kind: str, workload: Workload, contender: str) -> bool:
    if contender == TWO_FORKS:
        return kind == FIRST and workload.computes_all_the_time
    if kind == BUSY:
        return contender == AMORSIZE and workload.shows_busy_share
    return kind != CACHED or contender == AMORSIZE


def _import_jobs(workloads: tuple[Workload, ...]) -> None:
    for module in {workload.module for workload in workloads}:
        code = f"import benchmarks.jobs.{module}"
        run_python(code, timeout_s=60, environ={})


def taken_s(
    kind: str,
    contender: str,
    workload: Workload,
    *,
    environ: Mapping[str, str] | None = None,
    code: str = "",
) -> float:
    """The time that counts of one `first` or `warm` process with a home of its own.

    Args:
        kind: `first` or `warm`.
        contender: Who runs it.
        workload: What is run.
        environ: What is special in its environment.
        code: What it is to run before anything else.

    Raises:
        ChildFailed: It failed or was given up.
    """
    terms = Terms()
    case = Case(kind=kind, workload=workload, contender=contender)
    arguments = (f"benchmarks.jobs.{workload.module}", workload.job, workload.data)
    with _home() as home:
        outcome = run_python(
            code + CHILD,
            contender,
            *arguments,
            str(terms.warm_calls if kind == WARM else 1),
            timeout_s=terms.give_up_s,
            environ={**(environ or {}), "AMORSIZE_HOME": home},
        )
    return sample_of(case, 0, outcome).taken_s


@contextmanager
def _home() -> Iterator[str]:
    """An empty home for what amorsize remembers."""
    with tempfile.TemporaryDirectory(prefix="amorsize-bench-") as folder:
        yield f"{folder}/home"


def main() -> None:
    """Measure or read, then report."""
    options = _parser().parse_args()
    if options.render:
        results = read(options.render)
    else:
        machine = host.facts()
        keep_at = options.json or ROOT / f"benchmarks/results/peers-{host.slug(machine)}.json"
        results = Results(machine=machine, code=commits.state_of("amorsize"))
        if options.resume and keep_at.exists():
            results = begun(keep_at, results)
        results = Run(terms=_terms(options), results=results, keep_at=keep_at).measure()
        _add_micro(results)
        write(results, keep_at)
    report = tables.report(results)
    options.report.write_text(report)
    print(report)


def begun(kept_at: Path, now: Results) -> Results:
    """What an earlier run has measured, if this one would measure the same.

    Raises:
        SystemExit: It was other code, another machine, or nobody can tell.
    """
    kept = read(kept_at)
    if now.code == commits.UNKNOWN or now.code.endswith(commits.DIRTY):
        raise SystemExit(f"whether {kept_at} is of this code cannot be told: commit it first")
    for what, before, after in (
        ("code", kept.code, now.code),
        ("machine", {**kept.machine, "date": None}, {**now.machine, "date": None}),
    ):
        if before != after:
            raise SystemExit(f"{kept_at} is of other {what}: {before or 'unknown'}, now {after}")
    return kept


def _add_micro(results: Results) -> None:
    """The small figures, if amorsize ran; their failure must not cost the large ones."""
    if any(sample.contender == AMORSIZE for sample in results.samples):
        try:
            results.micro = micro.measured_apart()
        except subprocess.SubprocessError as failure:
            print(f"no figures of benchmarks.micro: {failure}", file=sys.stderr)


def _terms(options: argparse.Namespace) -> Terms:
    chosen = tuple(w for w in WORKLOADS if any(part in w.name for part in options.workloads))
    return Terms(
        workloads=chosen,
        contenders=tuple(options.contenders),
        kinds=tuple(options.tables),
        n_rounds=options.rounds,
        warm_calls=options.warm_calls,
        drop_above=options.drop_above,
        hopeless_above=max(options.drop_above, Terms().hopeless_above),
        give_up_s=options.give_up,
    )


def _parser() -> argparse.ArgumentParser:
    default = Terms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--rounds", type=int, default=default.n_rounds)
    add("--resume", action="store_true", help="go on where the last run was ended")
    add("--workloads", nargs="+", default=[""], metavar="PART", help="of their names")
    add("--contenders", nargs="+", default=default.contenders, choices=default.contenders)
    add("--tables", nargs="+", default=KINDS, choices=KINDS)
    add("--warm-calls", type=int, default=default.warm_calls, help="the last one is timed")
    add(
        "--drop-above",
        type=float,
        default=default.drop_above,
        help="times the best peer; inf keeps all",
    )
    add("--give-up", type=float, default=default.give_up_s, metavar="SECONDS", help="per process")
    add_files(parser, page="docs/dev/benchmarks.md")
    return parser


def add_files(parser: argparse.ArgumentParser, *, page: str) -> None:
    """Where a run leaves what it measured and its page, and how the page is made again."""
    add = parser.add_argument
    add("--json", type=Path, metavar="OUT", help="where raw results go: benchmarks/results/")
    add("--report", type=Path, default=ROOT / page, help="the page to write")
    add("--render", type=Path, metavar="JSON", help="measure nothing, report what is in there")


if __name__ == "__main__":
    main()
