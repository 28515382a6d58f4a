"""Tells whether a new profile differs enough from the stored one to be written."""

from __future__ import annotations

from amorsize.policy.evidence.exploration_cost import Explored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.profile import Profile

#: A profile that moved less than this is not written again.
SAME_WITHIN = 0.25


def is_same(before: Profile, after: Profile) -> bool:
    """Whether the new profile would tell the next process nothing new."""
    ratio = after.traits.item_s / max(before.traits.item_s, 1e-12)
    return (
        _essence(before) == _essence(after)
        and Explored.of(before).n_tried == Explored.of(after).n_tried
        and 1 / (1 + SAME_WITHIN) < ratio < 1 + SAME_WITHIN
    )


def _essence(profile: Profile) -> tuple[object, ...]:
    """The parts of a profile of which any difference is news."""
    plan, traits = profile.plan, profile.traits
    return plan.backend, plan.n_jobs, plan.source, traits.holds_gil, traits.waits, profile.bound


def rests_on(profile: Profile) -> tuple[float, int]:
    """What a profile rests on: seconds of use, and number of chunks."""
    return Explored.of(profile).used_s, profile.level.n_chunks
