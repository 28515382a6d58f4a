"""Notifies services of drift."""

from __future__ import annotations

import sys

from amorsize._host.signals import in_words, reraise_from_handler
from amorsize._host.unpatched import wall_clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.policy.evidence.drift import Drift


def notify(
    name: str,
    drifts: list[Drift],
    on_retune: Callable[[Any], object] | None,
    warn: Callable[[str], None],
) -> list[Drift]:
    """Log each drift, and call the hook for those that have changed a decision.

    Returns the drifts with their time. A hook that fails draws a warning, as results are complete.
    """
    dated = [one.replace(at_s=wall_clock()) for one in drifts]
    logging = sys.modules.get("logging")  # without it, the program has no handler
    for one in dated:
        if logging is not None:
            logging.getLogger("amorsize").info("%s: %s", name, one)
        if on_retune is None or not one.is_retuned:
            continue
        try:
            on_retune(one)
        except Exception as error:
            reraise_from_handler(error)
            warn(f"on_retune= of {name} raised {in_words(error)}")
    return dated
