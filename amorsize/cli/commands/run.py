"""`amorsize run`: map a function over data; results as lines of JSON, in order, once done."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from amorsize._host.clocks import perf_counter
from amorsize.cli import data, target
from amorsize.cli.command import INTERRUPTED, Answer, Argument, Command, FailureError
from amorsize.cli.failures import failed
from amorsize.cli.json_lines import NotJsonError, Writer, as_json
from amorsize.cli.numbers import seconds, whole
from amorsize.cli.output import Out, complain
from amorsize.progress import terminal
from amorsize.report import counted

FLUSH_AFTER_S = 0.05  # a line that waits for others to go with it waits no longer


def _run(asked: argparse.Namespace) -> Answer:
    from amorsize import history

    if asked.save_result is not None:
        history.check_name(asked.save_result, replace=asked.replace, add=asked.add)
    lines = _Lines(asked.out)
    items = data.items(asked, before_reading=lines.flush)
    func = target.found(asked.func)
    tuned = _tuned(func, asked)
    writer, results = Writer(), _Results(asked, lines)
    stream = tuned.stream(items)
    if asked.progress:
        terminal.watched.append(asked.out)
    try:
        for result in stream:
            results.take(result, writer)
        lines.flush()
    except KeyboardInterrupt:
        stream.close()
        lines.flush()
        raise FailureError(
            f"interrupted; {counted(results.n, 'result')} came before.",
            status=INTERRUPTED,
            **results.document(),
        ) from None
    except (BrokenPipeError, FailureError):
        stream.close()
        raise
    except NotJsonError as error:
        stream.close()
        lines.flush()
        raise FailureError(
            f"the result of item {results.n} {error}. Return plain values.", **results.document()
        ) from None
    except Exception as error:
        lines.flush()
        raise failed(
            error,
            verbose=asked.verbose,
            further=f" {counted(results.n, 'result')} came before; --keep-going goes on.",
            **results.document(),
        ) from error
    finally:
        terminal.watched.clear()
    if writer.n_not_finite:
        complain(f"{counted(writer.n_not_finite, 'number')} became null: NaN or infinite.")
    return _finished(asked, tuned, results)


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


class _Lines:
    """Lines on stdout that never wait for long, though the next result may."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._flushed_s = 0.0
        self._has_more = False

    def write(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._has_more = True
        if perf_counter() - self._flushed_s > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        if self._has_more:
            self._out.flush()
            self._flushed_s, self._has_more = perf_counter(), False


class _Results:
    """What has come so far: written at once, or kept for one document."""

    def __init__(self, asked: argparse.Namespace, lines: _Lines) -> None:
        self._lines = None if asked.json else lines
        self._kept: list[Any] = []
        self._keeps_going = asked.keep_going
        self.n = self.n_failed = 0

    def take(self, result: Any, writer: Writer) -> None:
        if self._keeps_going and isinstance(result, Exception):
            result = {"error": type(result).__name__, "text": str(result), "item": self.n}
            self.n_failed += 1
        text = writer.text(result)
        if self._lines is None:
            self._kept.append(as_json(text))
        else:
            self._lines.write(text)
        self.n += 1

    def document(self) -> dict[str, Any]:
        more: dict[str, Any] = {} if self._lines is not None else {"results": self._kept}
        return {"n_results": self.n, "n_failed": self.n_failed, **more}


def _finished(asked: argparse.Namespace, tuned: Any, results: _Results) -> Answer:
    from amorsize import history

    explanation = tuned.explain()
    if asked.explain:
        print(explanation, file=sys.stderr)
    if asked.save_result is not None and results.n:
        history.save(asked.save_result, tuned, replace=asked.replace, add=asked.add, func=tuned.one)
    document = results.document()
    if results.n and (trace := explanation.trace) is not None:
        plan = trace.plan.as_dict()
        document |= {"makespan_s": trace.makespan_s, "loop_s": trace.loop_s, "plan": plan}
        document["explanation"] = str(explanation)
    if results.n_failed:
        complain(f"{counted(results.n_failed, 'item')} of {results.n} failed, see their results.")
    return Answer(document=document, blocks=[], status=int(results.n_failed > 0))


OPTIONS = ("backend", "n_jobs", "chunksize", "timeout", "retries", "seed")

FUNC: Argument = (("func",), {"metavar": "FUNC", "help": target.HELP})

HOW: tuple[Argument, ...] = (
    (
        ("--backend",),
        {
            "choices": ("auto", "serial", "thread", "process", "dask", "ray"),
            "help": "where items run",
        },
    ),
    (
        ("--address",),
        {"metavar": "URL", "help": "of a Dask scheduler (tcp://...) or a Ray cluster (ray://...)"},
    ),
    (
        ("--n-jobs",),
        {"type": whole, "metavar": "N", "help": "how many at once; -1: every usable core"},
    ),
    (
        ("--chunksize",),
        {"type": whole, "metavar": "N", "help": "items that travel together"},
    ),
)

SAVING: tuple[Argument, ...] = (
    (
        ("--save-result",),
        {"metavar": "NAME", "help": "keep what was measured, for `amorsize history`"},
    ),
    (("--replace",), {"action": "store_true", "help": "in the place of another of that NAME"}),
    (
        ("--add",),
        {"action": "store_true", "help": "beside others of that NAME, to show what they differ by"},
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
                    "help": "how often an item may run again whose worker died (1)",
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
            (("--progress",), {"action": "store_true", "help": "count finished items on stderr"}),
            (
                ("--explain",),
                {"action": "store_true", "help": "tell on stderr how it was run, and why"},
            ),
            (
                ("--verbose",),
                {"action": "store_true", "help": "show the whole traceback of an item that fails"},
            ),
            *SAVING,
        ),
        epilog=(
            "examples:\n"
            "  amorsize run shop.parse --data-file paths.txt > parsed.jsonl\n"
            "  find . -name '*.log' | amorsize run tools/scan.py:scan --data-stdin | head\n"
            "  amorsize run shop:price --data-range 1000 --backend process --explain"
        ),
    ),
)
