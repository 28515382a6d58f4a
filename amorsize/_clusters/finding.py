"""Finds the executor behind what users hold.

No executor is imported here that the program has not imported, unless it was asked for by name.
"""

from __future__ import annotations

import sys

from amorsize._clusters.plain import PlainAdapter
from amorsize._clusters.protocol import raise_if_gone, refuse_unknown
from amorsize._host import extras
from amorsize._host.signals import reraise_from_handler
from amorsize.errors import InvalidOptionError, WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter

#: How the address of a Dask scheduler begins.
DASK_ADDRESSES = ("tcp://", "tls://", "ws://", "wss://", "ucx://", "ucxx://", "inproc://")
#: How the address of a Ray cluster begins.
RAY_ADDRESS = "ray://"
#: What `executor=` takes besides, in words.
ALLOWED = "a Dask client, cluster or address ('tcp://...'), 'ray'"
#: How a message begins that names a missing package of Dask.
DASK_NEEDS = "Dask's workers need"
#: Seconds that a scheduler may take to answer a new client.
CONNECT_S = 10.0


def adapter_for(executor: Any, given: dict[str, Any]) -> ClusterAdapter:
    """The executor that an `executor=` stands for.

    Args:
        executor: What the user holds.
        given: What the executor is given with each chunk: the value of `engine=`.

    Raises:
        InvalidOptionError: No executor can be made of the object, or the executor does not know
            what it is given.
        MissingExtraError: The executor is not installed.
        WorkersUnavailable: Nobody answers there, or it was closed.
    """
    found = _found(executor, given)
    raise_if_gone(found)
    return found


def _found(executor: Any, given: dict[str, Any]) -> ClusterAdapter:
    if isinstance(executor, str):
        return _named(executor, given)
    if executor is sys.modules.get("ray"):
        return _ray(given)
    found = _of_dask(executor, given)
    if found is None:
        found = PlainAdapter(executor)
        refuse_unknown(given, (), found.described)
    return found


def is_known(executor: Any) -> bool:
    """Whether `adapter_for` has an executor for an object that has no `submit`, or for a text."""
    if isinstance(executor, str):
        return executor in ("dask", "ray") or executor.startswith((*DASK_ADDRESSES, RAY_ADDRESS))
    return executor is not None and (
        executor is sys.modules.get("ray")
        or _is_of("distributed", "deploy.cluster", "Cluster", executor)
    )


def _is_of(package: str, module: str, name: str, value: Any) -> bool:
    """Whether a value is of a class, which it can only be if its module was imported."""
    found = sys.modules.get(f"{package}.{module}")
    return found is not None and isinstance(value, getattr(found, name))


def _of_dask(
    executor: Any, given: dict[str, Any], *, is_ours: bool = False
) -> ClusterAdapter | None:
    of_executor: dict[str, Any] = {}
    if _is_of("distributed", "cfexecutor", "ClientExecutor", executor):
        executor, of_executor = executor._client, executor._kwargs
    elif _is_of("distributed", "deploy.cluster", "Cluster", executor):
        executor, is_ours = _connected(executor, "the Dask cluster"), True
    if not _is_of("distributed", "client", "Client", executor):
        return None
    from amorsize._clusters.dask_adapter import DaskAdapter

    if executor.asynchronous:
        raise InvalidOptionError(
            "executor= is a Client(asynchronous=True), whose loop this call would block. "
            "Pass Client(address), or the cluster's address."
        )
    try:
        return DaskAdapter(executor, is_ours=is_ours, of_executor=of_executor, given=given)
    except InvalidOptionError:
        if is_ours:
            executor.close()
        raise


def _named(name: str, given: dict[str, Any]) -> ClusterAdapter:
    """An executor by its name or address."""
    if name == "dask":
        return _running_dask(given)
    if name == "ray" or name.startswith(RAY_ADDRESS):
        return _ray(given, None if name == "ray" else name)
    return _dask_at(name, given)


def _running_dask(given: dict[str, Any]) -> ClusterAdapter:
    """The newest client of this program, or the scheduler that Dask's own settings name."""
    running = extras.load("distributed", extra="dask", need=DASK_NEEDS).client._get_global_client()
    if running is None:
        settings = extras.load("dask", extra="dask", need=DASK_NEEDS).config
        address = settings.get("scheduler-address", None)
        if address is not None:
            return _dask_at(address, given)
        raise WorkersUnavailable(
            "backend='dask' finds no client in this program, nor DASK_SCHEDULER_ADDRESS in the "
            "environment. Make one, distributed.Client(address), or pass executor='tcp://...'."
        )
    found = _of_dask(running, given)
    assert found is not None
    return found


def _dask_at(address: str, given: dict[str, Any]) -> ClusterAdapter:
    client = _connected(address, f"a Dask scheduler at {address}")
    found = _of_dask(client, given, is_ours=True)
    assert found is not None
    return found


def _connected(to: Any, described: str) -> Any:
    """A client of a scheduler, made for one call."""
    client: Callable[..., Any] = extras.load("distributed", extra="dask", need=DASK_NEEDS).Client
    try:
        return client(to, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        reraise_from_handler(error)
        raise WorkersUnavailable(
            f"{described} does not answer within {CONNECT_S:g} s: {error}. Is it running, and "
            "can it be reached from here?"
        ) from error
    except RuntimeError as error:  # a cluster that was closed
        raise WorkersUnavailable(f"{described} cannot be used: {error}") from error


def _ray(given: dict[str, Any], address: str | None = None) -> ClusterAdapter:
    extras.load("ray", extra="ray", need="Ray's workers need")
    from amorsize._clusters.ray_adapter import RayAdapter

    return RayAdapter(address, given=given)
