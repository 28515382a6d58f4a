"""A picture of a first call beside other libraries, from results that are kept.

    python -m benchmarks.chart        # writes docs/_static/compared.svg

Its figures are those of docs/dev/benchmarks.md: a test draws it again.
"""

import math
from pathlib import Path

from benchmarks.ratios import figure
from benchmarks.results import AMORSIZE, FIRST, LOOP, Results, read

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "peers-intel-r-xeon-r-processor-2-cores.json"
PICTURE = ROOT / "docs" / "_static" / "compared.svg"

#: What is shown, with what it is: one workload of each kind.
KINDS = {
    "60 us x 30k": "30 000 short items",
    "parse the stdlib": "parsing source files",
    "heavy tail, big ones last": "uneven items, long ones last",
    "numpy": "NumPy, which releases the GIL",
    "8 ms waits x 300": "300 items that wait for 8 ms",
    "60 ms in all": "a job of 0.1 s",
}
#: Who is shown, with a colour that is told apart in grey as well.
SHOWN = {
    AMORSIZE: ("amorsize", "#0b5394"),
    "pool": ("multiprocessing.Pool().map", "#76a5af"),
    "executor_8th": ("ProcessPoolExecutor, chunks of n/8", "#b6a06a"),
    "joblib": ("joblib.Parallel", "#c9c9c9"),
}
WIDTH, LEFT, RIGHT, TOP = 480, 30, 450, 122  # narrow, so that a phone shows it large enough
BAR, HEAD, GAP = 13, 20, 8  # heights: of a bar, of a title above bars, between groups
SLOWEST, QUICKEST = 1 / 8, 32  # the ends of the axis
FONT = "system-ui, -apple-system, Segoe UI, sans-serif"


def picture(results: Results) -> str:
    """Bars to the right of the line are quicker than the loop, bars to the left slower."""
    height = TOP + len(KINDS) * (HEAD + len(SHOWN) * BAR + GAP) + 46
    parts = [
        "<svg xmlns='http://www.w3.org/2000/svg' role='img' paint-order='stroke' "
        f"viewBox='0 0 {WIDTH} {height}' font-family='{FONT}'>",
        "<title>Speed-up of a first call over the plain loop</title>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
        text(12, 22, "Speed-up over the plain loop, first call of a program", "bold", size=15),
        *legend(),
        *axis(height - 46),
    ]
    y = TOP
    for workload, title in KINDS.items():
        y += HEAD
        parts.append(text(LEFT, y - 6, title))
        for contender, (_, colour) in SHOWN.items():
            parts += bar(y, speedup(results, workload, contender), colour, contender == AMORSIZE)
            y += BAR
        y += GAP
    facts = results.machine
    told = f"Medians. {facts['cpu']}, {facts['n_cores']} cores, {facts['python']}, {facts['date']}."
    parts.append(text(12, height - 10, told, size=11))
    return "\n".join([*parts, "</svg>\n"])


def speedup(results: Results, workload: str, contender: str) -> float:
    """The time of the loop by that of a contender: the figure of the page, the other way round."""
    ratios = results.time_ratios(workload, (FIRST, contender), (FIRST, LOOP))
    return 1 / figure(ratios).median


def legend() -> list[str]:
    """Names with their colours."""
    parts = []
    for number, (name, colour) in enumerate(SHOWN.values()):
        x, y = 12, 44 + 18 * number
        parts.append(f"<rect x='{x}' y='{y - 9}' width='11' height='11' fill='{colour}'/>")
        parts.append(text(x + 17, y + 1, name))
    return parts


def axis(bottom: float) -> list[str]:
    """A line for each doubling, the one of the loop drawn through."""
    parts = []
    for power in range(int(math.log2(SLOWEST)), int(math.log2(QUICKEST)) + 1):
        at = x_of(2.0**power)
        colour = "#000000" if power == 0 else "#e4e4e4"
        parts.append(
            f"<line x1='{at:.1f}' x2='{at:.1f}' y1='{TOP - 8}' y2='{bottom}' stroke='{colour}'/>"
        )
        label = "the loop" if power == 0 else f"{2**power}" if power > 0 else f"1/{2**-power}"
        parts.append(text(at, bottom + 13, label, anchor="middle", size=11))
    return parts


def bar(y: float, times: float, colour: str, is_ours: bool) -> list[str]:
    """From the loop to this many times as quick, with the figure at its end."""
    start, end = sorted((x_of(1.0), x_of(times)))
    at, anchor = (end + 4, "start") if times >= 1 else (start - 4, "end")
    return [
        f"<rect x='{start:.1f}' y='{y}' width='{end - start:.1f}' height='{BAR - 1}' "
        f"fill='{colour}'/>",
        text(at, y + 10, f"{times:.2g}", "bold" if is_ours else "normal", anchor=anchor, size=11),
    ]


def x_of(times: float) -> float:
    """Where on the axis this is."""
    share = math.log(times / SLOWEST) / math.log(QUICKEST / SLOWEST)
    return LEFT + share * (RIGHT - LEFT)


def text(
    x: float, y: float, words: str, weight: str = "normal", *, anchor: str = "start", size: int = 13
) -> str:
    """Words at a place."""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' "
        f"text-anchor='{anchor}' fill='#222222' stroke='#ffffff' stroke-width='3'>{words}</text>"
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(read(RESULTS)), encoding="utf-8")
