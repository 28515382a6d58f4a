"""Who is there: the workers of a call, what each has to do and has shown."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.policy.facts import Report, Started


class Seat:
    """What the tuner knows of one worker."""

    __slots__ = ("backend", "is_alive", "is_cold", "is_ready", "n_queued", "n_reports", "number")

    def __init__(self, number: int, backend: str, *, is_cold: bool) -> None:
        self.number, self.backend = number, backend
        self.is_cold = is_cold  # what a first item loads it has to load itself
        self.is_ready, self.is_alive = False, True
        self.n_queued = self.n_reports = 0

    @property
    def is_idle(self) -> bool:
        """It could take a chunk at once."""
        return self.is_ready and self.is_alive and not self.n_queued


class Roster:
    """The workers of a call."""

    def __init__(self) -> None:
        self._seats: dict[int, Seat] = {}

    def __len__(self) -> int:
        """How many were ever started."""
        return len(self._seats)

    def __iter__(self) -> Iterator[Seat]:
        """Those that live."""
        return (seat for seat in self._seats.values() if seat.is_alive)

    def add(self, event: Started, *, is_cold: bool) -> None:
        """A worker was started."""
        self._seats[event.worker] = Seat(event.worker, event.backend, is_cold=is_cold)

    def ready(self, worker: int) -> None:
        """A worker can take chunks."""
        self._seats[worker].is_ready = True

    def lose(self, worker: int) -> None:
        """A worker has ended."""
        self._seats[worker].is_alive = False

    def report(self, event: Report) -> bool:
        """A worker has reported; whether it was a cold one that did for the first time."""
        seat = self._seats[event.worker]
        if event.n_sent:  # the last part of a chunk
            seat.n_queued -= 1
        seat.n_reports += 1
        return seat.is_cold and seat.n_reports == 1

    @property
    def n_alive(self) -> int:
        """How many live."""
        return sum(1 for _ in self)

    @property
    def n_reporting(self) -> int:
        """How many of them have delivered."""
        return sum(1 for seat in self if seat.n_reports)

    @property
    def n_in_flight(self) -> int:
        """Chunks that are with them."""
        return sum(seat.n_queued for seat in self)

    def of(self, backend: str | None) -> list[Seat]:
        """Those that live, of one backend; of any for None."""
        return [seat for seat in self if backend is None or seat.backend == backend]
