"""Functions that are proven to compute with plain values alone, and all others."""

import builtins
import codecs
import functools
import math
import random
import subprocess
import sys
import time

import pytest

from amorsize import autotune, tuned_map
from amorsize._function.purity.pure_code import is_pure

SCALE = 3
WEIGHTS = (1, 2.5, (3, "x"))
CACHE: dict[int, int] = {}
SEEN: list[int] = []
gi_frame = f_globals = 0
NEXT = iter(range(10))
note = SEEN.append
TICKS = time.sleep


# --- proven --------------------------------------------------------------------------------------


def turns(n):
    x = n
    for _ in range(n):
        x = (x * 1103515245 + SCALE) & 0xFFFF
    return x


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def is_prime(n):
    if n < 2:
        return False
    return all(n % one for one in range(2, math.isqrt(n) + 1))


def weighed(n):
    return [one * n for one in WEIGHTS[:2]], {f"{n:>4}": WEIGHTS[-1]}


def text(word):
    vowels = [one for one in word if one in {"a", "e", "i"}]
    return "-".join(sorted(vowels, key=lambda one: -ord(one))).upper()


def caught(n):
    try:
        return 10 // n
    except ZeroDivisionError as error:
        raise ValueError(f"{n} is none of mine") from error


def pairs(n):
    def below(m):
        yield from range(m)

    return [(a, b) for a in below(n) for b in below(a)]


def powers(base, exponent):
    return pow(base, exponent, 97)


def shape(n):
    match (n, n % 2):
        case (0, _):
            return "zero"
        case (_, 0):
            return "even"
    return "odd"


def made(factor):
    return lambda n: n * factor


def primes_below(limit):
    """Count them in a sieve."""
    flags = bytearray([1]) * limit
    for n in range(2, int(limit**0.5) + 1):
        if flags[n]:
            flags[n * n :: n] = bytes(len(range(n * n, limit, n)))
    return sum(flags) - 2


def last_bytes(n):
    return bytes(sorted((n, 7, b"abc"[n % 3]))).rstrip(b"a"), BLOCK[1:]


PROVEN = [
    primes_below,
    last_bytes,
    turns,
    fib,
    is_prime,
    weighed,
    caught,
    pairs,
    shape,
    made(3),
    made(SCALE),
]


@pytest.mark.parametrize("func", PROVEN, ids=lambda func: func.__name__)
@pytest.mark.parametrize("data", [range(5), [1, 2, True], (1, 2.5)], ids=str)
def test_computing_is_proven(func, data):
    assert is_pure(func, (data,))


def checksum(block):
    """Of bytes."""
    return sum(block) % 251, block[::-1].find(b"c")


def test_computing_with_bytes_is_proven():
    """Where no text comes up: the docstring does not."""
    assert is_pure(checksum, ([b"abc", b""],))
    assert not is_pure(checksum, ([b"abc", "abc"],))
    assert not is_pure(checksum, ([bytearray(b"abc")],))


def test_text_and_several_arguments_are_proven():
    assert is_pure(text, (["banana", "kiwi"],))
    assert is_pure(powers, ([1, 2], range(2)))
    assert is_pure(turns, ([(1, (2, "a")), 3],))


# --- not proven ----------------------------------------------------------------------------------


def remembers(n):
    CACHE[n] = n
    return len(CACHE)


def notes(n):
    note(n)
    return n


def takes_the_next(n):
    return n + next(NEXT)


def keeps(n, seen=[]):  # noqa: B006 - the default is what is tried
    seen.append(n)
    return len(seen)


def counts(n):
    counts.n_calls = getattr(counts, "n_calls", 0) + 1
    return n


def prints(n):
    print(n)
    return n


def draws(n):
    return n * random.random()


def waits(n):
    TICKS(0)
    return n


def imports(n):
    import os

    return os.getpid() + n


def rebinds(n):
    global SCALE_OF_TODAY
    SCALE_OF_TODAY = n
    return n


def reaches_out(n):
    return turns.__globals__["SEEN"].append(n)


def formats(n):
    return "{.__globals__[SEEN]}".format(turns), n  # noqa: UP032 - the method is what is tried


def reaches_out_by_names_of_globals(n):
    made = (one for one in (n,))
    return gi_frame + f_globals + made.gi_frame.f_globals["SEEN"].append(n)


def makes_a_class(n):
    class Made:
        n_made = n

    return Made.n_made


def opens(n):
    with open("/dev/null") as file:
        return file.name, n


def helps_itself(n):
    return notes(n)


def lazily(n):
    yield n


async def later(n):
    return n


def counter():
    n_calls = 0

    def count(n):
        nonlocal n_calls
        n_calls += 1
        return n_calls, n

    return count


def shared_list():
    seen = []
    return lambda n: seen.append(n) or len(seen)


def early():
    def first(n):
        return second(n)

    yield first

    def second(n):
        return n


ENCODING, BLOCK = "noting", b"abc"


def encodes(n):
    return str(n).encode("noting"), n


def encodes_by_a_global(n):
    return str(n).encode(ENCODING), n


def decodes_a_constant(n):
    return str(b"abc", ENCODING), n


def decodes_a_global(n):
    return str(BLOCK, "noting"), n


def decodes_in_a_table(n):
    return str((n, b"abc")[1], "noting")


def decodes_a_default(n, block=b"abc"):
    return str(block, "noting"), n


def decodes_what_it_makes(n):
    return str(n.to_bytes(2, "big"), "noting")


def decodes_what_a_helper_makes(n):
    def block():
        return b"abc"

    return str(block(), "noting"), n


def makes_bytes(n):
    return bytes(str(n), "noting")


def makes_an_array(n):
    return bytearray(str(n), "noting")


def decodes(block):
    return str(block, "noting")


def encodes_in_an_array(n):
    return bytearray(*((f"{n}", ENCODING)))


def encodes_by_its_docstring(n):
    """noting"""
    text, *_ = ("a", "b") if n else ("c",)
    return bytes(text, "noting")


def encodes_many(n):
    return list(map(bytes, {repr(n): 1}, {"noting": 2}))


#: Each of them may run what somebody has registered with `codecs.register`.
CODED = [encodes, encodes_by_a_global, decodes_a_constant, decodes_a_global, decodes_in_a_table]
CODED += [decodes_a_default, decodes_what_it_makes, decodes_what_a_helper_makes, makes_bytes]
CODED += [makes_an_array, encodes_in_an_array, encodes_by_its_docstring, encodes_many]


class Callable:
    def __call__(self, n):
        return n

    def method(self, n):
        return n


IMPURE = [
    *(remembers, notes, takes_the_next, keeps, counts, prints, draws, waits, imports, rebinds),
    *(
        reaches_out,
        reaches_out_by_names_of_globals,
        formats,
        makes_a_class,
        opens,
        helps_itself,
        lazily,
        later,
        counter(),
    ),
    *(shared_list(), next(early()), Callable(), Callable().method, functools.partial(turns), len),
    functools.lru_cache(turns),
    *CODED,
]


@pytest.mark.parametrize("func", IMPURE, ids=lambda func: getattr(func, "__name__", "object"))
def test_what_may_do_more_is_not_proven(func):
    assert not is_pure(func, ([1, 2, 3],))


def by_keyword_name(n, **named):
    return list(map(bytes, named, named)), n


def hex_text(n):
    return bytes([n]), (0.5).hex()


def by_its_docstring_alone(n):
    """noting"""
    return bytes(n), "noting"


@pytest.mark.parametrize("func", [by_keyword_name, hex_text, by_its_docstring_alone])
def test_bytes_beside_any_text_end_the_proof(func):
    """Names of keywords are text, as is what some methods give, or a docstring that is used."""
    assert not is_pure(func, ([1, 2],))


def test_bytes_that_may_warn_end_the_proof():
    """With -b comparing them with a number is told."""
    script = "import tests.test_pure_code as here\nprint(here.is_pure(here.primes_below, ([9],)))"
    for option, told in (("-b", "False"), ("-B", "True")):
        command = [sys.executable, option, "-c", script]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert run.stdout.strip() == told


def test_bytes_that_become_text_end_the_proof():
    """They may do so by an encoding of the program's own."""
    assert not is_pure(decodes, ([b"abc"],))
    assert not is_pure(decodes, ([(1, (b"abc",))],))
    assert not is_pure(decodes, ([1], [b"abc"]))


@pytest.fixture
def noting():
    """An encoding whose code notes that it was used."""
    done = []

    def encode(text, _errors="strict"):
        done.append(text)
        return text.encode("ascii"), len(text)

    def decode(block, _errors="strict"):
        done.append(bytes(block))
        return bytes(block).decode("ascii", "replace"), len(block)

    def find(name):
        return codecs.CodecInfo(encode, decode, name="noting") if name == "noting" else None

    codecs.register(find)
    yield done
    codecs.unregister(find)


@pytest.mark.parametrize("func", CODED, ids=lambda func: func.__name__)
def test_what_encodings_of_the_program_do_is_done_in_the_caller(noting, func):
    """The loop's effects: nothing of it is lost."""
    assert tuned_map(func, [300] * 200) == [func(300)] * 200

    assert len(noting) == 201


class Number(int):
    def __add__(self, other):
        SEEN.append(other)
        return int(self) + other


@pytest.mark.parametrize(
    "data", [[1, Number(2)], [[1], [2]], [1, (2, [3])], iter([1]), [1, turns], [{1: 2}]]
)
def test_one_item_that_is_more_than_a_value_ends_the_proof(data):
    assert not is_pure(turns, (data,))


def test_so_many_items_that_asking_each_takes_long_end_the_proof():
    assert is_pure(turns, ([1] * 100,), most_items=100)
    assert not is_pure(turns, ([1] * 101,), most_items=100)
    assert is_pure(turns, (range(101),), most_items=100)


def test_an_attribute_of_the_function_ends_the_proof():
    def doubled(n):
        return n * 2

    assert is_pure(doubled, ([1],))
    doubled.seen = []
    assert not is_pure(doubled, ([1],))


def test_what_a_name_stands_for_now_is_what_counts(monkeypatch):
    assert is_pure(is_prime, ([5],))
    assert is_pure(turns, ([5],))
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "all", lambda found: SEEN.extend(found))
        patched.setattr(builtins, "range", print)
        patched.setattr(sys.modules[__name__], "SCALE", [3])
        found = [is_pure(func, ([5],)) for func in (is_prime, turns, pairs)]
    assert not any(found)


def test_a_function_of_math_that_was_replaced_ends_the_proof(monkeypatch):
    monkeypatch.setattr(math, "isqrt", lambda n: SEEN.append(n) or 2)
    assert not is_pure(is_prime, ([5],))


# --- what comes of it ----------------------------------------------------------------------------


def slow(n):
    x = n
    for _ in range(100_000):
        x = (x * 1103515245 + SCALE) & 0xFFFF
    return x


def test_what_is_proven_is_shared_out_without_being_watched():
    program = """
import sys
from amorsize import tuned_map
import tests.test_pure_code as here
assert tuned_map(here.slow, range(40)) == [here.slow(n) for n in range(40)]
print(*sorted(one for one in sys.modules if "_watching" in one or "thread_safety" in one))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[0] == ""


def scaled(n, by, table=()):
    return slow(n * by) + len(table)


@pytest.mark.parametrize(("keywords", "is_proven"), [({"by": 2}, True), ({"table": [1]}, False)])
def test_keywords_for_all_items_are_looked_at_as_items_are(keywords, is_proven):
    keywords = {"by": 3, **keywords}
    tuned = autotune(scaled, n_jobs=2)
    expected = [scaled(n, **keywords) for n in range(100)]
    assert tuned(range(100), **keywords) == expected
    assert ("they hold the GIL" in str(tuned.explain())) is is_proven


def test_threads_are_of_no_use_and_that_is_told():
    tuned = autotune(slow, n_jobs=2)
    assert tuned(range(100)) == [slow(n) for n in range(100)]
    assert "its items compute in Python alone, so they hold the GIL" in str(tuned.explain())


def test_a_global_that_becomes_a_list_is_seen_at_the_next_call(monkeypatch):
    assert tuned_map(slow, range(20)) == [slow(n) for n in range(20)]
    monkeypatch.setattr(sys.modules[__name__], "SCALE", Number(3))
    del SEEN[:]
    expected, seen = [slow(n) for n in range(20)], list(SEEN)
    del SEEN[:]
    assert tuned_map(slow, range(20)) == expected
    assert seen == SEEN
