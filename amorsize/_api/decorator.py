"""`@autotune`: a function of one item becomes a map over many that tunes itself.

Type checkers read `_api/typed.pyi` instead.
"""

from __future__ import annotations

import sys

from amorsize._api.wrapt_proxy import BoundFunctionWrapper, FunctionWrapper, ObjectProxy
from amorsize._engine.call_options import (
    check_data,
    check_function,
    merged,
    name_of,
    spelled,
)
from amorsize._function.callables import is_partial, own
from amorsize._host.descriptors import is_lack, loop
from amorsize._host.signals import (
    no_interrupts,  # here: a handler may call before all else is there
)
from amorsize.errors import WrongTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from inspect import Signature
    from typing import Any, Unpack

    from amorsize._engine.call_options import Backend, Changes, Options
    from amorsize.policy.actions import Plan
    from amorsize.policy.evidence.drift import Drift
    from amorsize.report import Explanation
    from amorsize.tuning import TuningResult


def autotune(
    func: Any = None,
    /,
    *,
    backend: Backend = "auto",
    executor: Any = None,
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
    progress: bool = False,
    cache: bool = True,
    retune: bool = False,
    on_retune: Callable[[Any], object] | None = None,
    strict: bool = False,
    **unknown: Any,
) -> Any:
    """Make a function of one item a parallel map that tunes itself while it works.

    Calling the decorated function with an iterable gives the list of what the function returns for
    each item, in order. Keywords of a call go to every item; several iterables are zipped. It works
    with and without parentheses, on functions, methods, partials and other callables, and above
    `@staticmethod` and `@classmethod` (below `@classmethod`, Python 3.13 and later tell `.one`,
    `.stream` and `.using` nothing about the class).

    Args:
        func: The function; left out when options are given in parentheses.
        backend: Where every item is to run: "serial", "thread" or "process"; "auto" decides.
        executor: A `concurrent.futures.Executor` to run the items in.
        n_jobs: How many items run at once; None or -1 for every usable core.
        chunksize: How many items are sent at once; None to have it tuned.
        max_worker_memory: Bytes, or a text such as "2 GB", that a worker process may grow by; one
            that has is replaced between two items.
        setup: Called once in each worker before its first item; the caller then runs none, unless
            it is the only worker (`backend="serial"`, `n_jobs=1`).
        teardown: Called once in each worker after its last item.
        thread_safe: Whether items may run in threads; None to judge it by what they reach.
        timeout: Seconds that one item may take; only a worker can keep it.
        retries: How often an item may run again whose worker died; 0 forbids it.
        return_exceptions: Put what an item raised in its place instead of raising it.
        seed: Gives each item its own random streams by index, the same wherever it runs.
        progress: Show a bar that counts finished items.
        cache: Remember on disk what was learned; False keeps it in memory.
        retune: Ignore what was learned and learn it again.
        on_retune: Called after a call with each change of cost that something was done about.
        strict: Refuse zipped iterables of different lengths.

    Raises:
        WrongTypeError: Not a plain function, already tuned, or an option of the wrong kind.
        InvalidOptionError: An option's value is not allowed.
    """
    options = spelled(locals())
    if func is None:
        return lambda func: _tuned(func, options)
    return _tuned(func, options)


class TunedFunction:
    """A function over one item, called with many: what `@autotune` makes of it.

    Bound to an instance or a class, as methods are, it maps with that instance or class.
    """

    if TYPE_CHECKING:  # wrapt's, and what _tuned() sets
        __wrapped__: Callable[..., Any]
        _self_parent: TunedFunction | None
        _self_options: Options
        _self_name: str
        _self_class: str
        _self_by_name: _ByName | None
    else:
        __slots__ = ()  # a __dict__ of its own would hide that of the function

    def __call__(self, /, *iterables: Any, **item_kwargs: Any) -> list[Any]:
        """Call the function with each item (or tuple of zipped items); a list, in their order."""
        tuned = self._self_parent or self
        func, iterables = self._received(tuned, iterables)
        run = (_map or _load_map()).run
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
        """Map lazily: results as they are asked for, from data that is read as it is needed.

        Results that are there are handed over before the next item is asked for.

        Args:
            iterables: The data, which may be endless; several are zipped.
            ordered: In the order of the data; False gives each result once it is there.
            buffer: How many items may be in work or waiting to be taken; None to have it tuned.
            indexed: Give pairs of an item's index and its result.
            read_ahead: How many items a thread of its own may read before they are asked for;
                None to have the data read in the calling thread.
            item_kwargs: Go to every item.
        """
        tuned = self._self_parent or self
        func, iterables = self._received(tuned, iterables)
        stream = (_map or _load_map()).stream
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
        return (_map or _load_map()).plan_of(self.__wrapped__)  # type: ignore[no-any-return]

    @property
    def drift(self) -> tuple[Drift, ...]:
        """What turned out to differ from what was remembered, the latest last; eight at most."""
        return (_map or _load_map()).drifts_of(self.__wrapped__)  # type: ignore[no-any-return]

    def explain(self) -> Explanation:
        """What the last call measured, chose, rejected and achieved; print it."""
        return (_map or _load_map()).explain(self.__wrapped__)  # type: ignore[no-any-return]

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
        """Tune now, deliberately: measure plans on this data and start the next call from the best.

        Args:
            data: Items like those of the calls to come, and about as many.
            verbose: Print what is tried and found.
            prefer_threads_for_io: Try threads instead of processes.
            timeout_per_config: Seconds after which one run is ended, even inside an item.
            backends: "thread", "process" or both; None chooses.
            budget_s: Seconds after which the search ends, even inside an item.
            seed: Of the order of runs.
            save: Have the next call start from the winner.
            item_kwargs: Keywords for every item.
            thread_safe: Whether items may run in threads; None for what the options say.

        Returns:
            A `TuningResult`; print it.

        Raises:
            InvalidOptionError, WrongTypeError: What was asked for cannot be; there is no item.
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
        """Drop all that was learned about this function; how many records that were."""
        return (_map or _load_map()).forget(self.__wrapped__)  # type: ignore[no-any-return]

    def _received(
        self, tuned: TunedFunction, iterables: tuple[Any, ...]
    ) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function to call per item, and the data without a leading `self` or `cls`."""
        func = self.__wrapped__
        if tuned._self_class and iterables and _is_receiver(func, iterables[0]):
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

        unbound = self._self_parent is not None and _is_unbound(self)
        return mapped_signature(self.__wrapped__, n_receivers=int(unbound))

    def __dir__(self) -> list[str]:
        mine = (name for name in vars(TunedFunction) if not name.startswith("_"))
        return sorted({*dir(self.__wrapped__), *mine})

    def __repr__(self) -> str:
        func = self.__wrapped__
        name = own(func, "__qualname__") or (self._self_parent or self)._self_name
        module = own(func, "__module__")
        return f"<tuned function {module}.{name}>" if module else f"<tuned function {name}>"

    def __str__(self) -> str:
        return repr(self)

    def __copy__(self) -> TunedFunction:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TunedFunction:
        from copy import deepcopy

        func = deepcopy(self.__wrapped__, memo)  # a function is its own copy, a method is not
        return self if func is self.__wrapped__ else _wrap(func, self.options)

    def __reduce_ex__(self, protocol: Any, /) -> tuple[Any, ...]:
        return self.__reduce__()

    def __reduce__(self) -> tuple[Any, ...]:
        func, options = self.__wrapped__, self.options
        receiver = own(func, "__self__")
        if self._self_parent is not None and receiver is not None:
            if _is_same(getattr(receiver, func.__name__, None), self):
                return getattr, (receiver, func.__name__)
            return _rebuilt, (func, options.but(executor=None))
        place = own(func, "__module__"), own(func, "__qualname__")
        found = _found(*place)
        if place[0] != "__main__" and _is_same(found, self):
            return _found, place
        options = options.but(executor=None)  # its threads, processes or connections stay here
        if isinstance(found, TunedFunction) and found.__wrapped__ is func:
            if place[0] == "__main__":
                return _rebuilt, (self._by_name(), options)
            return _rebuilt_from, (*place, options)
        return _rebuilt, (func, options)

    def _by_name(self) -> Any:
        """The function for a pickle made in `__main__`; one object, so that recursion ends."""
        tuned = self._self_parent or self
        if tuned._self_by_name is None:
            tuned._self_by_name = _ByName(self.__wrapped__)
        return tuned._self_by_name


class _Tuned(TunedFunction, FunctionWrapper):  # type: ignore[type-arg]
    """A tuned function as the decorator leaves it."""

    class _Bound(TunedFunction, BoundFunctionWrapper):  # type: ignore[type-arg]
        """A tuned function reached through a class or an instance."""

    __bound_function_wrapper__ = _Bound


class _ByName(ObjectProxy):  # type: ignore[type-arg]
    """A function of `__main__`, hidden there by the tuned one that has its name.

    pickle looks at the type and asks `__reduce_ex__`: the name will do, for a forked child or one
    that runs the script again. cloudpickle asks `isinstance`, sees the function, sends its code.
    """

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        func = self.__wrapped__
        return _one_found, (func.__module__, func.__qualname__)


_map: Any = None  # amorsize._api.map from the first call on: loading it is no part of decorating


def _load_map() -> Any:
    global _map
    try:
        with no_interrupts():  # a handler that calls a tuned function would find half of them
            import amorsize._api.map as loaded
    except (OSError, ImportError) as error:
        if is_lack(error):
            return _WithoutRoom(error)
        raise
    _map = loaded
    return loaded


class _WithoutRoom:
    """In place of the modules that make a map, where no file can be opened to load them."""

    def __init__(self, error: OSError | ImportError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error

    def run(self, *asked: Any) -> list[Any]:
        """The loop, which needs none."""
        return list(self.stream(*asked))

    def stream(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        item_kwargs: dict[str, Any],
        options: Options,
        *_: Any,
        indexed: bool = False,
        **__: Any,
    ) -> Iterator[Any]:
        """The same, one by one."""
        if not options.allow_loop:
            raise self._error
        check_data(iterables, name_of(func))
        results = loop(func, iterables, item_kwargs, strict=options.strict)
        return enumerate(results) if indexed else results


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
    if is_partial(func):
        return _name(func.func)
    name = own(func, "__name__")
    return name if isinstance(name, str) else type(func).__name__


def _is_receiver(func: Any, first: Any) -> bool:
    """Whether `first` is the `self` or `cls` of a method rather than data.

    So it is in `Class.method(instance, data)`, below another decorator, and on Python 3.13 and
    later below `@classmethod`, which stopped binding what it decorates.
    """
    if own(func, "__self__") is not None:  # it has its receiver already
        return False
    home, _, name = func.__qualname__.rpartition(".")
    is_class = isinstance(first, type)
    for kind in first.__mro__ if is_class else type(first).__mro__:
        if kind.__qualname__ == home and kind.__module__ == func.__module__:
            member = vars(kind).get(name)
            if is_class:
                return isinstance(member, classmethod)
            return not isinstance(member, (staticmethod, classmethod)) and not isinstance(
                getattr(member, "__wrapped__", None), (staticmethod, classmethod)
            )
    return False


def _is_unbound(bound: Any) -> bool:
    """Whether this is a method reached through its class, still without an instance."""
    binding = bound._self_binding
    return bound._self_instance is None and binding not in ("staticmethod", "classmethod")


def _is_same(found: Any, tuned: TunedFunction) -> bool:
    """Whether both are one decorated function: a bound one is made anew each time it is reached."""
    if found is tuned:
        return True
    if not isinstance(found, TunedFunction) or found._self_parent is None:
        return False
    return found._self_parent is (tuned._self_parent or tuned)


def _found(module: Any, qualname: Any) -> Any:
    """What has this name in a module, imported where necessary; None where nothing has."""
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    try:
        __import__(module)
        place: Any = sys.modules[module]
        for name in qualname.split("."):
            place = getattr(place, name)
    except (ImportError, AttributeError, KeyError):
        return None
    return place


def _one_found(module: str, qualname: str) -> Any:
    found = _found(module, qualname)
    if found is None:
        raise AttributeError(
            f"The function {qualname!r} was pickled by its name in {module!r}, and there is none "
            "here. Define it at the top level of an importable module, or send it by cloudpickle."
        )
    return found.__wrapped__ if isinstance(found, TunedFunction) else found


def _rebuilt(func: Any, options: Options) -> TunedFunction:
    if isinstance(func, TunedFunction):  # a method travels by its name, which leads to the tuned
        func = func.__wrapped__
    return _wrap(func, options)


def _rebuilt_from(module: str, qualname: str, options: Options) -> TunedFunction:
    return _wrap(_one_found(module, qualname), options)
