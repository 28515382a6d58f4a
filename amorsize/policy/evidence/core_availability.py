"""Tell from CPU shares whether the cores are there, since hosts hide what they take away."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Inlined, Report

#: CPU / wall that shows a core of our own.
VERIFIED_SHARE = 0.8

#: After so many seconds of the caller's items, while workers start, its CPU share is known.
VERIFY_S = 5e-3

#: Below this mean CPU / wall of chunks, workers wait for cores.
CROWDED_SHARE = 0.6

#: Reports of each worker before that is believed.
CROWDED_REPORTS = 8

#: Reports of each of two threads before they are judged to run at once or to take turns.
TURNS_REPORTS = 4

#: The same for more threads: with more reports, chunks still under way hide less.
TURNS_REPORTS_OF_MANY = 2

#: Chunks this long outlast a turn at the GIL: each shows its own share of the one core.
LONG_TURN_S = 5e-3

#: Below this CPU share, run delay included, the GIL was idle: items are I/O-bound.
IDLE_CORE = 0.5

#: Below this CPU / wall of all threads together, they share one core.
ONE_CORE = 1.2


class CoreEvidence:
    """What shares of CPU time say about cores and about the GIL."""

    def __init__(self, *, verified: bool = False) -> None:
        #: Cores of our own were seen. Until then, starting workers is a bet.
        self.verified = verified
        self._caller_share, self._caller_seen_s = 1.0, 0.0
        self._worker_share, self._n_seen = 1.0, 0
        self._is_told = False  # explain() knows that workers wait for cores
        self._shares, self._n_shares = 0.0, 0  # the sum over threads' long chunks; how many
        self._window_s: float | None = None  # since when threads are watched
        self._cpu_s = 0.0  # that they have computed since then
        self._run_delay_s = 0.0  # that they have stood back for others
        self._is_delay_told = False  # the system counts how long threads stand back
        self._chunks_s = 0.0  # of wall time that their chunks took, with gaps between them
        self._n_in_window = 0  # reports since then

    def see_caller(self, event: Inlined) -> None:
        """The caller's own share while workers start tells whether they take its core."""
        weight = min(1.0, event.wall_s / VERIFY_S)
        share = min(1.0, event.cpu_s / max(event.wall_s, 1e-9))
        self._caller_share += weight * (share - self._caller_share)
        self._caller_seen_s += event.wall_s
        if self._caller_seen_s >= VERIFY_S and self._caller_share > VERIFIED_SHARE:
            self.verified = True

    def see_worker(self, event: Report, *, n_working: int) -> None:
        """A worker that ran at full speed has a core; many that did not share too few."""
        share = min(1.0, event.cpu_s / max(event.wall_s, 1e-9))
        self._n_seen += 1
        self._worker_share += (share - self._worker_share) / min(self._n_seen, 4 * n_working)
        if share > VERIFIED_SHARE and self._n_seen >= 2:
            self.verified = True

    def are_crowded(self, *, n_working: int) -> bool:
        """Workers wait for cores more than they run; told once, for explain().

        Nothing else follows. Fewer workers would run as many items where a quota is what they wait
        for, and less where other programs are: the host shares its cores out among all.
        """
        if self._is_told or n_working < 2 or self._n_seen < CROWDED_REPORTS * n_working:
            return False
        self._is_told = self._worker_share < CROWDED_SHARE
        return self._is_told

    @property
    def worker_share(self) -> float:
        """CPU / wall of workers' chunks, lately."""
        return self._worker_share

    def turns(self, event: Report, *, n_alive: int) -> str | None:
        """ "taken" where threads do not run at once, "not needed" where they wait instead.

        Two that take turns each seem to run at full speed, chunk by chunk, unless these are long;
        together they do not use more than one core. Where it is told how long they stood back for
        other programs, that counts like running: whoever has the GIL does the one or the other.
        Where it adds up to little, nobody had it.
        """
        if n_alive < 2:
            return None
        self._is_delay_told = self._is_delay_told or event.run_delay_s > 0
        by_shares = self._by_long_chunks(event, n_alive)
        if self._window_s is None:
            self._window_s = event.now_s
            return by_shares
        per_thread = TURNS_REPORTS if n_alive == 2 else TURNS_REPORTS_OF_MANY
        is_enough = self._n_in_window >= per_thread * n_alive
        elapsed_s = event.now_s - self._window_s
        wanted_s = self._cpu_s + self._run_delay_s
        if is_enough and self._is_delay_told and n_alive * wanted_s < IDLE_CORE * self._chunks_s:
            return "not needed"
        is_one_core = is_enough and wanted_s < ONE_CORE * elapsed_s
        self._cpu_s += event.cpu_s
        self._run_delay_s += event.run_delay_s
        self._chunks_s += event.wall_s
        self._n_in_window += 1
        return by_shares or ("taken" if is_one_core else None)

    def _by_long_chunks(self, event: Report, n_alive: int) -> str | None:
        """The same from chunks longer than a turn: each shows what share of the core it had."""
        if event.wall_s > LONG_TURN_S:
            self._shares += (event.cpu_s + event.run_delay_s) / event.wall_s
            self._n_shares += 1
        if not self._n_shares > n_alive > 2:
            return None
        n_cores = n_alive * self._shares / self._n_shares
        if self._is_delay_told and n_cores < IDLE_CORE:
            return "not needed"
        return "taken" if n_cores < ONE_CORE else None
