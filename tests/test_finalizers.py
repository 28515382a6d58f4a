"""Objects with a `__del__` are not copied: what it does would be done for each copy."""

import pytest

from amorsize._engine.costs import pickling_cost

GONE: list[int] = []
BESIDE = "threading.Thread(target=threading.Event().wait, daemon=True).start()"


class Held:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        GONE.append(self.number)


def local():
    class Local(Held):
        pass

    return Local(1)


def hold(number):
    return Held(number)


@pytest.mark.parametrize(
    ("results", "items"),
    [([Held(1)], []), ([{"in": [Held(1)]}], []), ([1], [Held(1)]), ([local()], [])],
    ids=["a result", "inside a result", "an item", "of a local class"],
)
def test_what_is_to_be_sent_is_not_copied(results, items):
    GONE.clear()
    told = pickling_cost.measure(results, items, hold)

    assert "__del__ would run for each copy" in told.reason
    assert GONE == []


def test_classes_without_one_are():
    assert pickling_cost.measure([hold, ValueError(1), {1.5}], [], hold).reason is None


@pytest.mark.parametrize("beside", ["", BESIDE], ids=["forked", "new interpreters"])
def test_what_was_sent_ends_once(beside, run_script):
    told = run_script(
        f"""
import threading, time
from amorsize import tuned_map

class Held:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        with open("gone.txt", "a") as file:
            file.write(f"{{self.number}} ")

{beside}
held = tuned_map(Held, range(4), backend="process", n_jobs=1)
time.sleep(0.1)
print(len(held), open("gone.txt", "a+").tell())
del held
print(sorted(open("gone.txt").read().split()))
"""
    )
    assert told.stdout == "4 0\n['0', '1', '2', '3']\n"
