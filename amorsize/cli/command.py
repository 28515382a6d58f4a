"""What a command is: words that call it, a function that answers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

WRONG_CALL = 2
#: The status that a shell reports for SIGINT.
INTERRUPTED = 130
Argument = tuple[tuple[str, ...], dict[str, Any]]  # what argparse's add_argument takes


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of texts under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command has to say: one document for programs, the same in blocks for people."""

    document: dict[str, Any]
    blocks: Sequence[str | Table]
    status: int = 0


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: the words that call it, its line of help, its arguments and what it does."""

    words: tuple[str, ...]
    help: str
    run: Callable[[argparse.Namespace], Answer]
    arguments: Sequence[Argument] = field(default=())
    runs_code: bool = (
        False  # of the user's: what that prints goes to stderr, its warnings are no failure
    )
    epilog: str = ""  # examples


class FailureError(Exception):
    """The command cannot do what it was asked; the text says why and what to do."""

    def __init__(
        self, text: str, *, status: int = 1, answer: Answer | None = None, **document: Any
    ) -> None:
        super().__init__(text)
        self.status = status
        self.blocks = () if answer is None else answer.blocks  # what there is all the same
        self.document = {"error": text, **({} if answer is None else answer.document), **document}
