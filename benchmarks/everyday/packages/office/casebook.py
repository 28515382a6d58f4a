"""What a case is: a function of one item, its data, and where its items may rightly run."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

# Where items may run beside one another so that all is as in the loop.
ANYWHERE, THREADS, PROCESSES, CALLER = "threads or processes", "threads", "processes", "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One everyday function, and all that is needed to run it three times."""

    name: str
    kind: str
    module: str
    function: Any  # of one item; `made` is asked for it after `setup` where it is None
    made: Callable[[], Any] | None
    data: tuple[Any, ...]  # iterables to be zipped, or functions without arguments that give them
    right: str
    gains: bool = True  # from running where it is right: threads gain nothing for what computes
    kwargs: dict[str, Any] = field(default_factory=dict)  # for every item
    setup: Callable[[], object] | None = None  # once, before the first call
    around: Callable[[], AbstractContextManager[Any]] = nullcontext  # each call happens in it
    effects: Callable[[], Any] | None = None  # what else to compare after each call
    shared: tuple[str, ...] = ()  # files, globals, "own", "said": in any order
    ignored: tuple[str, ...] = ()  # globals that are others in each process, as ports are
    draws: bool = False  # results are random: to be repeated after seeding, and independent
    reseed: Callable[[], object] | None = None  # of the function's own generator
    via: Callable[[Callable[..., Any]], Any] | None = None  # makes the call itself, given the map
    needs: str = ""  # a package that may be missing

    @property
    def iterables(self) -> tuple[Any, ...]:
        """The data of one call, made anew where a function makes it."""
        return tuple(one() if callable(one) else one for one in self.data)

    @property
    def mapped(self) -> Any:
        """What to map."""
        return self.made() if self.made is not None else self.function


CASES: dict[str, Case] = {}
_worked: Callable[[int], int]  # `work`, where it computes each number only once


def of_kind(kind: str, module: str, **defaults: Any) -> Callable[..., Any]:
    """A decorator `case(*data, right=..., ...)` that enters functions of one kind."""

    def case(*data: Any, name: str = "", **facts: Any) -> Callable[[Any], Any]:
        def enter(function: Any) -> Any:
            called = name or function.__name__
            if called in CASES:
                raise ValueError(f"there are two cases {called!r}")
            facts_of_this = {"made": None, **defaults, **facts}
            CASES[called] = Case(
                name=called,
                kind=kind,
                module=module.rpartition(".")[2],
                function=function,
                data=data,
                **facts_of_this,
            )
            return function

        return enter

    return case


def each_call(change: Callable[[int], Any]) -> Callable[[], AbstractContextManager[Any]]:
    """A case's `around`: before each call a change, which is told the number of the call.

    What it gives is a context for the call, or nothing.
    """
    numbers = itertools.count(1)

    @contextmanager
    def around() -> Iterator[None]:
        made = change(next(numbers))
        with made if hasattr(made, "__enter__") else nullcontext():
            yield

    return around


def work(turns: int = 60_000) -> int:
    """Compute for some milliseconds: a number of turns, whatever a clock says."""
    n = 0
    for i in range(turns):
        n += i ^ (n & 7)
    return n


def work_once() -> None:
    """Have `work` compute each number only once: a loop gives the same whatever items take."""
    global _worked
    _worked = cache(FunctionType(work.__code__, globals()))
    work.__code__ = (lambda turns: _worked(turns)).__code__


def pages(n: int) -> Iterable[str]:
    """Texts of some length, all different."""
    words = itertools.cycle(["invoice", "order", "receipt", "reminder", "parcel", "refund", "note"])
    return [" ".join(f"{next(words)}-{k * j % 97}" for j in range(40)) for k in range(n)]
