"""Warnings of items in worker processes are shown as in the loop: by the caller, and once."""

import pytest

PROGRAM = """
import logging, sys, threading, time, warnings
from amorsize import autotune
{before}
def burn():
    end = time.process_time() + 1e-3
    while time.process_time() < end: pass
def the_same(i):
    burn(); warnings.warn("again"); return i
def some_kinds(i):
    burn(); warnings.warn(f"kind {{i % 3}}", DeprecationWarning); return i
def caught(i):
    burn()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warnings.warn("inside"), warnings.warn("inside")
    return len(found)
def each_time(i):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("every time")
    return i
for item in (the_same, some_kinds, caught, each_time):
    mapped = {mapped}
    print(mapped(range(12)), file=sys.stderr)
"""
BESIDE = "threading.Thread(target=threading.Event().wait, daemon=True).start()"
BEFORE = {
    "as it is": "",
    "once": "warnings.simplefilter('once')",
    "always": "warnings.simplefilter('always')",
    "ignored": "warnings.simplefilter('ignore')",
    "logged": "logging.basicConfig(); logging.captureWarnings(True)",
    "shown by the program": "warnings.showwarning = "
    "lambda m, c, f, n, *_: print('shown', m, c.__name__, n, file=sys.stderr)",
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("beside", ["", BESIDE], ids=["fork", "clean"])
def test_warnings_are_those_of_the_loop(run_script, before, beside):
    """Whatever the program has asked for, and whatever an item asks for itself."""
    before = f"{BEFORE[before]}\n{beside}"
    loop = run_script(PROGRAM.format(before=before, mapped="lambda data: [item(i) for i in data]"))
    ours = run_script(
        PROGRAM.format(before=before, mapped="autotune(item, backend='process', n_jobs=2)")
    )

    assert ours.stderr == loop.stderr
    assert "[2, 2, 2" in ours.stderr


def test_what_a_block_of_the_callers_catches_is_what_items_warn_of(run_script):
    """As pytest does."""
    done = run_script(
        "import warnings\nfrom amorsize import tuned_map\n"
        "def item(i):\n    warnings.warn(f'item {i}')\n    return i\n"
        "with warnings.catch_warnings(record=True) as found:\n"
        "    tuned_map(item, range(6), backend='process', n_jobs=2)\n"
        "print(*(one.message for one in found), sep=',')\n"
    )

    assert done.stdout == ",".join(f"item {i}" for i in range(6)) + "\n"


def test_what_is_shown_once_is_not_lost(run_script):
    """The interpreter notes it in another way than what is shown once for each line."""
    done = run_script(
        """
import warnings
from amorsize import tuned_map

def complain(number):
    warnings.warn(f"case {number % 4}")
    return number

for _ in range(6):
    warnings.onceregistry.clear()
    globals().pop("__warningregistry__", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("once")
        tuned_map(complain, range(24), backend="process", n_jobs=2)
    print(*sorted(str(one.message) for one in caught))
"""
    )
    assert done.stdout == "case 0 case 1 case 2 case 3\n" * 6
