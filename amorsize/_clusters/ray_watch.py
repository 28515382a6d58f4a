"""Looks whether a Ray runtime still answers: a call to one that does not would never end."""

from __future__ import annotations

from amorsize._clusters.protocol import Process
from amorsize._host.signals import start_thread
from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds between two looks.
LOOK_S = 0.5
#: Seconds without an answer after which the runtime counts as gone.
SILENT_S = 15.0


class RayWatch:
    """Asks from a thread of its own who is there, while a call lasts."""

    def __init__(self, ray: Any, needs: dict[str, float | None]) -> None:
        """Look from now on, until `end`.

        Args:
            ray: The module, of a runtime that is connected.
            needs: What each submission takes of its node.
        """
        from threading import Event, Thread

        self._ray, self._needs = ray, {name: one for name, one in needs.items() if one}
        #: Those that are alive.
        self.nodes: tuple[Process, ...] = ()
        self._answered_s, self._has_node = perf_counter(), True
        self._is_over, self._has_looked = Event(), Event()
        thread = Thread(target=self._keep_looking, name="amorsize-ray", daemon=True)
        start_thread(thread)

    def first_seen(self, timeout_s: float) -> tuple[Process, ...]:
        """The nodes, once they were looked at."""
        self._has_looked.wait(timeout_s)
        return self.nodes

    def why_silent(self) -> str | None:
        """What to say of a runtime that has no node, or has not answered for too long."""
        if not self._has_node:
            return "none of its nodes is alive"
        silent_s = perf_counter() - self._answered_s
        return f"it has not answered for {silent_s:.0f} s" if silent_s > SILENT_S else None

    def end(self) -> None:
        """Look no more."""
        self._is_over.set()

    def _keep_looking(self) -> None:
        while not self._is_over.is_set():
            try:
                nodes = [one for one in self._ray.nodes() if one.get("Alive")]
            except Exception:  # whatever it is, it is no answer, which `why_silent` will tell
                self._is_over.wait(LOOK_S)
                continue
            self._answered_s = perf_counter()
            self._has_node = bool(nodes)
            self.nodes = tuple(map(self._node, nodes))
            self._has_looked.set()
            self._is_over.wait(LOOK_S)

    def _node(self, node: dict[str, Any]) -> Process:
        """A node with how many submissions it can run at once."""
        has = node["Resources"]
        rooms = [has.get(name, 0) // amount for name, amount in self._needs.items()]
        n_most = int(min(rooms, default=has.get("CPU", 0)))
        return Process(
            address=node["NodeManagerAddress"], identity=node["NodeID"], n_threads=n_most
        )
