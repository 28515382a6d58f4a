"""Tell whether items hold the GIL, by how late a sleeping thread wakes beside them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import GilProbed

#: Above this lag of the probe, items hold the GIL. Measured: 0.90 to 0.95 where they do, 0.19 to
#: 0.31 where they do not.
HOLDS_GIL_SHARE = 0.6

#: A lag this close to the threshold is watched for longer.
CLEAR_MARGIN = 0.15

#: One GIL switch (5 ms) and a nap: a shorter look tells nothing.
WATCH_S = 6e-3

#: Length of the second look, after an unclear first one.
WATCH_LONGER_S = 30e-3


def verdict(seen: GilProbed) -> bool | None:
    """Whether the items hold the GIL; None while that is not clear enough."""
    if seen.watched_s < WATCH_S:
        return None
    distance = abs(seen.lag_share - HOLDS_GIL_SHARE)
    if distance < CLEAR_MARGIN and seen.watched_s < WATCH_LONGER_S:
        return None
    return seen.lag_share >= HOLDS_GIL_SHARE


class GilEvidence:
    """What is known of the GIL in a call, from the probe or from an earlier call."""

    def __init__(self) -> None:
        #: What the probe has seen in all. None: it was not used.
        self.seen: GilProbed | None = None
        #: Whether items hold the GIL. None: not known.
        self.is_held: bool | None = None
        #: The probe is running.
        self.is_probing = False
        #: When the probe began. None: it is still starting.
        self.began_s: float | None = None

    def begin(self) -> None:
        """The probe is started."""
        self.is_probing, self.began_s = True, None

    def add(self, event: GilProbed, *, computing_share: float = 1.0) -> None:
        """The probe has stopped. Only while items compute can they have held the GIL."""
        self.is_probing = False
        event = event.replace(lag_share=min(1.0, event.lag_share / computing_share))
        is_last = self.seen is not None
        self.seen = event if self.seen is None else event.after(self.seen)
        # A look that a fork cut short tells nothing. Otherwise the second one has to do.
        is_known = verdict(self.seen) is not None
        if is_known or (is_last and self.seen.watched_s >= WATCH_S):
            self.is_held = self.seen.lag_share >= HOLDS_GIL_SHARE

    @property
    def enough_s(self) -> float:
        """How long the next look lasts."""
        return WATCH_S if self.seen is None else WATCH_LONGER_S
