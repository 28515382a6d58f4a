"""`@autotune`: a function of one item becomes a map over many that tunes itself.

Type checkers read `_api/typed.pyi` instead.
"""

from __future__ import annotations

from amorsize._api import late_map
from amorsize._api.receivers import is_receiver, is_unbound
from amorsize._api.wrapt_proxy import BoundFunctionWrapper, FunctionWrapper
from amorsize._engine.options.call_checks import check_function, name_of
from amorsize._engine.options.call_options import merged, spelled
from amorsize._function.callables import is_partial, own
from amorsize.errors import WrongTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from inspect import Signature
    from typing import Any, Unpack

    from amorsize._api.pickling import ByName
    from amorsize._engine.options.call_options import Backend, Changes, Options
    from amorsize.explanation import Explanation
    from amorsize.policy.actions import Plan
    from amorsize.policy.evidence.drift import Drift
    from amorsize.tuning import TuningResult


def autotune(
    func: Any = None,
    /,
    *,
    backend: Backend = "auto",
    executor: Any = None,
    engine: dict[str, Any] | None = None,
    start_timeout: float | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_worker_memory: int | str | None = None,
    setup: Callable[[], object] | None = None,
    teardown: Callable[[], object] | None = None,
    thread_safe: bool | None = None,
    timeout: float | None = None,
    retries: int = 1,
    return_exceptions: bool = False,
    seed: int | None = None,
    progress: bool | Callable[[Any], object] = False,
    cache: bool = True,
    retune: bool = False,
    on_retune: Callable[[Any], object] | None = None,
    strict: bool = False,
    **unknown: Any,
) -> Any:
    """Make a function of one item a parallel map that tunes itself while it works.

    Calling the decorated function with an iterable gives the list of what the function returns for
    each item, in order. Keywords of a call go to every item; several iterables are zipped. It works
    on all callables, with and without parentheses, above `@staticmethod` and `@classmethod`.

    Args:
        func: The function; leave it out to give options in parentheses.
        backend: Where every item is to run: "serial", "thread", "process", "dask" or "ray".
        executor: An Executor to run the items in, or a Dask client, cluster or address.
        engine: What Dask or Ray is given with each chunk: `{"resources": {"GPU": 1}}`.
        start_timeout: Seconds to wait for a worker if a cluster has none; None: 60.
        n_jobs: How many items run at once; None or -1 for every usable core.
        chunksize: How many items are sent at once; None to have it tuned.
        max_worker_memory: Bytes, or "2 GB", by which a worker may grow before it is replaced.
        setup: Called once in each worker before its first item; in the caller if it runs them all.
        teardown: Called once in each worker after its last item.
        thread_safe: Whether items may run in threads; None: found out from what they share.
        timeout: Seconds that one item may take; only a worker can keep it.
        retries: How often an item may run again after its worker died; 0: never.
        return_exceptions: Return an item's exception in place of its result, and do not raise it.
        seed: Gives each item random streams of its own, which depend only on the item's index.
        progress: Show how far the call is; or a function that is called with each `Progress`.
        cache: Remember on disk what was learned; False keeps it in memory.
        retune: Ignore what was learned and learn it again.
        on_retune: Called after a call with each `Drift` that changed how items are run.
        strict: Refuse zipped iterables of different lengths.

    Raises:
        WrongTypeError: `func` cannot be tuned, or an option is of the wrong type.
        InvalidOptionError: An option's value is not allowed.

    Example:
        >>> @autotune
        ... def area(side):
        ...     return side * side
        >>> area([1, 2, 3])
        [1, 4, 9]
    """
    options = spelled(locals())
    if func is None:
        return lambda func: _tuned(func, options)
    return _tuned(func, options)


class TunedFunction:
    """What `@autotune` returns: a function of one item that is called with many.

    Bound to an instance or a class, as methods are, it maps with that instance or class.

    Example:
        >>> area = autotune(lambda side: side * side)
        >>> area([1, 2]), area.one(3), area.using(backend="serial")([4])
        ([1, 4], 9, [16])
        >>> list(area.stream(range(3)))
        [0, 1, 4]
    """

    if TYPE_CHECKING:  # wrapt's, and what _tuned() sets
        __wrapped__: Callable[..., Any]
        _self_parent: TunedFunction | None
        _self_options: Options
        _self_name: str
        _self_class: str
        _self_by_name: ByName | None
    else:
        __slots__ = ()  # a __dict__ of its own would hide that of the function

    def __call__(self, /, *iterables: Any, **item_kwargs: Any) -> list[Any]:
        """Call the function with each item (or tuple of zipped items); a list, in their order."""
        tuned = self._self_parent or self
        func, iterables = self._received(tuned, iterables)
        run = late_map.maker().run
        return run(func, iterables, item_kwargs, tuned._self_options, tuned._self_name)  # type: ignore[no-any-return]

    def stream(
        self,
        /,
        *iterables: Any,
        ordered: bool = True,
        buffer: int | None = None,
        indexed: bool = False,
        read_ahead: int | None = None,
        **item_kwargs: Any,
    ) -> Iterator[Any]:
        """Map lazily: yield results as they are asked for, and read the data as it is needed.

        Finished results are handed over before the next item is read.

        Args:
            iterables: The data, which may be endless; several are zipped.
            ordered: Yield results in the order of the data; False: each as soon as it has arrived.
            buffer: How many items may be running or waiting to be taken; None to have it tuned.
            indexed: Yield pairs of an item's index and its result.
            read_ahead: How many items a second thread may read before they are needed; None: the
                calling thread reads the data.
            item_kwargs: Keywords for every item.
        """
        tuned = self._self_parent or self
        func, iterables = self._received(tuned, iterables)
        maker = late_map.maker()
        stream = (late_map.load() if maker is late_map else maker).stream
        options, name = tuned._self_options, tuned._self_name
        more = {"indexed": indexed, "read_ahead": read_ahead}
        return stream(func, iterables, item_kwargs, options, ordered, buffer, name, **more)  # type: ignore[no-any-return]

    @property
    def one(self) -> Callable[..., Any]:
        """The undecorated function, for one item in the caller."""
        return self.__wrapped__

    @property
    def options(self) -> Options:
        """What calls are made with; `using` changes it for one of them."""
        return (self._self_parent or self)._self_options

    @property
    def plan(self) -> Plan | None:
        """The plan that was learned for this function on this host; None before that."""
        return (late_map.loaded or late_map.load()).plan_of(self.__wrapped__)  # type: ignore[no-any-return]

    @property
    def drift(self) -> tuple[Drift, ...]:
        """The latest changes from what was remembered: eight at most, the newest last."""
        return (late_map.loaded or late_map.load()).drifts_of(self.__wrapped__)  # type: ignore[no-any-return]

    def explain(self) -> Explanation:
        """What the last call measured, chose, rejected and achieved; print it."""
        return (late_map.loaded or late_map.load()).explain(self.__wrapped__)  # type: ignore[no-any-return]

    def using(self, /, **options: Unpack[Changes]) -> TunedFunction:
        """The same function with other options: `parse.using(n_jobs=4)(paths)`."""
        return _wrap(self.__wrapped__, merged(self.options, **options))

    def tune(
        self,
        /,
        data: Iterable[Any],
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
    ) -> TuningResult:
        """Tune now: measure plans on this data, and start the next call from the best one.

        Args:
            data: Items like those of the calls to come, and about as many.
            thread_safe: Whether items may run in threads; None: as the options say.
            verbose, ...: The other arguments are those of `quick_tune`.

        Returns:
            A `TuningResult`; print it.

        Raises:
            InvalidOptionError, WrongTypeError: An option is not allowed, or there is no item.
            Exception: What the function raised in the loop.
        """
        from amorsize.tuning import quick_tune

        return quick_tune(
            self.__wrapped__,
            data,
            verbose,
            prefer_threads_for_io,
            timeout_per_config=timeout_per_config,
            backends=backends,
            budget_s=budget_s,
            seed=seed,
            save=save,
            item_kwargs=item_kwargs,
            thread_safe=self.options.thread_safe if thread_safe is None else thread_safe,
        )

    def forget(self) -> int:
        """Forget all that was learned about this function; returns the number of records."""
        return (late_map.loaded or late_map.load()).forget(self.__wrapped__)  # type: ignore[no-any-return]

    def _received(
        self, tuned: TunedFunction, iterables: tuple[Any, ...]
    ) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function to call per item, and the data without a leading `self` or `cls`."""
        func = self.__wrapped__
        if tuned._self_class and iterables and is_receiver(func, iterables[0]):
            return func.__get__(iterables[0]), iterables[1:]
        return func, iterables

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # wrapt answers with the class of what is wrapped, and cloudpickle then takes the tuned
        # function apart as if it were a function: what arrived would no longer be tuned.
        return type(self)

    @property
    def __signature__(self) -> Signature:
        from amorsize._api.signature import mapped_signature

        unbound = self._self_parent is not None and is_unbound(self)
        return mapped_signature(self.__wrapped__, n_receivers=int(unbound))

    def __dir__(self) -> list[str]:
        mine = (name for name in vars(TunedFunction) if not name.startswith("_"))
        return sorted({*dir(self.__wrapped__), *mine})

    def __repr__(self) -> str:
        func = self.__wrapped__
        name = own(func, "__qualname__") or (self._self_parent or self)._self_name
        module = own(func, "__module__")
        return f"<tuned function {module}.{name}>" if module else f"<tuned function {name}>"

    __str__ = __repr__

    def __copy__(self) -> TunedFunction:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TunedFunction:
        from copy import deepcopy

        func = deepcopy(self.__wrapped__, memo)  # a function is its own copy, a method is not
        return self if func is self.__wrapped__ else _wrap(func, self.options)

    def __reduce_ex__(self, protocol: Any, /) -> tuple[Any, ...]:
        return self.__reduce__()

    def __reduce__(self) -> tuple[Any, ...]:
        from amorsize._api.pickling import reduced

        return reduced(self, _rebuilt, _rebuilt_from)


def _help_text(tuned: TunedFunction) -> str:
    from amorsize._api.help_text import help_text

    return help_text(tuned)


def _documented(tuned: TunedFunction, text: str | None) -> None:
    tuned.__wrapped__.__doc__ = text


class _Tuned(TunedFunction, FunctionWrapper):  # type: ignore[type-arg]
    # A tuned function as the decorator leaves it.

    class _Bound(TunedFunction, BoundFunctionWrapper):  # type: ignore[type-arg]
        # A tuned function reached through a class or an instance.
        __doc__ = property(_help_text)

    __bound_function_wrapper__ = _Bound
    __doc__ = property(_help_text, _documented)


def _tuned(func: Any, options: Options) -> TunedFunction:
    if isinstance(func, TunedFunction):
        raise WrongTypeError(
            f"{func!r} is already tuned, and tuning its calls would map over maps. For other "
            "options use .using(...), for the plain function .one."
        )
    check_function(func.__func__ if isinstance(func, (staticmethod, classmethod)) else func)
    return _wrap(func, options)


def _wrap(func: Any, options: Options) -> TunedFunction:
    tuned = _Tuned(func, _never_called)
    tuned._self_options = options
    tuned._self_name = _name(func)
    tuned._self_by_name = None
    # The class a function was defined in, where it may yet be handed its `self` as an argument.
    home, _, _ = str(own(func, "__qualname__", "")).rpartition(".")
    is_bound = own(func, "__self__") is not None
    tuned._self_class = "" if home.endswith("<locals>") or is_bound else home
    return tuned


def _never_called(*_: Any) -> None:
    """Stands where wrapt wants a wrapper function; TunedFunction.__call__ does without."""


def _name(func: Any) -> str:
    return _name(func.func) if is_partial(func) else name_of(func)


def _rebuilt(func: Any, options: Options) -> TunedFunction:
    if isinstance(func, TunedFunction):  # a method travels by its name, which leads to the tuned
        func = func.__wrapped__
    return _wrap(func, options)


def _rebuilt_from(module: str, qualname: str, options: Options) -> TunedFunction:
    from amorsize._api.pickling import one_found

    return _wrap(one_found(module, qualname), options)
