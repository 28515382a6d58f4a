"""What type checkers must accept, and the types they must see; mypy and pyright both read it.

Nothing here is ever run. `assert_type` is an error for a checker that sees another type.
"""
# ruff: noqa: ARG002, ARG003, ARG004

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_type

from amorsize import (
    Explanation,
    OptimizationResult,
    TunedFunction,
    TuningResult,
    autotune,
    optimize,
    quick_tune,
    tune_parameters,
    tune_pipeline,
    tuned_map,
)


class Document:
    """What parsing a file gives."""


# A function, with and without parentheses, with and without options.
@autotune
def parse(path: str, encoding: str = "utf-8", *, strict: bool = False) -> Document:
    return Document()


@autotune()
def parse_plain(path: str) -> Document:
    return Document()


@autotune(backend="process", n_jobs=4, timeout=2.5, executor=None, progress=True)
def parse_patiently(path: str, encoding: str = "utf-8") -> Document:
    return Document()


assert_type(parse(["a", "b"]), list[Document])
assert_type(parse(path for path in "ab"), list[Document])
assert_type(parse({"a", "b"}, encoding="latin-1", strict=True), list[Document])
assert_type(parse_plain(["a"]), list[Document])
assert_type(parse_patiently(["a"], encoding="latin-1"), list[Document])
assert_type(parse.one("a"), Document)
assert_type(parse.__wrapped__("a"), Document)
assert_type(parse.stream(iter("ab")), Iterator[Document])
assert_type(parse.stream(["a"], ordered=False, buffer=10, encoding="x"), Iterator[Document])
assert_type(parse.using(n_jobs=4, timeout=5)(["a"], encoding="x"), list[Document])
assert_type(parse.using(executor=ThreadPoolExecutor()).one("a"), Document)
assert_type(parse.forget(), int)
assert_type(parse.explain(), Explanation)
assert_type(parse.explain().rows(), list[tuple[str, str]])
assert_type(parse.explain().save("page.html"), Path)
parse.explain().plot(ax=None)
print(parse.explain(), parse.plan, parse.options.n_jobs, parse.__name__)


# Keywords after the first parameter reach every item, keyword-only ones too.
@autotune
def scale(number: float, *, factor: float) -> float:
    return number * factor


assert_type(scale([1.0, 2.0], factor=3.0), list[float])


# Two or three iterables, zipped.
@autotune
def add(left: int, right: str, base: int = 10) -> float:
    return left + int(right, base)


assert_type(add([1, 2], ["3", "4"]), list[float])
assert_type(add([1, 2], ["3", "4"], base=16), list[float])
assert_type(add.stream([1, 2], ["3", "4"]), Iterator[float])
assert_type(add.using(strict=True)([1, 2], ["3", "4"]), list[float])


@autotune
def area(width: int, height: float, depth: float, unit: str = "m") -> float:
    return width * height * depth


assert_type(area([1], [2.0], [3.0]), list[float])
assert_type(area([1], [2.0], [3.0], unit="km"), list[float])


# Methods: through an instance, and through the class.
class Parser:
    def __init__(self, encoding: str) -> None:
        self.encoding = encoding

    @autotune
    def parse(self, path: str, depth: int = 1) -> Document:
        return Document()

    @autotune(n_jobs=2)
    def join(self, left: str, right: bytes) -> Document:
        return Document()

    @autotune
    @staticmethod
    def load(path: str) -> Document:
        return Document()

    @staticmethod
    @autotune
    def load_below(path: str) -> Document:
        return Document()

    @autotune
    @classmethod
    def build(cls, path: str, depth: int = 1) -> Document:
        return Document()

    def all(self, paths: list[str]) -> list[Document]:
        return self.parse(paths, depth=2)


parser = Parser("utf-8")
assert_type(parser.parse(["a"]), list[Document])
assert_type(parser.parse(["a"], depth=2), list[Document])
assert_type(parser.parse.one("a"), Document)
assert_type(parser.parse.stream(["a"]), Iterator[Document])
assert_type(parser.parse.using(n_jobs=2)(["a"]), list[Document])
assert_type(parser.join(["a"], [b"b"]), list[Document])
assert_type(Parser.parse.one(parser, "a"), Document)
assert_type(Parser.load(["a"]), list[Document])
assert_type(parser.load(["a"]), list[Document])
assert_type(Parser.load.one("a"), Document)
assert_type(Parser.build(["a"]), list[Document])
assert_type(Parser.build(["a"], depth=2), list[Document])
assert_type(Parser.build.one("a"), Document)
assert_type(list(Parser.load_below(["a"])), list[Document])


# What was there already: builtins, classes, lambdas, decorated without the @.
roots = autotune(math.sqrt)
assert_type(roots([1.0, 4.0]), list[float])


# A parameter of one's own that takes a tuned function.
def run_all(tuned: TunedFunction[str, ..., Document]) -> list[Document]:
    return tuned(["a", "b"])


run_all(parse)
run_all(parser.parse)


# Deliberate tuning: results with their types.
tuning = parse.tune(["a", "b"])
assert_type(tuning, TuningResult)
assert_type(tuning.all_results, dict[tuple[int, int], float])
assert_type(tuning.get_top_configurations(), list[tuple[int, int, float, float]])
assert_type(quick_tune(len, ["a"], prefer_threads_for_io=True), TuningResult)
assert_type(tune_parameters(len, ("a",), [1, 2], range(1, 9), strategy="halving"), TuningResult)
assert_type(tune_pipeline([len, float], ["a"]).stages, tuple[TuningResult, ...])
assert_type(optimize(len, (c for c in "ab"), sample_size=2), OptimizationResult)
assert_type(parse.tune(["a"], save=False, backends=["thread"], budget_s=2.0), TuningResult)


def to_seconds(days: int, hours: int, minutes: int, seconds: int) -> int:
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


# Without decorating: builtins, lambdas, methods, classes, several iterables, and all options.
assert_type(tuned_map(len, ["a", "bb"]), list[int])
assert_type(tuned_map(lambda x: x * 2.5, [1.0, 2.0]), list[float])
assert_type(tuned_map(lambda x, y: x * y, [1, 2], [3, 4], strict=True), list[int])
assert_type(tuned_map(str, range(3), n_jobs=2, chunksize=1, backend="thread"), list[str])
assert_type(tuned_map(str.upper, (c for c in "ab"), progress=True), list[str])
shares: list[float | None] = []
assert_type(
    tuned_map(str.upper, "ab", progress=lambda one: shares.append(one.done_share)), list[str]
)
assert_type(tuned_map(parser.all, [["a"], ["b"]]), list[list[Document]])
assert_type(tuned_map(parse.one, ["a"], n_jobs=4), list[Document])
assert_type(tuned_map(parse, ["a"], item_kwargs={"encoding": "x"}), list[Document])
assert_type(tuned_map(scale.one, [1.0], item_kwargs={"factor": 2.0}), list[float])
assert_type(tuned_map(area.one, [1], [2.0], [3.0], seed=1, timeout=2), list[float])
assert_type(tuned_map(to_seconds, [1], [2], [3], [4], retries=0), list[int])
assert_type(tuned_map(math.pow, [1.0], item_kwargs={"y": 2}, executor=None), list[float])
