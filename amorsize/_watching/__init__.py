"""Watching one item: what it changes around it, and which functions it calls."""

from amorsize._watching.around import Around
from amorsize._watching.finding import Finding
from amorsize._watching.inside import Inside

__all__ = ["Around", "Finding", "Inside"]
