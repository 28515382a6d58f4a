"""Watches the first items of a worker for changes that the plain loop would make in the caller.

In a worker process such a change is lost; in a thread all items see it at once. The items that ran
in the caller have shown no such change, or no worker would run. The first items of each worker are
watched for it as well.
"""

from __future__ import annotations

import sys
from time import thread_time

from amorsize._host.unpatched import perf_counter
from amorsize.policy.profile import MOST_REASON_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from amorsize._watching import Around
    from amorsize._watching.descriptors import Marks
    from amorsize._workers.protocol import Watch

#: Items that a worker process watches; each takes 0.6 ms.
N_WATCHED = 2
#: Threads of a call that each watch one item.
N_THREADS = 8
#: What is watched in forked workers. Not random generators: items in workers draw from streams of
#: their own. Not threads and children of an item: they stay in its worker.
IN_PROCESSES = frozenset({"process", "descriptor", "context", "state", "item"})
#: In new interpreters, whose descriptors are their own.
IN_NEW_INTERPRETERS = frozenset({"process", "context", "item"})
#: In threads, which share objects with the caller.
IN_THREADS = frozenset({"process", "descriptor", "context"})
#: In forked workers while the caller runs code of the program: they share how far files are read.
IN_PROCESSES_BESIDE_IT = IN_PROCESSES - {"descriptor"}
#: In threads beside other code of the program, which may cause all other changes.
IN_ONE_OF_THREADS = frozenset({"context"})


class FirstItems:
    """Watches the first items that one worker runs.

    Args:
        watch: What to look at.
        parts: The places to look at.
        n_items: How many items to watch; none after a finding.
        n_before: Items to skip: the first in a new interpreter makes lasting objects.
        among: Watch only these descriptors; None: all open ones.
    """

    def __init__(
        self,
        watch: Watch,
        parts: Collection[str],
        *,
        n_items: int = N_WATCHED,
        n_before: int = 0,
        among: Marks | None = None,
    ) -> None:
        self._watch, self._parts, self._among = watch, parts, among
        self._n_left, self._n_before = n_items, n_before
        self._found: str | None = None  # a finding that was not reported
        self.spent_s = self.spent_cpu_s = 0.0  # spent on watching

    @property
    def is_open(self) -> bool:
        """Whether there are items to watch."""
        return self._n_left > 0

    def watched(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function, wrapped to watch its first items."""

        def first(item: Any) -> Any:
            if self._n_before > 0 or self._n_left <= 0:
                self._n_before -= 1
                return function(item)
            self._n_left -= 1
            around = self._begin(item)
            try:
                return function(item)
            finally:
                self._end(around)

        return first

    @property
    def has_news(self) -> bool:
        """Whether a finding was not reported yet."""
        return self._found is not None

    def news(self) -> str | None:
        """The finding that was not reported yet."""
        found, self._found = self._found, None
        return found

    def _begin(self, item: Any) -> Around:
        from amorsize._watching import Around

        began_s, began_cpu_s = perf_counter(), thread_time()
        around = Around.begin(
            self._watch.handles,
            self._watch.mutables,
            (item,),
            parts=self._parts,
            among=self._among,
            beside_threads=True,
        )
        self._spent(began_s, began_cpu_s)
        return around

    def _end(self, around: Around) -> None:
        began_s, began_cpu_s = perf_counter(), thread_time()
        findings = around.end()
        if findings:
            self._n_left = 0
            self._found = plain(findings[0].why)
        self._spent(began_s, began_cpu_s)

    def _spent(self, began_s: float, began_cpu_s: float) -> None:
        self.spent_s += perf_counter() - began_s
        self.spent_cpu_s += thread_time() - began_cpu_s


def plain(text: str) -> str:
    """A text that is safe to store and show: short, on one line, printable."""
    shown = "".join(one if one.isprintable() else "?" for one in text)
    return shown if len(shown) <= MOST_REASON_CHARS else shown[: MOST_REASON_CHARS - 3] + "..."


def of_fork(watch: Watch | None) -> FirstItems | None:
    """For a forked worker, which shares all descriptors open at its start with the caller."""
    if watch is None:
        return None
    if watch.beside_program:
        return FirstItems(watch, IN_PROCESSES_BESIDE_IT)
    from amorsize._watching.descriptors import Descriptors, descriptor_of

    marks = Descriptors([descriptor_of(one) for one in watch.handles.values()]).marks
    return FirstItems(watch, IN_PROCESSES, among=marks)


def of_interpreter(watch: Watch | None) -> FirstItems | None:
    """For a worker in a new interpreter."""
    if watch is None:
        return None
    return FirstItems(watch, IN_NEW_INTERPRETERS, n_before=1)


class ThreadsFirstItems:
    """Watches the first items of threads; made in the caller before the first thread."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch if watch is not None and watch.in_threads else None
        self._n_threads = 0
        self._among: Marks = {}
        if self._watch is not None:
            from amorsize._watching.descriptors import Descriptors

            self._among = Descriptors().marks  # later ones may belong to another item
            is_beside = self._watch.beside_program or _has_other_threads()
            self._parts = IN_ONE_OF_THREADS if is_beside else IN_THREADS

    def of_thread(self) -> FirstItems | None:
        """For one more thread; None: enough threads watch items."""
        self._n_threads += 1
        if self._watch is None or self._n_threads > N_THREADS:
            return None
        return FirstItems(self._watch, self._parts, n_items=1, among=self._among)


def _has_other_threads() -> bool:
    """Whether the program runs threads other than the calling one."""
    threading = sys.modules.get("threading")
    return threading is not None and len(threading._active) > 1
