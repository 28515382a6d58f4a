"""What a change costs: two checkouts of amorsize on the workloads of `peers`, side by side.

    git worktree add /tmp/before REVISION
    git worktree add /tmp/after REVISION
    python -m benchmarks.versions /tmp/before /tmp/after

In every round each workload is run by both, in an order drawn anew, once in a fresh process with an
empty home (`first`) and once more where the second call in one process counts (`warm`). Told are
the medians of the ratios within rounds, after / before, as a table on stdout. The workloads are
those of this checkout, whatever the two have.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import host
from benchmarks.outside import ROOT, run_python
from benchmarks.peers import PRIMING, taken_s
from benchmarks.ratios import Figure, figure, geometric_mean_figure
from benchmarks.results import AMORSIZE, FIRST, WARM
from benchmarks.workloads import WORKLOADS, Workload, by_name

KINDS = (FIRST, WARM)
N_ROUNDS = 9
SEED = 3
Times = dict[tuple[str, str], list[tuple[float, ...]]]  # of (kind, workload), each version's


@contextmanager
def imported_from(checkouts: Sequence[Path]) -> Iterator[list[dict[str, str]]]:
    """For each checkout the environment in which its amorsize is imported, and our benchmarks.

    Raises:
        SystemExit: Another one is imported, or none.
    """
    with tempfile.TemporaryDirectory(prefix="amorsize-versions-") as folder:
        environs = []
        for number, checkout in enumerate(checkouts):
            place = Path(folder, str(number))
            place.mkdir()
            package = checkout.resolve() / "amorsize"
            (place / "amorsize").symlink_to(package)
            # Safe path: the folder we are in, which has an amorsize as well, is not looked in.
            environ = {"PYTHONPATH": f"{place}:{ROOT}", "PYTHONSAFEPATH": "1"}
            code = "import amorsize, os; print(os.path.realpath(amorsize.__file__))"
            found = run_python(code, timeout_s=60, environ=environ).output.strip()
            if found != str(package / "__init__.py"):
                raise SystemExit(f"{checkout} has no amorsize to import; found was {found}")
            environs.append(environ)
        yield environs


def measured(
    environs: Sequence[dict[str, str]], workloads: Sequence[Workload], n_rounds: int
) -> Times:
    """Wall seconds of each version, one tuple a round."""
    draw = random.Random(SEED)
    times: Times = defaultdict(list)
    for environ in environs:
        # What can be compiled is so for both.
        taken_s(FIRST, AMORSIZE, by_name(PRIMING), environ=environ)
    for n in range(n_rounds):
        cases = [(kind, workload) for workload in workloads for kind in KINDS]
        draw.shuffle(cases)
        for kind, workload in cases:
            order = list(range(len(environs)))
            draw.shuffle(order)
            took_s = {
                number: taken_s(kind, AMORSIZE, workload, environ=environs[number])
                for number in order
            }
            times[kind, workload.name].append(tuple(took_s[n] for n in sorted(took_s)))
        print(f"round {n + 1} of {n_rounds}", file=sys.stderr, flush=True)
    return times


def table(times: Times) -> str:
    """After / before in Markdown: each workload, then all of a kind."""
    lines = ["| workload | " + " | ".join(KINDS) + " |", "| --- |" + " --- |" * len(KINDS)]
    ratios = {case: [after / before for before, after in rows] for case, rows in times.items()}
    names = list(dict.fromkeys(name for _, name in ratios))
    for name in names:
        cells = [_shown(figure(ratios[kind, name])) for kind in KINDS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    means = [geometric_mean_figure([ratios[kind, name] for name in names]) for kind in KINDS]
    lines.append("| **geometric mean** | " + " | ".join(map(_shown, means)) + " |")
    return "\n".join(lines)


def _shown(one: Figure) -> str:
    return f"{one.median:.3f} [{one.low:.3f}, {one.high:.3f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout")
    parser.add_argument("after", type=Path, help="another one")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--workloads", nargs="+", default=[""], metavar="PART")
    chosen = parser.parse_args()
    workloads = [one for one in WORKLOADS if any(part in one.name for part in chosen.workloads)]
    with imported_from([chosen.before, chosen.after]) as environs:
        cores_before = host.cores_that_are_ours()
        times = measured(environs, workloads, chosen.rounds)
        cores_after = host.cores_that_are_ours()
    print(f"After / before, {chosen.rounds} rounds, 90 % intervals.", end=" ")
    print(f"Cores that were ours: {cores_before:.2f} before and {cores_after:.2f} after.\n")
    print(table(times))


if __name__ == "__main__":
    main()
