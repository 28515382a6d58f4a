"""Functions that make up their attributes: mocks, remote proxies, deferred imports."""

import time
from unittest.mock import MagicMock, Mock, create_autospec

import pytest

from amorsize import autotune, optimize, tuned_map


class Far:
    """Stands for an object elsewhere: whatever it is asked for, it asks there."""

    def __init__(self, wait_s=0.0):
        object.__setattr__(self, "_wait_s", wait_s)
        object.__setattr__(self, "asked", [])

    def __getattr__(self, name):
        self.asked.append(name)
        return Far()

    def __call__(self, item):
        time.sleep(self._wait_s)
        return 2 * item


class Unreachable:
    """Nobody is there to be asked, and that is no AttributeError."""

    def __getattr__(self, name):
        raise ConnectionError(name)

    def __call__(self, item):
        return 2 * item


@pytest.mark.parametrize("make", [Mock, MagicMock])
def test_a_mock_is_called_with_each_item(make):
    """And with nothing else, also where it is the function of many items."""
    mock = make(return_value=3)

    assert tuned_map(mock, range(50)) == [3] * 50
    assert [call.args for call in mock.call_args_list] == [(item,) for item in range(50)]
    assert mock.method_calls == []


def test_a_mock_with_a_function_behind_it():
    """Side effects, and a specification taken from a function."""

    def double(item):
        return 2 * item

    assert tuned_map(Mock(side_effect=double), range(20)) == [2 * item for item in range(20)]
    specified = create_autospec(double, side_effect=double)
    assert autotune(specified)(range(20)) == [2 * item for item in range(20)]


@pytest.mark.parametrize(("n_items", "wait_s"), [(3, 0.0), (500, 0.0), (20, 2e-3)])
@pytest.mark.parametrize("options", [{}, {"backend": "thread"}, {"backend": "serial"}])
def test_nothing_is_asked_of_a_proxy(n_items, wait_s, options):
    """It is called, as in the loop, and that is all."""
    far = Far(wait_s)
    assert tuned_map(far, range(n_items), **options) == [2 * item for item in range(n_items)]
    assert far.asked == []

    tuned = autotune(far, **options)
    far.asked.clear()  # decorating is wrapt's, which looks for a receiver
    assert tuned(range(n_items)) == [2 * item for item in range(n_items)]
    assert list(tuned.stream(range(5))) == [0, 2, 4, 6, 8]
    assert str(tuned.explain()).startswith("Far: 5 items")
    assert "Far" in repr(tuned)
    assert far.asked == []


def test_a_proxy_that_nobody_answers_can_be_called():
    """Its items are; that it has no other end is none of a map's business."""
    assert tuned_map(Unreachable(), range(100)) == [2 * item for item in range(100)]
    assert tuned_map(Unreachable(), range(3), item_kwargs={}) == [0, 2, 4]


def test_optimize_asks_nothing_of_a_proxy():
    """It looks at items, and reads what code there is."""
    far = Far(1e-3)

    assert optimize(far, range(30)).n_jobs >= 1
    assert far.asked == []
