"""The command line: a table of commands, each of which answers as text or as one JSON document.

It ends with 0; with 1 when nothing was found or something failed, and one line says what to do;
or with 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeGuard

from amorsize import _machine, cache
from amorsize.errors import AmorsizeError, AmorsizeWarning

Record = dict[str, Any]  # as it was found on disk: any name or type may be missing or forged

_MAX_SHOWN = 200  # characters of one text from the disk
_N_SUGGESTED = 3


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


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: the words that call it, its line of help, its arguments and what it does."""

    words: tuple[str, ...]
    help: str
    run: Callable[[argparse.Namespace], Answer]
    arguments: Sequence[tuple[tuple[str, ...], dict[str, Any]]] = field(default=())


class _FailureError(Exception):
    """The command cannot do what it was asked; the text says why and what to do."""

    def __init__(self, text: str, *, status: int = 1, **document: Any) -> None:
        super().__init__(text)
        self.status = status
        self.document = {"error": text, **document}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process unless given. Returns the status."""
    asked = _parser().parse_args(arguments)
    try:
        with _plain_output(), _warnings_as_lines() as told:
            status = _answer(asked)
            sys.stdout.flush()  # here, where a broken pipe is expected
            return max(status, int(bool(told)))
    except BrokenPipeError:  # the reader had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130  # what a shell reports for SIGINT


def _answer(asked: argparse.Namespace) -> int:
    """Run the command and print its answer, or why there is none."""
    try:
        answer = asked.run(asked)
    except _FailureError as failure:
        if asked.json:
            print(json.dumps(failure.document, indent=2))
        _complain(str(failure))
        return failure.status
    except AmorsizeError as error:
        if asked.json:
            print(json.dumps({"error": str(error)}, indent=2))
        _complain(str(error))
        return 1
    if asked.json:
        print(json.dumps(answer.document, indent=2))
    else:
        _show(answer.blocks)
    return 0


# ---- cache ----


def _cache_list(_asked: argparse.Namespace) -> Answer:
    records = _records()
    n_damaged = cache.n_damaged()
    here = _machine.host_fingerprint()
    document = {"home": str(cache.home()), "n_damaged": n_damaged, "profiles": records}
    blocks: list[str | Table] = []
    if records:
        header = ("function", "runs best with", "per item", "learned", "on")
        blocks.append(Table(header=header, rows=[_row(record, here) for record in records]))
    else:
        blocks.append(f"Nothing is remembered in {cache.home()}.")
    if n_damaged:
        blocks.append(
            f"{_n(n_damaged, 'row')} of the database cannot be used and will never be; "
            "`amorsize cache clear` removes everything."
        )
    return Answer(document=document, blocks=blocks)


def _cache_show(asked: argparse.Namespace) -> Answer:
    records = _found(asked.name)
    here = _machine.host_fingerprint()
    blocks = ["\n".join(_details(record, here)) for record in records]
    return Answer(document={"profiles": records}, blocks=blocks)


def _cache_clear(asked: argparse.Namespace) -> Answer:
    if asked.name is not None:
        keys = [str(record["stored_as"]) for record in _found(asked.name)]
        n_cleared = cache.forget(*keys)
    else:
        _refuse_if_off()
        if not asked.yes:
            _ask(f"Remove everything that amorsize has learned, in {cache.home()}?")
        n_cleared = cache.clear()
    return Answer(document={"n_cleared": n_cleared}, blocks=[f"Removed {_n(n_cleared, 'record')}."])


def _records() -> list[Record]:
    """All records, by name, the latest first."""
    _refuse_if_off()
    return sorted(cache.entries(), key=lambda record: (_name(record), -_saved_at_s(record)))


def _found(pattern: str) -> list[Record]:
    """The records of the functions that a name or pattern fits; a failure if there are none."""
    records = _records()
    found = [record for record in records if _fits(str(record.get("name")), pattern)]
    if not found:
        raise _FailureError(_no_such_name(pattern, records))
    return found


def _fits(name: str, pattern: str) -> bool:
    last = name.rpartition(".")[2]
    return pattern in {name, last} or fnmatchcase(name, pattern) or fnmatchcase(last, pattern)


def _no_such_name(pattern: str, records: Sequence[Record]) -> str:
    names = sorted({_name(record) for record in records})
    by_last = {name.rpartition(".")[2]: name for name in names}
    similar = difflib.get_close_matches(pattern, [*names, *by_last], n=_N_SUGGESTED, cutoff=0.5)
    near = dict.fromkeys(by_last.get(name, name) for name in similar)
    if near:
        what_to_do = f"Nearest: {', '.join(near)}."
    elif names:
        what_to_do = "`amorsize cache list` lists what there is."
    else:
        what_to_do = f"Nothing is remembered in {cache.home()}."
    return f"nothing is remembered of {_clean(pattern)!r}. {what_to_do}"


def _row(record: Record, here: str) -> tuple[str, ...]:
    profile = _profile(record)
    item_s = profile.get("item_s")
    return (
        _name(record),
        _plan(profile),
        _duration(item_s) if _is_number(item_s) else "?",
        _ago(_saved_at_s(record)),
        "this host" if record.get("host") == here else "another host",
    )


def _plan(profile: Record) -> str:
    """A profile's plan in words, as far as it names one."""
    backend, n_jobs, chunksize = (profile.get(k) for k in ("backend", "n_jobs", "chunksize"))
    if not isinstance(backend, str):
        return "?"
    if backend == "serial" or not _is_number(n_jobs):
        return _clean(backend)
    return f"{_clean(backend)} x {_value(n_jobs)}, {_value(chunksize)} items a chunk"


def _details(record: Record, here: str) -> Iterator[str]:
    """A record in full, a line a value."""
    yield _name(record)
    yield f"  {_plan(_profile(record))}, learned {_ago(_saved_at_s(record))} on " + (
        "this host" if record.get("host") == here else "another host"
    )
    for name, value in _leaves(record, ""):
        yield f"  {name} = {value}"


def _leaves(values: Record, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{_clean(name)}.")
        else:
            yield prefix + _clean(name), _value(value)


def _profile(record: Record) -> Record:
    profile = record.get("profile")
    return profile if isinstance(profile, dict) else {}


def _name(record: Record) -> str:
    name = record.get("name")
    return _clean(name) if isinstance(name, str) and name else "(no name)"


def _saved_at_s(record: Record) -> float:
    saved_at_s = record.get("saved_at_s")
    return float(saved_at_s) if _is_number(saved_at_s) else 0.0


def _refuse_if_off() -> None:
    if cache.switched_off():
        raise _FailureError(
            f"{cache.SWITCH_VARIABLE}={os.environ.get(cache.SWITCH_VARIABLE)} switches the cache "
            "off. Unset it to see or change what is remembered."
        )


def _ask(question: str) -> None:
    """Go on only if the person at the terminal says yes."""
    if not sys.stdin.isatty():
        raise _FailureError(
            "this removes everything, and there is no terminal to ask at. "
            "Pass --yes to do it all the same, or the NAME of a function.",
            status=2,
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise _FailureError("nothing was removed.")


# ---- machine ----


def _machine_now(_asked: argparse.Namespace) -> Answer:
    cpus, memory = _machine.usable_cpus(), _machine.memory()
    why_not_fork = _machine.why_not_fork()  # before measuring, which starts threads for a moment
    costs = _machine.measure_costs().as_dict()
    measured = _machine.costs_as_dict()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    document = {
        "cpus": cpus.as_dict(),
        "memory": memory.as_dict(),
        "cpu_model": _machine.cpu_model(),
        "python": python,
        "fork": {"safe": why_not_fork is None, "why_not": why_not_fork},
        "costs": costs,
        "costs_measured": sorted(measured),
        "host": {"fingerprint": _machine.host_fingerprint(), **_machine.host_facts()},
        "cache": {"home": str(cache.home()), "on_disk": cache.known_on_disk()},
    }
    limit = "" if memory.limit_bytes is None else f", limited to {_size(memory.limit_bytes)}"
    facts = {
        "CPUs": f"{cpus.n_cores} usable: {cpus.source}",
        "processor": _machine.cpu_model(),
        "memory": f"{_size(memory.available_bytes)} free of {_size(memory.total_bytes)}{limit}",
        "Python": python,
        "fork": f"not used: {why_not_fork}" if why_not_fork else "safe",
        "cache": f"{cache.home()}" + ("" if cache.known_on_disk() else " (empty)"),
    }
    rows = [
        (_COSTS.get(name, name), _duration(cost_s), "measured" if name in measured else "assumed")
        for name, cost_s in costs.items()
    ]
    table = Table(header=("what it costs here", "takes", ""), rows=rows)
    width = max(map(len, facts))
    lines = [f"{name:<{width}}  {_clean(text)}" for name, text in facts.items()]
    return Answer(document=document, blocks=["\n".join(lines), table])


_COSTS = {
    "start_s": "starting a forked worker, for the caller",
    "ready_s": "until a forked worker can take work",
    "clean_start_s": "until a worker in a new interpreter can take work",
    "thread_start_s": "starting a thread",
    "dispatch_s": "sending a chunk to a process and taking its results",
    "latency_s": "a message to another process, one way",
    "thread_dispatch_s": "handing a chunk to a thread",
    "cache_open_s": "importing and opening the cache",
}


# ---- simulate ----


def _simulate(asked: argparse.Namespace) -> Answer:
    from amorsize import simulate  # of no use to the other commands

    try:
        world = simulate.load(asked.trace)
    except OSError as error:
        raise _FailureError(f"{asked.trace} cannot be read: {error.strerror}.") from None
    forecasts = simulate.forecast(world, asked.cores or sorted({world.n_cores, *_USUAL_CORES}))
    document = {
        "name": world.name,
        "n_items": len(world.costs_s),
        "n_cores": world.n_cores,
        "forecasts": [
            {
                "n_cores": one.n_cores,
                "loop_s": one.loop_s,
                "makespan_s": one.makespan_s,
                "speedup": one.speedup,
                "backend": one.backend,
                "n_workers": one.n_started,
                "best_fixed_s": one.best.makespan_s,
                "limit": one.limit,
            }
            for one in forecasts
        ],
    }
    rows = [
        (
            str(one.n_cores),
            _duration(one.makespan_s),
            f"{one.speedup:.3g} x",
            _n(one.n_started, f"worker {one.backend}") if one.n_started else "the loop",
            _clean(one.limit),
        )
        for one in forecasts
    ]
    header = ("cores", "takes", "by the loop", "workers", "what limits it")
    items = f"{len(world.costs_s)} items, recorded on {_n(world.n_cores, 'core')}"
    loop = f"the loop takes {_duration(forecasts[0].loop_s)}"
    title = f"{_clean(world.name)}: {items}; {loop}. Simulated:"
    return Answer(document=document, blocks=[title, Table(header=header, rows=rows)])


_USUAL_CORES = (2, 4, 8, 16, 32, 64)


def _cores(text: str) -> int:
    n_cores = int(text)
    if not 1 <= n_cores <= _MAX_CORES:
        raise argparse.ArgumentTypeError(f"{n_cores}: from 1 to {_MAX_CORES}")
    return n_cores


_MAX_CORES = 4096


# ---- The table of commands ----

_GROUPS = {"cache": "what was learned about your functions, on disk"}

_NAME = "a function's full name (package.module.function), its last part, or a pattern (parse_*)"

COMMANDS = (
    Command(words=("cache", "list"), help="list what is remembered", run=_cache_list),
    Command(
        words=("cache", "show"),
        help="show all that is remembered of a function",
        run=_cache_show,
        arguments=[(("name",), {"metavar": "NAME", "help": _NAME})],
    ),
    Command(
        words=("cache", "clear"),
        help="remove what is remembered: everything, or of one function",
        run=_cache_clear,
        arguments=[
            (("name",), {"metavar": "NAME", "nargs": "?", "help": f"{_NAME}; without: all"}),
            (("--yes",), {"action": "store_true", "help": "remove everything without asking"}),
        ],
    ),
    Command(
        words=("machine",),
        help="show what amorsize may use on this host, and measure what workers cost",
        run=_machine_now,
    ),
    Command(
        words=("simulate",),
        help="play a recorded call on hosts with other numbers of cores",
        run=_simulate,
        arguments=[
            (("trace",), {"metavar": "TRACE", "help": "a file of amorsize.simulate.save"}),
            (
                ("--cores",),
                {
                    "action": "append",
                    "type": _cores,
                    "metavar": "N",
                    "help": "cores of the other host; may be given several times",
                },
            ),
        ],
    ),
)


def _parser() -> argparse.ArgumentParser:
    """The parser of the table; every command takes --json."""
    parser = argparse.ArgumentParser(
        prog="amorsize", description="Look into what amorsize has learned, and what it sees here."
    )
    parser.add_argument("--version", action="version", version=f"amorsize {_version()}")
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    groups = {}
    for group, help_ in _GROUPS.items():
        of_group = choices.add_parser(group, help=help_, description=f"{help_.capitalize()}.")
        groups[group] = of_group.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        *above, word = command.words
        place = groups[above[0]] if above else choices
        own = place.add_parser(
            word, help=command.help, description=f"{command.help[0].upper()}{command.help[1:]}."
        )
        for names, options in command.arguments:
            own.add_argument(*names, **options)
        own.add_argument("--json", action="store_true", help="print one JSON document")
        own.set_defaults(run=command.run)
    return parser


def _version() -> str:
    return str(getattr(sys.modules["amorsize"], "__version__", "of unknown version"))


# ---- Saying it ----


def _show(blocks: Sequence[str | Table]) -> None:
    """Print to people: tables by rich on a terminal, in plain columns elsewhere."""
    for block in blocks:
        if isinstance(block, str):
            print(block)
        elif sys.stdout.isatty():
            _show_on_terminal(block)
        else:
            _show_in_columns(block)


def _show_on_terminal(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable()
    for name in table.header:
        drawn.add_column(Text(name))
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: `[red]` in a name is no markup
    Console().print(drawn)


def _show_in_columns(table: Table) -> None:
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    for line in lines:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _complain(text: str) -> None:
    print(f"amorsize: {text}", file=sys.stderr)


@contextmanager
def _warnings_as_lines() -> Iterator[list[str]]:
    """Say amorsize's warnings in one line each on stderr; yields those said."""
    told: list[str] = []

    def show(message: Warning | str, *_place: Any, **_more: Any) -> None:
        told.append(str(message))
        _complain(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", AmorsizeWarning)
        warnings.showwarning = show
        yield told


@contextmanager
def _plain_output() -> Iterator[None]:
    """Write `\\u....` for what the terminal's encoding lacks, rather than fail at a name."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    yield


def _clean(text: str) -> str:
    """A text from the disk without what could steer a terminal or turn the writing around."""
    shown = text[:_MAX_SHOWN] + ("..." if len(text) > _MAX_SHOWN else "")
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in shown
    )


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return _clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _n(count: int, thing: str) -> str:
    ending = "es" if thing.endswith("s") else "s"
    return f"{count} {thing}{'' if count == 1 else ending}"


def _duration(seconds: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if abs(seconds) >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-9:.3g} ns"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def _ago(then_s: float) -> str:
    """How long ago a moment was, of which the disk may tell anything."""
    passed_s = time.time() - then_s
    if not 0 <= passed_s < 10 * 365 * 86_400:
        return "at an unknown time"
    for unit_s, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if passed_s >= unit_s:
            return f"{_n(int(passed_s // unit_s), name)} ago"
    return "just now"
