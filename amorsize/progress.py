"""A bar that counts finished items."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def bar(n_items: int | None, name: str) -> Any:
    """A tqdm bar for a terminal or a notebook, without tqdm's own watching thread."""
    from tqdm.auto import tqdm

    tqdm.monitor_interval = 0  # its thread would forbid forking
    return tqdm(total=n_items, desc=name, unit="item")
