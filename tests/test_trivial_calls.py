"""Calls of trivial functions, before anything is loaded that runs others."""

import pytest

from amorsize._api.late_map import LoopInstead
from amorsize.policy.trivial_items import stay_in_plain_loop, stay_without_end_in_sight

PROGRAM = """
import sys
from amorsize import autotune

@autotune
def remainder(number):
    return (number * 31 + 7) % 1009
"""


@pytest.fixture
def loads(ours_loaded):
    """The modules of amorsize that a program has loaded at its end."""
    return lambda script: ours_loaded(f"{PROGRAM}{script}")


@pytest.mark.parametrize("data", ["range(500)", "list(range(20))", "(1, 2.5, True)"])
def test_trivial_items_load_no_engine(loads, data):
    """Twenty modules of ours instead of ninety, however often such functions are called."""
    loaded = loads(
        f"""
expected = [remainder.one(number) for number in {data}]
assert remainder({data}) == expected
assert remainder({data}) == expected"""
    )

    assert "amorsize._api.trivial_calls" in loaded
    assert {"amorsize._engine.engine", "amorsize._api.map"} & loaded == set()
    assert len(loaded) <= 27


@pytest.mark.parametrize(
    "call",
    [
        "remainder(iter([1, 2]))",
        "remainder.using(n_jobs=2)([1, 2])",
        "remainder([2 ** 100, 1])",
        "remainder([])",
        "autotune(lambda x, y: x + y)([1], (n for n in [2]))",
        "autotune(lambda x, y: y)([1], [[]])",
        "autotune(lambda x, y, k: x + y + k)([1], [2], k=3)",
        "autotune(lambda x, **more: x)([1], k=3)",
        "autotune(lambda x, k: x)([1], k=[])",
        "autotune(lambda number: sum(range(number)))([1, 2])",
        "import os; os.environ['AMORSIZE_BACKEND'] = 'serial'; remainder([1, 2])",
    ],
)
def test_all_other_calls_have_an_engine(loads, call):
    """Those with options, other keywords, data to look at, or a function that may loop."""
    assert "amorsize._engine.engine" in loads(call)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("([1, 2, 3], k=5)", "[6, 12, 18]"),
        ("((1, 2), k=0)", "[1, 2]"),
        ("([1, 2, 3], range(4))", "[1, 4, 9]"),
        ("([1, 2, 3], [4])", "[5]"),
    ],
)
def test_keywords_and_several_iterables_load_no_engine(loads, call, expected):
    """Nor does what they leave to be remembered make the next call another one."""
    loaded = loads(
        f"""
@autotune
def times(number, k=1):
    return number * (k + 1)

assert times{call} == {expected}, times{call}
assert times{call} == {expected}"""
    )

    assert {"amorsize._engine.engine", "amorsize._api.map"} & loaded == set()
    assert len(loaded) <= 28


def test_what_a_call_with_keywords_did_is_known_to_the_next_one(run_script):
    """By its keywords, and by the kinds of all arguments."""
    script = f"""{PROGRAM}
@autotune
def times(number, k=1):
    return number * k

from amorsize._profiles.memory_store import key_of, memory, last_trace
for iterables, keywords, first in (([[1, 2]], {{"k": 3}}, 1), ([[1, 2], [3, 4]], {{}}, (1, 3))):
    from amorsize._api import trivial_calls
    begun = trivial_calls.begin(times.one, tuple(iterables), keywords, "times")
    assert begun.is_done
    assert last_trace(times.one).n_items == 2
    trivial_calls.remember()
    assert memory().profile(key_of(times.one, first, keywords)).n_items == 2
"""
    run_script(script)


def test_with_keywords_a_failure_is_the_one_of_the_loop(run_script):
    """And of several iterables; so is what lacks an argument, or has one twice."""
    script = f"""{PROGRAM}
import amorsize

@autotune
def share(number, k=60):
    return k // number

for call in (lambda: share([3, 2, 0, 5], k=6), lambda: share([3, 2, 0, 5], [6, 6, 6, 6])):
    try:
        call()
    except ZeroDivisionError as error:
        assert amorsize.failed_index(error) == 2
        assert amorsize.partial_results(error) == {{0: 2, 1: 3}}
    else:
        raise AssertionError("nothing was raised")
for call in (lambda: share([1], number=2), lambda: share([1], [2], [3])):
    try:
        call()
    except TypeError as error:
        assert "share" in str(error)
    else:
        raise AssertionError("nothing was raised")
"""
    run_script(script)


def test_what_such_a_call_did_is_told_once_somebody_asks(run_script):
    """`explain()`, `.plan` and the next call know of the last one, however it was run."""
    script = f"""{PROGRAM}
remainder(range(100))
remainder(range(500))
told = str(remainder.explain())
assert told.startswith("remainder: 500 items in "), told
assert "ran         500 in the caller" in told, told
assert remainder.plan.backend == "serial"
from amorsize._profiles import memory_store
key = memory_store.key_of(remainder.one, 0)
assert memory_store.memory().profile(key).n_items == 500
"""
    run_script(script)


def test_whoever_asks_for_the_last_call_gets_it(run_script):
    """Not `explain()` alone; later calls leave their traces there themselves."""
    script = f"""{PROGRAM}
remainder(range(100))
from amorsize._api import trivial_calls
from amorsize._profiles.memory_store import last_trace
assert last_trace(remainder.one).n_items == 100
remainder(range(50))
assert not trivial_calls._latest
"""
    run_script(script)


def test_items_that_take_longer_than_they_seem_to_go_to_the_engine(loads):
    """With the results that are there already; no item runs twice."""
    loaded = loads(
        """
begun = []

class Counted(int):
    def __rpow__(self, base):
        begun.append(int(self))
        return pow(base, int(self))

@autotune
def power(exponent):
    return 3 ** exponent

data = [2, *map(Counted, range(5000, 7000))]
assert power(data) == [3 ** int(one) for one in data]
assert begun == list(range(5000, 7000)), len(begun)
"""
    )

    assert "amorsize._engine.engine" in loaded


def test_a_failure_is_the_one_of_the_loop(run_script):
    """With the index of its item, and the results before it."""
    script = f"""{PROGRAM}
import amorsize

@autotune
def share(number):
    return 60 // number

try:
    share([3, 2, 1, 0, 5])
except ZeroDivisionError as error:
    assert amorsize.failed_index(error) == 3
    assert amorsize.partial_results(error) == {{0: 20, 1: 30, 2: 60}}
else:
    raise AssertionError("nothing was raised")
"""
    run_script(script)


def test_functions_that_are_gone_are_not_kept(run_script):
    """Neither they nor more than some that are still there."""
    script = f"""{PROGRAM}
import gc, weakref
from amorsize._api import trivial_calls

def call_one():
    tuned = autotune(lambda number: number + 1)
    tuned([1, 2, 3])
    return weakref.ref(tuned.one)

gone = call_one()
gc.collect()
assert gone() is None
kept = [autotune(eval("lambda number: number + 1")) for _ in range(100)]
for tuned in kept:
    tuned([1, 2])
assert len(trivial_calls._latest) == trivial_calls.MOST_FUNCTIONS
assert "an item" in str(kept[-1].explain())
assert not trivial_calls._latest
"""
    run_script(script)


@pytest.mark.parametrize(
    ("item_s", "n_left", "stays"),
    [
        (0.1e-6, 400_000, True),
        (0.1e-6, 4_000_000, False),
        (1e-6, 1000, True),
        (1e-6, 400_000, False),
        (1e-3, 10, False),
    ],
)
def test_how_long_such_a_call_goes_on(item_s, n_left, stays):
    """Until workers could be worth a look, or somebody would like to know how far it is."""
    assert stay_in_plain_loop(item_s, n_left) is stays


@pytest.mark.parametrize(
    ("item_s", "spent_s", "stays"),
    [(0.1e-6, 0.05, True), (0.1e-6, 0.2, False), (1e-6, 1e-3, False)],
)
def test_how_long_a_generator_is_read_in_the_loop(item_s, spent_s, stays):
    """Until an item takes longer, as many may follow; or somebody would like to know."""
    assert stay_without_end_in_sight(item_s, spent_s) is stays


def test_without_room_to_load_anything_a_begun_call_is_finished_as_it_is():
    """The rest of the loop, or the error that has ended it."""
    no_room = LoopInstead(OSError(24, "Too many open files"))

    assert no_room.go_on(abs, ([-1, -2, -3],), {}, None, [1], None, 0.0) == [1, 2, 3]
    assert no_room.go_on(pow, ([2, 3], [4, 5]), {"mod": 7}, None, [2], None, 0.0) == [2, 5]
    with pytest.raises(ValueError, match="the second"):
        no_room.go_on(abs, ([-1, -2],), {}, None, [1], ValueError("the second"), 0.0)


def test_a_process_that_has_loaded_the_engine_uses_it(run_script):
    """What it has learned is of use there."""
    script = f"""{PROGRAM}
from amorsize import tuned_map
tuned_map(len, ["a", "bb"])
remainder([1, 2])
assert "amorsize._api.trivial_calls" not in sys.modules
"""
    run_script(script)


GENERATORS = f"""{PROGRAM}
import amorsize

def told(call):
    try:
        call()
    except Exception as error:
        found = amorsize.failed_index(error), amorsize.partial_results(error)
        return f"{{type(error).__name__}}: {{error}}", *found
    return "nothing was raised"

def in_turn(*items):
    for item in items:
        seen.append(("read", item))
        if isinstance(item, Exception):
            raise item
        yield item

seen = []
"""


def test_trivial_items_of_a_generator_load_no_engine(loads):
    """What reads them is loaded; each is read once the one before has been run."""
    loaded = loads(
        """
assert remainder(n for n in range(500)) == [remainder.one(n) for n in range(500)]"""
    )

    assert {"amorsize._engine.engine", "amorsize._api.map"} & loaded == set()
    assert len(loaded) <= 35


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("share(in_turn())", "'nothing was raised'"),
        ("share(in_turn(OSError('gone')))", "('OSError: gone', None, {})"),
        ("share(in_turn(3, 2, OSError('gone')))", "('OSError: gone', None, {0: 20, 1: 30})"),
        ("share(in_turn(3, 2, 0, 5))", "(DIVIDED, 2, {0: 20, 1: 30})"),
        ("share(in_turn(0, 5))", "(DIVIDED, 0, {})"),
        ("share(in_turn([], 5))", "(UNFIT, 0, {})"),
        ("share(in_turn(3, [], 5))", "(UNFIT, 1, {0: 20})"),
    ],
)
def test_a_failure_amid_a_generator_is_the_one_of_the_loop(run_script, call, expected):
    """Of the generator or of an item; nothing is read behind it."""
    script = f"""{GENERATORS}
DIVIDED = "ZeroDivisionError: integer division or modulo by zero"
UNFIT = "TypeError: unsupported operand type(s) for //: 'int' and 'list'"

@autotune
def share(number):
    return 60 // number

found = told(lambda: {call})
assert found == {expected}, found
assert ("read", 5) not in seen
"""
    run_script(script)


@pytest.mark.parametrize("n_quick", [0, 1, 300, 5000])
def test_a_generator_goes_on_in_the_engine_where_it_was_left(run_script, n_quick):
    """Its items are read and run once, in turn, whether the first or a later one takes long."""
    script = f"""{GENERATORS}
class Slow(int):
    def __rfloordiv__(self, other):
        seen.append(("run", int(self)))
        return sum(range(40_000)) and other // int(self)

@autotune
def share(number):
    return 60 // number

quick = [7] * {n_quick}
data = [*quick, *map(Slow, range(1, 60)), *quick]
assert share(in_turn(*data)) == [60 // int(one) for one in data]
assert [one for what, one in seen if what == "read"] == [*map(int, data)]
assert [one for what, one in seen if what == "run"] == [*range(1, 60)]
assert {{"amorsize._engine.engine", "amorsize._api.trivial_calls"}} <= set(sys.modules)
"""
    run_script(script)


@pytest.mark.parametrize("n_quick", [1, 300])
def test_what_is_lent_by_a_generator_is_run_before_the_next_is_read(run_script, n_quick):
    """Be it in the loop or in the engine."""
    script = f"""{PROGRAM}
class Row(list):
    def __len__(self):
        return sum(range(5_000)) and list.__len__(self)

@autotune
def size(row):
    return len(row)

def rows():
    yield from [""] * {n_quick}
    row = Row()
    for number in range(300):
        row.append(number)
        yield row

assert size(rows()) == [*[0] * {n_quick}, *range(1, 301)]
assert "amorsize._engine.engine" in sys.modules
"""
    run_script(script)


def test_without_room_a_generator_is_finished_as_it_is():
    """From where it was left, with an item that was read ahead."""
    from amorsize._engine.data.source import Reading

    no_room = LoopInstead(OSError(24, "Too many open files"))
    data = (number for number in (-1, -2, -3))
    source = Reading(data, (data,))
    source.read(1, 0.0)

    assert no_room.go_on(abs, (data,), {}, None, [], None, 0.0, source) == [1, 2, 3]
