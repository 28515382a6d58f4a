"""Times that a benchmark has measured, in a file from which its page can be made again."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import host

Times = TypeVar("Times")


def on_this_host(measure: Callable[[], Times]) -> tuple[Times, dict[str, object]]:
    """What was measured, with the machine and the cores that were ours before and after."""
    machine = {**host.facts(), "ours_before": round(host.cores_that_are_ours(), 2)}
    times = measure()
    machine["ours_after"] = round(host.cores_that_are_ours(), 2)
    return times, machine


def write(times: Mapping[Any, Any], machine: Mapping[str, object], path: Path) -> None:
    """Keep the times of each case, in lists however deep."""
    rows = [[*case, _rounded(taken)] for case, taken in times.items()]
    body = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f'{{"machine": {json.dumps(machine)},\n"times": [\n{body}\n]}}\n')


def read(path: Path) -> tuple[Any, dict[str, object]]:
    """What `write` has kept."""
    kept = json.loads(path.read_text())
    return {(*case,): taken for *case, taken in kept["times"]}, kept["machine"]


def _rounded(taken: Any) -> Any:
    return round(taken, 5) if isinstance(taken, float) else [_rounded(one) for one in taken]
