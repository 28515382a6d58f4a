"""The state that the parts of one call share."""

from __future__ import annotations

import _thread

from amorsize._engine.data.source import Sliced, source_of
from amorsize._engine.data.work_queue import WorkQueue
from amorsize._engine.options import call_checks
from amorsize._engine.options.call_options import DEFAULTS
from amorsize._function.trivial import is_trivial
from amorsize._host import program_line
from amorsize._host.unpatched import perf_counter
from amorsize._workers import call_site
from amorsize._workers.protocol import Task
from amorsize.policy.events import Inlined, Ready, Report, Started, Status, WorkerRetired
from amorsize.policy.frozen_record import Value
from amorsize.policy.trace import ChunkLog, ChunkTrace, WorkerEvent, WorkerLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from amorsize._engine.data.source import Reading
    from amorsize._engine.options.call_options import Options
    from amorsize._workers.protocol import WorkerPool
    from amorsize.policy.events import Event
    from amorsize.policy.profile import Profile
    from amorsize.policy.tuner import Tuner

    class Meter(Protocol):
        """Shows how far a call is (`progress_meter.py`)."""

        n_failed: int

        def done(self, start: int, n_items: int, wall_s: float, n_failed: int = 0) -> None:
            """Note that items from `start` on are done."""

        def update(self, *, is_beside: bool = False) -> None:
            """Show how far the call is, if that is due."""

        def end(self) -> None:
            """Show how it has ended."""


class Invocation(Value):
    """What one call is asked for."""

    func: Callable[..., Any]
    iterables: tuple[Any, ...]
    item_kwargs: dict[str, Any] = {}  # noqa: RUF012 - keywords for every item: a Value is frozen
    options: Options = DEFAULTS
    name: str | None = None  # what the user calls a decorated function
    source: Reading | None = None  # of a call whose first items were run


class Call:
    """The request of one call, and what is known of it so far."""

    def __init__(
        self,
        made: Invocation,
        *,
        is_stream: bool = False,
        read_ahead: int | None = None,
    ) -> None:
        self.func, self.options, self.item_kwargs = made.func, made.options, made.item_kwargs
        self.name = made.name or call_checks.name_of(made.func)
        self.source = made.source or source_of(
            made.iterables, strict=made.options.strict, read_ahead=read_ahead
        )
        self.work = WorkQueue(self.source)
        self.is_stream = is_stream
        self.began = perf_counter()
        self.task = _task(made, self.source)
        self.function = self._function_here()
        self.pools: dict[str, WorkerPool] = {}
        #: Held by the caller from the first pool on, except inside its own items.
        self.lock = _thread.allocate_lock()
        #: When the caller began the items that it is running; 0: it runs none.
        self.inline_since = 0.0
        #: Whether an item may run again if its worker cannot send the result.
        self.may_repeat = True
        self.key: Any = None
        self.known: Profile | None = None
        self.known_from: str | None = None
        self.tuner: Tuner
        self.fork_reason: str | None = None
        #: What this process lacks to start workers, in words; None: nothing.
        self.shortage_reason: str | None = None

    @property
    def caller_may_run_items(self) -> bool:
        """Whether the caller may run items: the user has named no backend."""
        return self.tuner.request.backend == "auto" and self.tuner.request.may_inline

    @property
    def are_trivial(self) -> bool:
        """Whether the caller runs the next items one by one, as reading ahead would cost more."""
        is_open = self.pools or self.is_stream or self.work.n_left or self.source.tells
        return not is_open and self.caller_may_run_items and self.tuner.are_trivial

    @property
    def now_s(self) -> float:
        """Seconds since the call began."""
        return perf_counter() - self.began

    def status(self, *, caller_busy: bool) -> Status:
        work = self.work
        return Status(
            now_s=perf_counter() - self.began,
            n_left=work.n_left,
            all_read=work.all_read,
            caller_busy=caller_busy,
        )

    def left_s(self) -> float:
        """Seconds that one core would take for the items that are left."""
        return self.tuner.left_s(self.status(caller_busy=False))

    def _function_here(self) -> Callable[[Any], Any]:
        """The function for items in the caller, with as few wrappers as possible."""
        if self.item_kwargs and self.task.seed is None and not self.task.star:
            from amorsize._workers.bound_keywords import with_defaults

            bound = with_defaults(self.func, self.item_kwargs)
            if bound is not None:
                return bound
        return self.task.function_of_one()

    def function_beside(self, item: Any) -> Callable[[Any], Any]:
        """The function for a loop of our own; the program's line appears as its caller.

        Functions that are too short to look at their caller have no wrapper.
        """
        is_short = is_trivial(self.function, item)
        return self.function if is_short else self.task.wrappable(self.function)

    def draw_from(self, seed: Any, generators: tuple[Any, ...]) -> None:
        self.task.seed, self.task.generators = seed, generators
        self.function = self._function_here()


def _task(made: Invocation, source: Sliced | Reading) -> Task:
    """The task that workers need to run items."""
    bound, options = made.func, made.options
    if made.item_kwargs:
        from _functools import partial as bind  # type: ignore[import-not-found]

        bound = bind(made.func, **made.item_kwargs)
    return Task(
        bound,
        star=len(made.iterables) > 1,
        seed=options.seed,
        keep_errors=options.return_exceptions,
        single=options.timeout is not None or options.retries == 0,
        setup=options.setup,
        teardown=options.teardown,
        most_bytes=options.most_worker_bytes,
        source=source.sequences if isinstance(source, Sliced) else None,
        site=call_site.here(),
    )


class Recorder:
    """Writes down what happens in one call: for the user, and for the trace."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.chunks = ChunkLog()
        self.workers = WorkerLog()
        self.warnings: list[str] = []
        #: Workers started, by backend.
        self.n_started: dict[str, int] = {}
        #: Shows how far the call is; None: nobody asked for that.
        self.progress: Meter | None = None
        #: The mean bytes of recent results; measured only in a stream.
        self.result_bytes = 0

    def tell(self, event: Event) -> None:
        """Write down an event, then tell the tuner. The tuner learns of all events here."""
        tuner = self._call.tuner
        if isinstance(event, Inlined):
            self._note_chunk(-1, "caller", event)
        elif isinstance(event, Report):
            if event.n_items + event.wall_s:
                self._note_chunk(event.worker, tuner.workers.backend_of(event.worker), event)
        elif isinstance(event, Started):
            self.note_worker(event.worker, "started", event.now_s, backend=event.backend)
        elif isinstance(event, Ready):
            self.note_worker(event.worker, "ready", event.now_s)
        elif isinstance(event, WorkerRetired):
            self.note_worker(event.worker, "retired", self._call.now_s, why=event.why)
        tuner.tell(event)

    def note_worker(
        self,
        worker: int,
        what: str,
        now_s: float,
        *,
        backend: str | None = None,
        n_items: int = 0,
        why: str | None = None,
    ) -> None:
        """Write down what has happened to a worker."""
        self.workers.append(
            WorkerEvent(
                now_s=now_s,
                worker=worker,
                what=what,
                backend=backend or self._call.tuner.workers.backend_of(worker),
                n_items=n_items,
                why=why,
            )
        )

    def _note_chunk(self, worker: int, backend: str, event: Inlined | Report) -> None:
        self.chunks.append(
            ChunkTrace(
                worker=worker,
                backend=backend,
                n_items=event.n_items,
                wall_s=event.wall_s,
                cpu_s=event.cpu_s,
                run_delay_s=event.run_delay_s,
                now_s=event.now_s,
            )
        )

    def see_size(self, result: Any, n_bytes: int | None = None) -> None:
        """Note the size of a result: a stream holds only as many as fit into memory."""
        from amorsize._function import sizeof

        found = sizeof.of(result) if n_bytes is None else n_bytes
        self.result_bytes = max(found, self.result_bytes // 2)

    def warn(self, text: str, *, quietly: bool = False) -> None:
        """Warn with the user's own line; only log it where warnings are errors."""
        self.warnings.append(text)
        if not quietly:
            program_line.warn(text)
