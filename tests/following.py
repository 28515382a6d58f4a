"""Shows that one warm worker answers as the caller does, whatever the program changes."""

import gc

from amorsize import tuned_map


def follow_in_one_worker(changes, monkeypatch):
    """Before each change, with it, and after it was taken back.

    Args:
        changes: Functions whose answer depends on a change, each with what makes the change.
        monkeypatch: Takes it back.
    """
    for function, change in changes:
        named = f"{function.__name__}, {change.__name__}"
        before = answers_of(function, named)
        with monkeypatch.context() as patch:
            change(patch)
            assert answers_of(function, named) != before, named
        del patch
        gc.collect()  # a class refers to itself
        assert answers_of(function, named) == before, named


def answers_of(function, named):
    """What the caller gives, which a worker has to give as well."""
    here = [function(x) for x in range(1, 4)]
    assert tuned_map(function, range(1, 4), backend="process", n_jobs=1) == here, named
    return here
