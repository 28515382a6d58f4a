"""Keep account of what trying neighbours of a function's plan has cost and brought."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Way = tuple[str, int]  # backend and number of jobs

MOST_CALLS, MOST_SECONDS, MOST_CHARS, MOST_JOBS = 10**12, 1e15, 32, 4096


class Explored(Value):
    """The account of a function on one kind of item."""

    used_s: float = 0.0  # by all its calls, as far as they were put down
    spent_s: float = 0.0  # of that on trying neighbours
    at_call: int = 0  # the number of the call that tried one last
    at_s: float | None = None  # and when, in seconds since 1970; before the first: since when
    n_tried: int = 0  # trials in all
    n_held: int = 0  # in a row, that found nothing better
    rival: str | None = None  # what the last one found better: "thread", "thread x 64"
    n_waiters: int | None = None  # adopted: so many waiting items at once to begin with

    @classmethod
    def of(cls, profile: Any) -> Explored:
        """What a profile says of it; an empty account where that is nothing."""
        return cls.from_dict(profile.explored) or cls()

    @classmethod
    def from_dict(cls, fields: Any) -> Explored | None:
        """An account from stored fields; None if anything about them cannot be right."""
        if type(fields) is not dict or set(fields) != set(cls._fields):
            return None
        seconds = (fields["used_s"], fields["spent_s"])
        counts = (fields["at_call"], fields["n_tried"], fields["n_held"])
        n_waiters, rival, at_s = fields["n_waiters"], fields["rival"], fields["at_s"]
        sound = (
            all(type(one) in (int, float) and 0 <= one < MOST_SECONDS for one in seconds)
            and all(type(one) is int and 0 <= one <= MOST_CALLS for one in counts)
            and (n_waiters is None or (type(n_waiters) is int and 1 <= n_waiters <= MOST_JOBS))
            and (rival is None or (type(rival) is str and len(rival) <= MOST_CHARS))
            and (at_s is None or (type(at_s) in (int, float) and 0 <= at_s < MOST_SECONDS))
        )
        return cls(**fields) if sound else None


class Exploration:
    """The account of a function in one call, with the trial that is under way.

    Args:
        account: What trying neighbours of the plan has cost so far.
    """

    def __init__(self, account: Explored) -> None:
        #: The same, with what this call adds.
        self.account = account
        #: It is time to try a neighbour of the plan.
        self.is_due = False
        #: The neighbour that is being tried.
        self.trial: Trial | None = None

    def put_down(self, **changes: Any) -> None:
        """Change some figures of the account."""
        self.account = self.account.but(**changes)


class Trial:
    """One neighbour between two windows of the plan."""

    def __init__(self, plan: Way, rival: Way, n_chunks: int, allowed_s: float, now_s: float):
        self.plan, self.rival = plan, rival
        self.n_chunks, self.allowed_s = n_chunks, allowed_s
        self.rates: list[float] = []  # items a second, window by window
        self.window = Window(n_chunks, now_s)
        self.until_s = 0.0
        self.n_seen = 0  # chunks of the rival

    @property
    def is_rival(self) -> bool:
        """The neighbour has its window now."""
        return len(self.rates) == 1

    @property
    def has_switched(self) -> bool:
        """The first window of the plan is over."""
        return len(self.rates) > 0

    @property
    def way(self) -> Way:
        """Whose window it is."""
        return self.rival if self.is_rival else self.plan


class Window:
    """So many chunks in a row that were begun under one plan."""

    def __init__(self, n_chunks: int, since_s: float) -> None:
        self.n_chunks, self.since_s = n_chunks, since_s
        self._began_s: float | None = None
        self._ended_s = since_s
        self._n_items = 0
        self.n_seen = 0

    def add(self, n_items: int, began_s: float, ended_s: float) -> None:
        """Take in a chunk; the first one only starts the clock."""
        if began_s < self.since_s or not n_items:
            return
        if self._began_s is None:
            self._began_s = ended_s
            return
        self._ended_s = ended_s
        self._n_items += n_items
        self.n_seen += 1

    @property
    def is_full(self) -> bool:
        """Whether it has all chunks."""
        return self.n_seen >= self.n_chunks

    @property
    def rate(self) -> float:
        """Items a second."""
        if self._began_s is None or not self.n_seen:
            return 0.0
        return self._n_items / max(1e-9, self._ended_s - self._began_s)
