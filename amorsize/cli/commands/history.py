"""`amorsize history ...`: results that were saved under a name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from amorsize.cli.command import Answer, Command, Table
from amorsize.cli.prompt import confirm
from amorsize.cli.text import ago, clean
from amorsize.policy.counted import counted

if TYPE_CHECKING:
    from amorsize.history import Saved


def _list(_asked: argparse.Namespace) -> Answer:
    from amorsize import history

    found, n_damaged = history.list(), history.n_damaged()
    rows = [
        (
            one.name,
            one.kind,
            clean(one.function),
            clean(one.plan),
            str(one.figure("total") or "?"),
            "-" if one.speedup is None else f"{one.speedup:.2f} x",
            ago(one.saved_at_s),
        )
        for one in found
    ]
    header = ("name", "of a", "function", "plan", "takes", "speedup", "saved")
    blocks: list[str | Table] = [Table(header=header, rows=rows)] if rows else []
    if not rows:
        blocks.append("Nothing has been saved yet: --save-result NAME does.")
    if n_damaged:
        blocks.append(
            f"{counted(n_damaged, 'result')} cannot be read; `history clear` removes all."
        )
    document = {"n_damaged": n_damaged, "results": [_summary(one) for one in found]}
    return Answer(document=document, blocks=blocks)


def _summary(saved: Saved) -> dict[str, Any]:
    """A saved result without what only its own page shows."""
    document = saved.as_document()
    return {name: document[name] for name in document if name not in ("result", "figures")}


def _show(asked: argparse.Namespace) -> Answer:
    from amorsize import history

    saved = history.show(asked.name)
    return Answer(document=saved.as_document(), blocks=[str(saved)])


def _compare(asked: argparse.Namespace) -> Answer:
    from amorsize import history

    comparison = history.compare(asked.a, asked.b)
    table = Table(header=("", asked.a, asked.b, ""), rows=list(comparison.rows()))
    return Answer(document=comparison.to_dict(), blocks=[table, comparison.verdict])


def _delete(asked: argparse.Namespace) -> Answer:
    from amorsize import history

    n_removed = history.delete(*asked.names)
    return Answer(
        document={"n_removed": n_removed}, blocks=[f"Removed {counted(n_removed, 'result')}."]
    )


def _clear(asked: argparse.Namespace) -> Answer:
    from amorsize import history

    if not asked.yes:
        n_all = len(history.list()) + history.n_damaged()
        confirm(
            f"Remove {counted(n_all, 'saved result')}?",
            instead="this removes everything, and there is no terminal to ask at. Pass --yes to "
            "do it all the same, or say `history delete NAME`.",
        )
    n_removed = history.clear()
    return Answer(
        document={"n_removed": n_removed}, blocks=[f"Removed {counted(n_removed, 'result')}."]
    )


COMMANDS = (
    Command(
        words=("history", "list"),
        epilog="example:\n  amorsize history list",
        help="list the results that were saved",
        run=_list,
    ),
    Command(
        words=("history", "show"),
        epilog="example:\n  amorsize history show before",
        help="show a result in full",
        run=_show,
        arguments=[(("name",), {"metavar": "NAME", "help": "the name it was saved under"})],
    ),
    Command(
        words=("history", "compare"),
        help="set two results side by side, and tell whether a change exceeds the noise",
        run=_compare,
        arguments=[
            (("a",), {"metavar": "A", "help": "the name of the earlier result"}),
            (("b",), {"metavar": "B", "help": "the name of the other"}),
        ],
        epilog=(
            "example:\n"
            "  amorsize run shop.parse --data-file paths.txt --save-result before > /dev/null\n"
            "  amorsize run shop.parse --data-file paths.txt --save-result after > /dev/null\n"
            "  amorsize history compare before after"
        ),
    ),
    Command(
        words=("history", "delete"),
        epilog="example:\n  amorsize history delete before after",
        help="remove results",
        run=_delete,
        arguments=[(("names",), {"metavar": "NAME", "nargs": "+", "help": "a result's name"})],
    ),
    Command(
        words=("history", "clear"),
        epilog="example:\n  amorsize history clear --yes",
        help="remove all results",
        run=_clear,
        arguments=[(("-y", "--yes"), {"action": "store_true", "help": "without asking"})],
    ),
)
