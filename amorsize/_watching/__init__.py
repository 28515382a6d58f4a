"""Watching one item: what it changes around it, and which functions it calls."""

from amorsize._watching.call_trace import Inside
from amorsize._watching.finding import Finding
from amorsize._watching.snapshot import Around

__all__ = ["Around", "Finding", "Inside"]
