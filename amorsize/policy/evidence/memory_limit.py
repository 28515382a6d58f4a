"""How many workers the memory has room for, by what those at work have taken."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set

    from amorsize.policy.events import MemoryGrown

#: Share of the free memory that workers may take.
ROOM_SHARE = 0.7

#: Growth below this is not looked at: a hundred such workers take 3 GiB.
LEAST_BYTES = 32 << 20


class MemoryLimit:
    """What workers have grown by, against what is left."""

    def __init__(self) -> None:
        #: Workers that there is room for. None: for all there are.
        self.n_limit: int | None = None
        self._held_bytes: dict[int, int] = {}  # by each worker, as it told last
        self._most_bytes = 0  # by which any worker has grown

    def see(self, event: MemoryGrown, *, alive: Set[int], n_most: int) -> tuple[str, str] | None:
        """Take in how a worker has grown; gives the decision with its reason, if it is new.

        Args:
            event: What it has taken.
            alive: The workers there are.
            n_most: So many are wanted at most.
        """
        self._held_bytes[event.worker] = event.held_bytes
        self._most_bytes = max(self._most_bytes, event.peak_bytes)
        held_bytes = sum(n for worker, n in self._held_bytes.items() if worker in alive)
        room_bytes = ROOM_SHARE * (event.available_bytes + held_bytes)
        n_room = max(1, int(room_bytes / max(1, self._most_bytes)))
        was, self.n_limit = self.n_limit, n_room if n_room < n_most else None
        if self.n_limit == was:
            return None
        why = (
            f"one has grown by {self._most_bytes >> 20} MiB, and {event.available_bytes >> 20} MiB "
            "are free"
        )
        return f"{min(n_room, n_most)} at once fit into memory", why
