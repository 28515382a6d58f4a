"""Limits the threads that numerical libraries start by themselves.

Workers share the cores, and these threads would run beside them.

The limit is set in the caller before it forks: in a fork, OpenBLAS would first start all of its
threads and then leave them idle. The libraries are found in the kernel's list of mapped files and
set through their own functions. That takes 1 ms and imports nothing, since numpy has loaded ctypes.
The package threadpoolctl knows more libraries, but takes 20 ms to import.
"""

from __future__ import annotations

import os
import sys

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: By a part of the file's name: the environment variable by which users set the number, and the
#: functions that return and set it, under their names in several builds.
LIBRARIES: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "openblas": (
        "OPENBLAS_NUM_THREADS",
        tuple(
            (f"{prefix}openblas_get_num_threads{end}", f"{prefix}openblas_set_num_threads{end}")
            for prefix in ("", "scipy_")
            for end in ("", "64_")
        ),
    ),
    "libmkl_rt": ("MKL_NUM_THREADS", (("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),)),
    "libblis": (
        "BLIS_NUM_THREADS",
        (("bli_thread_get_num_threads", "bli_thread_set_num_threads"),),
    ),
    "libgomp": ("OMP_NUM_THREADS", (("omp_get_max_threads", "omp_set_num_threads"),)),
    "libiomp": ("OMP_NUM_THREADS", (("omp_get_max_threads", "omp_set_num_threads"),)),
    "libomp": ("OMP_NUM_THREADS", (("omp_get_max_threads", "omp_set_num_threads"),)),
}
#: All libraries obey this variable. If the user has set it, nothing is changed.
DECIDES_ALL = "OMP_NUM_THREADS"


class Limits:
    """Limits the numerical libraries of this process to a number of threads.

    Args:
        n_threads: The most threads that each may use.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._libraries = _loaded()
        self._before: list[tuple[Callable[[int], object], int]] = []

    def hold(self) -> None:
        """Lower the numbers of threads; libraries that use fewer are left as they are."""
        if self._before:
            return
        for tell, set_to in self._libraries:
            n_before = tell()
            if n_before > self._n_threads:
                self._before.append((set_to, n_before))
                set_to(self._n_threads)

    def lift(self) -> None:
        """Restore the numbers of threads."""
        while self._before:
            set_to, n_before = self._before.pop()
            set_to(n_before)


_found: tuple[int, list[tuple[Callable[[], int], Callable[[int], object]]]] = (-1, [])


def _loaded() -> list[tuple[Callable[[], int], Callable[[int], object]]]:
    """The functions that return and set the threads of each library; cached until modules load."""
    global _found
    if DECIDES_ALL in os.environ or "ctypes" not in sys.modules:  # then numpy is not loaded either
        return []
    n_modules = len(sys.modules)
    if _found[0] != n_modules:
        _found = n_modules, list(_find())
    return _found[1]


def _number_in(library: Any) -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """The variable in which OpenBLAS has the number: its function would also start the threads.

    A fork stops the threads. Starting them after each call would take 0.2 ms, and the next call
    would need 1 ms to find out whose threads they are.
    """
    import ctypes

    try:
        number = ctypes.c_int.in_dll(library, "blas_cpu_number")
    except ValueError:
        return None
    return lambda: number.value, lambda n_threads: setattr(number, "value", n_threads)


def _find() -> Iterator[Any]:
    import ctypes

    paths = {
        line.split(None, 5)[5]
        for line in procfs.read("/proc/self/maps").splitlines()
        if ".so" in line and any(part in line for part in LIBRARIES)
    }
    for path in sorted(paths):
        name = path.rpartition("/")[2]
        for part, (variable, pairs) in LIBRARIES.items():
            if part not in name or variable in os.environ:
                continue
            try:
                library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            except OSError as error:
                reraise_from_handler(error)
                continue  # the file is mapped, but not loaded as a library
            if (number := _number_in(library)) is not None:
                yield number
                continue
            for tell, set_to in pairs:
                if hasattr(library, tell) and hasattr(library, set_to):
                    yield getattr(library, tell), getattr(library, set_to)
                    break
    arrow: Any = sys.modules.get("pyarrow")  # it starts threads by itself, and again after a fork
    if hasattr(arrow, "set_cpu_count"):
        yield arrow.cpu_count, arrow.set_cpu_count
