"""`amorsize validate`: the experiments are real, and what they show is judged as anybody would."""

import json

import pytest

from amorsize import cli
from amorsize._host import diagnostics
from amorsize._host.costs import PRIORS
from amorsize._host.diagnostics import Findings, Spun
from amorsize.cli.commands import validate
from amorsize.cli.commands.validate import Seen, checks, judged


def seen(two=1.95, all_=None, n_cores=2, cpu_share=0.99, job_times=1.8, costs=None, **changes):
    """A machine as it should be, but for what is named."""
    rates = {1: 1.0, 2: two} | ({n_cores: all_} if all_ else {})
    findings = Findings(
        spun=tuple(
            Spun(n_processes=n, rate=rate, cpu_share=cpu_share) for n, rate in rates.items()
        ),
        pipe_bytes_s=changes.pop("pipe_bytes_s", 2e9),
        pickle_bytes_s=changes.pop("pickle_bytes_s", 50e6),
        blas_threads=changes.pop("blas_threads", None),
        blas_variables=(),
    )
    fields = {
        "findings": findings,
        "n_cores": n_cores,
        "cores_from": "all CPUs of this host",
        "quota": None,
        "costs": PRIORS.replace(**(costs or {})),
        "why_not_fork": None,
        "free_bytes": 2**33,
        "load": 0.1,
        "job_times": job_times,
    }
    return Seen(**{**fields, **changes})


def verdict_of(machine, what):
    return next(one.verdict for one in checks(machine) if one.what == what)


def test_a_machine_as_it_should_be():
    """Status 0, all fine, no advice."""
    machine = seen()
    made = checks(machine)
    status, verdict = judged(made, machine)

    assert {one.verdict for one in made} == {"fine"}
    assert not any(one.advice for one in made)
    assert status == 0
    assert verdict == (
        "This machine parallelises as it should: two processes do 1.95 times the work of one, and "
        "amorsize is 1.80 x."
    )


@pytest.mark.parametrize(
    ("two", "verdict", "status"), [(1.9, "fine", 0), (1.4, "slow", 0), (1.05, "bad", 1)]
)
def test_two_processes_should_do_twice_the_work_of_one(two, verdict, status):
    """Cores that are promised and not there are found out, and decide the status."""
    machine = seen(two=two)

    assert verdict_of(machine, "two spinning processes") == verdict
    assert judged(checks(machine), machine)[0] == status


@pytest.mark.parametrize(("all_", "verdict"), [(15.5, "fine"), (10.4, "slow"), (4.0, "bad")])
def test_all_cores_together(all_, verdict):
    """16 cores of which 4 are there."""
    machine = seen(n_cores=16, all_=all_, job_times=7.0)

    assert verdict_of(machine, "16 spinning processes") == verdict


def test_one_core_parallelises_nothing():
    """That is said with what limits it, and is no success."""
    machine = seen(two=1.0, n_cores=1, cores_from="AMORSIZE_MAX_CPUS=1", job_times=0.9)
    made = checks(machine)

    status, verdict = judged(made, machine)
    assert status == 1
    assert "one usable core" in verdict
    assert "AMORSIZE_MAX_CPUS=1" in made[0].seen


def test_a_busy_machine_is_told_from_a_poor_one():
    """Where others have the cores, the verdict is about now."""
    machine = seen(two=1.0, cpu_share=0.5)

    status, verdict = judged(checks(machine), machine)
    assert status == 1
    assert verdict.startswith("As busy as it is now, this machine does not")


@pytest.mark.parametrize(
    ("change", "what", "verdict"),
    [
        ({"job_times": 1.05, "n_cores": 4, "all_": 3.9}, "a job of 0.3 s", "bad"),
        ({"costs": {"start_s": 0.1}}, "forking workers", "slow"),
        ({"costs": {"clean_start_s": 2.0}}, "starting workers anew", "slow"),
        ({"costs": {"latency_s": 1e-3}}, "sending a chunk", "slow"),
        ({"why_not_fork": "there are threads"}, "forking workers", "note"),
        ({"pipe_bytes_s": 1e6}, "pipe", "slow"),
        ({"pipe_bytes_s": None}, "pipe", "slow"),
        ({"pickle_bytes_s": 1e6}, "pickle", "slow"),
        ({"blas_threads": 2}, "BLAS", "note"),
        ({"blas_threads": 1}, "BLAS", "fine"),
        ({"free_bytes": 2**24}, "memory", "note"),
        ({"quota": 1.5}, "cores", "note"),
    ],
)
def test_each_thing_that_can_be_wrong(change, what, verdict):
    """It is judged by itself, and what is not fine comes with advice or a reason."""
    one = next(one for one in checks(seen(**change)) if one.what == what)

    assert one.verdict == verdict
    assert verdict == "fine" or one.advice or "threads" in one.seen


@pytest.mark.parametrize("json_", [False, True])
def test_for_real(monkeypatch, capsys, json_):
    """The experiments run, in short, and the status is what the document says."""
    monkeypatch.setattr(diagnostics, "SPIN_S", 0.2)  # on a busy host less may be no time at all
    monkeypatch.setattr(diagnostics, "N_ROUNDS", 1)
    monkeypatch.setattr(validate, "JOB_S", 0.02)
    monkeypatch.setattr(validate, "N_ROUNDS", 1)

    status = cli.main(["validate", *(["--json"] if json_ else [])])
    said = capsys.readouterr().out

    assert status in (0, 1)
    if json_:
        document = json.loads(said)
        assert document["parallelises"] == (status == 0)
        assert document["two_processes_times"] > 0
        assert document["pipe_bytes_s"] > 1e6
        assert document["pickle_bytes_s"] > 1e5
        assert document["blas_threads"] is None or document["blas_threads"] >= 1
    else:
        assert said.splitlines()[0].split() == ["check", "seen"]
        assert "machine" in said.splitlines()[-1] or "core" in said.splitlines()[-1]


def test_blas_threads_are_counted(monkeypatch):
    """Limited by the environment there is one; that is seen rather than assumed."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    assert diagnostics._blas_threads() in (1, None)


def test_a_python_that_cannot_be_started_is_told(monkeypatch):
    """Rather than a number made up."""
    monkeypatch.setattr(diagnostics, "_SPIN", "raise SystemExit(1)")
    monkeypatch.setattr(diagnostics, "N_ROUNDS", 1)

    findings = seen().findings.replace(spun=diagnostics.spun([1]))
    assert findings.spun[0].rate == 0
    assert findings.times(2) is None
