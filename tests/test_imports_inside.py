"""What functions import inside, and in branches that few items take, is read like all else."""

import importlib
import subprocess
import sys
import textwrap

import pytest

from amorsize._engine.data.file_names import FileNames
from amorsize._function.sharing.thread_safety import examine

STATE = """
    total, log = 0, []

    def add(k):
        log.append(k)

    def count(k):
        global total
        total += k
"""
FILES = {
    "stall/__init__.py": "",
    "stall/state.py": STATE,
    "stall/queue.py": STATE,  # there is one in the standard library as well
    "stall/late.py": STATE,
    "stall/slow.py": "import some_library\n\ndef show(k):\n    return k\n",
    "stall/inner/__init__.py": "",
    "stall/inner/types.py": STATE,
    "stall/inner/work.py": """
        import queue, types

        def of_two_packages_up(k):
            from ..state import log
            log.append(k)

        def function_of_two_up(k):
            from ..state import count
            count(k)

        def module_two_up(k):
            from .. import state
            state.total += k

        def of_a_name_that_a_library_has(k):
            from .types import add
            add(k)

        def of_such_a_name_two_up(k):
            from ..queue import count
            count(k)

        def by_the_whole_name(k):
            import stall.state
            stall.state.total += k

        def by_the_whole_name_of_three(k):
            import stall.inner.types
            stall.inner.types.count(k)

        def by_another_name(k):
            import stall.state as kept
            kept.total += k

        def in_a_function_inside(k):
            def inner():
                from ..state import log
                log.append(k)
            inner()

        class Clerk:
            def note(self, k):
                from ..state import count
                count(k)

        def in_a_method(k):
            Clerk().note(k)

        def in_a_branch(k):
            if k > 50:
                from ..late import count
                count(k)

        def reads_only(k):
            from ..state import total
            from . import types
            return total + len(types.log)

        def shows_seldom(k):
            if k > 50:
                from ..slow import show
                show(k)
    """,
    "program.py": """
        import time
        from amorsize import tuned_map
        from stall import queue, state
        from stall.inner import work

        def slow(item):
            def call(k):
                time.sleep(0.004)
                item(k)
            return call

        for item, home in ((work.in_a_method, state), (work.of_such_a_name_two_up, queue)):
            tuned_map(slow(item), range(40))
            print(home.total)
    """,
}
CHANGING = [
    *("of_two_packages_up", "function_of_two_up", "module_two_up", "of_a_name_that_a_library_has"),
    *("of_such_a_name_two_up", "by_the_whole_name", "by_the_whole_name_of_three"),
    *("by_another_name", "in_a_function_inside", "in_a_method", "in_a_branch"),
]


@pytest.fixture
def stall(tmp_path, monkeypatch):
    """A package with another in it."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("stall.inner.work")
    for name in ("stall.state", "stall.queue", "stall.inner.types"):
        importlib.import_module(name)
    yield work
    for name in [one for one in sys.modules if one.partition(".")[0] == "stall"]:
        del sys.modules[name]


def test_what_is_installed_is_loaded_ahead_as_well(tmp_path, monkeypatch):
    """A function's own package is the project's wherever it lies."""
    for name, text in FILES.items():
        file = tmp_path / "site-packages" / name.replace("stall", "stand")
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    work = importlib.import_module("stand.inner.work")
    assert examine(work.in_a_branch, [1, 2])[0].stores
    assert examine(work.shows_seldom, [1, 2])[0].bound


@pytest.mark.parametrize("name", CHANGING)
def test_what_modules_that_are_imported_inside_lose_is_seen(stall, name):
    assert examine(getattr(stall, name), [1, 2])[0].stores


def test_reading_them_keeps_no_item_in_the_caller(stall):
    reach = examine(stall.reads_only, [1, 2])[0]
    assert not reach.stores
    assert not reach.bound


def test_what_cannot_be_read_ahead_keeps_items_in_the_caller(stall, tmp_path, monkeypatch):
    """A module of the project that loads a library, which may take long."""
    library = tmp_path / "site-packages" / "some_library.py"
    library.parent.mkdir()
    library.touch()
    monkeypatch.syspath_prepend(library.parent)
    bound = examine(stall.shows_seldom, [1, 2])[0].bound
    assert bound == ("the first import of stall.slow, which imports some_library",)
    assert "stall.slow" not in sys.modules


def test_nothing_is_lost(stall, tmp_path):
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["780", "780"]


def copies_seldom(row):
    if row["n"] > 50:
        import wave

        wave.open("last.wav", "wb").close()


def packs_seldom(row):
    if row["n"] > 50:
        from zipfile import ZipFile

        with ZipFile("all.zip", "a") as archive:
            archive.writestr(row["kind"], "")


def starts_seldom(row):
    if row["n"] > 50:
        import subprocess as programs

        programs.run(f"echo {row['n']} > last.txt", shell=True)


@pytest.mark.parametrize("item", [copies_seldom, packs_seldom, starts_seldom])
def test_files_of_modules_that_no_item_has_loaded_are_seen(item, monkeypatch):
    for name in ("wave", "zipfile", "subprocess"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    rows = [{"kind": "abc"[k % 3], "n": k} for k in range(9)]
    reach = examine(item, rows)[0]
    assert reach.bound or FileNames(reach.named_by, star=False).look(rows)[1]
