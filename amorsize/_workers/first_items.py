"""The first items of a worker, watched: whether one does what the loop would do elsewhere.

In a worker process the change is lost to the caller, in a thread it is everybody's at once. What
items were seen to do in the caller has decided where the others run; this looks whether these, too,
do nothing that others would notice.
"""

from __future__ import annotations

import sys
from time import thread_time

from amorsize._host.clocks import perf_counter
from amorsize.policy.profile import MOST_TOLD_CHARS
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from amorsize._watching import Around
    from amorsize._watching.descriptors import Marks

N_WATCHED = 2  # items of a worker process, and so many threads one each: 0.6 ms an item
N_THREADS = 8
# Not generators: items in workers may draw from streams of their own. Not threads and children of
# an item: they stay in its worker.
IN_PROCESSES = frozenset({"process", "descriptor", "context", "state", "item"})
IN_NEW_INTERPRETERS = frozenset({"process", "context", "item"})  # what is open there is its own
IN_THREADS = frozenset({"process", "descriptor", "context"})  # items and objects are the caller's
IN_ONE_OF_THREADS = frozenset({"context"})  # what else changes may be others' doing


class Watch(Value):
    """What workers look at while they run their first items, beside the process they are in."""

    handles: dict[str, Any] = {}  # noqa: RUF012 - files and connections, by name: a Value is frozen
    mutables: dict[str, Any] = {}  # noqa: RUF012 - what the function reaches and no item may change
    in_threads: bool = True  # whether items in threads are watched, too

    def elsewhere(self) -> Watch:
        """The same for a worker that was not forked: what it has of those is copies."""
        return Watch(in_threads=self.in_threads)


class FirstItems:
    """Watches the first items that one worker runs.

    Args:
        watch: What to look at.
        parts: The places to look at.
        n_items: How many items; no more after one that did something.
        n_before: Items that pass unwatched: the first in a new interpreter makes what lasts.
        among: Of descriptors only these; None: all that are open at the time.
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
        self._found: str | None = None  # what an item did, until that is told
        self.spent_s = self.spent_cpu_s = 0.0  # on looking, of wall time and of this thread's

    def watched(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function, watched as long as there is something to watch."""
        if self._n_left <= 0:
            return function

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
        """Whether something was found that nobody was told yet."""
        return self._found is not None

    def news(self) -> str | None:
        """What was found, once."""
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
    """A text as it may be kept and shown: short, of one line, nothing that moves a cursor."""
    shown = "".join(one if one.isprintable() else "?" for one in text)
    return shown if len(shown) <= MOST_TOLD_CHARS else shown[: MOST_TOLD_CHARS - 3] + "..."


def of_fork(watch: Watch | None) -> FirstItems | None:
    """Those of a forked worker: what is open when it begins it shares with the caller."""
    if watch is None:
        return None
    from amorsize._watching.descriptors import Descriptors, descriptor_of

    marks = Descriptors([descriptor_of(one) for one in watch.handles.values()]).marks
    return FirstItems(watch, IN_PROCESSES, among=marks)


def of_interpreter(watch: Watch | None) -> FirstItems | None:
    """Those of a worker in a new interpreter."""
    if watch is None:
        return None
    return FirstItems(watch, IN_NEW_INTERPRETERS, n_before=1)


class ThreadsFirstItems:
    """Those of the threads of one call; made in the caller, before the first of them."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch if watch is not None and watch.in_threads else None
        self._n_threads = 0
        self._among: Marks = {}
        if self._watch is not None:
            from amorsize._watching.descriptors import Descriptors

            self._among = Descriptors().marks  # others may be another item's
            self._parts = IN_ONE_OF_THREADS if _has_other_threads() else IN_THREADS

    def of_thread(self) -> FirstItems | None:
        """Those of one thread more; None once enough are watched."""
        self._n_threads += 1
        if self._watch is None or self._n_threads > N_THREADS:
            return None
        return FirstItems(self._watch, self._parts, n_items=1, among=self._among)


def _has_other_threads() -> bool:
    """Whether the program runs threads of its own, besides the one that asks."""
    threading = sys.modules.get("threading")
    return threading is not None and len(threading._active) > 1
