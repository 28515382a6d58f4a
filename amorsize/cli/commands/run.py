"""`amorsize run`: map a function over data; results as lines of JSON, in order, once done."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import Any

from amorsize._engine.options.option_checks import BACKENDS
from amorsize.cli import data, results, target
from amorsize.cli.command import INTERRUPTED, Answer, Argument, Command, FailureError
from amorsize.cli.failures import failed
from amorsize.cli.file_names import file_name
from amorsize.cli.json_lines import NotJsonError, Writer
from amorsize.cli.numbers import seconds, whole, whole_between
from amorsize.cli.output import OutputError, complain
from amorsize.cli.results import Lines, Results
from amorsize.cli.text import clean
from amorsize.policy.counted import counted
from amorsize.progress import terminal


def _run(asked: argparse.Namespace) -> Answer:
    from amorsize import history

    results.check(asked)
    if asked.save_result is not None:
        history.check_name(asked.save_result, replace=asked.replace, add=asked.add)
    n_before = asked.skip or results.n_in_file(asked)
    lines = Lines()
    items = data.items(asked, n_before, before_reading=lines.flush)
    tuned = _tuned(target.found(asked.func), asked)
    with results.place(asked) as lines.out:
        return _run_over(items, tuned, Results(asked, lines, n_before), lines, asked)


def _run_over(
    items: Any, tuned: Any, came: Results, lines: Lines, asked: argparse.Namespace
) -> Answer:
    writer, stream = Writer(), tuned.stream(items)
    if asked.progress:
        terminal.watched.append(asked.out)
    try:
        for result in stream:
            came.take(result, writer)
        lines.flush()
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):  # once more: it is ending already
            stream.close()
        lines.flush()
        raise _interrupted(items, came, asked) from None
    except (BrokenPipeError, OutputError, FailureError):
        stream.close()
        raise
    except NotJsonError as error:
        stream.close()
        lines.flush()
        raise FailureError(
            f"the result of item {came.index} {error}. Return plain values.", **came.document()
        ) from None
    except Exception as error:
        lines.flush()
        after = f" It is counted from item {came.n_before} on." if came.n_before else ""
        raise failed(
            error,
            verbose=asked.verbose,
            further=f" {counted(came.n, 'result')} came before; --keep-going goes on.{after}",
            **came.document(),
        ) from error
    finally:
        terminal.watched.clear()
    if writer.n_not_finite:
        complain(f"{counted(writer.n_not_finite, 'number')} became null: NaN or infinite.")
    if not came.n and not isinstance(items, range):
        complain("there was no item in the data." if not came.n_before else "all was done before.")
    return _finished(asked, tuned, came)


def _interrupted(items: Any, came: Results, asked: argparse.Namespace) -> FailureError:
    """How much is done, and how to go on."""
    done = counted(came.n, "result")
    if isinstance(items, range):
        done = f"{came.n} of {counted(len(items), 'result')}"
    text = f"interrupted; {done} came before."
    if asked.output is not None:
        text = f"interrupted; {done} came before, and {'is' if came.n == 1 else 'are'} in "
        text += f"{clean(asked.output)}."
    if asked.seed is None:
        flag = f"--skip {came.index}" if asked.output is None or asked.raw else "--resume"
        text += f" The same command with {flag} goes on from there."
    return FailureError(text, status=INTERRUPTED, **came.document())


def _tuned(func: Any, asked: argparse.Namespace) -> Any:
    """The tuned function, with the options of its decorator and those of the command line."""
    from amorsize._api.decorator import TunedFunction, autotune

    tuned = func if isinstance(func, TunedFunction) else autotune(func)
    given = {name: getattr(asked, name) for name in OPTIONS if getattr(asked, name) is not None}
    if asked.address is not None:
        given.pop("backend", None)
        given["executor"] = asked.address
    if asked.keep_going:
        given["return_exceptions"] = True
    if asked.progress:
        given["progress"] = True
    return tuned.using(**given) if given else tuned


def _finished(asked: argparse.Namespace, tuned: Any, came: Results) -> Answer:
    from amorsize import history

    explanation = tuned.explain()
    if asked.explain:
        print(explanation, file=sys.stderr)
    if asked.save_result is not None and came.n:
        history.save(asked.save_result, tuned, replace=asked.replace, add=asked.add, func=tuned.one)
    document = came.document()
    if came.n and (trace := explanation.trace) is not None:
        plan = trace.plan.as_dict()
        document |= {"makespan_s": trace.makespan_s, "loop_s": trace.loop_s, "plan": plan}
        document["explanation"] = str(explanation)
    if came.n_failed:
        complain(f"{counted(came.n_failed, 'item')} of {came.n} failed, see their results.")
    return Answer(document=document, blocks=[], status=int(came.n_failed > 0))


OPTIONS = ("backend", "n_jobs", "chunksize", "timeout", "retries", "seed")

FUNC: Argument = (("func",), {"metavar": "FUNC", "help": target.HELP})

HOW: tuple[Argument, ...] = (
    (
        ("--backend",),
        {
            "choices": BACKENDS,
            "help": "where items run",
        },
    ),
    (
        ("--address",),
        {"metavar": "URL", "help": "of a Dask scheduler (tcp://...) or a Ray cluster (ray://...)"},
    ),
    (
        ("-j", "--n-jobs"),
        {"type": whole, "metavar": "N", "help": "how many at once; -1: every usable core"},
    ),
    (
        ("--chunksize",),
        {"type": whole, "metavar": "N", "help": "how many items are sent at once"},
    ),
)

SAVING: tuple[Argument, ...] = (
    (
        ("--save-result",),
        {"metavar": "NAME", "help": "keep what was measured, for `amorsize history`"},
    ),
    (("--replace",), {"action": "store_true", "help": "replace the result of that NAME"}),
    (
        ("--add",),
        {"action": "store_true", "help": "keep others of that NAME too, to show how they vary"},
    ),
)

COMMANDS = (
    Command(
        words=("run",),
        help="map a function over data, in parallel where that pays; results as lines of JSON",
        run=_run,
        runs_code=True,
        arguments=(
            FUNC,
            *data.ARGUMENTS,
            *HOW,
            (
                ("--timeout",),
                {"type": seconds, "metavar": "S", "help": "seconds that one item may take"},
            ),
            (
                ("--retries",),
                {
                    "type": whole,
                    "metavar": "N",
                    "help": "how often an item may run again after its worker died (1)",
                },
            ),
            (
                ("--seed",),
                {
                    "type": whole,
                    "metavar": "N",
                    "help": "give each item its own random stream",
                },
            ),
            (
                ("--keep-going",),
                {
                    "action": "store_true",
                    "help": 'a failed item becomes {"error": ...} and the others go on; status 1',
                },
            ),
            (
                ("-o", "--output"),
                {
                    "type": file_name,
                    "metavar": "FILE",
                    "help": "write results there, rather than to stdout",
                },
            ),
            (
                ("-y", "--yes"),
                {"action": "store_true", "help": "replace FILE without asking"},
            ),
            (
                ("--resume",),
                {"action": "store_true", "help": "go on where FILE ends; it counts its lines"},
            ),
            (
                ("--skip",),
                {
                    "type": whole_between(0),
                    "default": 0,
                    "metavar": "N",
                    "help": "leave out the first N items",
                },
            ),
            (
                ("--raw",),
                {
                    "action": "store_true",
                    "help": "write texts and bytes as they are, rather than as JSON",
                },
            ),
            (("--progress",), {"action": "store_true", "help": "show on stderr how far it is"}),
            (
                ("--explain",),
                {"action": "store_true", "help": "tell on stderr how it was run, and why"},
            ),
            (
                ("-v", "--verbose"),
                {"action": "store_true", "help": "show the whole traceback of an item that fails"},
            ),
            *SAVING,
        ),
        epilog=(
            "examples:\n"
            "  amorsize run shop.parse --data-file paths.txt > parsed.jsonl\n"
            "  find . -name '*.log' | amorsize run tools/scan.py:scan --raw | head\n"
            "  amorsize run shop.parse --data-file paths.txt -o done.jsonl --resume\n"
            "  amorsize run shop:price --data-range 1000 --backend process --explain"
        ),
    ),
)
