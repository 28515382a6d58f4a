"""A map whose items are worth workers, and may not run in any."""

import time

from amorsize import autotune, tuned_map
from amorsize._engine.costs import spawn_costs
from amorsize._engine.starting import new_interpreters
from amorsize.policy.rules import inline


def kept_in_the_caller(function, change, monkeypatch):
    """Map where `change` has been made: no item runs elsewhere. Returns what `explain()` tells."""

    def slow(x):
        time.sleep(0.015)  # longer than starting workers takes on a busy host
        return function(x)

    monkeypatch.setattr(spawn_costs, "why_not_start", lambda *_: None)  # whatever it takes here
    monkeypatch.setattr(spawn_costs, "interpreter_s", lambda: 1e-3)
    # On a busy host the items are done here before a worker has told what it lacks.
    monkeypatch.setattr(inline, "_is_beginning", lambda *_: False)
    monkeypatch.setattr(new_interpreters.NewInterpreters, "_libraries", lambda _: frozenset())
    tuned_map(len, ["a"], backend="process", n_jobs=1)  # to start one would not be worth it
    with monkeypatch.context() as patch:
        change(patch)
        tuned = autotune(slow, thread_safe=False, n_jobs=3)  # two workers show as much as sixteen
        assert tuned(range(60)) == [function(x) for x in range(60)]
    told = str(tuned.explain())
    assert "in processes" not in told
    return told
