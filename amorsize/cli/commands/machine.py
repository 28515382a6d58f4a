"""`amorsize machine`: what this host lets us use, at which cost."""

from __future__ import annotations

import argparse
import platform

from amorsize import cache, report
from amorsize._host import resources
from amorsize.cli.command import Answer, Command, Table
from amorsize.cli.text import clean, size
from amorsize.report import seconds


def _machine_now(_asked: argparse.Namespace) -> Answer:
    cpus, memory = resources.usable_cpus(), resources.memory()
    why_not_fork = resources.why_not_fork()  # before measuring, which starts threads for a moment
    costs = resources.measure_costs().as_dict()
    measured = resources.costs_as_dict()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    document = {
        "cpus": cpus.as_dict(),
        "memory": memory.as_dict(),
        "cpu_model": resources.cpu_model(),
        "python": python,
        "fork": {"safe": why_not_fork is None, "why_not": why_not_fork},
        "costs": costs,
        "costs_measured": sorted(measured),
        "host": {"fingerprint": resources.host_fingerprint(), **resources.host_facts()},
        "cache": {"home": str(cache.home()), "on_disk": cache.known_on_disk()},
    }
    limit = "" if memory.limit_bytes is None else f", limited to {size(memory.limit_bytes)}"
    facts = {
        "CPUs": f"{cpus.n_cores} usable: {cpus.source}",
        "processor": resources.cpu_model(),
        "memory": f"{size(memory.available_bytes)} free of {size(memory.total_bytes)}{limit}",
        "Python": python,
        "fork": f"not used: {why_not_fork}" if why_not_fork else "safe",
        "cache": f"{clean(str(cache.home()))}" + ("" if cache.known_on_disk() else " (empty)"),
    }
    rows = [
        (_COSTS.get(name, name), seconds(cost_s), "measured" if name in measured else "assumed")
        for name, cost_s in costs.items()
    ]
    table = Table(header=("what it costs here", "takes", ""), rows=rows)
    lines = report.aligned([(name, clean(text)) for name, text in facts.items()])
    return Answer(document=document, blocks=["\n".join(lines), table])


_COSTS = {
    "start_s": "starting a forked worker, for the caller",
    "ready_s": "until a forked worker can take work",
    "clean_start_s": "until a worker in a new interpreter can take work",
    "thread_start_s": "starting a thread",
    "dispatch_s": "sending a chunk to a process and taking its results",
    "latency_s": "a message to another process, one way",
    "thread_dispatch_s": "handing a chunk to a thread",
}


COMMANDS = (
    Command(
        words=("machine",),
        epilog="example:\n  amorsize machine --json",
        help="show what amorsize may use on this host, and measure what workers cost",
        run=_machine_now,
    ),
)
