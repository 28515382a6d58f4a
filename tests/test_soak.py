"""Short versions of `benchmarks.soak`: many calls leave nothing, and a storm loses nothing."""

import json

import amorsize
from benchmarks import soak

SCRIPT = """
import json
from dataclasses import asdict
from benchmarks import soak
print(json.dumps([asdict(one) for one in soak.soak(300, every=100, seed=1)]))
"""


def test_calls_of_every_kind_leave_nothing(run_script):
    """Faults among them: no process, thread, descriptor or shared memory more than after 100."""
    first, *later = json.loads(run_script(SCRIPT, timeout_s=50).stdout.splitlines()[-1])

    for one in later:
        for what in ("n_descriptors", "n_threads", "n_children", "n_shared"):
            assert one[what] <= first[what], one
        assert one["n_wrong"] == 0
        assert one["rss_bytes"] < 1.2 * first["rss_bytes"]


def test_a_storm_costs_no_result(run_script):
    """A random worker is killed every 50 ms while the map runs.

    In a program of usual size: where a fork takes 50 ms, workers are killed before they begin.
    """
    told = run_script("from benchmarks import soak\nprint(*soak.storm(500)[1:])", timeout_s=50)
    n_kills, is_right = told.stdout.split()

    assert int(n_kills) >= 10
    assert is_right == "True"


def test_every_kind_of_call_is_right():
    """What the soak draws from, each once."""
    assert {name: call() for name, (_, call) in soak.CALLS.items()} == dict.fromkeys(
        soak.CALLS, True
    )
    amorsize.shutdown()
