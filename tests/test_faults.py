"""Every fault of docs/dev/reliability.md: shown to have happened, then what amorsize made of it.

Each case runs in a process of its own under `benchmarks.faults`; items write down what they are
about to do, and the watcher outside what it sees.
"""

import json
import os
import re

import pytest

from benchmarks import faults
from benchmarks.fault_cases import BY_NAME, CASES, N_WORKERS
from benchmarks.fault_items import BAD

BOUND_S = 45.0  # beside other programs, new interpreters take long to begin
CLEAN = {"AMORSIZE_START": "clean"}
HUGE_BYTES = 1 << 27  # far more than a pipe holds; the page has 1 GiB
# The process of an item ends, and another must take its place.
ENDS = {
    *("sigkill-once", "segfault-once", "abort-once", "exit-0-once", "alarm", "child-pipe"),
    *("killed-sending", "killed-reading-once", "killed-computing", "term-computing", "killed-idle"),
}
STOPS = {"stops-itself", "stopped-computing", "stopped-idle", "stopped-sending"}
BY_SIGNAL = {"sigkill": "SIGKILL", "segfault": "SIGSEGV", "exit-3": "exit code 3"}
NO_HARM = {"endless"}  # nothing is done: what is claimed is that it ends
# Not the one that kills interpreters as they start: none would ever come to an item.
UNDER_CLEAN = {
    *(ENDS | STOPS | set(BY_SIGNAL)),
    *("no-retry", "all", "fork-returns", "sleeps", "holds-gil", "odd-error", "unreadable-error"),
    *("unreadable-result", "big-result", "prints", "closes-streams", "ctrl-c", "sigterm"),
    *("caller-killed", "setup-dies-once", "setup-dies", "atexit", "thread-left"),
}


# How many programs run at once is for who has the cores to itself.
MARKS = {"programs": [pytest.mark.cores]}


def cases():
    """All cases with forked workers, many with workers from a clean start."""
    for case in CASES:
        yield pytest.param(case, {}, id=case.name, marks=MARKS.get(case.name, ()))
        if case.name in UNDER_CLEAN:
            yield pytest.param(case, CLEAN, id=f"{case.name}-clean")


@pytest.mark.parametrize(("case", "environ"), list(cases()))
def test_a_fault_costs_nothing_but_itself(case, environ):
    """The outcome that was asked for, nobody left behind, the item named where it is to blame."""
    if case.name == "greenlets":
        pytest.importorskip("gevent")
    if case.name == "number-taken" and not os.access(faults.LAST_NUMBER, os.W_OK):
        pytest.skip("only root may say which number the next process has")
    environ = {**environ, "AMORSIZE_FAULTS_HUGE_BYTES": str(HUGE_BYTES)}
    seen = faults.run(case, "amorsize", bound_s=BOUND_S, environ=environ)
    if case.name == "number-taken" and not has_a_bystander(seen):  # somebody else was quicker
        seen = faults.run(case, "amorsize", bound_s=BOUND_S, environ=environ)

    assert_it_happened(case, seen)
    wanted = [f"`{word}`" if word[0].isupper() else word for word in case.wants.split("|")]
    outcome = seen.outcome.removesuffix(" naming the item")
    assert outcome in wanted, seen.text
    if case.is_bad_items and outcome.startswith("`"):
        assert seen.outcome.endswith("naming the item"), seen.text
        assert seen.n_kept >= BAD
    assert seen.n_left == 0
    assert not seen.has_killed_a_bystander


def has_a_bystander(seen):
    """Whether a process that the map has nothing to do with got the number of a dead worker."""
    return any(line.endswith("is the number of a bystander") for line in seen.evidence)


def assert_it_happened(case, seen):
    """What items and watchers wrote down, and how many workers it took."""
    if case.name in NO_HARM:
        return
    assert seen.evidence, "nothing has happened"
    if case.name in ENDS | {"killed-often"}:
        assert seen.n_started > N_WORKERS
    if case.name in STOPS:
        assert any(line.endswith("is stopped") for line in seen.evidence)
    if case.outside and "see" not in case.outside:
        assert any("was sent SIG" in line for line in seen.evidence)
    if how := BY_SIGNAL.get(case.name):
        assert re.search(rf"ended by .*{how}", seen.text)
        assert "tried 2 times" in seen.text
        assert len(seen.evidence) == 2  # once more, by another process, and then no more
        assert len({line.split()[0] for line in seen.evidence}) == 2
    if case.name == "number-taken":
        assert has_a_bystander(seen)
    if case.name == "feeds-program":  # workers that might have held its pipe
        assert seen.n_started >= 1
    if case.name == "learned":
        assert len(seen.evidence) == 3  # one for each way to end
    if case.name == "no-retry":
        assert len(seen.evidence) == 1


def test_the_page_shows_what_is_tested():
    """Every case is a row of the page, with every other library's result."""
    page = faults.PAGE.read_text()
    kept = json.loads(faults.KEPT.read_text())["columns"]

    rows = [line for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == len(CASES) == len(BY_NAME) >= 40
    for case, row in zip(CASES, rows, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == case.what
        assert cells[2:-1] == [
            kept[peer][case.name] for peer in ("loop", "pool", "executor", "joblib", "mpire")
        ]
        assert not re.search("hang|wrong|leaves", cells[-1]), row
