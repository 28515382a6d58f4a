"""What every crew takes and gives: tasks, chunks, and what happens to them."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Protocol

    from amorsize._workers.first_items import Watch
    from amorsize._workers.inherited_pipes import Pipe

    class Crew(Protocol):
        """Workers of one kind, driven by one call."""

        backend: str
        inherits_items: bool  # a chunk may go without its items: workers have the data

        def start(self, number: int) -> None:
            """Start one worker, to be known by this number, without waiting for it."""
            ...

        def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:
            """Give a chunk to a worker; never blocks on it."""
            ...

        def packed(self, items: Any) -> bytes:
            """Items as they are sent; raises what keeps one from being pickled."""
            ...

        def wait(self, timeout_s: float) -> list[Event]:
            """What has happened, waiting at most `timeout_s` for something to."""
            ...

        def begun(self, worker: int) -> tuple[int, float] | None:
            """The item a worker is in and when it began it (`time.perf_counter`), if known."""
            ...

        def kill(self, worker: int) -> None:
            """End a worker at once, where that is possible; `WorkerLost` follows."""
            ...

        def retire(self, worker: int) -> None:
            """End a worker that has nothing to do, without waiting for that."""
            ...

        def stop_at(self, index: int) -> None:
            """No item at or above `index` is begun any more."""
            ...

        def close(self, *, at_once: bool) -> list[str]:
            """End all workers in bounded time; names of those that could not be ended."""
            ...

    class Payload(Protocol):
        """A task as bytes, for workers that were not forked."""

        name: str  # of the function, for messages

        @property
        def data(self) -> bytes:
            """What unpickles to the `Task`, code that can be imported by its name."""
            ...

        def apart(self) -> tuple[bytes, list[memoryview]]:
            """The same, with the large buffers in it beside that."""
            ...

        def carried(self) -> bytes:
            """The state of the process that workers take over, as `carried.packed` gives it."""
            ...

        def by_value(self) -> bytes:
            """The same with the code itself, for workers that would import something else."""
            ...

        def pack(self, items: Any) -> bytes:
            """Items as bytes."""
            ...

        def pack_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
            """Items as bytes, and the large buffers in them beside that."""
            ...


class Task:
    """What a call does to each item: the function, its surroundings, how failures are kept."""

    __slots__ = (
        *("function", "generators", "keep_errors", "kept_pipes", "most_bytes", "seed"),
        *("setup", "single", "source", "star", "teardown", "watch"),
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
    ) -> None:
        self.function = function  # keywords of the call already bound
        self.star = star  # items are tuples of arguments
        self.seed = seed  # each item gets its own random streams,
        self.generators = generators  # of these; None: of all that whole programs draw from
        self.keep_errors = keep_errors
        self.single = single  # watch the clock at every single item
        self.setup, self.teardown = setup, teardown
        self.most_bytes = most_bytes  # a worker process that has grown by more is replaced
        self.watch = watch  # what workers look at while they run their first items; None: nothing
        self.kept_pipes = kept_pipes  # of the program's, in forks; None: all are left alone
        self.source = source  # the data, one sequence an iterable, where workers inherit it

    def function_of_one(self) -> Callable[[Any], Any]:
        """The function as it is called for one item of `each`."""
        function = self.function
        if self.star:
            starred = function

            def function(arguments: tuple[Any, ...]) -> Any:
                return starred(*arguments)

        if self.seed is None:
            return function
        from amorsize._workers.seeding import seeded

        return seeded(function, self.seed, self.generators)

    @property
    def draws_from_numpy(self) -> bool:
        """Whether items may draw from numpy's global generator, in a stream of their own."""
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
            items: One sequence an iterable, or one of tuples; nothing of it is copied.
            first: The index of their first item.
            start: The index to begin at.
        """
        each: Iterator[Any] = _from(items[0], start - first)
        if self.star and len(items) > 1:
            each = zip(*(_from(one, start - first) for one in items), strict=False)
        return each if self.seed is None else enumerate(each, start)


def _from(items: Any, place: int) -> Iterator[Any]:
    """An iterator over a sequence from a place on; lists and tuples are entered, not copied."""
    if type(items) in (list, tuple):
        iterator: Any = iter(items)
        iterator.__setstate__(place)
        entered: Iterator[Any] = iterator
        return entered
    items = getattr(items, "iloc", items)  # a pandas Series slices by label otherwise
    return iter(items[place:])


def slice_of(source: Sequence[Any], start: int, stop: int) -> tuple[Any, ...]:
    """The same stretch of every sequence."""
    return tuple(_sliced(one, start, stop) for one in source)


def _sliced(one: Any, start: int, stop: int) -> Any:
    positional = getattr(one, "iloc", None)  # a pandas Series slices by label otherwise
    return one[start:stop] if positional is None else positional[start:stop]


class Chunk(Value):
    """Items handed out together."""

    start: int  # index of the first
    stop: int  # one past the last
    items: Any = None  # one sequence an iterable; None: the worker has inherited them
    place: int = 0  # where it is to run, of those that run at once

    @property
    def n_items(self) -> int:
        """How many there are."""
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
    last: bool  # the worker is through with the chunk
    back: tuple[int, int] | None = None  # items handed back unstarted
    error: BaseException | None = None  # raised by the item after the last result
    error_text: str = ""  # its traceback, where it happened elsewhere
    run_delay_s: float = 0.0  # of wall_s: it could have run, but others had the core
    some_stayed: bool = False  # among the results are stand-ins for such as could not be sent
    n_bytes: int | None = None  # of the results as they were sent
    is_unread: bool = False  # the error came while items were rebuilt: it may be any one's of them
    grown_bytes: tuple[int, int] | None = None  # what its process has taken: at most, and now


class WorkerLost(Value):
    """A worker is gone, and with it the results of what it had."""

    worker: int
    how: str  # "signal 9 (SIGKILL)", "exit code 3", ...
    ranges: tuple[tuple[int, int], ...]  # items whose results are lost or that were not started
    suspect_item: int | None  # the item it was in
    n_suspects: int = 1  # so many items from there on, any of which it may have been in
    was_reading: bool = False  # it was rebuilding them, and had begun none


class WorkerRetired(Value):
    """A worker has ended because it had grown too large; what it had not begun comes back."""

    worker: int
    ranges: tuple[tuple[int, int], ...]
    why: str


class SetupFailed(Value):
    """A worker's setup raised."""

    worker: int
    error: BaseException


class Text(Value):
    """What an item printed in a worker."""

    stream: str  # "stdout" or "stderr"
    text: str
    start: int = 0  # the first item of the chunk in which it was printed


class Logged(Value):
    """What an item logged in a worker."""

    record: dict  # type: ignore[type-arg]
    start: int = 0  # the first item of the chunk in which it was logged


class Noticed(Value):
    """An item did in a worker what the loop would have done elsewhere."""

    worker: int
    why: str


Event = WorkerReady | ChunkDone | WorkerLost | WorkerRetired | SetupFailed | Text | Logged | Noticed
