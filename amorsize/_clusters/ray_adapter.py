"""Ray as an engine.

Ray is told never to run a submission again, so that whoever lost a worker process decides.
"""

from __future__ import annotations

from amorsize._clusters.protocol import CANCELLED, DIED, FAILED, outcome
from amorsize._clusters.ray_watch import RayWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import Done, Process


class RayAdapter:
    """The workers of the Ray runtime that this process is connected to."""

    described = "the Ray cluster"
    shares_memory = False
    submit_s, lag_s = 0.3e-3, 1.5e-3  # ray 2.60 on 2 cores
    names_processes = False
    tells_victims = True

    def __init__(
        self, address: str | None = None, *, options: dict[str, Any] | None = None
    ) -> None:
        """Connect to the runtime of this process, or start one here.

        Args:
            address: Where to connect to if this process is connected to none.
            options: What `ray.remote` takes besides, such as num_cpus.
        """
        import ray

        self._ray: Any = ray
        if not ray.is_initialized():
            ray.init(address, log_to_driver=False)
        options = {"num_cpus": 1, **(options or {})}
        self._n_cpus = float(options["num_cpus"] or 1)
        self._options = {**options, "max_retries": 0, "retry_exceptions": False}
        self._remotes: dict[Any, Any] = {}
        self._watch: RayWatch | None = None

    def n_workers(self, *, one_per_process: bool) -> int | None:  # noqa: ARG002 - they all have one
        """As many as its processors allow."""
        return int(self._ray.cluster_resources().get("CPU", 0) / self._n_cpus) or None

    def processes(self) -> tuple[Process, ...]:
        """None by name: Ray starts them as they are needed."""
        return ()

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
        if self._watch is None:
            self._watch = RayWatch(self._ray)
        if function not in self._remotes:
            self._remotes[function] = self._ray.remote(**self._options)(function)
        ref = self._remotes[function].options(name=key).remote(*arguments)
        ref.future().add_done_callback(lambda one: done(*outcome(one)))
        return ref

    def put_once(self, data: bytes) -> Any:
        """Into the object store, from where each node fetches it once."""
        return self._ray.put(data)

    def cancel(self, handle: Any) -> None:
        """Take it off the queue; what has begun runs on."""
        if self._ray.is_initialized():
            self._ray.cancel(handle, force=False, recursive=False)

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
        return None if self._watch is None else self._watch.why_silent()

    def cpu_s(self) -> float:
        """Its threads are not Python's."""
        return 0.0

    def fingerprint(self) -> str:
        """Its version, with the processors that a submission takes."""
        return f"ray {self._ray.__version__} num_cpus={self._n_cpus:g}"

    def dashboard(self) -> str | None:
        """Ray's own page, where it runs."""
        address = getattr(self._ray.get_runtime_context(), "dashboard_url", None)
        return address if isinstance(address, str) and address else None

    def close(self) -> None:
        """Let go of what was put: Ray frees what nobody refers to."""
        self._remotes.clear()
        if self._watch is not None:
            self._watch.end()
