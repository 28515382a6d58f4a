"""Keywords for all items, given to a trivial function as its defaults."""

import pytest

from amorsize import tuned_map
from amorsize._workers.bound_keywords import with_defaults
from amorsize._workers.chunk import Starred, run_chunk


def plain(x, k=0):
    return x, k


def two_in_order(x, a, b=5):
    return x, a, b


def by_name_only(x, *rest, k, other=1):
    return x, rest, k, other


def before_one_without_default(x, a, b):
    return x, a, b


def in_order_only(x, a=1, /, b=2):
    return x, a, b


def takes_any(x, k=1, **more):
    return x, k, more


def a_list(x, seen):
    seen.append(x)
    return len(seen)


CASES = [
    (plain, {"k": 3}, True),
    (two_in_order, {"a": 1}, True),
    (two_in_order, {"a": 1, "b": 2}, True),
    (two_in_order, {"b": 2}, True),  # a is missing, as it is in the loop
    (by_name_only, {"k": 3}, True),
    (by_name_only, {"other": 3}, True),  # k is missing
    (before_one_without_default, {"a": 1}, False),
    (in_order_only, {"b": 3}, True),
    (in_order_only, {"a": 3}, False),
    (takes_any, {"k": 3}, True),
    (takes_any, {"k": 3, "z": 4}, False),
    (plain, {"x": 3}, False),  # the item comes twice
    (plain, {"unknown": 3}, False),
    (max, {"key": abs}, False),
]


def outcome(call):
    """What a call gives, or how it fails."""
    try:
        return call()
    except TypeError as error:
        return str(error)


@pytest.mark.parametrize(("func", "keywords", "is_bound"), CASES)
def test_a_function_with_other_defaults_does_what_its_keywords_say(func, keywords, is_bound):
    """Or fails with the same words; where it would not, the keywords are passed."""
    bound = with_defaults(func, keywords)

    assert (bound is not None) is is_bound
    if bound is not None:
        assert outcome(lambda: bound(7)) == outcome(lambda: func(7, **keywords))


@pytest.mark.parametrize(("func", "keywords", "is_bound"), CASES[:-1])
def test_a_map_with_keywords_is_the_loop_with_them(func, keywords, is_bound):
    """Bound or not."""
    data = list(range(300))

    here = outcome(lambda: tuned_map(func, data, item_kwargs=keywords, cache=False))

    assert here == outcome(lambda: [func(x, **keywords) for x in data])


def test_all_items_have_the_same_object():
    """As with keywords: nothing is copied."""
    seen = []

    assert tuned_map(a_list, range(5), item_kwargs={"seen": seen}) == [1, 2, 3, 4, 5]
    assert seen == [0, 1, 2, 3, 4]


def test_a_function_keeps_its_own_defaults():
    """What the call has given is for that call."""
    tuned_map(plain, range(50), item_kwargs={"k": 3})

    assert plain(1) == (1, 0)


@pytest.mark.parametrize("keep_errors", [False, True])
def test_a_starred_function_runs_as_if_it_was_called(keep_errors):
    """Without its own call, which is what saves half of the time."""
    data, out = [(1, 2), (3, 0), (5, 4)], []
    ran = run_chunk(
        Starred(divmod), data, 3, out, time_budget_s=9, cpu_clock=float, keep_errors=keep_errors
    )

    assert Starred(divmod)((7, 2)) == (3, 1)
    assert out[0] == (0, 1)
    assert ran.n_done == (3 if keep_errors else 1)
    failed = out[1] if keep_errors else ran.error
    assert isinstance(failed, ZeroDivisionError)
