"""`tuned_map`: one call of a map that tunes itself."""

from __future__ import annotations

from amorsize._api import late_map
from amorsize._engine.options import call_checks, call_options
from amorsize._function.callables import raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._engine.options.call_options import Backend


def tuned_map(
    func: Callable[..., Any],
    *iterables: Any,
    item_kwargs: dict[str, Any] | None = None,
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
) -> list[Any]:
    """`[func(x) for x in iterable]`, in parallel where that pays; tunes itself while it works.

    Args:
        func: Called once for each item, or tuple of items where several iterables are zipped.
        iterables: The data; at least one iterable.
        item_kwargs: Keywords for every item.
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

    Returns:
        The results, in the order of the items.

    Raises:
        InvalidOptionError, WrongTypeError: An option or the data cannot be used as it is.
        WorkerDied, ItemTimeout, SerializationError: There is no result for an item.
        Exception: What `func` raised for the lowest failing item, with a note naming it.

    Example:
        >>> tuned_map(len, ["a", "bb", "ccc"])
        [1, 2, 3]
        >>> tuned_map(round, [1.234, 5.678], item_kwargs={"ndigits": 1})
        [1.2, 5.7]
    """
    options = call_options.spelled(locals())
    call_checks.check_function(func)
    keywords = call_checks.checked_keywords(item_kwargs)
    run = late_map.maker().run
    return run(raw(func), iterables, keywords, options, None)  # type: ignore[no-any-return]
