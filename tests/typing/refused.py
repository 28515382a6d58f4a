"""What type checkers must refuse: each `type: ignore` names the error that mypy has to report.

With `warn_unused_ignores`, a line that is accepted by mistake becomes an error itself.
"""

from collections.abc import Callable

from amorsize import autotune, tuned_map


@autotune
def parse(path: str, encoding: str = "utf-8") -> int:
    return len(path)


parse([1, 2])  # type: ignore[list-item]
parse(["a"], encoding=8)  # type: ignore[call-overload]
parse(["a"], no_such="x")  # type: ignore[call-overload]
parse(5)  # type: ignore[call-overload]
parse()  # type: ignore[call-overload]
parse.one(1)  # type: ignore[arg-type]
parse.stream([1])  # type: ignore[list-item]
parse.using(njobs=4)  # type: ignore[call-arg]
parse.using(n_jobs="4")  # type: ignore[arg-type]
words: list[str] = parse(["a"])  # type: ignore[assignment]

parse.using(backend="threads")  # type: ignore[arg-type]
parse.tune([1])  # type: ignore[list-item]
parse.tune(["a"], n_jobs=4)  # type: ignore[call-arg]

tuned_map(parse.one, ["a"], n_job=4)  # type: ignore[call-overload]
tuned_map(parse.one, ["a"], max_workers=4)  # type: ignore[call-overload]
tuned_map(parse.one, ["a"], n_jobs="4")  # type: ignore[call-overload]
tuned_map(parse.one, ["a"], backend="threads")  # type: ignore[call-overload]
tuned_map(parse.one, [1, 2])  # type: ignore[arg-type]
tuned_map(parse, [1, 2])  # type: ignore[misc]
tuned_map(parse.one, ["a"], [5])  # type: ignore[arg-type]
tuned_map(parse.one)  # type: ignore[call-overload]
tuned_map(5, ["a"])  # type: ignore[call-overload]
lengths: list[str] = tuned_map(len, ["a"])  # type: ignore[arg-type]

autotune(5)  # type: ignore[call-overload]
autotune(parse.one, njobs=5)  # type: ignore[call-overload]


@autotune(n_job=5)  # type: ignore[call-overload, untyped-decorator]
def misspelt(path: str) -> int:
    return len(path)


class Parser:
    @autotune
    def parse(self, path: str) -> int:
        return len(path)


Parser().parse([1])  # type: ignore[list-item]


# --- What the checkers refuse although it works, and what to write instead ---


@autotune
def volume(width: int, height: int, depth: int, length: int) -> int:
    return width * height * depth * length


# Four zipped iterables and more: mypy takes it for a plain callable, pyright wants a cast to one.
volume([1], [2], [3], [4])  # type: ignore[call-overload]
volume_of_any: Callable[..., list[int]] = volume
volume_of_any([1], [2], [3], [4])

# `.one` knows its first parameter by position only.
parse.one(path="a")  # type: ignore[call-arg]

# pyright refuses @classmethod above @autotune, which mypy accepts: write @autotune above it.


# --- What they accept although it fails: one item's value where an iterable belongs ---
parse(["a"], "latin-1")  # a WrongTypeError at run time: say encoding="latin-1"
parse("abc")  # a str is an iterable of str to a checker, and a WrongTypeError at run time
