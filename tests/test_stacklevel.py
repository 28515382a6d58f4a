"""What names the caller of a function names the program's line, as in the loop."""

import sys

import pytest

PROGRAM = """
import logging, sys, threading, time, warnings
from amorsize import autotune, tuned_map
{beside}

def stay(wait): time.sleep(0.002)
def compute(wait):
    end = time.process_time() + 0.002
    while time.process_time() < end: pass
def helper(level):
    warnings.warn(f"helper {{level}}", DeprecationWarning, stacklevel=level)

def old(i): stay(i); warnings.warn("old", DeprecationWarning, stacklevel=2)
def busy(i): compute(i); warnings.warn("busy", DeprecationWarning, stacklevel=2)
def own_line(i): stay(i); warnings.warn("own line", DeprecationWarning, stacklevel=1)
def above(i): stay(i); warnings.warn("above", stacklevel=3)
def beyond(i): stay(i); warnings.warn("beyond", stacklevel=5)
def by_helper(i): stay(i); helper(3)
def by_name(i): stay(i); warnings.warn(f"kind {{i % 3}}", UserWarning, 2)
class Parser:
    def parse(self, i): stay(i); warnings.warn("method", DeprecationWarning, stacklevel=2)
    def __call__(self, i): stay(i); warnings.warn("object", DeprecationWarning, stacklevel=2)
def seen(i):
    stay(i)
    above = sys._getframe(1)
    return above.f_globals["__name__"], above.f_code.co_filename == __file__

def run(function): {run}
def called_by_another(function): return run(function)

ALL = (old, busy, own_line, above, beyond, by_helper, by_name, Parser().parse, Parser())
for function in ALL:
    run(function)
called_by_another(old)
called_by_another(above)
print(sorted(set(run(seen))))
"""
WAYS = {
    "serial": "tuned_map(function, range(12), backend='serial')",
    "auto": "tuned_map(function, range(12))",
    "decorated": "autotune(function)(range(12))",
    "threads": "tuned_map(function, range(12), backend='thread', n_jobs=3)",
    "processes": "tuned_map(function, range(12), backend='process', n_jobs=2)",
    "with a seed": "tuned_map(function, range(12), backend='process', n_jobs=2, seed=1)",
    "a stream": "list(autotune(function).stream(range(12)))",
    "an iterator": "tuned_map(function, iter(range(12)))",
}
BESIDE = "threading.Thread(target=threading.Event().wait, daemon=True).start()"


def _lines(text):
    """Warnings without the source; those of one function come in any order from threads."""
    return sorted(line.rpartition("/")[2] for line in text.splitlines() if "Warning: " in line)


_loop = {}
#: From Python 3.12 on, a comprehension has no frame: three levels up are two lines instead of one.
N_WARNINGS = 11 if sys.version_info < (3, 12) else 12


@pytest.mark.parametrize(
    ("way", "beside"),
    [(one, "") for one in WAYS] + [(one, BESIDE) for one in ("auto", "processes", "an iterator")],
    ids=[*WAYS, "auto, beside a thread", "processes, beside a thread", "iterator, beside a thread"],
)
def test_warnings_name_the_line_that_the_loop_would_be_in(run_script, way, beside):
    """With its module, by which Python decides whether to show it; once per line, as there."""
    if not _loop:
        ran = run_script(PROGRAM.format(beside="", run="return [function(i) for i in range(12)]"))
        _loop["stderr"], _loop["stdout"] = _lines(ran.stderr), ran.stdout
    ours = run_script(PROGRAM.format(beside=beside, run=f"return {WAYS[way]}"))

    assert ours.stdout == _loop["stdout"] == "[('__main__', True)]\n"
    assert _lines(ours.stderr) == _loop["stderr"]
    assert len(_loop["stderr"]) == N_WARNINGS


def test_the_program_may_name_things_as_it_likes(run_script):
    """What lies between an item and amorsize has the program's globals, and uses none of them."""
    ran = run_script(
        "from amorsize import autotune\n"
        "len = print = list = BaseException = islice = function = out = None\n"
        "def f(i): return i + 1\n"
        "assert autotune(f)([1, 2]) == [2, 3]\n"
        "assert [*autotune(f).stream(iter([1, 2]))] == [2, 3]\n"
        "assert autotune(f)(i for i in (1, 2)) == [2, 3]\n"
    )
    assert not ran.stderr


def test_tracebacks_show_the_programs_lines_once(run_script):
    """The copies of a loop are left out."""
    ran = run_script(
        "import traceback\nfrom amorsize import tuned_map\n"
        "def f(i): return 1 / i\n"
        "for way in ('auto', 'serial', 'thread', 'process'):\n"
        "    try: tuned_map(f, [1, 0], backend=way)\n"
        "    except ZeroDivisionError as error:\n"
        "        found = traceback.extract_tb(error.__traceback__)\n"
        "        print([one.lineno for one in found if one.filename == __file__])\n"
    )
    assert ran.stdout == "[5, 3]\n" * 4


def test_a_log_record_names_the_line_as_well(run_script):
    """`stacklevel` of logging counts frames in the same way."""
    ran = run_script(
        "import logging, time\nfrom amorsize import tuned_map\n"
        "logging.basicConfig(format='%(filename)s:%(lineno)d %(funcName)s')\n"
        "def f(i): time.sleep(0.002); logging.warning('x', stacklevel=2)\n"
        "def main(): tuned_map(f, range(30))\n"
        "main()\n"
    )
    lines = set(ran.stderr.splitlines())
    assert {line.split()[0] for line in lines} == {"script.py:5"}
