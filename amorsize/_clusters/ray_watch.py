"""Looks whether a Ray runtime still answers: a call to one that does not would never end."""

from __future__ import annotations

from amorsize._host.clocks import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds between two looks.
LOOK_S = 0.5
#: Seconds without an answer after which the runtime counts as gone.
SILENT_S = 15.0


class RayWatch:
    """Asks from a thread of its own who is there, while a call lasts."""

    def __init__(self, ray: Any) -> None:
        from threading import Event, Thread

        self._ray = ray
        self._answered_s, self._has_node = perf_counter(), True
        self._is_over = Event()
        thread = Thread(target=self._keep_looking, name="amorsize-ray", daemon=True)
        thread.start()

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
        while not self._is_over.wait(LOOK_S):
            try:
                nodes = self._ray.nodes()
            except Exception:  # whatever it is, it is no answer, which `why_silent` will tell
                continue
            self._answered_s = perf_counter()
            self._has_node = any(one.get("Alive") for one in nodes)
