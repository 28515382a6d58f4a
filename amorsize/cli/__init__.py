"""The command line: a table of commands, each of which answers as text or as one JSON document.

It ends with 0; with 1 when nothing was found or something failed, and one line says what to do;
with 2 when it was called wrongly; with 130 when it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any

from amorsize.cli import calling, command_groups
from amorsize.cli.command import INTERRUPTED, WRONG_CALL, Command, FailureError
from amorsize.cli.commands import (
    cache,
    completion,
    explain,
    history,
    machine,
    profile,
    report,
    run,
    simulate,
    tune,
    validate,
)
from amorsize.cli.output import (
    Out,
    OutputError,
    complain,
    forget_stdout,
    hold_standard_descriptors,
    plain_output,
    show,
    stdout_kept_apart,
    warnings_as_lines,
)
from amorsize.errors import AmorsizeError

_GROUPS = {
    "cache": "what was learned about your functions, on disk",
    "history": "results of calls and tunings that were saved under a name",
}

COMMANDS: tuple[Command, ...] = (
    *run.COMMANDS,
    *tune.COMMANDS,
    *explain.COMMANDS,
    *report.COMMANDS,
    *history.COMMANDS,
    *cache.COMMANDS,
    *profile.COMMANDS,
    *machine.COMMANDS,
    *validate.COMMANDS,
    *simulate.COMMANDS,
    *completion.COMMANDS,
)

_EXAMPLES = """examples:
  amorsize run shop.parse --data-file paths.txt > parsed.jsonl
  amorsize tune shop.parse --data-file paths.txt --quick
  amorsize COMMAND --help

It ends with 0; with 1 when it failed or found nothing, and a line on stderr says what to do;
with 2 when it was called wrongly; with 130 after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process unless given. Returns the status."""
    words = sys.argv[1:] if arguments is None else arguments
    hold_standard_descriptors()
    try:
        asked = calling.read(parser(), words)
    except calling.WrongCallError as wrong:
        if "--json" in words:
            print(json.dumps({"error": str(wrong)}, indent=2))
        complain(str(wrong))
        return WRONG_CALL
    asked.is_program = arguments is None
    command: Command = asked.command
    try:
        with plain_output(), warnings_as_lines() as told:
            if command.runs_code:
                with stdout_kept_apart() as asked.out:
                    return _answer(asked)
            asked.out = Out(sys.stdout)
            status = _answer(asked)
            asked.out.flush()  # here, where a broken pipe is expected
            return max(status, int(bool(told)))
    except BrokenPipeError:  # the reader had enough, as `head` does
        forget_stdout()
        return 0
    except OutputError as error:
        forget_stdout()
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        _ignore_interrupts(asked)
        complain("interrupted.")
        return INTERRUPTED


def _answer(asked: argparse.Namespace) -> int:
    """Run the command and print its answer, or why there is none."""
    out: Out = asked.out
    try:
        answer = asked.command.run(asked)
    except FailureError as failure:
        if failure.status == INTERRUPTED:
            _ignore_interrupts(asked)
        if asked.json:
            print(json.dumps(failure.document, indent=2), file=out)
        else:
            show(failure.blocks, out)
        complain(str(failure))
        return failure.status
    except AmorsizeError as error:
        if asked.json:
            print(json.dumps({"error": str(error)}, indent=2), file=out)
        complain(str(error))
        return 1
    if asked.json:
        print(json.dumps(answer.document, indent=2), file=out)
    else:
        show(answer.blocks, out)
    return int(answer.status)


def _ignore_interrupts(asked: argparse.Namespace) -> None:
    """The program is ending: one more Ctrl-C must not cut short what it has to say of that."""
    if asked.is_program:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def parser() -> calling.Parser:
    """The parser of the table; every command takes --json."""
    whole = calling.Parser(
        prog="amorsize",
        description="Run a function over data in parallel, tune how, and see what was learned.",
        epilog=_EXAMPLES,
        formatter_class=command_groups.GroupedFormatter,
    )
    whole.add_argument("--version", action="version", version=f"amorsize {_version()}")
    choices = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        *above, word = command.words
        place = choices
        if above:
            group = above[0]
            if group not in groups:
                help_ = _GROUPS[group]
                of_group = choices.add_parser(
                    group,
                    help=help_,
                    description=f"{help_.capitalize()}.",
                    epilog=f"examples:\n  amorsize {group} list\n  amorsize {group} list --help",
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                )
                groups[group] = of_group.add_subparsers(metavar="COMMAND", required=True)
            place = groups[group]
        own = place.add_parser(
            word,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for names, options in command.arguments:
            own.add_argument(*names, **options)
        own.add_argument("--json", action="store_true", help="print one JSON document")
        own.set_defaults(command=command, parser=parser, own=own)
    return whole


def _version() -> str:
    return str(getattr(sys.modules["amorsize"], "__version__", "of unknown version"))
