"""Libraries that start threads by themselves: workers times their threads stay within the cores."""

import os
import sys

import pytest

from amorsize import autotune, tuned_map
from amorsize._engine.serving import blas_threads
from amorsize._host import resources

np = pytest.importorskip("numpy")
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS")
MATRIX = np.ones((300, 300))
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read where Linux tells it")


@pytest.fixture(autouse=True)
def n_cores(monkeypatch):
    """The user has set nothing; as many cores as the libraries have threads, which is never raised.

    Threads that a library has once started stay, and too many of them would forbid forks.
    """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(blas_threads, "_found", (-1, []))
    n_threads = min(limits(), default=1)
    if n_threads < 2:
        pytest.skip("no library here has threads of its own, or there is one core")
    cpus = resources.usable_cpus().replace(n_cores=n_threads)
    monkeypatch.setattr(resources, "usable_cpus", lambda: cpus)
    return n_threads


def limits():
    """What each library is held to."""
    return [tell() for tell, _ in blas_threads._loaded()]


def multiplied(_):
    """What this process is held to, and its threads after it has multiplied matrices."""
    return limits(), (MATRIX @ MATRIX)[0, 0], len(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 9])
def test_forked_workers_share_the_cores(n_jobs, n_cores):
    """So many workers times so many threads are no more than there are cores."""
    n_threads = max(1, n_cores // n_jobs)

    found = tuned_map(multiplied, range(2 * n_jobs), backend="process", n_jobs=n_jobs, chunksize=1)

    for held, product, n_running in found:
        assert held == [n_threads] * len(held)
        assert product == 300.0
        assert n_running <= n_threads


def test_afterwards_the_caller_has_its_own_again(n_cores):
    """Also where the call fails."""
    tuned_map(multiplied, range(8), backend="process", n_jobs=n_cores)
    assert limits() == [n_cores] * len(limits())

    with pytest.raises(ZeroDivisionError):
        tuned_map(lambda x: 1 // x, range(8), backend="process", n_jobs=n_cores)
    assert limits() == [n_cores] * len(limits())


def test_between_two_results_of_a_stream_the_consumer_has_its_own(n_cores):
    """What it does with results is not held back; the workers are, those that start later too."""
    stream = autotune(multiplied, backend="process", n_jobs=n_cores, chunksize=1).stream(range(200))

    for held, _, _ in stream:
        assert held == [1] * len(held)
        assert limits() == [n_cores] * len(limits())


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
def test_what_the_user_has_set_stays(name, n_cores, monkeypatch):
    """Whoever sets a variable has decided."""
    monkeypatch.setenv(name, "3")
    monkeypatch.setattr(blas_threads, "_found", (-1, []))

    assert blas_threads._loaded() == []
    blas_threads.Limits(1).hold()
    monkeypatch.delenv(name)
    monkeypatch.setattr(blas_threads, "_found", (-1, []))
    assert limits() == [n_cores] * len(limits())


@pytest.mark.parametrize("way", ["its number", "its functions"])
def test_either_way_to_tell_openblas_works(way, n_cores, monkeypatch):
    """Where it does not show its number, its functions are called."""
    if way == "its functions":
        monkeypatch.setattr(blas_threads, "_number_in", lambda _: None)
    monkeypatch.setattr(blas_threads, "_found", (-1, []))

    found = tuned_map(multiplied, range(8), backend="process", n_jobs=n_cores, chunksize=1)

    for held, product, n_running in found:
        assert (held, product, n_running) == ([1] * len(held), 300.0, 1)
    assert limits() == [n_cores] * len(limits())


def test_nobody_gets_more_than_before():
    """A library that was held to one thread stays at one."""
    once = blas_threads.Limits(1)
    once.hold()

    again = blas_threads.Limits(3)
    again.hold()
    assert limits() == [1] * len(limits())
    again.lift()
    assert limits() == [1] * len(limits())
    once.lift()


OPENMP = """
import ctypes
openmp = ctypes.CDLL("libgomp.so.1")
openmp.omp_set_num_threads(8)
import amorsize

def held(_):
    return openmp.omp_get_max_threads()

if __name__ == "__main__":
    print(set(amorsize.tuned_map(held, range(20), backend="process", n_jobs=64)))
    print(openmp.omp_get_max_threads())
"""


def test_openmp_is_held_back(run_script):
    """The C library's own, where no numpy has brought it."""
    done = run_script(OPENMP, returncode=None)
    if "libgomp" in done.stderr:
        pytest.skip("there is no OpenMP on this machine")

    assert done.stdout.split("\n")[:2] == ["{1}", "8"], done.stderr


def test_without_such_libraries_nothing_is_loaded_for_it(run_script):
    """A process that has no numpy does not even import what would look for one."""
    done = run_script(
        "import sys, amorsize\n"
        "assert amorsize.tuned_map(abs, range(100), backend='process') == list(range(100))\n"
        "print('amorsize._engine.serving.blas_threads' in sys.modules, 'ctypes' in sys.modules)\n"
    )

    assert done.stdout.split() == ["False", "False"]


class Arrow:
    """What is known of pyarrow here."""

    def __init__(self):
        self.n_threads = 8

    def cpu_count(self):
        return self.n_threads

    def set_cpu_count(self, n_threads):
        self.n_threads = n_threads


def test_arrow_is_told_as_well(monkeypatch):
    """It counts its threads itself."""
    arrow = Arrow()
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    monkeypatch.setattr(blas_threads, "_found", (-1, []))

    held = blas_threads.Limits(2)
    held.hold()
    assert arrow.n_threads == 2
    held.lift()
    assert arrow.n_threads == 8
