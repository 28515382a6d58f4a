"""Watches one item while it runs."""

from amorsize._watching.call_trace import Inside
from amorsize._watching.finding import Finding
from amorsize._watching.snapshot import Around

__all__ = ["Around", "Finding", "Inside"]
