"""Tell whether items wait: they neither compute nor are kept from it.

How much of its time an item computes is read off CPU time, of what is left of wall time when
others had its core. On a busy host that is not all: an item that only computes may have to wait for
a page or a lock that somebody holds who has no core, for up to 50 ms. Seldom twice in a row.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Inlined, Report, Waited
    from amorsize.policy.evidence.drift import Drift

#: Below this CPU / wall, an item mostly waits. Measured: 0.0 for a sleep, 0.2 for SQL.
WAITING_SHARE = 0.3

#: Share of its time that an item stands back for others on a busy host. On a quiet one it is below
#: 0.01.
BUSY_SHARE = 0.05

#: A fresh fork's first report that is shorter than this tells nothing of waiting: on a busy host
#: its first pages take up to 50 ms, since the caller has locks.
FORK_STALL_S = 0.25

#: How long the caller looks on at a first item, at least and at most. One that takes longer is no
#: trivial one.
FIRST_WAIT_S, MOST_FIRST_WAIT_S = 2e-3, 10e-3

#: Idle items in a row that show that items wait. Of items that compute beside five others a core,
#: three in a row were seen once.
IDLE_STREAK = 4

#: An item this long idle waits: twice the longest time for which one that computes was seen idle.
LONG_IDLE_S = 0.1

#: Pauses of an item, at least, that show waiting. A core that a hypervisor takes away costs wall
#: time as well, but no pause.
LEAST_PAUSES = 0.5

#: Weight of the past for each inline slice: about the last ten slices count.
MEMORY = 0.9

#: From this CPU / wall on, items do not wait for a part of their time that is worth a worker.
PART_SHARE = 0.75

#: Items under way for each core, by those that would keep it computing if they took turns: they
#: come as they come.
PART_ROOM = 1.5


def is_idle(event: Inlined | Report) -> bool:
    """Whether these items left their core idle for most of the time in which they had one."""
    return event.cpu_s < WAITING_SHARE * event.undelayed_s


class IdleStreak:
    """How many slices or chunks in a row were idle."""

    def __init__(self) -> None:
        self._n_idle = 0
        self._is_busy = False

    def count(self, event: Inlined | Report) -> None:
        """Take in one more."""
        self._is_busy = self._is_busy or event.run_delay_s > BUSY_SHARE * event.wall_s
        if not is_idle(event):
            self._n_idle = 0
            return
        idle_s = (event.undelayed_s - event.cpu_s) / (event.n_items or 1)
        self._n_idle += IDLE_STREAK if idle_s >= LONG_IDLE_S else 1

    @property
    def is_enough(self) -> bool:
        """Whether items wait. A long one tells, and on a quiet host any, or the mean of all."""
        return not self._is_busy or self._n_idle >= IDLE_STREAK

    @property
    def is_too_short(self) -> bool:
        """Whether all of the latest ones were idle, but too few to be sure."""
        return self._n_idle > 0 and not self.is_enough


class OwnItems:
    """The caller's own items, of which the latest count most."""

    def __init__(self) -> None:
        #: Wall seconds in which they had a core, as a decayed sum.
        self.wall_s = 0.0
        #: CPU seconds, likewise.
        self.cpu_s = 0.0
        #: CPU seconds of all threads of the process meanwhile, likewise.
        self.process_cpu_s = 0.0
        #: Pauses, likewise.
        self.n_pauses = 0.0
        #: How many slices in a row were idle.
        self.idle_streak = IdleStreak()

    def add(self, event: Inlined) -> None:
        """Take in a slice."""
        self.wall_s = MEMORY * self.wall_s + event.undelayed_s
        self.cpu_s = MEMORY * self.cpu_s + event.cpu_s
        self.process_cpu_s = MEMORY * self.process_cpu_s + event.process_cpu_s
        self.n_pauses = MEMORY * self.n_pauses + event.n_pauses
        self.idle_streak.count(event)

    @property
    def are_idle(self) -> bool:
        """Whether they waited: they had a core, did not use it, and gave it up by themselves."""
        return self.cpu_s < WAITING_SHARE * self.wall_s and self.n_pauses > LEAST_PAUSES

    @property
    def seem_idle(self) -> bool:
        """Whether they seem to have waited, with too few in a row to be sure on a busy host."""
        return self.are_idle and self.idle_streak.is_too_short

    @property
    def n_at_once(self) -> float:
        """Items that one core can have under way, since they wait for a part of their time.

        Where other threads compute meanwhile, these may be what they wait for: they have the GIL.
        """
        share = self.process_cpu_s / self.wall_s if self.wall_s else 1.0
        if self.n_pauses <= LEAST_PAUSES or not 0 < share < PART_SHARE:
            return 1.0
        return 1 + PART_ROOM * (1 / share - 1)


class FirstReports:
    """The verdict of workers' first reports, where the caller runs nothing itself."""

    def __init__(self) -> None:
        self._seen_s = self._cpu_s = 0.0
        self._n_seen = 0
        self._idle_streak = IdleStreak()
        self.is_settled = False

    @property
    def are_enough(self) -> bool:
        """Whether further reports would tell nothing more."""
        return self.is_settled or self._idle_streak.is_enough

    def see(self, event: Report, *, is_fresh_fork: bool) -> bool:
        """Whether the items wait, as far as can be told by now."""
        if is_fresh_fork and event.undelayed_s < FORK_STALL_S:
            return False
        self._n_seen += 1
        self._seen_s += event.undelayed_s
        self._cpu_s += event.cpu_s
        self._idle_streak.count(event)
        are_idle = self._cpu_s < WAITING_SHARE * self._seen_s
        is_clear = self._seen_s >= ENOUGH_S
        waits = is_clear and are_idle and self._idle_streak.is_enough
        self.is_settled = waits or (is_clear and not are_idle) or self._n_seen >= MOST_REPORTS
        return waits


#: This much time of items tells. Less may be one turn at the GIL.
ENOUGH_S = 6e-3

#: Reports that contradict each other, after which items are taken to compute.
MOST_REPORTS = 3 * IDLE_STREAK


class FirstWait:
    """What the process computed while the caller looked on at a first item in a thread."""

    def __init__(self) -> None:
        self._wall_s = self._cpu_s = 0.0

    def add(self, event: Waited) -> None:
        """Take in one more look."""
        self._wall_s += event.wall_s
        self._cpu_s += event.others_cpu_s

    @property
    def is_idle(self) -> bool:
        """Whether the item waits, and nothing else computes beside it."""
        return self._wall_s >= FIRST_WAIT_S and self._cpu_s < WAITING_SHARE * self._wall_s

    @property
    def is_vain(self) -> bool:
        """Whether the caller has looked on for so long that it tells no more."""
        return self._wall_s >= MOST_FIRST_WAIT_S


class WaitEvidence:
    """What is in doubt about waiting: whether items do, or do so now."""

    def __init__(self) -> None:
        #: What reports say, where the caller runs nothing itself.
        self.first_reports = FirstReports()
        #: What was seen of a first item in a thread before it was over.
        self.first_wait = FirstWait()
        #: A suspected change from CPU-bound to waiting, to be confirmed by inline items.
        #: None: nothing pending.
        self.pending: Drift | None = None
        #: The inline items that confirm it.
        self.streak = IdleStreak()
        #: The backend was chosen once more because items turned out to wait.
        self.has_rerouted = False

    def suspect(self, found: Drift) -> None:
        """Suspect that items wait; the caller's next ones are to confirm it."""
        self.pending, self.streak = found, IdleStreak()
