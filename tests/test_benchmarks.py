"""The arithmetic of the benchmarks and the soundness of their workloads; no time is judged here."""

import importlib
import itertools
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import (
    contenders,
    kept_times,
    many_contenders,
    manyworkers,
    page_sections,
    peers,
    ratios,
    results,
    scaling,
    tables,
    versions,
    workloads,
)
from benchmarks.accounting import Accounted, items_cpu_s
from benchmarks.bounds import (
    BROKEN,
    MICRO_LIMITS_US,
    MICRO_RATIOS,
    REACHED,
    UNSURE,
    Limit,
    bounds,
    by_best_peer,
)
from benchmarks.outside import ChildFailed, Outcome, run_python
from benchmarks.results import AMORSIZE, BUSY, CACHED, FIRST, LOOP, TWO_FORKS, WARM, Results, Sample
from benchmarks.workloads import WORKLOADS, Workload

MACHINE: dict[str, object] = {
    "cpu": "Some CPU 3000",
    "n_cores": 2,
    "memory_gib": 8,
    "kernel": "Linux 6",
    "python": "CPython 3.11",
    "versions": {"joblib": "1.4"},
    "date": "2026-01-01",
}
positive = st.floats(min_value=1e-3, max_value=1e3)


def sample(
    contender: str, taken_s: float, *, n: int = 0, kind: str = FIRST, **more: object
) -> Sample:
    """A process that took so long from outside, and so long in each of its two calls."""
    usual = {
        "workload": "zlib",
        "wall_s": taken_s,
        "cpu_s": 2 * taken_s,
        "foreign_cpu_s": 0.0,
        "n_orphans": 0,
        "calls_s": [taken_s, taken_s],
        "items_cpu_s": [0.0, 0.0],
    }
    return Sample(kind=kind, contender=contender, round=n, **{**usual, **more})  # type: ignore[arg-type]


def rounds(times_s: dict[str, list[float]], *, kind: str = FIRST) -> Results:
    """Results of one workload, from each contender's time in every round it ran."""
    return Results(
        machine=MACHINE,
        samples=[
            sample(name, taken_s, n=n, kind=kind)
            for name, all_s in times_s.items()
            for n, taken_s in enumerate(all_s)
        ],
    )


def full_run() -> Results:
    """Every kind of measurement of every contender and workload, three rounds of it."""
    done = Results(machine=MACHINE, cores_before=1.9, cores_after=1.8)
    cases = peers.cases_of(peers.Terms(), list(peers.Terms().contenders))
    for n, case in itertools.product(range(3), cases):
        taken_s = (1.0 if case.contender == LOOP else 0.6) + n / 100
        done.samples.append(
            sample(
                case.contender,
                taken_s,
                n=n,
                kind=case.kind,
                workload=case.workload.name,
                items_cpu_s=[1.1, 1.2],
            )
        )
    return done


# ratios


def test_figure_sums_up_known_values():
    """Median and quartiles are the textbook's; the interval holds the median."""
    figure = ratios.figure([1.0, 2.0, 3.0, 4.0, 5.0])

    assert (figure.median, figure.quartile_1, figure.quartile_3) == (3.0, 2.0, 4.0)
    assert 1.0 <= figure.low < 3.0 < figure.high <= 5.0
    assert figure.n_rounds == 5


def test_one_round_has_no_spread():
    """A single value is its own median, quartile and interval."""
    figure = ratios.figure([0.7])

    assert {figure.median, figure.quartile_1, figure.quartile_3, figure.low, figure.high} == {0.7}


def test_no_rounds_are_an_error():
    """A figure of nothing would be a lie."""
    with pytest.raises(ValueError, match="no rounds"):
        ratios.figure([])


def test_the_interval_narrows_with_more_rounds():
    """More values of the same spread make the median surer."""
    few, many = (ratios.figure([1.0, 2.0, 3.0] * n) for n in (2, 40))

    assert many.high - many.low < few.high - few.low


def test_the_interval_holds_the_true_median_nine_times_in_ten():
    """The bootstrap's promise, over repeated draws of 15 rounds from a known distribution."""
    import random

    draw = random.Random(4)
    trials = [[draw.lognormvariate(0.0, 0.2) for _ in range(15)] for _ in range(200)]
    held = 0
    for trial in trials:
        low, high = ratios.bootstrap_interval(
            [trial], lambda groups: sorted(groups[0])[7], n_resamples=200
        )
        held += low <= 1.0 <= high

    assert 0.83 <= held / len(trials) <= 0.97


@settings(max_examples=20)  # each draws thousands of times
@given(st.lists(positive, min_size=1, max_size=20))
def test_the_same_values_give_the_same_figure(values):
    """The bootstrap is seeded: a page rendered twice is the same page."""
    assert ratios.figure(values) == ratios.figure(values)


def test_geometric_mean_of_a_ratio_and_its_inverse_is_one():
    """Twice as fast here and half as fast there is a draw."""
    assert ratios.geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


@given(st.lists(positive, min_size=1, max_size=20), positive)
def test_geometric_mean_scales(values, factor):
    """Making every workload so many times slower makes the mean so many times larger."""
    scaled = ratios.geometric_mean([factor * value for value in values])

    assert scaled == pytest.approx(factor * ratios.geometric_mean(values))


def test_geometric_mean_figure_uses_the_medians_of_rounds():
    """One wild round of one workload does not move it."""
    figure = ratios.geometric_mean_figure([[0.5, 0.5, 90.0], [2.0, 2.0, 2.0]])

    assert figure.median == pytest.approx(1.0)
    assert figure.low <= figure.median <= figure.high


# results


def test_the_best_peer_has_the_lowest_median():
    """Not the lowest minimum, and not the lowest mean."""
    run = rounds({LOOP: [3, 3, 3], "pool": [1, 4, 4], "threads": [2, 2, 90], AMORSIZE: [1, 1, 1]})

    assert run.best_peer(FIRST, "zlib") == "threads"


def test_the_loop_is_a_peer():
    """Where nothing beats it, it is the best one."""
    assert rounds({LOOP: [1, 1], "pool": [2, 2]}).best_peer(FIRST, "zlib") == LOOP


def test_a_dropped_peer_is_not_the_best():
    """Only those that ran every round are compared over all rounds."""
    assert rounds({LOOP: [2, 2], "pool": [1]}).best_peer(FIRST, "zlib") == LOOP


def test_ratios_are_taken_within_a_round():
    """A machine that turns slower takes both times along; a round without both is left out."""
    run = rounds({LOOP: [1.0, 10.0, 100.0], AMORSIZE: [0.5, 5.0]})

    assert run.time_ratios("zlib", (FIRST, AMORSIZE), (FIRST, LOOP)) == [0.5, 0.5]


def test_warm_time_is_the_last_call():
    """What came before it, and the process around it, do not count."""
    one = sample(LOOP, 9.0, kind=WARM, calls_s=[3.0, 2.0])

    assert one.taken_s == 2.0


def test_busy_share_is_item_time_by_all_cores():
    """Items that used 1.8 s of CPU time in a call of 1 s keep two cores busy to 90 %."""
    run = Results(
        machine=MACHINE,
        samples=[sample(AMORSIZE, 1.0, kind=BUSY, items_cpu_s=[1.0, 1.8])],
    )

    assert run.busy_shares("zlib", 0) == [0.5]
    assert run.busy_shares("zlib", -1) == [0.9]


def test_results_survive_the_disk(tmp_path):
    """What is written is what is read."""
    run = full_run()
    run.given_up["warm/zlib/joblib"] = "too slow"
    run.micro["warm_call_us"] = 12.5

    results.write(run, tmp_path / "new" / "raw.json")

    assert results.read(tmp_path / "new" / "raw.json") == run


# bounds and tables


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.9, 1.0, 1.04], REACHED), ([0.9, 1.1, 1.2], UNSURE), ([1.1, 1.1, 1.1], BROKEN)],
)
def test_a_bound_is_broken_where_the_whole_interval_is(values, verdict):
    """A median beyond the limit with an interval that reaches back is undecided."""
    assert Limit(value=1.05).verdict(ratios.figure(values)) == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([30, 26, 25], REACHED), ([20, 24, 26], UNSURE), ([24, 24, 24], BROKEN)],
)
def test_a_lower_bound_works_the_other_way(values, verdict):
    """At least 25 is broken from below."""
    assert Limit(value=25, at_least=True).verdict(ratios.figure(values)) == verdict


@pytest.fixture
def few_resamples(monkeypatch):
    """Intervals that are less exact, where none of their ends is claimed."""
    monkeypatch.setitem(ratios.bootstrap_interval.__kwdefaults__, "n_resamples", 50)


@pytest.mark.usefixtures("few_resamples")
def test_every_bound_is_judged_after_a_full_run():
    """None is quietly missing but those of the micro benchmark, which was not run."""
    every = bounds(full_run())

    assert [bound.what for bound in every if not bound.reached] == [*MICRO_LIMITS_US, *MICRO_RATIOS]
    assert len(every) == 17 + 5


@pytest.mark.usefixtures("few_resamples")
def test_broken_bounds_name_their_workloads():
    """The worst workload is shown, all that break the bound are listed."""
    run = full_run()
    slow = [
        sample(AMORSIZE, 2.0, n=n, workload=name) for n in range(3) for name in ("zlib", "numpy")
    ]
    others = [s for s in run.samples if (s.kind, s.contender) != (FIRST, AMORSIZE)]
    run.samples = others + slow

    worst = next(b for b in bounds(run) if b.what == "first call ever / best peer, the worst")

    assert worst.verdict == BROKEN
    assert set(worst.beyond) == {"zlib", "numpy"}


def test_cached_is_compared_with_fresh_peers():
    """A peer's second process is as its first: there is nothing it could have kept."""
    run = rounds({LOOP: [2.0], "pool": [1.0]})
    run.samples.append(sample(AMORSIZE, 0.5, kind=CACHED))

    assert by_best_peer(run, CACHED)("zlib") == [0.5]


def test_the_allowance_is_taken_off_before_the_ratio():
    """1.03 x the loop + 5 ms: a loop of 60 ms may take 66.8."""
    run = rounds({LOOP: [0.060], AMORSIZE: [0.0668]})

    ratio = run.time_ratios("zlib", (FIRST, AMORSIZE), (FIRST, LOOP), less_s=0.005)

    assert ratio == [pytest.approx(1.03)]


@pytest.mark.usefixtures("few_resamples")
def test_the_report_shows_every_workload():
    """Each has its row in all three tables of figures."""
    page = tables.report(full_run())

    for workload in WORKLOADS:
        assert page.count(f"\n| {workload.name} |") == 3


def test_the_report_tells_of_what_is_missing():
    """Dropped and failed contenders are marked, and a failure of amorsize is spelled out."""
    run = rounds({LOOP: [2.0, 2.0], "pool": [3.0]})
    run.given_up = {"first/zlib/joblib": "took over 30 s", f"first/zlib/{AMORSIZE}": "ended with 1"}

    page = tables.report(run)

    assert "1.50 (1.50-1.50) †1" in page
    assert "gave up" in page
    assert "**amorsize failed**: first/zlib/amorsize: ended with 1" in page


# what is run


def test_cases_fit_their_kind():
    """Only amorsize has a cache; only computing jobs have a CPU time to compare."""
    terms = peers.Terms()
    cases = peers.cases_of(terms, list(terms.contenders))

    assert {case.contender for case in cases if case.kind in (CACHED, BUSY)} == {AMORSIZE}
    assert {case.contender for case in cases if case.kind == WARM} == {*results.PEERS, AMORSIZE}
    forked = [case.workload for case in cases if case.contender == TWO_FORKS]
    assert forked == [workload for workload in WORKLOADS if workload.computes_all_the_time]


def test_contenders_known_to_the_driver_exist():
    """Every name the driver uses is one that the child can run, and the other way round."""
    assert set(peers.Terms().contenders) == set(contenders.CONTENDERS)


def test_the_child_imports_nothing_heavy():
    """What the child imports for itself would count against every contender."""
    code = (
        "import sys; before = set(sys.modules); import benchmarks.contenders; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout.split() == ["benchmarks", "benchmarks.contenders"]


def jobs(workload: Workload) -> ModuleType:
    """The module of a workload, if what it needs is installed."""
    if workload.module == "arrays":
        pytest.importorskip("numpy")
    return importlib.import_module(f"benchmarks.jobs.{workload.module}")


def data(workload: Workload) -> Iterable[object]:
    return getattr(jobs(workload), workload.data)()


every_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
with_payloads = pytest.mark.parametrize(
    "workload", [w for w in WORKLOADS if w.releases_gil], ids=lambda w: w.name
)


def test_there_are_workloads_of_every_kind():
    """Ten and more, with waiting ones, and names that tell them apart."""
    assert len(WORKLOADS) >= 10
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert 2 <= sum(workload.waiting for workload in WORKLOADS) <= len(WORKLOADS) // 2
    assert workloads.by_name("zlib").releases_gil


def test_an_unknown_workload_is_named():
    """With those there are."""
    with pytest.raises(KeyError, match=r"no workload 'zip'; there are .*zlib"):
        workloads.by_name("zip")


@every_workload
def test_data_is_the_same_each_time(workload):
    """Fresh objects of the same value: every contender is given the same."""
    first, again = (pickle.dumps(list(itertools.islice(data(workload), 100))) for _ in range(2))

    assert first == again


@every_workload
def test_there_are_as_many_items_as_stated(workload):
    """The number in the table of workloads is that of the data."""
    n_items = sum(1 for _ in data(workload))

    assert n_items == (workload.n_items or n_items) > 0


@every_workload
def test_items_give_the_same_each_time(workload):
    """The job depends on its item alone, and what it gives can travel."""
    job = getattr(jobs(workload), workload.job)
    item = next(iter(data(workload)))

    first, again = (pickle.dumps(job(item)) for _ in range(2))

    assert first == again


@every_workload
def test_jobs_can_be_sent_by_name(workload):
    """Any worker can import them: they are no lambdas, and not of `__main__`."""
    job = getattr(jobs(workload), workload.job)

    assert pickle.loads(pickle.dumps(job)) is job


@with_payloads
def test_payloads_are_large_each_way(workload):
    """128 KiB to 1 MiB for every item, and for the result of the smallest."""
    job = getattr(jobs(workload), workload.job)
    items = sorted(data(workload), key=n_bytes)

    sizes = [n_bytes(item) for item in (*items, job(items[0]))]

    assert 2**17 <= min(sizes) < max(sizes) <= 2**20


def n_bytes(payload: object) -> int:
    return memoryview(payload).nbytes  # type: ignore[arg-type]


def test_sizes_span_three_decades():
    """The uneven workload is as uneven as its name says, and in no order."""
    sizes = list(data(workloads.by_name("10 ms, three decades")))

    assert 500 < max(sizes) / min(sizes) <= 1000
    assert sizes not in (sorted(sizes), sorted(sizes, reverse=True))


def test_the_big_ones_come_last():
    """A tenth of the items, at the end, hold over a third of the work."""
    sizes = list(data(workloads.by_name("heavy tail, big ones last")))

    assert sizes == sorted(sizes)
    assert sum(sizes[-30:]) > sum(sizes) / 3


# measuring


def test_items_account_for_their_cpu_time(tmp_path):
    """What items compute is counted, here and in a process forked later; waiting is not."""
    job = Accounted("benchmarks.jobs.computing", "churn", str(tmp_path))
    results_of_both = [job(200_000), pickle.loads(pickle.dumps(job))(200_000)]
    serial_item_s = items_cpu_s(str(tmp_path))
    run_python(
        "import os, sys; from benchmarks.accounting import Accounted\n"
        "job = Accounted('benchmarks.jobs.computing', 'churn', sys.argv[1]); job(200_000)\n"
        "child = os.fork(); job(200_000); child and os.waitpid(child, 0)",
        str(tmp_path),
        timeout_s=30,
        environ={},
    )

    assert results_of_both[0] == results_of_both[1]
    assert serial_item_s > 0
    assert items_cpu_s(str(tmp_path)) > serial_item_s
    assert len(list(tmp_path.iterdir())) == 3


def test_a_process_is_measured_with_its_orphans():
    """A child that outlives its parent is waited for, and its CPU time counted."""
    outcome = run_python(
        "import os, time\n"
        "if not os.fork():\n"
        "    while time.process_time() < 0.2: pass\n"
        "print('started')",
        timeout_s=30,
        environ={},
    )

    assert outcome.output == "started\nstarted\n" or outcome.output == "started\n"
    assert outcome.n_orphans == 1
    assert outcome.cpu_s >= 0.2


@pytest.mark.parametrize(
    ("code", "said"),
    [("raise SystemExit('no wheat')", "no wheat"), ("while True: pass", "took over")],
)
def test_a_process_that_fails_says_why(code, said):
    """Its last words are in the error; one that never ends is stopped."""
    with pytest.raises(ChildFailed, match=said):
        run_python(code, timeout_s=2, environ={})


@pytest.mark.parametrize("contender", [LOOP, "threads", "executor_8th", "two_forks"])
def test_a_contender_runs_all_items(contender):
    """The child reports one line for each call and gives up where results are missing."""
    outcome = run_python(
        peers.CHILD,
        *(contender, "benchmarks.jobs.computing", "churn", "sixty_ms_in_all", "2"),
        timeout_s=30,
        environ={},
    )

    assert len(outcome.output.splitlines()) == 2


def test_each_version_is_imported_from_its_checkout(tmp_path):
    """Whatever the folder we are in has; the benchmarks are ours."""
    other = tmp_path / "other"
    (other / "amorsize").mkdir(parents=True)
    (other / "amorsize" / "__init__.py").write_text("VERSION = 'other'")
    asked = "import amorsize, benchmarks; print(hasattr(amorsize, 'VERSION'), benchmarks.__file__)"
    with versions.imported_from([other, versions.ROOT]) as environs:
        told = [run_python(asked, timeout_s=30, environ=one).output.split() for one in environs]

    ours = str(versions.ROOT / "benchmarks" / "__init__.py")
    assert told == [["True", ours], ["False", ours]]


def test_a_checkout_without_the_package_is_refused(tmp_path):
    """Nothing is measured in its place."""
    with pytest.raises((SystemExit, ChildFailed)), versions.imported_from([tmp_path]):
        raise AssertionError("it was taken")


def test_versions_are_compared_within_rounds():
    """After / before of the same round: a host that turns slower falls on both."""
    rows = [(1.0, 1.01), (3.0, 3.03), (2.0, 2.02)]
    text = versions.table({(FIRST, "a"): rows, (WARM, "a"): rows})

    assert "| a | 1.010 [1.010, 1.010] | 1.010 [1.010, 1.010] |" in text
    assert "geometric mean" in text


@pytest.fixture
def scaled():
    """Three rounds in which two cores halve the time, and the host turns slower."""
    times = {
        (kind, "zlib", contender, n): [factor * 2.0 / n for factor in (1.0, 3.0, 2.0)]
        for kind in scaling.KINDS
        for contender in (LOOP, *scaling.CONTENDERS)
        for n in ((1,) if contender == LOOP else (1, 2))
    }
    return times, {**MACHINE, "ours_before": 2.0, "ours_after": 1.9}


def test_a_speedup_is_that_of_one_round(scaled):
    text = scaling.report(*scaled)

    assert text.count("| **amorsize** | 1.00 [1.00, 1.00] | 2.00 [2.00, 2.00] |") == 2
    assert "Some CPU 3000" in text
    assert "Rounds: 3" in text


def test_the_page_of_speedups_can_be_made_again(scaled, tmp_path):
    kept_times.write(*scaled, tmp_path / "kept.json")

    assert scaling.report(*kept_times.read(tmp_path / "kept.json")) == scaling.report(*scaled)


def test_contenders_are_bound_to_the_cores_they_are_told_of():
    """Pools that ask how many there are get the same answer as those that look."""
    asked = "from concurrent.futures.process import os; print(os.cpu_count(), n)"
    own = os.sched_getaffinity(0)
    with scaling._bound_to(1):
        told = run_python(scaling.SEES_ITS_CORES + asked, timeout_s=30, environ={}).output.split()

    assert told == ["1", "1"]
    assert os.sched_getaffinity(0) == own


# many workers


@pytest.fixture
def crowded():
    """Two rounds of each contender on two rows, of which one peer has failed on one."""
    taken = {name: 1.0 + n / 10 for n, name in enumerate(many_contenders.CONTENDERS)}
    cases = itertools.product((16, 64), ("5 ms x 2000", "64 of 0.2 s"), taken)
    times = {case: [[[taken[case[2]], 0.25], [0.5, 0.125]]] * 2 for case in cases}
    times[64, "64 of 0.2 s", "pool"] = []
    return times, {**MACHINE, "ours_before": 2.0, "ours_after": 1.9}


@pytest.mark.parametrize("contender", many_contenders.CONTENDERS)
def test_a_contender_with_many_workers_gets_all_naps_done(contender):
    """It makes two calls and tells what each took, its own CPU time apart."""
    if contender in ("joblib", "mpire"):
        pytest.importorskip(contender)

    told = manyworkers.taken(16, "64 of 0.2 s", contender, 50.0)

    assert [len(call) for call in told] == [2, 2]
    assert all(wall_s >= 64 / 16 * 0.2 and 0 <= cpu_s < wall_s for wall_s, cpu_s in told)


def test_the_limit_is_the_workers_or_the_longest_item():
    """More workers than items are no more use than as many."""
    assert manyworkers.limit("5 ms x 2000", 64) == pytest.approx(64)
    assert manyworkers.limit("64 of 0.2 s", 256) == pytest.approx(64)
    rows = [row for row in many_contenders.ROWS if row.startswith("1500")]
    assert manyworkers.limit(rows[0], 64) == pytest.approx(5.1 / 0.6)


def test_many_workers_are_told_beside_the_best_peer(crowded):
    """The medians over rounds, the mean over rows, and who failed; the best peer is bold."""
    text = manyworkers.report(*crowded)

    assert "| 5 ms x 2000 | 64 | **10.0** [10.0, 10.0] 0.25 s |" in text
    assert "| 64 of 0.2 s | 64 | gave up |" in text
    assert manyworkers.best_peer(crowded[0], 0, 64, "64 of 0.2 s") == "imap"
    assert "geometric mean over the rows: 0.73 x `imap`, 1" in text
    assert "at worst 0.67 x: 5 ms x 2000" in text
    assert "x `Pool.map`" not in text.partition("64 workers")[2]


def test_results_of_many_workers_come_back_as_they_were_kept(crowded, tmp_path):
    """The section is made from the file alone."""
    kept_times.write(*crowded, tmp_path / "kept.json")

    assert manyworkers.report(*kept_times.read(tmp_path / "kept.json")) == manyworkers.report(
        *crowded
    )


def test_a_contender_that_failed_is_not_run_again(monkeypatch):
    """The others go on, each once a round."""
    asked = []

    def ran(_code, contender, n_workers, *_, **__):
        asked.append((contender, n_workers))
        if (contender, n_workers) == ("imap", "16"):
            raise ChildFailed("too slow")
        return Outcome(wall_s=9.0, cpu_s=5.0, foreign_cpu_s=0.0, n_orphans=0, output="3 1\n2 1\n")

    monkeypatch.setattr(manyworkers, "run_python", ran)
    row = "64 of 0.2 s"

    times = manyworkers.measured([(16, row, "pool"), (16, row, "imap")], 3)

    assert times == {(16, row, "pool"): [[[3, 1], [2, 1]]] * 3, (16, row, "imap"): []}
    assert asked.count(("imap", "16")) == 1


def test_a_section_takes_the_place_of_the_earlier_one(tmp_path):
    """Who writes the page keeps it, and who writes it keeps the page."""
    page = tmp_path / "page.md"
    page.write_text("# A page\n")
    for text in ("one\n", "two\n"):
        page_sections.put(page, "mine", text)
    page_sections.put_rest(page, "# Another\n", "mine")

    assert "two" in (whole := page.read_text())
    assert "one" not in whole
    assert whole.startswith("# Another\n")
    assert page_sections.section(whole, "mine") in whole
    assert page_sections.section(whole, "yours") == ""


# one process


def test_what_one_process_takes_is_told_by_kind(monkeypatch):
    """From outside for a first call, from inside for the second one of a warm process."""
    asked = []

    def ran(_code, *arguments, **_):
        asked.append(arguments[-1])
        output = "3.0 0\n1.0 0\n"[: 6 * int(arguments[-1])]
        return Outcome(wall_s=9.0, cpu_s=5.0, foreign_cpu_s=0.0, n_orphans=0, output=output)

    monkeypatch.setattr(peers, "run_python", ran)
    workload = workloads.by_name(peers.PRIMING)

    assert peers.taken_s(FIRST, LOOP, workload) == 9.0
    assert peers.taken_s(WARM, LOOP, workload) == 1.0
    assert asked == ["1", "2"]


def test_a_run_that_was_ended_is_gone_on_with(monkeypatch, tmp_path):
    """The rounds that are missing, and no other; what a peer has shown before counts."""

    def ran(*_, **__):
        return Outcome(wall_s=1.0, cpu_s=1.0, foreign_cpu_s=0.0, n_orphans=0, output="1.0 0\n")

    monkeypatch.setattr(peers, "run_python", ran)
    monkeypatch.setattr(peers.host, "cores_that_are_ours", lambda: 2.0)
    kept_at = tmp_path / "kept.json"
    measured = Results(machine=MACHINE, code="1234567")
    for n_rounds in (1, 3):
        terms = peers.Terms(
            workloads=(workloads.by_name(peers.PRIMING),),
            contenders=(LOOP, AMORSIZE),
            kinds=(FIRST,),
            n_rounds=n_rounds,
        )
        peers.Run(terms=terms, results=measured, keep_at=kept_at).measure()
        measured = peers.begun(kept_at, Results(machine=MACHINE, code="1234567"))

    assert sorted(one.round for one in measured.samples) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("other", [{"code": "7654321"}, {"machine": {**MACHINE, "n_cores": 64}}])
def test_rounds_of_other_code_or_another_machine_are_not_mixed(other, tmp_path):
    kept_at = tmp_path / "kept.json"
    now = {"machine": MACHINE, "code": "1234567"}
    results.write(Results(**now), kept_at)

    with pytest.raises(SystemExit, match=r"is of other (code|machine)"):
        peers.begun(kept_at, Results(**{**now, **other}))


@pytest.mark.parametrize("code", ["1234567-dirty", "unknown"])
def test_rounds_of_code_that_nobody_committed_are_not_mixed(code, tmp_path):
    """What has the same name need not be the same."""
    kept_at = tmp_path / "kept.json"
    results.write(Results(machine=MACHINE, code=code), kept_at)

    with pytest.raises(SystemExit, match="cannot be told"):
        peers.begun(kept_at, Results(machine=MACHINE, code=code))
