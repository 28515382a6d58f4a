"""`amorsize report`: one page about a call that is made now, or about what is remembered."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from amorsize._host import resources
from amorsize._profiles import exchange
from amorsize.cli import data, target
from amorsize.cli.command import INTERRUPTED, Answer, Command, FailureError
from amorsize.cli.commands import explain, run
from amorsize.cli.commands.cache import name_in
from amorsize.cli.failures import failed
from amorsize.cli.file_names import file_name
from amorsize.cli.text import clean
from amorsize.policy.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from amorsize._page.page import Page, Section
    from amorsize.cli.commands.cache import Record
    from amorsize.policy.profile import Profile
    from amorsize.policy.trace import Trace

PLACE = "report.html"
#: Items of a call that is played for the page: its picture needs no more.
MOST_PLAYED = 100_000


def _report(asked: argparse.Namespace) -> Answer:
    from amorsize._page import page
    from amorsize._plots import canvas

    path = page.check_path(asked.output)
    page.load()
    canvas.load()  # both before a call that may take hours
    has_data = asked.data_range is not None or asked.data_file is not None or asked.data_stdin
    return _of_call(asked, path) if has_data else _of_memory(asked, path)


def _of_call(asked: argparse.Namespace, path: Path) -> Answer:
    """Run the function over the data, and tell how that went; its results are left out."""
    items = data.items(asked)
    tuned = _tuned(target.found(asked.func), asked)
    stream, n_results = tuned.stream(items), 0
    try:
        for _ in stream:
            n_results += 1
    except KeyboardInterrupt:
        stream.close()
        came = counted(n_results, "result")
        raise FailureError(
            f"interrupted; {came} came before. There is no page.", status=INTERRUPTED
        ) from None
    except FailureError:
        stream.close()
        raise
    except Exception as error:
        further = f" {counted(n_results, 'result')} came before."
        raise failed(error, verbose=asked.verbose, further=further) from error
    explanation = tuned.explain()
    where = explanation.save(path)
    told = str(explanation).partition("\n")[0]
    return Answer(
        document={"page": str(where), "n_results": n_results, "told": told},
        blocks=[f"{clean(told)}\n{clean(str(where))}"],
    )


def _tuned(func: Any, asked: argparse.Namespace) -> Any:
    from amorsize._api.decorator import TunedFunction, autotune

    tuned = func if isinstance(func, TunedFunction) else autotune(func)
    names = ("backend", "n_jobs", "chunksize")
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    if asked.address is not None:
        given.pop("backend", None)
        given["executor"] = asked.address
    return tuned.using(**given) if given else tuned


def _of_memory(asked: argparse.Namespace, path: Path) -> Answer:
    """What is remembered of the function, with the call that would follow from it."""
    from amorsize._page import page

    records, own_key = explain.records_of(asked.func)
    here = resources.host_fingerprint()
    shown = explain.latest_of_each_kind(records, here, own_key)
    known = [(one, found) for one in shown if (found := exchange.profile_in(one)) is not None]
    if not known:
        raise FailureError(
            f"what is remembered of {clean(asked.func)!r} is of another version of amorsize: it "
            "will be learned again."
        )
    where = page.write(_page_of(known, here, own_key), path)
    name = clean(name_in(known[0][0]))
    told = f"what is remembered of {name}; --data-range and the like make a call to tell of"
    document = {"page": str(where), "n_results": None, "told": told}
    return Answer(document=document, blocks=[f"{told}\n{clean(str(where))}"])


def _page_of(known: list[tuple[Record, Profile]], here: str, own_key: str | None) -> Page:
    from amorsize._page import machine
    from amorsize._page.page import Page, Section

    sections: list[Section] = []
    for number, (record, profile) in enumerate(known):
        sections += _sections(number, record, profile, here, own_key)
    sections.append(Section(key="machine", heading="The machine", facts=tuple(machine.facts())))
    return Page(
        title=f"{name_in(known[0][0])}: what is remembered",
        lead="Learned in earlier calls, and what the next call would make of it on this machine.",
        sections=tuple(sections),
        foot=machine.foot(),
    )


def _sections(
    number: int, record: Record, profile: Profile, here: str, own_key: str | None
) -> Iterator[Section]:
    """What is known of one kind of item, and a call with such items, played in virtual time."""
    from amorsize._page.page import Section
    from amorsize._plots import timeline
    from amorsize._plots.picture import picture

    kind = explain.kind_of(record)
    yield Section(
        key=f"known-{number}",
        heading=f"Of {kind}",
        facts=tuple(explain.rows_of(record, profile, here, own_key)),
    )
    trace = _played(name_in(record), profile, min(profile.n_items, MOST_PLAYED))
    yield Section(
        key=f"next-{number}",
        heading=f"The next call, of {counted(trace.n_items, 'such item')}",
        paragraphs=("This was played in virtual time; a real call adapts to what it finds.",),
        points=tuple(f"{one.what}: {one.why}" for one in trace.notes if one.what != "drift"),
        picture=picture(lambda at: timeline.plot(trace, trace.name, at), timeline.in_words(trace)),
    )


def _played(name: str, profile: Profile, n_items: int) -> Trace:
    """The trace of a call that nobody has made."""
    from amorsize.policy.trace import Trace

    world, tuner, outcome = explain.play(profile, n_items)
    return Trace(
        name=name,
        n_items=n_items,
        makespan_s=outcome.makespan_s,
        n_cores=world.n_cores,
        plan=tuner.plan(),
        profile=profile,
        known=profile,
        known_from="disk",
        known_fits=True,
        notes=tuple(tuner.notes),
        chunks=outcome.chunks,
        n_started=dict(outcome.n_started),
        n_repeated=0,
        rejected=(),
        warnings=(),
    )


COMMANDS = (
    Command(
        words=("report",),
        help="write a page about a call over data, or about what is remembered of a function",
        run=_report,
        runs_code=True,
        arguments=(
            run.FUNC,
            *data.ARGUMENTS,
            *run.HOW,
            (
                ("-o", "--output"),
                {
                    "type": file_name,
                    "metavar": "FILE",
                    "default": PLACE,
                    "help": f"the page to write ({PLACE})",
                },
            ),
            (
                ("-v", "--verbose"),
                {"action": "store_true", "help": "show the whole traceback of an item that fails"},
            ),
        ),
        epilog=(
            "examples:\n"
            "  amorsize report shop.parse --data-file paths.txt -o parse.html\n"
            "  amorsize report shop.parse"
        ),
    ),
)
