"""Tests that could not fail would prove nothing: each of these is run on a library that is broken.

A `sitecustomize` breaks it in the process of the tests and in every process that they start.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

DEAF = """
from amorsize.policy.evidence import cost_change_detector
cost_change_detector.Detector.see = lambda self, item_s: None
"""
MISSING = """
from amorsize._profiles import memory_store
memory_store.Memory.profile = lambda self, key: None
memory_store.Memory.ask_disk = lambda self, *what: None
"""
TRUSTING = "from amorsize.policy.rules import check_profile\ncheck_profile.FITS = 1e12"
ONE_KIND = """
from amorsize._profiles import memory_store
memory_store.kind_of = lambda item: (type(item).__name__, 0)
"""
UNCHECKED = """
from amorsize.policy.profile import Profile
Profile.from_dict = classmethod(lambda cls, fields: cls.of(**fields))
"""
STARVING = "from amorsize._workers import run_delay\nrun_delay.PATH = '/nowhere'"
CURIOUS = "from amorsize.policy.rules import explore\nexplore.MOST_SHARE = 1.0"
TIMID = "from amorsize.policy.rules import explore\nexplore.is_due = lambda known, at_s: False"

SABOTAGES = {
    "the detector never fires": (
        DEAF,
        "test_drift.py::test_a_change_is_noticed_within_a_few_chunks[2.0-4]",
        "test_drift.py::test_a_change_is_noticed_within_a_few_chunks[0.5-4]",
        "test_drift.py::test_the_size_of_a_change_is_told",
        "test_drift.py::test_after_a_change_the_new_level_is_the_level",
        "test_drift.py::test_a_cost_that_changes_for_all_plans_alike_re_tunes_nothing",
        "test_drift.py::test_the_profile_learned_is_of_what_items_cost_now",
    ),
    "every lookup misses": (
        MISSING,
        "test_reuse.py::test_a_second_process_starts_from_what_the_first_learned",
        "test_reuse.py::test_a_second_call_in_a_process_starts_from_memory",
        "test_reuse.py::test_a_profile_that_does_not_fit_is_put_aside",
        "test_retune.py::test_a_changed_cost_is_put_aside_told_and_corrected",
    ),
    "whatever is remembered fits": (
        TRUSTING,
        "test_reuse.py::test_a_profile_that_does_not_fit_is_put_aside",
        "test_retune.py::test_a_changed_cost_is_put_aside_told_and_corrected",
    ),
    "all items are of one kind": (
        ONE_KIND,
        "test_retune.py::test_two_kinds_of_data_keep_two_profiles",
    ),
    "whatever is read is believed": (
        UNCHECKED,
        "test_profiles.py::test_a_forged_profile_is_none",
        "test_explore.py::test_a_forged_account_is_none",
    ),
    "nothing is ever tried": (
        TIMID,
        "test_explore.py::test_a_better_neighbour_is_adopted_after_agreeing_twice",
        "test_explore.py::test_a_plan_that_holds_is_left_alone",
    ),
    "trying has no budget": (
        CURIOUS,
        "test_explore.py::test_what_it_costs_stays_within_the_budget",
    ),
}
if os.path.exists("/proc/thread-self/schedstat"):
    SABOTAGES["starving looks like waiting"] = (
        STARVING,
        "test_busy.py::test_the_clock_tells_standing_back_from_sleeping",
        "test_busy.py::test_items_that_are_kept_from_computing_do_not_wait",
    )


def outcomes(breaking, tests, folder):
    """What became of each test on a library that was broken so: names of those that failed, and
    of those that passed, were skipped or could not run."""
    (folder / "sitecustomize.py").write_text(breaking)
    path = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "--tb=no", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"tests/{one}" for one in tests)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    found = re.findall(r"^([A-Z]+) +tests/(\S+)", done.stdout, flags=re.MULTILINE)
    assert found, done.stdout + done.stderr
    failed = {name for what, name in found if what == "FAILED"}
    return failed, {name for what, name in found if what != "FAILED"}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_what_is_broken_is_noticed(sabotage, tmp_path):
    """Every case of the tests that are there for it fails."""
    breaking, *tests = SABOTAGES[sabotage]

    failed, others = outcomes(breaking, tests, tmp_path)

    assert not others
    assert failed >= {test for test in tests if "[" in test}
    assert {name.partition("[")[0] for name in failed} == {t.partition("[")[0] for t in tests}


def test_what_is_whole_passes(tmp_path):
    """The tests fail for what was broken, and not for the way they are run here."""
    failed, others = outcomes(
        "import amorsize", ["test_drift.py::test_changes_are_told_apart"], tmp_path
    )

    assert (len(failed), len(others)) == (0, 4)
