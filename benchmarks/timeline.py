"""One simulated call, drawn: who ran which chunk when, and what was decided.

python -m benchmarks.timeline                 # writes docs/dev/policy.svg
python -m benchmarks.timeline --log           # prints the first decisions, event by event
"""

import argparse
from pathlib import Path
from typing import Any

from amorsize.policy.events import Status
from amorsize.simulate import Outcome, World, play, tuner_for
from amorsize.simulate.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
WIDTH, LEFT, TOP, LANE, GAP = 860, 74, 92, 22, 6
CALLER, WORKER = "#8e44ad", "#1f6fb4"
MOST_LOGGED = 28

# Items that become four times as dear midway, so that boxes and the tail can be seen.
EXAMPLE = World(
    costs_s=tuple(0.4e-3 if i < 220 else 1.6e-3 for i in range(330)),
    n_cores=4,
    thread_reason="not looked at",
    seed=3,
)


def picture(outcome: Outcome) -> str:
    """A lane for the caller and for each worker; a bar for each chunk, with its items."""
    end_s = outcome.makespan_s
    lanes = sorted({chunk.worker for chunk in outcome.chunks})
    height = TOP + len(lanes) * (LANE + GAP) + 30

    def x(now_s: float) -> float:
        return LEFT + now_s / end_s * (WIDTH - LEFT - 14)

    def y(worker: int) -> float:
        return TOP + lanes.index(worker) * (LANE + GAP)

    def text(at_x: float, at_y: float, words: object, more: str = "") -> str:
        place = f'x="{at_x:.1f}" y="{at_y:.1f}" font-family="sans-serif" font-size="11"'
        return f"<text {place} {more}>{words}</text>"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for worker in lanes:
        name = "caller" if worker < 0 else f"worker {worker}"
        parts.append(text(LEFT - 8, y(worker) + 15, name, 'text-anchor="end"'))
    for chunk in outcome.chunks:
        begin, end = x(chunk.now_s - chunk.wall_s), x(chunk.now_s)
        color = CALLER if chunk.worker < 0 else WORKER
        size = f'width="{max(0.5, end - begin - 0.6):.1f}" height="{LANE}"'
        at = f'x="{begin:.1f}" y="{y(chunk.worker):.1f}"'
        parts.append(f'<rect {at} {size} fill="{color}" fill-opacity="0.75"/>')
        if end - begin > 14:
            middle = (begin + end) / 2
            style = 'text-anchor="middle" fill="white"'
            parts.append(text(middle, y(chunk.worker) + 15, chunk.n_items, style))
    for number, note in enumerate(outcome.policy.notes):  # type: ignore[attr-defined]
        at_y, at_x = 34 + 15 * number, x(note.now_s)
        line = f'x1="{at_x:.1f}" y1="{at_y + 3}" x2="{at_x:.1f}" y2="{height - 26}"'
        parts.append(f'<line {line} stroke="#c0392b" stroke-dasharray="3 3"/>')
        parts.append(text(at_x + 4, at_y, f"{note.what}: {note.why}"))
    for ms in range(0, int(end_s * 1e3) + 1, 10):
        parts.append(text(x(ms / 1e3), height - 10, f"{ms} ms", 'text-anchor="middle"'))
    title = f"{len(EXAMPLE.costs_s)} items on {EXAMPLE.n_cores} cores; bars are chunks"
    parts.append(text(LEFT, 16, f"{title}, numbers their items"))
    return "\n".join([*parts, "</svg>"]) + "\n"


class Told:
    """The tuner, with every event and action written down."""

    def __init__(self, world: World) -> None:
        self.tuner, self.lines = tuner_for(world), []  # type: ignore[var-annotated]

    def tell(self, event: Any) -> None:
        """Write down what happened."""
        self.lines.append(f"            told  {_short(event)}")
        self.tuner.tell(event)

    def next(self, status: Status) -> Any:
        """Write down what is asked for."""
        action = self.tuner.next(status)
        self.lines.append(
            f"{status.now_s * 1e3:7.2f} ms {status.n_left:4} left  does  {_short(action)}"
        )
        return action


def _short(value: object) -> str:
    """Three digits of each figure; what is not known, and who was told when, left out."""
    fields = []
    for name in value._fields:  # type: ignore[attr-defined]
        one = getattr(value, name)
        if name == "now_s" or one is None or (one == 0 and name != "worker"):
            continue
        inner = f"{type(one).__name__}(...)" if hasattr(one, "_fields") else repr(one)
        fields.append(f"{name}={one:.3g}" if isinstance(one, float) else f"{name}={inner}")
    return f"{type(value).__name__}({', '.join(fields)})"


def log() -> str:
    """The first decisions of the call, a line for each event and action."""
    told = Told(EXAMPLE)
    Engine(EXAMPLE, told).play()
    return "\n".join(told.lines[:MOST_LOGGED]) + "\n"


def main() -> None:
    """Draw, or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", action="store_true", help="print the first decisions instead")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "dev" / "policy.svg")
    options = parser.parse_args()
    if options.log:
        print(log(), end="")
        return
    options.out.write_text(picture(play(EXAMPLE)), encoding="ascii")
    print(options.out)


if __name__ == "__main__":
    main()
