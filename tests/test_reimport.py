"""Modules whose import does what is to be done once are not imported again in workers."""

import importlib
import subprocess
import sys
import textwrap
import types

import pytest

from amorsize import autotune, tuned_map
from amorsize._function.needs import import_effects

WITH_EFFECTS = {
    "empties a log": "log = open('run.log', 'w')\nlog.write('started')\nlog.flush()",
    "appends to a file": "import pathlib\npathlib.Path('a.txt').write_text('x')",
    "makes a folder": "import tempfile\nfolder = tempfile.mkdtemp(dir='.')",
    "starts a program": "import subprocess\nsubprocess.run(['true'])",
    "starts a thread": "import threading\nthreading.Thread(target=len, args=('',)).start()",
    "is there at the end": "import atexit\natexit.register(len, '')",
    "opens a database": "import sqlite3\nbase = sqlite3.connect(':memory:')",
    "calls what writes": "def note():\n    with open('n', 'a') as out: out.write('x')\nnote()",
    "after a program": "import tempfile\nif __name__ == '__main__':\n    pass\n"
    "f = tempfile.mkdtemp(dir='.')",
    "unless it is a program": "import tempfile\nif __name__ == '__main__':\n    pass\nelse:\n"
    "    f = tempfile.mkdtemp(dir='.')",
    "maps": "from amorsize import tuned_map\nfound = tuned_map(len, ['a'])",
    "maps by a name": "from amorsize import autotune\n@autotune\ndef f(x): return x\ng = f([1])",
}
WITHOUT = {
    "nothing": "",
    "functions": "import os, re\nX = re.compile('a')\ndef work(x):\n    return open(x).read()",
    "decorators": "import functools, amorsize\n@functools.cache\ndef a(): pass\n"
    "@amorsize.autotune\ndef b(x): return x",
    "a table": "def squares(n):\n    return [k * k for k in range(n)]\nTABLE = squares(9)",
    "a logger": "import logging\nlog = logging.getLogger(__name__)",
    "a program besides": "import sys, tempfile\ndef main():\n    open('n', 'w').write('x')\n"
    "if __name__ == '__main__':\n    main()\n    sys.stdout.writelines([])\nX = 1",
    "settings": "import os\nHOME = os.environ.get('HOME', '.')\nPATH = os.path.join(HOME, 'a')",
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of a text, and imports it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def make(text):
        name = f"module_of_a_test_{len(made)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        made.append(name)
        return importlib.import_module(name)

    yield make
    for name in made:
        for value in vars(sys.modules.pop(name)).values():
            if hasattr(value, "close") and not isinstance(value, types.ModuleType):
                value.close()


@pytest.mark.parametrize("text", WITH_EFFECTS.values(), ids=WITH_EFFECTS)
def test_what_would_be_done_again_is_told(text, module):
    """By what the top level calls."""
    told = import_effects.what_it_does(module(text).__name__)
    assert told is not None
    assert "once more" in told


@pytest.mark.parametrize("text", WITHOUT.values(), ids=WITHOUT)
def test_a_module_that_only_defines_can_be_imported_again(text, module):
    """Whatever its functions do when they are called."""
    assert import_effects.what_it_does(module(text).__name__) is None


def test_a_log_and_an_array_in_a_file_stay_as_they_are(module, tmp_path, monkeypatch):
    """The function goes to the workers with its code."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    found = module("""
        import sys
        log = open("run.log", "w")
        state = open("state.bin", "wb+")
        state.write(b"old")
        def square(x): return x * x, "numpy.nowhere" in sys.modules
    """)
    found.log.write("later")
    found.log.flush()
    found.state.flush()

    assert tuned_map(found.square, range(3), backend="process") == [
        (x * x, False) for x in range(3)
    ]
    assert (tmp_path / "run.log").read_text() == "later"
    assert (tmp_path / "state.bin").read_bytes() == b"old"


def test_where_its_code_cannot_be_sent_the_call_stays_here(module, monkeypatch):
    """It reaches a lock that no pickle can hold, in a module that writes as it is imported."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    found = module("""
        import sys, time
        class Odd:
            def __reduce__(self): raise TypeError("not this one")
        odd = Odd()
        with open("n.txt", "a") as out: out.write("x")
        def look(x):
            time.sleep(0.003)
            return x, type(odd).__name__
    """)
    tuned_map(len, ["a"], backend="process", n_jobs=1)  # it would serve this call
    tuned = autotune(found.look, cache=False, thread_safe=False)

    assert tuned(range(60)) == [(x, "Odd") for x in range(60)]
    with open("n.txt") as file:
        assert file.read() == "x"


PROGRAM = """
import multiprocessing, os
os.environ["AMORSIZE_START"] = "clean"
from amorsize import tuned_map

class Point:
    def __init__(self, x): self.x = x

def moved(x):
    return Point(x + STEP)

STEP = 2

def child(queue):
    queue.put([point.x for point in tuned_map(moved, range(3), backend="process")])

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get(timeout=60))
    process.join()
"""


def test_a_child_of_multiprocessing_maps_functions_of_the_program(tmp_path):
    """They are of `__mp_main__` there, which no other process has."""
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert (done.stdout, done.stderr) == ("[2, 3, 4]\n", "")


ENUMS = """
import enum
log = open("run.log", "w")

class Planet(enum.Enum):
    EARTH, MARS = (5.976e24, 1), (6.421e23, 2)

    def __init__(self, mass, moons):
        self.mass = mass

class Level(enum.Enum):
    LOW = 1

def heavier(n):
    return Planet.EARTH.mass > n, Planet.MARS.mass

def below(n):
    return n < Level.LOW.limit
"""


def test_members_of_enums_that_are_sent_with_their_code_keep_their_attributes(module, monkeypatch):
    """Those that `__init__` gives them, and those that were set later."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    found = module(ENUMS)
    found.Level.LOW.limit = 2

    for function in (found.heavier, found.below):
        loop = [function(n) for n in range(4)]
        assert tuned_map(function, range(4), backend="process", n_jobs=1) == loop
