"""The page of a run: how many functions of each kind gave what the loop gives, and ran beside."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from benchmarks import host
from benchmarks.everyday.verdicts import (
    ALONE,
    DIFFERS,
    EQUAL,
    HANGS,
    RAISES,
    ROOT,
    THREAD,
    WORST,
    Finding,
)

PAGE = ROOT / "docs" / "dev" / "everyday.md"
KINDS = {
    "waits": "that wait",
    "handles": "with handles: files, connections, queues, helpers, locks",
    "state": "that keep state",
    "in place": "that change their items",
    "settings": "that depend on settings, registrations, hashes, large tables",
    "lent": "of items that are valid until the next one is read, or cannot be sent",
    "pure": "that depend on their item alone",
}
INTRODUCTION = """\
# Everyday functions

People's functions are not pure. They change the current folder, seed the global random generator,
write to a file that was opened once, append their results to a list, or use a session, a logger
or a context. This page is about {n_cases} such functions, as people write them. `@autotune` maps
each of them without any option: in a first call, in a second one, and in one that tries another
plan. Each is run from a checkout and from `site-packages`, alone and beside an idle thread (some
also as a script). Each time, results *and* effects are compared with those of the plain loop,
which runs in an interpreter of its own. The effects are files, rows, printed text, the items
themselves, globals of the module, attributes of its classes, and the state of the process
(current folder, umask, environment, warning filters, standard streams, loggers, signal handlers,
settings of libraries).

No effect of an item may be lost, happen twice, or be mixed with that of another. Results and
printed text must have the order of the loop. Lines and rows that items add to a shared place may
have any order. Each item must draw different random numbers, and the same ones again after
`random.seed(1)` before a call, with any `n_jobs`.

Written by `python -m benchmarks.everyday`. `--list` names the functions, and `--only NAME --why`
runs one and prints its `explain()`. Each is a few lines in benchmarks/everyday/packages/office.

"""


def page(cases: Iterable[Any], findings: Iterable[Finding], took_s: float) -> str:
    """The whole page."""
    cases = list(cases)
    of_case = defaultdict(list)
    for one in findings:
        of_case[one.case].append(one)
    facts = host.facts()
    machine = f"{facts['cpu']}, {facts['n_cores']} cores, {facts['kernel']}, {facts['python']}"
    return (
        INTRODUCTION.format(n_cases=len(cases))
        + table(cases, of_case)
        + f"\nOne run on {machine}; {facts['date']}; {took_s / 60:.0f} minutes. A function is "
        "judged by its worst call. The last two columns count the functions of which some items "
        "ran in threads or worker processes, out of those for which that is right and pays.\n"
        + _listed(cases, of_case)
    )


def table(cases: list[Any], of_case: dict[str, list[Finding]]) -> str:
    """A row for each kind, and their sum."""
    lines = [
        "| functions | | equal | differ | raise | hang | in parallel, alone "
        "| in parallel, beside a thread |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, told in KINDS.items():
        of_kind = [case for case in cases if case.kind == kind]
        if of_kind:
            lines.append(_row(told, of_kind, of_case))
    lines.append(_row("**all**", cases, of_case))
    return "\n".join(lines) + "\n"


def _row(told: str, cases: list[Any], of_case: dict[str, list[Finding]]) -> str:
    verdicts = [worst(of_case[case.name]) for case in cases]
    counts = [str(verdicts.count(one)) for one in (EQUAL, DIFFERS, RAISES, HANGS)]
    shares = [_share(cases, of_case, beside) for beside in (ALONE, THREAD)]
    return f"| {told} | {len(cases)} | " + " | ".join(counts + shares) + " |"


def worst(findings: list[Finding]) -> str:
    """The verdict of a function: that of its worst call."""
    return min((one.verdict for one in findings), key=WORST.index)


def _share(cases: list[Any], of_case: dict[str, list[Finding]], beside: str) -> str:
    """How many ran in parallel everywhere, of those where that would be right."""
    right = [case for case in cases if case.right != "caller" and case.gains]
    ran = [case for case in right if is_parallel(of_case[case.name], beside)]
    return f"{len(ran)} of {len(right)}"


def is_parallel(findings: list[Finding], beside: str) -> bool:
    """Whether in each place some items ran elsewhere than in the caller."""
    by_place: dict[str, bool] = {}
    for one in findings:
        if one.where.beside == beside:
            place = one.where.place
            by_place[place] = by_place.get(place, False) or one.is_parallel
    return bool(by_place) and all(by_place.values())


def _listed(cases: list[Any], of_case: dict[str, list[Finding]]) -> str:
    """Those that are not as the loop, by name."""
    odd = [case for case in cases if worst(of_case[case.name]) != EQUAL]
    if not odd:
        return ""
    lines = ["\n## Not as the loop", "", "| function | where | what |", "|---|---|---|"]
    for case in odd:
        one = next(one for one in of_case[case.name] if one.verdict != EQUAL)
        n = len({f.where for f in of_case[case.name] if f.verdict != EQUAL})
        more = f" and {n - 1} more" if n > 1 else ""
        lines.append(f"| {case.name} | {one.where}{more} | {one.verdict}: {_plain(one.detail)} |")
    return "\n".join(lines) + "\n"


def _plain(detail: str) -> str:
    return " ".join(detail.replace("|", "/").split())[:120]
