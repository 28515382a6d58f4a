"""The raw results of a run: kept sample by sample, written, read and asked."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import median

from benchmarks.workloads import WORKLOADS

FIRST, CACHED, WARM, BUSY = "first", "cached", "warm", "busy"  # kinds of measurement
LOOP, AMORSIZE, TWO_FORKS = "loop", "amorsize", "two_forks"
PEERS = (
    LOOP,
    "pool",
    "executor_1",
    "executor_8th",
    "threads",
    "threads_32",
    "joblib",
    "mpire",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One process of one contender in one round."""

    kind: str
    workload: str
    contender: str
    round: int
    wall_s: float  # of the whole process, from outside
    cpu_s: float  # of the whole process and its descendants
    foreign_cpu_s: float  # of everybody else on the machine, meanwhile
    n_orphans: int
    calls_s: list[float]  # wall seconds of each of its calls, from inside
    items_cpu_s: list[float]  # CPU seconds of the items of each call; zeros where not accounted

    @property
    def taken_s(self) -> float:
        """The time that counts: the last call's when warm, else that of the whole process."""
        return self.calls_s[-1] if self.kind == WARM else self.wall_s


@dataclass(kw_only=True)
class Results:
    """Everything one run measured."""

    machine: dict[str, object]
    code: str = ""  # commits.state_of("amorsize")
    cores_before: float | None = None  # host.cores_that_are_ours, before the run and after it
    cores_after: float | None = None
    samples: list[Sample] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)  # "kind/workload/contender": why
    micro: dict[str, float] = field(default_factory=dict)  # figures of benchmarks.micro

    @property
    def n_rounds(self) -> int:
        """Rounds that were run so far."""
        return 1 + max((sample.round for sample in self.samples), default=-1)

    def by_round(self, kind: str, workload: str, contender: str) -> dict[int, Sample]:
        """The samples of one contender, by round."""
        return {
            sample.round: sample
            for sample in self.samples
            if (sample.kind, sample.workload, sample.contender) == (kind, workload, contender)
        }

    def median_s(self, kind: str, workload: str, contender: str) -> float | None:
        """The median time over its rounds; None if it never ran."""
        samples = self.by_round(kind, workload, contender).values()
        return median(sample.taken_s for sample in samples) if samples else None

    def best_peer(self, kind: str, workload: str) -> str | None:
        """The peer, the loop included, with the lowest median among those that ran every round.

        None where no peer has run.
        """
        ran = {peer: list(self.by_round(kind, workload, peer).values()) for peer in PEERS}
        n_rounds = max(len(samples) for samples in ran.values())
        medians_s = {
            peer: median(sample.taken_s for sample in samples)
            for peer, samples in ran.items()
            if len(samples) == n_rounds > 0
        }
        return min(medians_s, key=lambda peer: medians_s[peer], default=None)

    def time_ratios(
        self, workload: str, over: tuple[str, str], under: tuple[str, str], *, less_s: float = 0.0
    ) -> list[float]:
        """Per round, the time of `over` (kind, contender), less `less_s`, by that of `under`."""
        above, below = (self.by_round(k, workload, name) for k, name in (over, under))
        return [
            (above[n].taken_s - less_s) / below[n].taken_s for n in sorted(above.keys() & below)
        ]

    def cpu_ratios(self, workload: str, kind: str) -> list[float]:
        """Per round, the CPU time of amorsize by that of two forked loops."""
        above = self.by_round(kind, workload, AMORSIZE)
        below = self.by_round(FIRST, workload, TWO_FORKS)
        return [above[n].cpu_s / below[n].cpu_s for n in sorted(above.keys() & below)]

    def busy_shares(self, workload: str, call: int) -> list[float]:
        """Per round, the share of all cores' time within a call that went into its items."""
        n_cores = self.machine["n_cores"]
        assert isinstance(n_cores, int)
        samples = self.by_round(BUSY, workload, AMORSIZE).values()
        return [s.items_cpu_s[call] / (n_cores * s.calls_s[call]) for s in samples]

    def workloads(self) -> list[str]:
        """Those that were run, in the order of their table."""
        run = {sample.workload for sample in self.samples}
        return [workload.name for workload in WORKLOADS if workload.name in run]

    def foreign_share(self) -> float:
        """CPU time of others, as a share of all cores' time while we measured."""
        n_cores = self.machine["n_cores"]
        assert isinstance(n_cores, int)
        foreign_s = sum(sample.foreign_cpu_s for sample in self.samples)
        return foreign_s / (n_cores * sum(sample.wall_s for sample in self.samples) or 1.0)


def write(results: Results, path: Path) -> None:
    """Keep them as JSON, one sample a line."""
    columns = [column.name for column in fields(Sample)]
    head = {name: value for name, value in vars(results).items() if name != "samples"}
    rows = ",\n".join(json.dumps(list(_rounded(sample).values())) for sample in results.samples)
    text = json.dumps({**head, "columns": columns}, indent=1)[:-2] + f',\n "rows": [\n{rows}\n]}}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(path: Path) -> Results:
    """What `write` kept."""
    stored = json.loads(path.read_text())
    columns, rows = stored.pop("columns"), stored.pop("rows")
    samples = [Sample(**dict(zip(columns, row, strict=True))) for row in rows]
    return Results(**stored, samples=samples)


def _rounded(sample: Sample) -> dict[str, object]:
    """To 10 us: finer than any difference that is spoken of."""
    return {name: _to_10_us(value) for name, value in asdict(sample).items()}


def _to_10_us(value: object) -> object:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_to_10_us(part) for part in value]
    return value
