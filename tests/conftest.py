"""What every test gets: a home of its own, a bound, and a check that it left no process behind."""

import gc
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import hypothesis
import pytest
from side_by_side import note_failed, run_in_forks, run_taken

ROOT = Path(__file__).parent.parent
MOCKS = "unittest.mock"
SETTINGS = ("AMORSIZE_BACKEND", "AMORSIZE_CACHE", "AMORSIZE_MAX_CPUS", "AMORSIZE_START")
# How long an example takes is no claim: on a busy host any may take long.
hypothesis.settings.register_profile(
    "any host", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any host")
#: Of folders, so that no test has that of another one.
NUMBERS = count()
#: The worst status of the processes that have run the tests.
WORST = pytest.StashKey[int]()
RunScript = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure() -> None:
    """Take Ctrl-C and the end of the terminal as a job in front does.

    One in the background ignores the first, one under nohup the second, and so does all that they
    start: programs of which tests claim how they end.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is claimed of forks, or of what they make worthwhile, where none is safe."""
    if item.get_closest_marker("forks") and "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("beside the thread of pytest-xdist nothing is forked")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip what claims something of cores that are ours alone, where others are at work on them.

    They are asked for before, and again after a failure: others may come at any time.
    """
    if item.get_closest_marker("cores") is None:
        return (yield)
    skip_beside_others()
    try:
        return (yield)
    except Exception:
        skip_beside_others()
        raise


def skip_beside_others() -> None:
    """Skip this test unless two processes that compute have a core each now."""
    from benchmarks import host

    if host.n_cores() == 1:
        return
    cpu_s, began_s = sum(os.times()[2:4]), time.monotonic()
    times = host.cores_that_are_ours(2, n_times=1)
    at_once = (sum(os.times()[2:4]) - cpu_s) / (time.monotonic() - began_s)
    cores = at_once * 2 / 1.5  # one computed at first, and then two
    if min(times, cores) < 1.7:
        pytest.skip(f"others are at work: two processes have {min(times, cores):.2f} cores")


@contextmanager
def another_thread() -> Iterator[None]:
    """Another Python thread of the program: nothing may be forked beside it."""
    over = threading.Event()
    one = threading.Thread(target=over.wait)
    one.start()
    try:
        yield
    finally:
        over.set()
        one.join()


@pytest.fixture
def beside_a_thread():
    """Another thread for as long as the test runs."""
    with another_thread():
        yield


@pytest.fixture(scope="session", autouse=True)
def not_the_users_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have fixtures of a whole module learn nothing from calls that the user made elsewhere."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AMORSIZE_HOME", str(tmp_path_factory.mktemp("modules") / "amorsize"))
        yield


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for this test alone.

    As pytest's own, which reads the names of all that there are to number the next one: 1 ms each
    time where thousands of tests have one.
    """
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return tmp_path_factory.mktemp(f"{name}-{next(NUMBERS)}", numbered=False)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `AMORSIZE_HOME` for this test alone, and none of the caller's own settings.

    Nor does it know what earlier tests of this process had done and learned, or what starting and
    serving workers has cost them.
    """
    home = tmp_path_factory.mktemp(f"home-{next(NUMBERS)}", numbered=False) / "amorsize"
    monkeypatch.setenv("AMORSIZE_HOME", str(home))
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    if costs := sys.modules.get("amorsize._host.costs"):
        monkeypatch.setattr(costs, "_HOST", costs.HostCosts())
    if store := sys.modules.get("amorsize._profiles.memory_store"):
        monkeypatch.setattr(store, "_memory", None)
    return home


@pytest.fixture(autouse=True)
def nothing_left_behind(home: Path) -> Iterator[None]:
    """Fail the test that leaves a child process, once amorsize was told to stop its own.

    Or a thread: beside it all later tests would quietly get workers from a clean start.
    """
    before, could_fork = children(), why_not_fork() is None
    yield
    stop_amorsize()
    if could_fork:
        until_s = time.monotonic() + 3.0
        while (reason := why_not_fork()) is not None and time.monotonic() < until_s:
            time.sleep(0.01)
        assert reason is None, f"after this test nothing can be forked any more: {reason}"
    left = wait_for_the_end_of(lambda: children() - before, timeout_s=3.0)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"processes left behind by this test: {sorted(left.values())}"


@pytest.fixture(autouse=True)
def no_mocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without `unittest.mock`, for tests in a module that has not imported it.

    With it amorsize reads all modules for what others have put there before it starts an
    interpreter: up to 60 ms, as there are those of all tests.
    """
    if MOCKS in sys.modules and not has_imported_mocks(request.module):
        monkeypatch.delitem(sys.modules, MOCKS)


@cache
def has_imported_mocks(module: ModuleType) -> bool:
    """Whether a module names the module of mocks, its package, or a class or function of it."""
    packages = [sys.modules[MOCKS], unittest]
    return any(
        value in packages
        if isinstance(value, ModuleType)
        else isinstance(value, type | FunctionType) and value.__module__ == MOCKS
        for value in vars(module).values()
    )


@pytest.fixture
def fresh_cache(monkeypatch):
    """A process that has not opened the cache, nor warned of it."""
    from amorsize import cache

    monkeypatch.setattr(cache.access, "STATE", cache.access.State())
    yield
    cache.close()


@pytest.fixture
def writes_at_once(monkeypatch):
    """What a call has learned is on disk when the call is over, however short it was."""
    from amorsize._profiles import memory_store

    monkeypatch.setattr(memory_store, "WRITE_NOW_S", 0.0)
    monkeypatch.setattr(memory_store, "FIRST_NOW_S", 0.0)


@pytest.fixture
def run_script(tmp_path: Path) -> Iterator[RunScript]:
    """Run a text as a Python script of its own, bounded: `run_script(text, *arguments)`.

    Takes `timeout_s`, `environ` (added to this process's), `name` (of the file) and `returncode`
    (the one expected; None for any). The answer has `stdout` and `stderr`. A script, or anything
    it started, that still holds its output open at the end of its time is killed and fails.
    """

    def run(
        text: str,
        *arguments: str,
        timeout_s: float = 30.0,
        environ: Mapping[str, str] | None = None,
        name: str = "script.py",
        returncode: int | None = 0,
    ) -> "subprocess.CompletedProcess[str]":
        script = tmp_path / name
        script.write_text(text, encoding="utf-8")
        command = [sys.executable, str(script), *arguments]
        return run_command(
            command, cwd=tmp_path, timeout_s=timeout_s, environ=environ, returncode=returncode
        )

    return run


@pytest.fixture
def ours_loaded(run_script: RunScript) -> Callable[[str], set[str]]:
    """The modules of amorsize that a script has loaded at its end."""
    ours = "print(*[name for name in sys.modules if name.startswith('amorsize.')])"
    return lambda script: set(run_script(f"{script}\nimport sys\n{ours}").stdout.split())


def bash_in(
    folder: Path, *, errors: str | None = None
) -> Callable[..., "subprocess.CompletedProcess[Any]"]:
    """What runs a line of bash in a folder, where `amorsize` is the command of this Python.

    It answers with bytes, or with text where `errors` says how to read bytes that are none.
    """

    def run(line: str, returncode: int = 0) -> "subprocess.CompletedProcess[Any]":
        script = f'amorsize() {{ "{sys.executable}" -m amorsize "$@"; }}\nset -o pipefail\n{line}'
        done: subprocess.CompletedProcess[Any] = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=40,
            errors=errors,
        )
        assert done.returncode == returncode, (done.stdout[-500:], done.stderr[-2000:])
        assert "Traceback" not in str(done.stderr)
        return done

    return run


def run_command(
    command: list[str],
    *,
    cwd: Path,
    timeout_s: float,
    environ: Mapping[str, str] | None = None,
    returncode: int | None = 0,
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process group of its own, which is gone when this returns."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        pytest.fail(f"{command} took over {timeout_s} s.\nstdout: {stdout}\nstderr: {stderr}")
    if returncode is not None and process.returncode != returncode:
        pytest.fail(
            f"{command} ended with {process.returncode}.\nstdout: {stdout}\nstderr: {stderr}"
        )
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def why_not_fork() -> str | None:
    """Why this process may not be forked, whatever a test has patched; None when it may."""
    from amorsize._host import fork_safety

    return fork_safety.why_not_fork(environ={})


class Children(dict[int, str]):
    """Child processes: what runs in each, by pid."""

    def __sub__(self, others: "Children") -> "Children":
        return Children((pid, what) for pid, what in self.items() if pid not in others)


def children() -> Children:
    """The children of this process, zombies included; none where there is no /proc."""
    found = Children()
    for listing in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, read(listing).split()):
            what = read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ") or "a zombie"
            if "resource_tracker" not in what:  # one per process, and the standard library's own
                found[pid] = f"{pid}: {what}"
    return found


def read(path: Path) -> str:
    """The text of a file of /proc; empty where its process or thread has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def shared_names() -> set[str]:
    """What lies in /dev/shm, but for what other programs on this machine put there."""
    others = ("sem.", "joblib", "loky", "torch_")
    return {name for name in os.listdir("/dev/shm") if not name.startswith(others)}


def wait_for_the_end_of(left: Callable[[], Children], *, timeout_s: float) -> Children:
    """What is left when nothing is, or when the time is up."""
    until_s = time.monotonic() + timeout_s
    while (remaining := left()) and time.monotonic() < until_s:
        time.sleep(0.01)
    return remaining


def stop_amorsize() -> None:
    """End warm workers and close the cache, where this test used them."""
    if amorsize := sys.modules.get("amorsize"):
        if "amorsize._api.map" in sys.modules:
            amorsize.shutdown()
        if cache := sys.modules.get("amorsize.cache"):
            cache.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--claims FOLDER`, `--processes 4` and `--shuffle 7`."""
    parser.addoption(
        "--claims", type=Path, help="run what no other process has taken in this folder"
    )
    parser.addoption("--processes", type=int, help="have that many processes take what is claimed")
    parser.addoption("--shuffle", type=int, help="run the tests in an order drawn from this number")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the share of this process, where several run the tests side by side."""
    claims = session.config.getoption("--claims")
    if claims is None or session.config.option.collectonly or session.testsfailed:
        return None
    if (n_processes := session.config.getoption("--processes")) is None:
        run_taken(session, claims)
    else:
        session.config.stash[WORST] = run_in_forks(session, claims, n_processes)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End with the worst status of the processes that were forked from this one."""
    if worst := session.config.stash.get(WORST, 0):
        session.exitstatus = worst


def pytest_collection_finish() -> None:
    """Let no collection look at what stays until the end: all test modules and their libraries.

    They are 280 000 objects, which take 140 ms each time. A test or amorsize collects often.
    Nor shall workers in new interpreters load libraries for tests to find the function of items.
    """
    sys.path.insert(0, str(ROOT / "tests" / "in_workers"))
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Tell whoever has started this process which tests failed."""
    report = yield
    claims = item.config.getoption("--claims")
    if report.failed and claims is not None:
        note_failed(claims, item.nodeid)
    return report


@pytest.hookimpl(tryfirst=True)  # then pytest puts together what shares a fixture of its module
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in an order drawn from a number."""
    if (seed := config.getoption("--shuffle")) is not None:
        chance = random.Random(seed)
        modules = sorted({item.path for item in items})
        place = {path: chance.random() for path in modules}
        items.sort(key=lambda item: (place[item.path], chance.random()))
