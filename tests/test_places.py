"""As a new user would try it: scripts without a guard, REPL, stdin, `-c`, Jupyter, under pytest."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, run_command
from witness import MANY_CORES

FUNCTION = """
import os, time
from amorsize import autotune

HOME = os.getpid()

@autotune
def work(number):
    # Long in the caller, so that workers pay however late they come, and on however busy a host.
    until_s = time.thread_time() + (60e-3 if os.getpid() == HOME else 1e-3)
    while time.thread_time() < until_s:
        pass
    return number, os.getpid()
"""
CALL = """
rows = work(range(300))
assert [number for number, _ in rows] == list(range(300))
print("places:", len({pid for _, pid in rows}))
rows = work.using(backend="process")(iter(range(100)))
assert [number for number, _ in rows] == list(range(100))
print("caller among them:", os.getpid() in {pid for _, pid in rows})
print("started once")
"""
SCRIPT = FUNCTION + CALL


def assert_shared_out(stdout):
    """More than one process ran the first call, only workers the second; nothing ran twice."""
    assert "caller among them: False" in stdout
    assert stdout.count("started once") == 1
    n_most_jobs = int(stdout.split("places: ")[1].split()[0])
    assert n_most_jobs > 1 or not MANY_CORES


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_a_script_without_a_guard(start, run_script):
    """No `if __name__ == "__main__"` is needed, however workers are started."""
    done = run_script(SCRIPT, environ={"AMORSIZE_START": start}, timeout_s=40)

    assert_shared_out(done.stdout)
    assert done.stderr == ""


def test_python_dash_c(tmp_path):
    """A program on the command line has no file that a worker could read."""
    done = run_command([sys.executable, "-c", SCRIPT], cwd=tmp_path, timeout_s=30)

    assert_shared_out(done.stdout)
    assert done.stderr == ""


def test_a_script_on_stdin(tmp_path):
    """`python < script.py`: nor has this one, and workers leave the rest of stdin alone."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-"],
        input=SCRIPT,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
    assert_shared_out(done.stdout)


def test_a_module_run_by_name(tmp_path):
    """`python -m package.tool`."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tool.py").write_text(SCRIPT)

    done = run_command([sys.executable, "-m", "package.tool"], cwd=tmp_path, timeout_s=30)

    assert_shared_out(done.stdout)


def test_in_a_repl(tmp_path):
    """Typed into `python -i` at a terminal, line by line."""
    session = Repl(tmp_path)
    try:
        for line in (FUNCTION + CALL).splitlines():
            session.type(line)
        session.type("exit()")
        assert session.process.wait(timeout=10) == 0
    finally:
        session.close()

    assert "Traceback" not in session.screen
    assert_shared_out(session.screen.replace('print("started once")', ""))


class Repl:
    """An interactive Python behind a pseudo-terminal."""

    def __init__(self, folder):
        self._terminal, inside = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-i", "-q"],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "PYTHON_BASIC_REPL": "1"},
            start_new_session=True,
        )
        os.close(inside)
        self.screen = ""

    def type(self, line, timeout_s=20.0):
        """Type a line, once there is a prompt for it."""
        until_s = time.monotonic() + timeout_s
        while not self.screen.endswith((">>> ", "... ")):
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._terminal], [], [], left_s)[0]:
                pytest.fail(f"there is no prompt, only: {self.screen}")
            self.screen += os.read(self._terminal, 65536).decode()
        self.screen += "\n"
        os.write(self._terminal, line.encode() + b"\n")

    def close(self):
        """End it, whatever it is doing."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._terminal)


NOTEBOOK_CELLS = [
    FUNCTION,
    CALL,
    "work.explain()",
    "import time\ndef slow(x): time.sleep(0.02); return x\n"
    "rows = autotune(slow, progress=True, n_jobs=1)(range(50))",
    "def talk(x): print('worker', x); return x\n"
    "talked = autotune(talk, backend='process')([1, 2, 3])",
    "def local(x): return x + offset\noffset = 5\n"
    "print(list(autotune(local, backend='process').stream([1, 2, 3])))",
    "offset = 50\nprint(autotune(local, backend='process')([1, 2, 3]))",
    "work.using(backend='process')(range(5), wrong=1)",
]
# Runs the cells in a kernel of this Python and prints, as JSON, what each one said.
NOTEBOOK = """
import json, sys
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbformat import v4

class ThisPython(KernelSpecManager):
    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="this Python", language="python")

cells = [v4.new_code_cell(text) for text in json.loads(sys.argv[1])]
manager = AsyncKernelManager(kernel_spec_manager=ThisPython())
notebook = v4.new_notebook(cells=cells)
NotebookClient(notebook, km=manager, timeout=40, allow_errors=True).execute()

def said(output):
    if output.output_type == "error":
        return "\\n".join(output.traceback)
    return output.get("text") or str(output.get("data", {}).get("text/html", ""))

print(json.dumps(["".join(map(said, cell.outputs)) for cell in cells]))
"""


@pytest.mark.cores
def test_in_jupyter(run_script, tmp_path):
    """A notebook's functions run in worker processes, its kernel's many threads notwithstanding."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folders = {name: str(tmp_path) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}

    done = run_script(NOTEBOOK, json.dumps(NOTEBOOK_CELLS), environ=folders, timeout_s=50)

    said = json.loads(done.stdout.splitlines()[-1])
    assert_shared_out(said[1])
    assert "<table>" in said[2]
    assert "slow: 50 items in" in said[3]
    assert sorted(said[4].splitlines()) == ["worker 1", "worker 2", "worker 3"]
    assert "[6, 7, 8]" in said[5]
    assert "[51, 52, 53]" in said[6]
    assert "TypeError" in said[7]
    assert "item 0 (0)" in said[7]


UNDER_PYTEST = """
import os
from amorsize import autotune, tuned_map

@autotune
def work(number):
    print("from", number)
    return number, os.getpid()

def test_results(capsys):
    rows = work.using(backend="process")(range(50))
    assert [number for number, _ in rows] == list(range(50))
    assert os.getpid() not in {pid for _, pid in rows}
    assert len(capsys.readouterr().out.splitlines()) == 50

def test_monkeypatched(monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert tuned_map(lambda _: os.getpid(), range(30), backend="thread") == [-1] * 30

class TestClass:
    factor = 3
    def scaled(self, number):
        assert number < 40, "an assertion in an item"
        return self.factor * number
    def test_method(self):
        assert tuned_map(self.scaled, range(40)) == list(range(0, 120, 3))
"""


def test_under_pytest(tmp_path):
    """Functions of test modules, rewritten assertions, captured output and patches."""
    (tmp_path / "test_theirs.py").write_text(UNDER_PYTEST)

    done = run_command(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        timeout_s=60,
    )

    assert "3 passed" in done.stdout


def test_the_end_of_a_program_is_quiet(run_script):
    """Functions, streams half taken and records still to be written at exit: no word, no wait."""
    done = run_script(
        FUNCTION
        + """
stream = work.stream(iter(range(10000)))
print(next(stream)[0])
rows = work(range(100))
"""
    )

    assert done.stdout == "0\n"
    assert done.stderr == ""


def test_a_failing_script_shows_its_own_traceback(run_script):
    """The exception, its note, and the line of the call."""
    done = run_script(
        FUNCTION + "work.using(backend='process')(range(10), wrong=1)\n", returncode=1
    )

    assert "TypeError: work() got an unexpected keyword argument 'wrong'" in done.stderr
    assert "item 0 (0)" in done.stderr
    assert "script.py" in done.stderr
