"""Pictures of a call and a tuning that were recorded, for pages that show what plots look like.

python -m benchmarks.pictures record  # half a minute; writes benchmarks/results/picture-*.json
python -m benchmarks.pictures         # draws docs/_static/call.svg and tuning.svg of these
"""

import argparse
import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from amorsize import autotune, tune_parameters
from amorsize._plots import canvas, timeline
from amorsize.policy.actions import Plan
from amorsize.policy.profile import Profile
from amorsize.policy.state import Note
from amorsize.policy.trace import ChunkTrace, Trace, WorkerEvent
from amorsize.tuning import TuningResult, plots

ROOT = Path(__file__).parent.parent
CALL = ROOT / "benchmarks" / "results" / "picture-call.json"
TUNING = ROOT / "benchmarks" / "results" / "picture-tuning.json"
PLACE = ROOT / "docs" / "_static"
#: Calls of which the least disturbed is kept.
N_CALLS = 3
#: Digits of a time that is kept: microseconds.
DIGITS = 6


def fetch(number: int) -> int:
    """Stands for a request: every eighth takes four times as long."""
    time.sleep(0.08 if number % 8 == 7 else 0.02)
    return number


# -- recording ---------------------------------------------------------------------------------


def record() -> None:
    traces = [recorded_call() for _ in range(N_CALLS)]
    best = min(traces, key=lambda trace: sum(chunk.run_delay_s for chunk in trace.chunks))
    CALL.write_text(json.dumps(plain(best), separators=(",", ":")) + "\n", encoding="utf-8")
    result = tune_parameters(
        fetch,
        range(320),
        n_jobs_range=[1, 2, 4, 8, 16, 32],
        chunksize_range=[1, 4, 16, 64],
        prefer_threads_for_io=True,
        use_optimizer_hint=False,
        save=False,
    )
    result.save_config(TUNING)


def recorded_call() -> Trace:
    """One call from nothing."""
    tuned = autotune(fetch, cache=False, n_jobs=12)
    tuned.forget()
    tuned(range(300))
    trace = tuned.explain().trace
    assert trace is not None
    return trace


def plain(trace: Trace) -> dict[str, Any]:
    """What the picture needs of a call, as JSON has it."""
    fields = trace.as_dict()
    for name in ("known", "drifts", "costs", "warnings", "pids"):
        del fields[name]
    return {name: shortened(value) for name, value in fields.items()}


def shortened(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if hasattr(value, "as_dict"):
        return {name: shortened(one) for name, one in value.as_dict().items()}
    if isinstance(value, tuple | list):
        return [shortened(one) for one in value]
    return value


# -- drawing -----------------------------------------------------------------------------------


def read_call() -> Trace:
    fields = json.loads(CALL.read_text(encoding="utf-8"))
    made = {
        "plan": Plan(**fields["plan"]),
        "profile": Profile.of(**fields["profile"]),
        "notes": tuple(Note(**one) for one in fields["notes"]),
        "chunks": tuple(ChunkTrace(**one) for one in fields["chunks"]),
        "worker_events": tuple(WorkerEvent(**one) for one in fields["worker_events"]),
        "rejected": tuple(fields["rejected"]),
    }
    return Trace(**{**fields, **made}, known=None, warnings=())


def draw_all(place: Path = PLACE) -> None:
    trace, result = read_call(), TuningResult.load_config(TUNING)
    draw(place / "call.svg", lambda sheet: timeline.plot(trace, trace.name, sheet), CALL)
    draw(place / "tuning.svg", lambda sheet: plots.plot(result, sheet), TUNING)


def draw(path: Path, plot: Callable[[canvas.Sheet], Any], source: Path) -> None:
    """One picture, which says from what it was drawn."""
    matplotlib = canvas.load()
    with matplotlib.rc_context({"svg.hashsalt": source.stem, "svg.fonttype": "path"}):
        plot(canvas.Sheet(7.2)).figure.savefig(
            path,
            bbox_inches="tight",
            dpi=140,
            metadata={"Date": None, "Creator": None, "Source": f"{source.name} {digest(source)}"},
        )


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("draw", "record"), default="draw")
    if parser.parse_args().what == "record":
        record()
    draw_all()


if __name__ == "__main__":
    main()
