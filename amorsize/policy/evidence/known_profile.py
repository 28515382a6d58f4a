"""The profile of an earlier call, with what this call has made of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.actions import Plan
    from amorsize.policy.evidence.drift import Watch
    from amorsize.policy.profile import Profile


class KnownProfile:
    """What is remembered of the function, and whether it holds for this call.

    Args:
        remembered: The profile of an earlier call; None: nothing is remembered.
    """

    def __init__(self, remembered: Profile | None) -> None:
        #: The profile, until it has been checked.
        self.unchecked = remembered
        #: Whether the earlier call had processes.
        self.had_processes = had_processes(remembered)
        #: Slices that it was checked on.
        self.n_checks = 0
        #: Whether this call's items agree with it, or disagree. Neither: it was not checked.
        self.fits = self.is_contradicted = False
        #: Calls behind the profile that was adopted.
        self.n_calls = 0
        #: Compares costs with the profile that was adopted.
        self.watch: Watch | None = None
        #: A plan that was measured deliberately, while it holds.
        self.followed: Plan | None = None

    @property
    def is_checked(self) -> bool:
        """Whether this call's items were compared with it."""
        return self.fits or self.is_contradicted

    def judge(self, *, fits: bool) -> None:
        """What this call's items say of it, now or in the end."""
        self.fits, self.is_contradicted = fits, not fits


def had_processes(remembered: Profile | None) -> bool:
    """Whether the call that is remembered had worker processes."""
    return remembered is not None and remembered.plan.backend == "process"
