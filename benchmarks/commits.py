"""Which code was measured."""

import subprocess

from benchmarks.outside import ROOT

DIRTY = "-dirty"  # changed since: two such states need not be the same
UNKNOWN = "unknown"  # no repository, or no git


def described() -> str:
    """The commit that is checked out, with a word if files were changed since."""
    return _git("describe", "--always", "--dirty") or UNKNOWN


def last_change(folder: str) -> str:
    """The last commit that has changed anything in a folder, and what it says it did."""
    return _git("log", "-1", "--format=%h (%s)", "--", folder) or UNKNOWN


def state_of(folder: str) -> str:
    """A folder's contents, by the commit that made them so."""
    commit = _git("log", "-1", "--format=%h", "--", folder) or UNKNOWN
    return f"{commit}{DIRTY}" if _git("status", "--porcelain", "--", folder) else commit


def _git(*arguments: str) -> str:
    git = ("git", "-C", str(ROOT), *arguments)
    try:
        told = subprocess.run(git, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return told.stdout.strip()
