"""The trial of one plan beside that of a call, which differs from it a little: a neighbour."""

from __future__ import annotations

from amorsize.policy.evidence.plan_window import RateWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.policy.evidence.exploration_cost import Explored

    Way = tuple[str, int]  # backend and number of jobs


class Exploration:
    """The account of a function in one call, with the trial that is under way.

    Args:
        account: What trying neighbours of the plan has cost so far.
    """

    def __init__(self, account: Explored) -> None:
        #: The same, with what this call adds.
        self.account = account
        #: Whether it is time to try a neighbour of the plan.
        self.is_due = False
        #: The neighbour that is being tried.
        self.trial: Trial | None = None

    def put_down(self, **changes: Any) -> None:
        """Change some figures of the account."""
        self.account = self.account.replace(**changes)


class Trial:
    """One neighbour between two windows of the plan."""

    def __init__(self, plan: Way, rival: Way, n_chunks: int, allowed_s: float, now_s: float):
        self.plan, self.rival = plan, rival
        self.n_chunks, self.allowed_s = n_chunks, allowed_s
        self.rates: list[float] = []  # items a second, window by window
        self.window = RateWindow(n_chunks, now_s)
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
