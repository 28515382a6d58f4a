"""`amorsize simulate`: a recorded call on hosts with other numbers of cores."""

from __future__ import annotations

import argparse

from amorsize._host.signals import reraise_from_handler
from amorsize.cli import numbers
from amorsize.cli.command import Answer, Command, FailureError, Table
from amorsize.cli.file_names import file_name
from amorsize.cli.text import clean
from amorsize.policy.counted import counted
from amorsize.report import seconds


def _simulate(asked: argparse.Namespace) -> Answer:
    from amorsize import simulate  # of no use to the other commands

    try:
        world = simulate.load(asked.trace)
    except OSError as error:
        reraise_from_handler(error)
        raise FailureError(f"{asked.trace} cannot be read: {error.strerror}.") from None
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
            seconds(one.makespan_s),
            f"{one.speedup:.3g} x",
            counted(one.n_started, f"worker {one.backend}") if one.n_started else "the loop",
            clean(one.limit),
        )
        for one in forecasts
    ]
    header = ("cores", "takes", "by the loop", "workers", "what limits it")
    items = f"{len(world.costs_s)} items, recorded on {counted(world.n_cores, 'core')}"
    loop = f"the loop takes {seconds(forecasts[0].loop_s)}"
    title = f"{clean(world.name)}: {items}; {loop}. Simulated:"
    return Answer(document=document, blocks=[title, Table(header=header, rows=rows)])


_USUAL_CORES = (2, 4, 8, 16, 32, 64)


_MAX_CORES = 4096


COMMANDS = (
    Command(
        words=("simulate",),
        epilog="example:\n  amorsize simulate call.json --cores 8 --cores 64",
        help="play a recorded call on hosts with other numbers of cores",
        run=_simulate,
        arguments=[
            (
                ("trace",),
                {"type": file_name, "metavar": "TRACE", "help": "a file of amorsize.simulate.save"},
            ),
            (
                ("--cores",),
                {
                    "action": "append",
                    "type": numbers.whole_between(1, _MAX_CORES),
                    "metavar": "N",
                    "help": "cores of the other host; may be given several times",
                },
            ),
        ],
    ),
)
