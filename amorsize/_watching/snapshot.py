"""Tells what an item has changed around it, by comparing the state before it with that after it.

The time is bounded. State of the whole process is small, so it is always compared. Objects grow
with the program's data, so they have a time budget. A part for which no time is left is skipped and
named in `unseen`, so that nobody takes it for unchanged.
"""

from __future__ import annotations

import sys
from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from time import thread_time

from amorsize._host.signals import reraise_from_handler
from amorsize._watching import finding as at
from amorsize._watching import process_state, random_state
from amorsize._watching.context import Context
from amorsize._watching.descriptors import Descriptors, descriptor_of, position
from amorsize._watching.finding import Finding
from amorsize._watching.threads_and_children import Tasks
from amorsize._watching.value_looks import new_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from amorsize._watching.descriptors import Marks

#: CPU seconds for objects, before the item and again after it. Besides, settings of the process
#: take 0.2 ms, or 0.4 ms with cold caches. Descriptors take 20 us each, and are limited in number.
BUDGET_S = 1e-3


class Around:
    """The state around an item before it runs; `end()` compares it with the state after."""

    def __init__(self, parts: Collection[str], *, beside_threads: bool) -> None:
        self.n_left_out = 0  # open files and connections beyond the limit
        self.unseen: tuple[str, ...] = ()  # what was not compared, and why; known after `end()`
        self.cut: tuple[str, ...] = ()  # of these: no time was left, or the attempt failed
        self._parts, self._beside_threads = parts, beside_threads
        self._unseen: dict[str, None] = {}
        self._cut: dict[str, None] = {}
        self._budget_s = BUDGET_S
        self._n_modules = len(sys.modules)
        self._deadline_s = 0.0
        #: The parts to record: a name, whether it grows with the program's data, and a function.
        self._looks: list[tuple[str, bool, Callable[[], Iterable[Finding]]]] = []

    @classmethod
    def begin(
        cls,
        handles: Mapping[str, Any] | Iterable[Any] = (),
        mutables: Mapping[str, Any] | Iterable[Any] = (),
        items: Sequence[Any] = (),
        *,
        parts: Collection[str] = at.PLACES,
        among: Marks | None = None,
        beside_threads: bool = False,
        budget_s: float | None = None,
    ) -> Around:
        """Take the snapshot.

        Args:
            handles: Files, connections and other objects with `tell` or `fileno`, by their names in
                messages or as a sequence. Their descriptors come first.
            mutables: Objects that the function reaches: containers, instances, generators.
            items: The item, or those that are run before `end()`.
            parts: The places to compare (`finding.PLACES`).
            among: Compare only these descriptors, from an earlier `Descriptors.marks`.
            beside_threads: Whether other threads serve workers meanwhile, which changes some state.
            budget_s: CPU seconds before the item and again after it; None: `BUDGET_S`.
        """
        around = cls(parts, beside_threads=beside_threads)
        around._budget_s = BUDGET_S if budget_s is None else budget_s
        around._deadline_s = thread_time() + around._budget_s
        named, reached = _named(handles), _named(mutables)
        named_items = [(_item(one), one) for one in items]
        looks: dict[str, Callable[[], None]] = {
            at.DESCRIPTOR: partial(around._see_descriptors, named, among),
            at.ITEM: partial(around._see_objects, at.ITEM, named_items),
            at.STATE: partial(around._see_objects, at.STATE, reached),
            at.CONTEXT: partial(around._take, "the context", around._see_context),
            at.GENERATOR: partial(around._see_generators, reached),
            at.PROCESS: around._see_process,
        }
        for part, record in looks.items():
            if part in parts:
                record()
        if at.THREADS in parts or at.CHILDREN in parts:
            around._take("threads and child processes", around._see_tasks)
        return around

    def end(self) -> tuple[Finding, ...]:
        """Compare; gives what is different. `unseen` then names what was not compared."""
        self._deadline_s = thread_time() + self._budget_s
        found: list[Finding] = []
        for name, grows, compare in self._looks:
            take = self._try if grows else self._take
            take(name, partial(_extend, found, compare))
        self._looks.clear()  # with the program's objects that they refer to
        self.unseen, self.cut = (*self._unseen, *self._cut), tuple(self._cut)
        return tuple(found)

    def _try(self, name: str, record: Callable[[], Any]) -> None:
        """Record a part that grows with the program's data, if time is left."""
        if thread_time() > self._deadline_s:
            self._cut[f"{name} (there was no time left)"] = None
        else:
            self._take(name, record)

    def _take(self, name: str, record: Callable[[], Any]) -> None:
        """Record a part, whatever objects or the system may raise."""
        try:
            record()
        except Exception as error:
            reraise_from_handler(error)
            self._cut[f"{name} ({type(error).__name__})"] = None

    # -- the parts --------------------------------------------------------------------------

    def _see_descriptors(self, handles: list[tuple[str, Any]], among: Marks | None) -> None:
        def see_open() -> None:
            before = Descriptors([descriptor_of(one) for _, one in handles], among)
            self.n_left_out = before.n_left_out
            if before.n_left_out:
                self._unseen[f"{before.n_left_out} more open files and connections"] = None
            self._looks.append(("open files", False, partial(self._moved, before)))

        self._take("open files", see_open)
        self._deadline_s = thread_time() + self._budget_s
        for name, one in handles:
            self._try(name, partial(self._see_place, name, one))

    def _moved(self, before: Descriptors) -> Iterator[Finding]:
        for name, words in before.moved():
            yield Finding(what=name, where=at.DESCRIPTOR, why=f"an item {words}")
        for name in before.untold:
            self._cut[f"{name} (the system did not tell)"] = None
        self._deadline_s = thread_time() + self._budget_s

    def _see_place(self, name: str, handle: Any) -> None:
        before = position(handle)

        def compare() -> Iterator[Finding]:
            if position(handle) != before:
                words = f"an item moved the place in {name}, which was open before"
                yield Finding(what=name, where=at.DESCRIPTOR, why=words)

        if before is not None:
            self._looks.append((name, True, compare))

    def _see_process(self) -> None:
        for setting in process_state.SETTINGS:
            if not (self._beside_threads and setting.by_service):
                self._take(setting.name, partial(self._see_setting, setting))

    def _see_setting(self, setting: process_state.Setting) -> None:
        before = setting.state()

        def compare() -> Iterator[Finding]:
            now = setting.state()
            if now == before:
                return
            has_loaded = len(sys.modules) != self._n_modules
            if before is process_state.NOT_LOADED or (setting.by_loading and has_loaded):
                self._unseen[f"{setting.name} (modules were loaded meanwhile)"] = None
                return
            words = f"an item changed {setting.name}{process_state.details(before, now)}"
            yield Finding(what=setting.name, where=at.PROCESS, why=words)

        self._looks.append((setting.name, False, compare))

    def _see_generators(self, reached: list[tuple[str, Any]]) -> None:
        more = {name: one for name, one in reached if random_state.is_generator(one)}
        for name, one in random_state.of_program().items():
            self._take(name, partial(self._see_generator, name, one, False))
        for name, one in more.items():
            self._try(name, partial(self._see_generator, name, one, True))

    def _see_generator(self, name: str, generator: Any, grows: bool) -> None:
        before = random_state.state_of(generator)

        def compare() -> Iterator[Finding]:
            if random_state.state_of(generator) != before:
                words = f"an item drew from, or seeded, the generator {name}"
                yield Finding(what=name, where=at.GENERATOR, why=words)

        if before is not None:
            self._looks.append((f"the generator {name}", grows, compare))

    def _see_context(self) -> None:
        before = Context()

        def compare() -> Iterator[Finding]:
            for name in before.changed():
                yield Finding(what=name, where=at.CONTEXT, why=f"an item changed {name}")

        self._looks.append(("the context", False, compare))

    def _see_objects(self, where: str, objects: list[tuple[str, Any]]) -> None:
        for name, one in objects:
            if where == at.ITEM or not random_state.is_generator(one):
                self._try(name, partial(self._see_object, where, name, one))

    def _see_object(self, where: str, name: str, one: Any) -> None:
        digest = new_digest()
        before = digest.of(one)
        if digest.opaque is not None:
            self._unseen[f"{name} (the inside of a {digest.opaque})"] = None

        def compare() -> Iterator[Finding]:
            if new_digest().of(one) != before:
                words = f"an item changed {name}, which the function reaches"
                words = f"{name} was changed in place" if where == at.ITEM else words
                yield Finding(what=name, where=where, why=words)

        self._looks.append((name, True, compare))

    def _see_tasks(self) -> None:
        before = Tasks()

        def compare() -> Iterator[Finding]:
            now = Tasks()
            if at.THREADS in self._parts:
                for name in now.started_threads(before):
                    words = f"an item started a thread that is still there ({name})"
                    yield Finding(what=name, where=at.THREADS, why=words)
            if at.CHILDREN in self._parts:
                for pid in sorted(now.children - before.children):
                    words = f"an item started a process that is still there ({pid})"
                    yield Finding(what=f"process {pid}", where=at.CHILDREN, why=words)

        self._looks.append(("threads and child processes", False, compare))


def _extend(found: list[Finding], compare: Callable[[], Iterable[Finding]]) -> None:
    found.extend(compare())


def _named(objects: Mapping[str, Any] | Iterable[Any]) -> list[tuple[str, Any]]:
    if isinstance(objects, dict):
        return list(objects.items())
    return [(f"a {type(one).__name__}", one) for one in objects]


def _item(item: Any) -> str:
    return f"an item ({type(item).__name__})"
