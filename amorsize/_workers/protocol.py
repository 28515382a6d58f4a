"""The protocol of worker pools, as a call sees them."""

from __future__ import annotations

from amorsize._workers.chunk import Starred
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Protocol

    from amorsize._workers.call_site import CallSite
    from amorsize._workers.inherited_descriptors import Pipe

    class WorkerPool(Protocol):
        """Workers of one kind, driven by one call."""

        backend: str
        inherits_items: bool  # a chunk may go without its items: workers have the data
        forks_more: bool  # workers that are not there yet are copies of this process
        was_kept: bool  # it has served an earlier call
        ready_s: float | None  # from starting the last new interpreter until it was ready
        paid_before_s: float  # of the last start, spent before it; negative: spent for later ones

        @property
        def resting(self) -> Sequence[object]:
            """Workers that have waited since an earlier call; starting one wakes it."""
            ...

        def is_next_there(self) -> bool:
            """Whether the next worker waits already, and need not be started."""
            ...

        def lent_bytes(self) -> int:
            """Bytes of the task that workers map instead of holding a copy."""
            ...

        def has_changed_lent(self) -> bool:
            """Whether the caller may have changed its data since it lent a copy."""
            ...

        def expect(self, n_workers: int) -> None:
            """Prepare for so many starts in a row, as far as can be told."""
            ...

        def start(self, number: int) -> None:
            """Start one worker with this number, without waiting for it."""
            ...

        def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:
            """Queue a chunk for a worker; never blocks."""
            ...

        def packed(self, items: Any) -> bytes:
            """Items as bytes; raises what pickling one of them raises."""
            ...

        def wait(self, timeout_s: float) -> list[Event]:
            """Events of all workers; waits at most `timeout_s` for the first."""
            ...

        def begun(self, worker: int) -> tuple[int, float] | None:
            """The index of the item that a worker is running, with its `perf_counter` at the start.

            None: it is idle, or the pool cannot know.
            """
            ...

        def native_id(self, worker: int) -> int | None:
            """The kernel's number of the thread that runs a worker's items; None: nobody knows."""
            ...

        def kill(self, worker: int) -> None:
            """End a worker amid its item, where that is possible; `WorkerLost` follows."""
            ...

        def retire(self, worker: int) -> None:
            """Ask an idle worker to quit, without waiting for its end."""
            ...

        def stop_at(self, index: int) -> None:
            """Begin no more items at or above `index`."""
            ...

        def close(self, *, at_once: bool) -> list[str]:
            """End all workers in bounded time; gives the names of those that could not be ended."""
            ...


class PoolDefaults:
    """What holds for pools that neither share data with their workers nor keep them."""

    inherits_items = forks_more = was_kept = False
    ready_s: float | None = None
    paid_before_s = 0.0
    resting: Sequence[Any] = ()

    def is_next_there(self) -> bool:
        """Each worker is started when it is asked for."""
        return False

    def expect(self, n_workers: int) -> None:
        """Nothing depends on how many follow."""

    def lent_bytes(self) -> int:
        """Nothing is lent."""
        return 0

    def has_changed_lent(self) -> bool:
        """So nothing of it has changed."""
        return False


class Watch(Value):
    """What workers watch during their first items, besides their own process."""

    handles: dict[str, Any] = {}  # noqa: RUF012 - files and connections, by name: a Value is frozen
    mutables: dict[str, Any] = {}  # noqa: RUF012 - what the function reaches and no item may change
    in_threads: bool = True  # whether threads watch items as well
    #: Whether other code of the program runs beside items, such as an iterator of the data.
    beside_program: bool = False

    def elsewhere(self) -> Watch:
        """The same for a worker that was not forked, which has only copies of these objects."""
        return Watch(in_threads=self.in_threads, beside_program=self.beside_program)


class Task:
    """What a call does to each item."""

    __slots__ = (
        *("context", "function", "generators", "keep_errors", "kept_pipes", "most_bytes", "seed"),
        *("one_chunk_at_a_time", "setup", "single", "site", "source", "star", "teardown", "watch"),
    )

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        star: bool = False,
        seed: int | tuple[int, ...] | None = None,
        generators: tuple[Any, ...] | None = None,
        keep_errors: bool = False,
        single: bool = False,
        setup: Callable[[], object] | None = None,
        teardown: Callable[[], object] | None = None,
        source: Sequence[Any] | None = None,
        most_bytes: int | None = None,
        watch: Watch | None = None,
        kept_pipes: frozenset[Pipe] | None = None,
        one_chunk_at_a_time: bool = False,
        site: CallSite | None = None,
        context: bytes | None = None,
    ) -> None:
        self.function = function  # keywords of the call already bound
        self.star = star  # items are tuples of arguments
        self.seed = seed  # each item gets its own random streams
        self.generators = generators  # that are seeded; None: those of whole programs
        self.keep_errors = keep_errors
        self.single = single  # read the clock after every item
        self.setup, self.teardown = setup, teardown
        self.most_bytes = most_bytes  # a worker process that has grown by more is replaced
        self.watch = watch  # how workers watch their first items; None: not at all
        self.kept_pipes = kept_pipes  # that forks may keep open; None: all
        self.source = source  # the data that workers inherit: one sequence per iterable
        #: Whether the threads of one process take turns with their chunks.
        self.one_chunk_at_a_time = one_chunk_at_a_time
        #: What the caller's thread alone has, for workers that belong to others.
        self.context = context
        self.site = site  # the line of the program that appears as the caller of the function

    def function_of_one(self) -> Callable[[Any], Any]:
        """The function that takes one item of `each`."""
        function = self.function
        if self.star:
            function = Starred(function)
        if self.seed is None:
            return function
        from amorsize._workers.seeding import seeded

        return seeded(self.wrappable(function), self.seed, self.generators)

    def wrappable(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function for a wrapper, which is not to appear as its caller."""
        if self.site is None:
            return function
        if is_star := isinstance(function, Starred):
            function = function.function
        return self.site.calling(function, is_star=is_star)

    @property
    def draws_from_numpy(self) -> bool:
        """Whether items draw from numpy's global generator, each from a stream of its own."""
        if self.seed is None:
            return False
        from amorsize._workers.seeding import OF_NUMPY

        return self.generators is None or OF_NUMPY in self.generators

    def span(self, start: int, stop: int) -> Any:
        """Items `start` to `stop` of inherited data."""
        assert self.source is not None
        return slice_of(self.source, start, stop)

    def each(self, items: Sequence[Any], first: int, start: int) -> Iterator[Any]:
        """Items from index `start` on, as `function_of_one` takes them.

        Args:
            items: One sequence per iterable, or one of tuples; none is copied.
            first: The index of their first item.
            start: The index to begin at.
        """
        each: Iterator[Any] = _from(items[0], start - first)
        if self.star and len(items) > 1:
            each = zip(*(_from(one, start - first) for one in items), strict=False)
        return each if self.seed is None else enumerate(each, start)


def _nothing(_: Any) -> None:
    """In place of the function while there is no call."""


NO_TASK = Task(_nothing)


def _from(items: Any, place: int) -> Iterator[Any]:
    """An iterator over a sequence from a position on, without a copy of a list or tuple."""
    if type(items) in (list, tuple):
        iterator: Any = iter(items)
        iterator.__setstate__(place)
        entered: Iterator[Any] = iterator
        return entered
    return iter(items[place:])


def slice_of(source: Sequence[Any], start: int, stop: int) -> tuple[Any, ...]:
    """The same slice of every sequence."""
    return tuple([one[start:stop] for one in source])


class Chunk(Value):
    """Consecutive items that are sent to a worker together."""

    start: int  # index of the first
    stop: int  # one past the last
    items: Any = None  # one sequence per iterable; None: the worker has inherited them
    worker_number: int = 0  # distinguishes its items from those that run at the same time

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return self.stop - self.start


class WorkerReady(Value):
    """A worker can take its first chunk."""

    worker: int


class ChunkDone(Value):
    """Results of a chunk, or of its first part."""

    worker: int
    start: int
    results: list  # type: ignore[type-arg]  # of object; a Value's fields are read at run time
    n_sent: int
    wall_s: float
    cpu_s: float
    pickle_s: float
    last: bool  # the worker has finished the chunk
    back: tuple[int, int] | None = None  # items handed back unstarted
    error: BaseException | None = None  # raised by the item after the last result
    error_text: str = ""  # its traceback, where it happened elsewhere
    run_delay_s: float = 0.0  # part of wall_s spent waiting for a core
    some_stayed: bool = False  # some results are stand-ins for values that cannot be pickled
    n_bytes: int | None = None  # of the results as they were sent
    idle_s: float | None = None  # since the worker's chunk before it, where that is known
    is_unread: bool = False  # unpickling the items failed, so any of them may be the cause
    grown_bytes: tuple[int, int] | None = None  # growth of its process: the peak, and now


class WorkerLost(Value):
    """A worker has died, and the results of its items with it."""

    worker: int
    how: str  # in words
    ranges: tuple[tuple[int, int], ...]  # items without a result
    suspect_item: int | None  # the item it was running
    n_suspects: int = 1  # how many items from there on it may have been running
    was_reading: bool = False  # it was unpickling them, and had begun none
    each_alone: tuple[tuple[int, int], ...] = ()  # ranges, any item of which may have ended it
    code: int | None = None  # its exit code, or minus the signal that ended it; None: unknown


class WorkerRetired(Value):
    """A worker has quit because it had grown too large; its unstarted items come back."""

    worker: int
    ranges: tuple[tuple[int, int], ...]
    why: str


class SetupFailed(Value):
    """A worker cannot run items: its setup raised, or amorsize itself inside it."""

    worker: int
    error: BaseException


class Text(Value):
    """What an item wrote to the program's streams in a worker."""

    calls: list  # type: ignore[type-arg]  # of `diverted_output.Call`
    start: int = 0  # the first item of the chunk in which it was written

    @property
    def text(self) -> str:
        """All texts of it."""
        return "".join(value for _, method, value in self.calls if method == "write")


class Logged(Value):
    """A log record or a warning of an item in a worker process."""

    record: dict  # type: ignore[type-arg]
    start: int = 0  # the first item of the chunk in which it was logged


class Held(Value):
    """A log record or a warning of an item in a worker thread."""

    show: Any  # shows it
    start: int = 0


class Noticed(Value):
    """An item in a worker changed something that the plain loop would change in the caller."""

    worker: int
    why: str


Output = Text | Logged | Held
Event = WorkerReady | ChunkDone | WorkerLost | WorkerRetired | SetupFailed | Output | Noticed
