"""A task as bytes, for workers that were not forked.

Code is sent by its name. The module that a worker imports may differ from the caller's: since its
import the caller may have changed a constant, filled a dict, replaced a function or edited the
file. So the globals that the code reads are sent along, with a digest of each function of the
project that it may call. A worker that would run other code asks for the code itself.
"""

from __future__ import annotations

from amorsize._function import callables, references
from amorsize._function.needs import import_effects, numbered_objects
from amorsize._function.needs.dependencies import needs_of
from amorsize._function.needs.known_objects import asks_which_one, own_functions
from amorsize._function.needs.shared_objects import is_any_shared
from amorsize._function.ownership import MAIN
from amorsize._function.shareable_values import is_shareable
from amorsize._host.signals import in_words, reraise_from_handler
from amorsize._host.unpatched import kernel
from amorsize._workers.carried_state import caller_state
from amorsize._workers.carried_state.pickled_state import names_main
from amorsize._workers.messages import serialization
from amorsize._workers.messages.packing import dumps_apart
from amorsize._workers.protocol import Task
from amorsize._workers.random_streams import as_sent
from amorsize._workers.tasks import thread_locals
from amorsize._workers.tasks.task_pickling import (
    CallOnLoad,
    dumped_by_name,
    dumped_with_code,
    unpicklable_part,
    why_not_pickled,
)
from amorsize._workers.tasks.task_unpickling import (
    TOKEN,
    Same,
    Taken,
    rebuilt,
    tidied,
    unpacked,
)
from amorsize.errors import AmorsizeWarning, SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

#: A larger task draws a warning: each MB takes 1 ms in the caller, and 1 ms in every worker.
LARGE_BYTES = 1_000_000
#: With this much data, code is sent instead of imported: each worker would make the data once more.
MUCH_BYTES = 8 << 20

#: Why the caller has to run items whose code cannot be sent.
SHARED = "objects that lie in several places of what it reaches would be copied for each place"

_warned: set[str] = set()


class Payload:
    """A task as bytes, which are made when they are first needed.

    Args:
        task: What is done to each item.
        func: The user's function, for messages.
        sample: An item, whose methods the function may call: what they read is sent as well.
    """

    def __init__(self, task: Task, func: Callable[..., Any], sample: Any = None) -> None:
        self._task = task
        self.name = references.name_of(func)
        self._needs = needs_of((task.function, task.setup, task.teardown), sample)
        if (doubt := numbered_objects.doubt(self._needs)) is not None:
            self._needs.reasons.append(doubt)
        self._apart: tuple[bytes, list[memoryview]] | None = None
        self._again: str | None = None  # an effect of imports that workers would repeat
        self._by_value: frozenset[str] = frozenset()
        self._carried: bytes | None = None

    @property
    def array_bytes(self) -> int:
        """Rough size of the arrays and tables that the function reaches; sent uncopied."""
        return self._needs.size.in_arrays

    @property
    def other_bytes(self) -> int:
        """Rough size of all other data that it reaches, which each worker unpickles."""
        return self._needs.size.in_others

    @property
    def data(self) -> bytes:
        """The pickled task, for a process that can import its code.

        Raises:
            SerializationError: A part of it cannot be pickled; the message names it.
        """
        data, parts = self.apart()
        return self._packed(self._by_value) if parts else data

    def apart(self) -> tuple[bytes, list[memoryview]]:
        """The same, with large buffers apart from the pickle."""
        if self._apart is None:
            parts: list[memoryview] = []
            self._apart = self._first_packed(parts), parts
            self._warn_if_large(len(self._apart[0]))
        return self._apart

    def _first_packed(self, parts: list[memoryview]) -> bytes:
        """Pickle code by name, unless importing it would repeat an effect or much work.

        Code is also sent where an object lies in several places: so it stays one object.
        """
        needs = self._needs
        again = next(filter(None, map(import_effects.what_it_does, sorted(needs.homes))), None)
        by_identity = again is None and asks_which_one(own_functions(needs.walk.met, needs.owns))
        if again is None and is_any_shared(
            needs.values, needs.owns.class_, by_identity=by_identity
        ):
            again = SHARED
        if again is None and self.array_bytes + self.other_bytes < MUCH_BYTES:
            return self._packed(frozenset(), parts)
        self._by_value = self._needs.homes
        try:
            return self._packed(self._by_value, parts)
        except SerializationError:
            self._by_value, self._again = frozenset(), again
        return self._packed(self._by_value, parts)

    def by_value(self) -> bytes:
        """The pickled task with the code of the project's own functions."""
        self._by_value = self._needs.homes
        return self._packed(self._by_value)

    def carried(self) -> bytes:
        """The state of this process that workers take over, read at the first request.

        Raises:
            SerializationError: Some setting cannot be sent; the text names it.
        """
        if self._carried is None:
            self._carried = caller_state.packed()
        return self._carried

    @property
    def doubt(self) -> str | None:
        """Why results may differ between a worker and the caller; None: no reason was found."""
        return self._needs.reasons[0] if self._needs.reasons else None

    def why_not(self) -> str | None:
        """Why the task cannot be sent unchanged; None: it can."""
        if (doubt := self.doubt) is not None:
            return doubt
        try:
            self.carried()
            self.apart()
        except SerializationError as error:
            return str(error)
        return self._why_not_alike()

    def why_doubted(self) -> str | None:
        """Why workers to which it is sent may give other results; None: nothing is seen."""
        if self.doubt is not None:
            return self.doubt
        try:
            self.apart()
        except SerializationError:
            return None  # raised again where it is sent
        return self._why_not_alike()

    def _why_not_alike(self) -> str | None:
        """What workers would repeat or have otherwise, once it is known what is sent."""
        if self._again is not None:
            return self._again
        for place, value in self._needs.stays.items():
            if not is_shareable(value):  # each worker may have its own lock or logger
                kind = callables.type_name(value)
                return f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process"
        return None

    def pack(self, items: Any) -> bytes:
        """Items as bytes, by cloudpickle where pickle fails."""
        data, parts = self.pack_apart(items)
        return serialization.dumps(items) if parts else data

    def pack_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        """Items as bytes, with large buffers apart from the pickle."""
        if not self._by_value:
            try:
                data, parts = dumps_apart(items)
            except Exception as error:
                reraise_from_handler(error)
                data, parts = b"__main__", []
            if not names_main(data):  # another process does not find it under that name
                return data, parts
        with_code: list[memoryview] = []
        return dumped_with_code(unpacked, (items,), self._by_value, parts=with_code), with_code

    def _packed(self, by_value: frozenset[str], parts: list[memoryview] | None = None) -> bytes:
        """The task as bytes, with large buffers in `parts` where that is given."""
        try:
            return self._dumped(by_value, parts)
        except Exception as error:
            reraise_from_handler(error)
            self._needs.leave_what_cannot_travel(lambda one: why_not_pickled(one, by_value) is None)
            self._refuse_what_is_shared()
        try:
            return self._dumped(by_value, parts)
        except Exception as error:
            reraise_from_handler(error)
            part = unpicklable_part(self._parts(), by_value) or in_words(error)
            raise SerializationError(
                f"{self.name} cannot be sent to a worker process: {part}. Create it inside the "
                "function or in setup=, or use backend='thread'."
            ) from error

    def _refuse_what_is_shared(self) -> None:
        """Raise for an object of multiprocessing, such as a queue: workers have to share it."""
        for place, value in self._needs.stays.items():
            kind = callables.type_name(value)
            if kind.startswith("multiprocessing."):
                raise SerializationError(
                    f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process that "
                    "is no fork: one that it makes itself would be another. Return what you would "
                    "put into it, or call where no other thread runs."
                )

    def _dumped(self, by_value: frozenset[str], parts: list[memoryview] | None) -> bytes:
        task = self._task
        fields = {
            "function": task.function,
            "star": task.star,
            "seed": task.seed,
            "generators": task.generators and tuple(map(as_sent, task.generators)),
            "keep_errors": task.keep_errors,
            "single": task.single,
            "one_chunk_at_a_time": task.one_chunk_at_a_time,
            "setup": task.setup,
            "teardown": task.teardown,
            "most_bytes": task.most_bytes,
            "site": task.site,
            "context": task.context,
            "watch": None if task.watch is None else task.watch.elsewhere(),
        }
        # Unpickling calls `tidied` first: later parts already look up names.
        content = CallOnLoad(tidied, ()), (kernel.getpid(), TOKEN), fields, *self._reached(by_value)
        left = {id(value): place for place, value in self._needs.stays.items()}
        if not by_value and not _is_of_main(task.function):
            data = dumped_by_name(rebuilt, content, parts)
            if data is not None:
                return data
        kept = {key: entries for key, (_, entries) in self._needs.caches.items()}
        return dumped_with_code(rebuilt, content, by_value, left, kept, parts)

    def _reached(self, by_value: frozenset[str]) -> tuple[Same, Taken]:
        """What the function reaches in the caller; code that is sent brings its globals."""
        reached = self._needs
        found = (reached.settings, reached.stays, reached.digests, reached.names)
        settings, stays, digests, names = (_elsewhere(one, by_value) for one in found)
        if self._task.context is None:  # in workers of other people, threads keep what is theirs
            settings |= thread_locals.sent(
                stays, lambda one: why_not_pickled(one, by_value) is None
            )
        same = Same(
            digests=digests,
            names=names,
            library=reached.library,
            shapes=_elsewhere(reached.shapes, by_value),
            gone=reached.gone,
            versions=reached.versions,
            kinds={place: callables.type_name(value) for place, value in stays.items()},
        )
        caches = {
            place: reached.caches[key][1] if key in reached.caches else []
            for place, key in reached.cache_places.items()
            if place.partition(":")[0] not in by_value
        }
        taken = Taken(
            settings=settings,
            caches=caches,
            members=[one for home, *one in reached.members if not home or home in by_value],
            registered=reached.registered,
            families=reached.families,
            library_settings=reached.state.settings,
            library_kinds=reached.state.kinds,
        )
        return same, taken

    def _parts(self) -> Iterable[tuple[str, Any]]:
        task = self._task
        yield "", task.function
        yield "setup", task.setup
        yield "teardown", task.teardown

    def _warn_if_large(self, n_bytes: int) -> None:
        if n_bytes <= LARGE_BYTES or self.name in _warned:
            return
        import warnings

        _warned.add(self.name)
        warnings.warn(
            f"{self.name} takes {n_bytes / 1e6:.1f} MB with all it refers to, sent to every worker "
            "in every call. Load large data in setup=, or keep it in a file that items read.",
            AmorsizeWarning,
            stacklevel=2,
        )


def _elsewhere(found: dict[str, Any], by_value: frozenset[str]) -> dict[str, Any]:
    """What is at places of other modules than those whose code is sent."""
    return {place: one for place, one in found.items() if place.partition(":")[0] not in by_value}


def _is_of_main(func: Any) -> bool:
    """Whether a function is in the program's own file, which no worker finds by its name."""
    func = callables.raw(func)
    return type(func) is callables.FUNCTION and func.__module__ in MAIN
