"""`python -m benchmarks.everyday`: run the everyday functions and write docs/dev/everyday.md."""

import argparse
import fnmatch
import sys
import time

from benchmarks.everyday.page import PAGE, page
from benchmarks.everyday.verdicts import (
    ALONE,
    CHECKOUT,
    EQUAL,
    EVERYWHERE,
    INSTALLED,
    SCRIPT,
    THREAD,
    WORST,
    Judge,
    Where,
    all_cases,
    judge_all,
    places,
)


def main() -> None:
    """Run what was asked for; write the page when that was everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="PATTERN", help="these names or kinds")
    parser.add_argument("--list", action="store_true", help="tell what there is, run nothing")
    parser.add_argument("--quick", action="store_true", help="from a checkout and alone")
    parser.add_argument("--fair", action="store_true", help="compare the loop with itself")
    parser.add_argument("--place", choices=(CHECKOUT, INSTALLED, SCRIPT))
    parser.add_argument("--beside", choices=(ALONE, THREAD))
    parser.add_argument("--jobs", type=int, default=2, help="cases at once")
    parser.add_argument("--why", action="store_true", help="show what explain() tells")
    asked = parser.parse_args()
    cases = [case for case in all_cases().values() if _is_asked_for(case, asked.only)]
    if not cases:
        sys.exit(f"no case is named {asked.only}")
    if asked.list:
        for case in cases:
            print(f"{case.kind:10} {case.name:28} {case.right}")
        print(f"{len(cases)} functions")
        return
    wheres = EVERYWHERE if not asked.quick else (Where(),)
    wheres = tuple(one for one in wheres if asked.place in (None, one.place))
    wheres = tuple(one for one in wheres if asked.beside in (None, one.beside))
    began = time.monotonic()
    findings = []
    with places() as folders:
        judge = Judge(folders)
        if asked.fair:
            judge.judged = lambda case, _: judge.loops(case)
        for case, found in judge_all(cases, judge, wheres, asked.jobs):
            findings += found
            _tell(case, found, asked.why)
    took_s = time.monotonic() - began
    if wheres == EVERYWHERE and not (asked.only or asked.fair):
        PAGE.write_text(page(cases, findings, took_s))
    print(f"{len(cases)} functions in {took_s:.0f} s")


def _is_asked_for(case, patterns) -> bool:
    if not patterns:
        return True
    return any(fnmatch.fnmatch(name, one) for one in patterns for name in (case.name, case.kind))


def _tell(case, found, shows_why) -> None:
    verdict = min((one.verdict for one in found), key=WORST.index)
    ran = {}
    for one in found:
        for place, n in one.ran.items():
            ran[place] = ran.get(place, 0) + n
    print(f"{verdict:8} {case.kind:10} {case.name:28} {ran} right: {case.right}", flush=True)
    told = set()
    for one in found:
        if one.verdict != EQUAL and (shows_why or one.where not in told):
            told.add(one.where)
            print(f"         {one.where}, {one.call}: {one.verdict}: {one.detail[:500]}")
        if shows_why and one.why:
            print(f"-- {one.where}, {one.call} --\n{one.why}\n{one.complaints}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
