"""A tuned function as type checkers see it; at run time `decorator` does the work.

The two are apart because `typing` takes longer to import than many a first call takes to run.
tests/typing shows what the checkers make of it, and what they cannot express.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    Unpack,
    overload,
)

from amorsize._engine.options.call_options import Changes, Options
from amorsize.explanation import Explanation
from amorsize.policy.actions import Plan
from amorsize.policy.evidence.drift import Drift
from amorsize.tuning import TuningResult

Item = TypeVar("Item")
Item2 = TypeVar("Item2")
Item3 = TypeVar("Item3")
Item2_contra = TypeVar("Item2_contra", contravariant=True)
Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)
P = ParamSpec("P")
P2 = ParamSpec("P2")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

class TunedFunction(Generic[Item, P, R]):
    """A function over one item, called with many.

    `Item` is the type of its first parameter, `P` are the parameters after it, `R` is its result.
    """

    @overload
    def __call__(
        self, iterable: Iterable[Item], /, *args: P.args, **item_kwargs: P.kwargs
    ) -> list[R]: ...
    @overload  # two zipped iterables
    def __call__(
        self: TunedFunction[Item, Concatenate[Item2, P2], R],
        iterable: Iterable[Item],
        iterable2: Iterable[Item2],
        /,
        *args: P2.args,
        **item_kwargs: P2.kwargs,
    ) -> list[R]: ...
    @overload  # three
    def __call__(
        self: TunedFunction[Item, Concatenate[Item2, Item3, P2], R],
        iterable: Iterable[Item],
        iterable2: Iterable[Item2],
        iterable3: Iterable[Item3],
        /,
        *args: P2.args,
        **item_kwargs: P2.kwargs,
    ) -> list[R]: ...
    @overload
    def stream(
        self,
        iterable: Iterable[Item],
        /,
        *more: Iterable[Any],
        ordered: bool = True,
        buffer: int | None = None,
        indexed: Literal[False] = False,
        read_ahead: int | None = None,
        **item_kwargs: Any,
    ) -> Iterator[R]: ...
    @overload
    def stream(
        self,
        iterable: Iterable[Item],
        /,
        *more: Iterable[Any],
        ordered: bool = True,
        buffer: int | None = None,
        indexed: Literal[True],
        read_ahead: int | None = None,
        **item_kwargs: Any,
    ) -> Iterator[tuple[int, R]]: ...
    @property
    def one(self) -> Callable[Concatenate[Item, P], R]: ...
    @property
    def __wrapped__(self) -> Callable[Concatenate[Item, P], R]: ...
    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    @property
    def options(self) -> Options: ...
    @property
    def plan(self) -> Plan | None: ...
    @property
    def drift(self) -> tuple[Drift, ...]: ...
    def explain(self) -> Explanation: ...
    def using(self, **options: Unpack[Changes]) -> TunedFunction[Item, P, R]: ...
    def tune(
        self,
        /,
        data: Iterable[Item],
        verbose: bool = False,
        prefer_threads_for_io: bool = False,
        *,
        timeout_per_config: float | None = None,
        backends: Iterable[str] | None = None,
        budget_s: float | None = None,
        seed: int = 0,
        save: bool = True,
        item_kwargs: dict[str, Any] | None = None,
        thread_safe: bool | None = None,
    ) -> TuningResult: ...
    def forget(self) -> int: ...
    @overload  # a method, reached through an instance
    def __get__(
        self: _Method[Owner, Item2, P2, R], instance: Owner, owner: type | None = None, /
    ) -> TunedFunction[Item2, P2, R]: ...
    @overload  # a class method
    def __get__(
        self: _Method[type[Owner], Item2, P2, R], instance: object, owner: type[Owner], /
    ) -> TunedFunction[Item2, P2, R]: ...
    @overload  # a method through its class, or a static one
    def __get__(
        self, instance: object, owner: type | None = None, /
    ) -> TunedFunction[Item, P, R]: ...

class _Method(Protocol[Owner_contra, Item2_contra, P2, R_co]):
    """A tuned function of two parameters or more; mypy can see through a callable only."""

    @property
    def one(self) -> Callable[Concatenate[Owner_contra, Item2_contra, P2], R_co]: ...

class Decorator(Protocol):
    """What `autotune(n_jobs=4)` gives: it takes the function."""

    @overload
    def __call__(
        self, func: classmethod[Any, Concatenate[Item, P], R], /
    ) -> TunedFunction[Item, P, R]: ...
    @overload
    def __call__(self, func: Callable[Concatenate[Item, P], R], /) -> TunedFunction[Item, P, R]: ...

@overload
def autotune(
    func: classmethod[Any, Concatenate[Item, P], R], /, **options: Unpack[Changes]
) -> TunedFunction[Item, P, R]: ...
@overload
def autotune(
    func: Callable[Concatenate[Item, P], R], /, **options: Unpack[Changes]
) -> TunedFunction[Item, P, R]: ...
@overload
def autotune(func: None = None, /, **options: Unpack[Changes]) -> Decorator: ...

# A tuned function is mapped as the function that it was made of.
@overload
def tuned_map(
    func: TunedFunction[Item, ..., R],
    iterable: Iterable[Item],
    /,
    *more: Iterable[Any],
    item_kwargs: dict[str, Any] | None = None,
    **options: Unpack[Changes],
) -> list[R]: ...
@overload
def tuned_map(
    func: Callable[[Item], R],
    iterable: Iterable[Item],
    /,
    *,
    item_kwargs: None = None,
    **options: Unpack[Changes],
) -> list[R]: ...
@overload
def tuned_map(
    func: Callable[[Item, Item2], R],
    iterable: Iterable[Item],
    iterable2: Iterable[Item2],
    /,
    *,
    item_kwargs: None = None,
    **options: Unpack[Changes],
) -> list[R]: ...
@overload
def tuned_map(
    func: Callable[[Item, Item2, Item3], R],
    iterable: Iterable[Item],
    iterable2: Iterable[Item2],
    iterable3: Iterable[Item3],
    /,
    *,
    item_kwargs: None = None,
    **options: Unpack[Changes],
) -> list[R]: ...
@overload  # four and more: the items' types are not compared
def tuned_map(
    func: Callable[..., R],
    iterable: Iterable[Any],
    iterable2: Iterable[Any],
    iterable3: Iterable[Any],
    iterable4: Iterable[Any],
    /,
    *more: Iterable[Any],
    item_kwargs: dict[str, Any] | None = None,
    **options: Unpack[Changes],
) -> list[R]: ...
@overload  # with keywords for every item: those of the function are not compared
def tuned_map(
    func: Callable[Concatenate[Item, ...], R],
    iterable: Iterable[Item],
    /,
    *more: Iterable[Any],
    item_kwargs: dict[str, Any],
    **options: Unpack[Changes],
) -> list[R]: ...
