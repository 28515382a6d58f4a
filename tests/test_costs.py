"""What starting a worker and sending it a chunk costs here."""

import math
import os
import time

import pytest
from conftest import children
from hypothesis import given
from hypothesis import strategies as st

from amorsize._host import cost_probe
from amorsize._host.costs import PRIORS, Costs, HostCosts


def n_open_files():
    return len(os.listdir("/proc/self/fd"))


class TestLearning:
    def test_the_priors_hold_until_something_is_observed(self):
        """A process that has seen nothing plans with documented figures, and remembers none."""
        host = HostCosts()

        assert host.known == PRIORS
        assert host.as_dict() == {}

    def test_a_host_unlike_the_prior_is_known_after_a_few_workers(self):
        """The prior weighs no more than one observation at first."""
        host = HostCosts()
        for _ in range(4):
            host.learn({"start_s": 4 * PRIORS.start_s})

        assert host.known.start_s > 3 * PRIORS.start_s
        assert host.known.ready_s == PRIORS.ready_s

    def test_one_outlier_hardly_moves_what_is_known_well(self):
        """A laptop that slept through a start does not make workers dear for good."""
        host = HostCosts()
        for _ in range(20):
            host.learn({"start_s": PRIORS.start_s})
        host.learn({"start_s": 3600.0})

        assert host.known.start_s < 3 * PRIORS.start_s

    @pytest.mark.parametrize("nonsense", [0.0, -1.0, math.inf, -math.inf, math.nan, None])
    def test_what_cannot_be_a_cost_is_ignored(self, nonsense):
        """Clocks may stand still or run backwards."""
        host = HostCosts()

        assert host.learn({"latency_s": nonsense}) == PRIORS
        assert host.as_dict() == {}

    def test_an_unknown_name_is_a_mistake_of_ours(self):
        """A misspelt cost must not be learned into nothing."""
        with pytest.raises(AttributeError):
            HostCosts().learn({"starts": 1.0})

    @given(
        st.lists(st.tuples(st.sampled_from(Costs._fields), st.floats(allow_nan=True)), max_size=60)
    )
    def test_costs_stay_within_reason(self, observations):
        """Whatever is observed, every cost stays positive, finite and believable."""
        host = HostCosts()
        for name, observed_s in observations:
            host.learn({name: observed_s})

        for name in Costs._fields:
            assert 1 / 100 <= getattr(host.known, name) / getattr(PRIORS, name) <= 1000 * 1.001

    def test_calls_without_workers_forget_that_they_were_dear(self):
        """What a busy hour has taught does not hold for ever, as nothing is observed meanwhile."""
        host = HostCosts()
        for _ in range(20):
            host.learn({"start_s": 20e-3, "ready_s": PRIORS.ready_s / 2})
        for _ in range(200):
            host.doubt()

        assert host.known.start_s < 1.1 * PRIORS.start_s
        assert host.known.ready_s < PRIORS.ready_s

    def test_a_few_such_calls_change_little(self):
        """On a host that is slow indeed, one call in dozens finds it out anew."""
        host = HostCosts()
        host.settle({"start_s": 20e-3})
        for _ in range(5):
            host.doubt()

        assert host.known.start_s > 17e-3


class TestRemembering:
    def test_what_was_learned_comes_back(self):
        """A second process starts from the first one's knowledge."""
        first, second = HostCosts(), HostCosts()
        first.learn({"start_s": 1e-3, "dispatch_s": 1e-5})
        second.remember(first.as_dict())

        assert second.known == first.known
        assert second.as_dict() == first.as_dict()

    def test_what_was_observed_here_is_not_overwritten(self):
        """A record read late does not replace what this process has seen itself."""
        host = HostCosts()
        host.learn({"start_s": 1e-3})
        seen_s = host.known.start_s
        host.remember({"start_s": 2e-3, "ready_s": 2e-3})

        assert host.known.start_s == seen_s
        assert host.known.ready_s == 2e-3

    def test_a_large_process_does_not_price_the_starts_of_others(self):
        """A fork of 20 GB takes 100 ms; who believed that would start none, and never learn."""
        host = HostCosts()
        host.remember({"start_s": 0.1})

        assert PRIORS.start_s < host.known.start_s < 5e-3

    @pytest.mark.parametrize(
        "record",
        [
            None,
            [],
            "start_s",
            {"start_s": "0.1"},
            {"start_s": None},
            {"start_s": True},
            {"start_s": -1.0},
            {"start_s": math.nan},
            {"start_s": math.inf},
            {"start_s": 1e9},
            {"start_s": 10**400},
            {"start_s": [1]},
            {"other": 1.0},
        ],
    )
    def test_garbage_is_ignored(self, record):
        """The record comes from a file, and anything may be in a file."""
        host = HostCosts()

        assert host.remember(record) == PRIORS
        assert host.as_dict() == {}

    def test_good_figures_beside_garbage_are_taken(self):
        """One damaged figure does not cost the others."""
        host = HostCosts()
        host.remember({"start_s": "x", "latency_s": 5e-5})

        assert host.known == PRIORS.replace(latency_s=5e-5)


class TestMeasuring:
    def test_it_measures_all_of_them_and_leaves_nothing(self):
        """In bounded time, with no file left open and no child left over."""
        cost_probe.costs_s()  # what is imported on first use may keep files open
        n_before, begun_s, others = n_open_files(), time.monotonic(), children()
        measured = cost_probe.costs_s()

        assert time.monotonic() - begun_s < 5  # 0.2 s on an idle machine
        assert n_open_files() == n_before
        assert not children() - others
        forked = {"start_s", "ready_s", "dispatch_s", "latency_s"}
        expected = {*Costs._fields}
        assert {*measured} in (expected, expected - forked)
        assert all(0 < cost_s < 5 for cost_s in measured.values())

    def test_measured_figures_are_taken_as_they_are(self):
        """A deliberate measurement does not have to win against the prior."""
        host = HostCosts()

        assert host.settle({"start_s": 2e-3}).start_s == 2e-3
        assert host.as_dict() == {"start_s": 2e-3}

    def test_a_child_that_says_nothing_is_given_up(self, monkeypatch):
        """A measurement that fails leaves the cost unknown, and no process behind."""
        if cost_probe.why_not_fork() is not None:
            pytest.skip("cannot fork here now")
        monkeypatch.setattr(cost_probe, "_CHILD_LIMIT_S", 0.01)
        monkeypatch.setattr(cost_probe, "_echo", lambda *_pipes: time.sleep(60))

        assert cost_probe._pipe_costs_s() == {}

    def test_without_an_interpreter_to_start_there_is_no_figure(self, monkeypatch):
        """An embedded Python does not know its own file."""
        monkeypatch.setattr(cost_probe.sys, "executable", "")

        assert cost_probe._clean_start_cost_s() == {}

    def test_an_interpreter_too_slow_costs_at_least_the_limit(self, monkeypatch):
        """Half a second is enough to know that clean starts are dear."""
        monkeypatch.setattr(cost_probe, "_CLEAN_START_LIMIT_S", 0.1)
        monkeypatch.setattr(cost_probe, "_CLEAN_START", "import time; time.sleep(60)")

        assert cost_probe._clean_start_cost_s()["clean_start_s"] >= 0.1
