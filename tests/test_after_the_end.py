"""Calls of a program that is ending, whose modules can no longer be imported, are loops."""

import sys

import pytest

HEAD = """
import sys
from amorsize import autotune, tuned_map

def steps(number):
    return sum(range(20_000 + number))

mapped = autotune(steps)
expected = [steps(number) for number in range(40)]
"""
CALLS = {
    "a call": "mapped(range(40))",
    "a stream": "list(mapped.stream(range(40)))",
    "an indexed stream": "[one for _, one in mapped.stream(range(40), indexed=True)]",
    "with options": "mapped.using(n_jobs=2, chunksize=3)(range(40))",
    "with items of two kinds": "tuned_map(pow, expected, [1] * 40)",
    "of a generator": "mapped(number for number in range(40))",
}


@pytest.mark.parametrize("before", ["", "mapped(range(40))"], ids=["first", "later"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_call_of_an_object_that_dies_with_the_program(call, before, run_script):
    script = f"""{HEAD}
class Last:
    def __del__(self):
        assert sys.is_finalizing()
        print("equal" if {call} == expected else "differs")

{before}
last = Last()
"""
    assert run_script(script).stdout == "equal\n"


def test_one_that_asks_for_workers_is_refused(run_script):
    script = f"""{HEAD}
class Last:
    def __del__(self):
        try:
            mapped.using(backend="process")(range(40))
        except RuntimeError as error:
            print(type(error).__name__, error)

last = Last()
"""
    told = run_script(script).stdout

    assert told.startswith("WorkersUnavailable no worker can be started while the program ends.")


@pytest.mark.parametrize(
    "using",
    [
        "",
        pytest.param(
            ".using(backend='process', n_jobs=2)",
            marks=pytest.mark.skipif(
                (3, 12) <= sys.version_info < (3, 13),
                reason="Python 3.12 starts neither processes nor threads by then",
            ),
        ),
    ],
    ids=["a call", "with workers"],
)
def test_what_runs_at_exit_is_mapped_as_ever(using, run_script):
    script = f"""{HEAD}
import atexit
atexit.register(lambda: print(mapped{using}(range(40)) == expected))
"""
    assert run_script(script).stdout == "True\n"
