"""Judges what items do to files that belong to all of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.findings import Findings

    # Functions, what is bound to them, and the names of methods.
    ReadWith = list[tuple[FunctionType, Bound, str]]


def judge_files(
    findings: Findings,
    read_with: ReadWith,
    owns: Owns,
    changes: Callable[..., Any],
    root: FunctionType | None,
) -> None:
    """Note files with one name for all items: they are written in the items' order."""
    from amorsize._function.files.shared_files import files_in_turn
    from amorsize._function.files.shared_names import shared_names
    from amorsize._function.library.sql_uses import uses_by_sql

    read = [one[:2] for one in read_with]
    by_sql = uses_by_sql(func for func, _ in read)
    names = shared_names(read, owns, by_sql, changes, root)
    for path in dict.fromkeys((*files_in_turn(read, owns, by_sql), *names.paths)):
        what = f"a function that changes {path}, which is one file for all items"
        findings.calls[what] = findings.bound[what] = None
    for port in names.ports:
        what = f"a function that listens at port {port}, which is one for all items"
        findings.calls[what] = findings.bound[what] = None
    for part in names.shared:
        what = f"a function that changes files whose names several items share ({part})"
        findings.calls[what] = findings.bound[what] = None
    findings.named_by |= dict.fromkeys(names.by_parts)
    findings.names_files = names.writes


def judge_programs(findings: Findings, read_with: ReadWith) -> None:
    """Note programs that print: only in the caller is their output in the items' order."""
    from amorsize._function.sharing.printing_programs import printing_programs

    for program in printing_programs(one[0] for one in read_with):
        what = f"{program}, a program that prints where this one does"
        findings.calls[what] = findings.bound[what] = None
