"""Runs chunks on Ray.

Ray is told never to run a submission again, so that whoever lost a worker process decides.
"""

from __future__ import annotations

import sys
from time import process_time, thread_time

from amorsize._clusters.buffers import Buffer
from amorsize._clusters.protocol import (
    CANCELLED,
    DIED,
    FAILED,
    REPLY_S,
    outcome,
    refuse_unknown,
)
from amorsize._clusters.ray_watch import RayWatch
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import Done, Process


#: What `ray.remote` is given as the user says.
GIVEN = ("num_cpus", "num_gpus", "memory", "resources", "scheduling_strategy", "runtime_env")
#: What a submission takes of a node, by the node's names for it.
NEEDS = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


class RayAdapter:
    """The workers of the Ray runtime that this process is connected to."""

    described = "the Ray cluster"
    shares_memory = False
    submit_s, lag_s = 1e-3, 3e-3  # ray 2.60 on 2 cores, with the threads of its own
    names_processes = False
    #: The second task is sent when the first is over: 3.0 ms between two of 25 ms, 3.9 with one.
    overlaps = False
    way_out = (
        "Install it on the nodes, or begin with ray.init(runtime_env={'pip': [...]}) for a package "
        "and {'working_dir': '.'} for your own modules."
    )
    tells_victims = True

    def __init__(self, address: str | None = None, *, given: dict[str, Any] | None = None) -> None:
        """Connect to the runtime of this process, or start one here.

        Args:
            address: Where to connect to if this process is connected to none.
            given: What `ray.remote` takes besides, such as num_cpus.

        Raises:
            InvalidOptionError: Ray does not know one of them.
        """
        import ray

        refuse_unknown(given or {}, GIVEN, self.described)
        self._ray: Any = ray
        client = sys.modules.get("ray.util.client.common")
        of_client = () if client is None else (client.ClientObjectRef,)
        self.reference_types = frozenset((ray.ObjectRef, *of_client))
        if not ray.is_initialized():
            ray.init(address)  # which shows what items print, as it does by itself
        where = getattr(ray.get_runtime_context(), "gcs_address", None)
        self.described = f"the Ray cluster at {where}" if where else self.described
        options = {"num_cpus": 1, **(given or {})}
        needs = {ours: options.get(name) for ours, name in NEEDS.items()}
        self._needs = {**needs, **(options.get("resources") or {})}
        self._options = {**options, "max_retries": 0, "retry_exceptions": False}
        self._remotes: dict[Any, Any] = {}
        self._watch = RayWatch(ray, self._needs)

    def n_workers(self, *, one_per_process: bool) -> int | None:  # noqa: ARG002 - they all have one
        """As many as its processors allow."""
        return sum(one.n_threads for one in self._watch.first_seen(REPLY_S)) or None

    def processes(self) -> tuple[Process, ...]:
        """The nodes: Ray starts their processes as they are needed."""
        return self._watch.nodes

    def expect(self, work_s: float) -> None:
        """Do nothing: Ray starts nodes while tasks wait, of which there is one for each worker."""

    def submit(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        key: str,
        process: Process | None,  # noqa: ARG002 - Ray chooses
        done: Done,
    ) -> Any:
        """Start a task of Ray's."""
        if function not in self._remotes:
            self._remotes[function] = self._ray.remote(**self._options)(function)
        ref = self._remotes[function].options(name=key).remote(*arguments)
        ref.future().add_done_callback(lambda one: done(*outcome(one)))
        return ref

    def locate(self, references: list[Any]) -> None:
        """Do nothing: Ray itself runs a task near what it takes."""

    def holder(self, references: list[Any]) -> None:  # noqa: ARG002
        """None: Ray chooses."""
        return

    def has_cancelled(self, references: list[Any]) -> bool:
        """By what Ray gives in their place."""
        return any(map(self._is_cancelled, references))

    def _is_cancelled(self, reference: Any) -> bool:
        try:
            self._ray.get(reference, timeout=0)
        except Exception as error:
            reraise_from_handler(error)
            return isinstance(error, self._ray.exceptions.TaskCancelledError)
        return False

    def put_once(self, data: bytes) -> Any:
        """Into the object store, from where each node fetches it once."""
        return self._ray.put(Buffer(data))

    def cancel(self, handle: Any) -> None:
        """Take it off the queue, or interrupt it."""
        if self._ray.is_initialized():
            self._ray.cancel(handle, force=False, recursive=False)

    def tell_all(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Do nothing: `cancel` interrupts what has begun."""

    def meaning(self, error: BaseException) -> str:
        """What an error of a task says; never the item's own, which come as results."""
        of_ray = self._ray.exceptions
        died = of_ray.WorkerCrashedError, of_ray.NodeDiedError, of_ray.OutOfMemoryError
        if isinstance(error, (*died, of_ray.LocalRayletDiedError)):
            return DIED
        return CANCELLED if isinstance(error, of_ray.TaskCancelledError) else FAILED

    def recovers(self) -> bool:
        """True: Ray starts another process."""
        return True

    def why_gone(self) -> str | None:
        """Whether this process has been disconnected, or nobody has answered for too long."""
        if not self._ray.is_initialized():
            return "ray.shutdown() was called"
        return self._watch.why_silent()

    def cpu_s(self) -> float:
        """Of all threads but the one that asks: those of Ray are not Python's."""
        return process_time() - thread_time()

    def fingerprint(self) -> str:
        """Its version, with what a submission takes."""
        needs = [f"{name}={amount:g}" for name, amount in self._needs.items() if amount]
        return " ".join(("ray", self._ray.__version__, *needs))

    def dashboard(self) -> str | None:
        """Ray's own page, where it runs."""
        address = getattr(self._ray.get_runtime_context(), "dashboard_url", None)
        return address if isinstance(address, str) and address else None

    def close(self) -> None:
        """Let go of what was put: Ray frees what nobody refers to."""
        self._remotes.clear()
        self._watch.end()
