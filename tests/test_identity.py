"""Who a function is: what its key and variant see and do not see, and where a worker finds it."""

import ast
import functools
import importlib
import json
import random
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from amorsize._api.decorator import autotune
from amorsize._function import code_body
from amorsize._function.fingerprints import Fingerprint, fingerprint
from amorsize._function.references import name_of, reference, resolve


def define(source: str, name: str = "f", filename: str = "project.py", **names: object):
    """The function of this name that a module of the project with this text would have."""
    space = {"__name__": "project", **names}
    exec(compile(textwrap.dedent(source), filename, "exec"), space)
    return space[name]


def key(source: str, name: str = "f", **names: object) -> str:
    return fingerprint(define(source, name, **names)).key


def variant(source: str, name: str = "f", **names: object) -> str:
    return fingerprint(define(source, name, **names)).variant


# --- both directions, for generated functions -----------------------------------------------------

CONSTANTS = st.one_of(
    st.none() | st.booleans() | st.integers(-300, 300) | st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "b", "\ud800", "\N{SNOWMAN}", "a" * 5000, b"", b"a"]),
    st.tuples(st.integers(0, 2) | st.booleans(), st.sampled_from(["a", "b"])),
)
NAMES = st.sampled_from(["alpha", "beta", "x"])
STATEMENTS = st.one_of(
    st.builds("y = {!r}".format, CONSTANTS),
    st.builds("y = {}(x, {!r})".format, NAMES, CONSTANTS),
    st.builds("y = x.{}".format, NAMES),
    st.builds("if x: return {!r}".format, CONSTANTS),
    st.builds("try: y = {}(x)\nexcept ValueError: y = {!r}".format, NAMES, CONSTANTS),
    st.builds("y = [i + {!r} for i in x]".format, CONSTANTS),
    st.builds("y = lambda z={!r}: (z, {!r})".format, CONSTANTS, CONSTANTS),
    st.builds("def g(z):\n    return (z, {!r})".format, CONSTANTS),
    st.builds("class C:\n    a = {!r}\n    def m(self): return {!r}".format, CONSTANTS, CONSTANTS),
    st.builds(
        lambda members: f"y = x in {{{', '.join(map(repr, members))}}}",
        st.lists(st.integers(0, 99) | st.text("ab", max_size=2), min_size=1, unique=True),
    ),
)
BODIES = st.lists(STATEMENTS, max_size=5)


def text_of(body: list[str]) -> str:
    return "def f(x):\n" + textwrap.indent("\n".join([*body, "return x"]), "    ")


def noisy(source: str, draw: random.Random) -> str:
    """The same program with comments, blank lines and docstrings added."""
    lines = ["# a comment", ""] if draw.random() < 0.5 else []
    for line in source.splitlines():
        lines.append(line + draw.choice(["", "  # why", "\n", "\n# a remark\n"]))
        opens = line.lstrip().startswith(("def ", "class ")) and line.endswith(":")
        if opens and draw.random() < 0.5:
            lines.append(" " * (len(line) - len(line.lstrip()) + 4) + '"""What it\n\n    does."""')
    return "\n".join(lines)


@given(BODIES, st.randoms(use_true_random=False))
def test_the_key_is_blind_to_comments_lines_docstrings_and_files(body, draw):
    """What does not change what a function does leaves key and variant as they are."""
    source = text_of(body)

    changed = define(noisy(source, draw), filename=f"/elsewhere/{draw.random()}.py")

    assert fingerprint(changed) == fingerprint(define(source))


@given(BODIES, BODIES)
def test_the_key_tells_different_programs_apart(one, other):
    """Two functions have one key only if their syntax trees are the same."""
    assume(one != other)
    same = ast.dump(ast.parse(text_of(one))) == ast.dump(ast.parse(text_of(other)))

    assert (key(text_of(one)) == key(text_of(other))) == same


@given(BODIES, STATEMENTS, st.randoms(use_true_random=False))
def test_the_key_sees_one_more_statement(body, statement, draw):
    """Wherever a statement is put in, it is another function."""
    at = draw.randrange(len(body) + 1)

    assert key(text_of([*body[:at], statement, *body[at:]])) != key(text_of(body))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("1", "True"), ("1", "1.0"), ("0.0", "-0.0"), ("'a'", "b'a'"), ("None", "False")],
        *[("(1,)", "(1.0,)"), ("2 ** 200", "2 ** 200 + 1"), ("1j", "1.0"), ("...", "None")],
        *[("'a' * 9999", "'a' * 9998"), ("x in {1, 2}", "x in {1, 3}"), ("x.a", "x.b")],
        *[("abs(x)", "len(x)"), ("x[1:2]", "x[1:3]"), ("g(a=x)", "g(b=x)"), ("x + 1", "x - 1")],
        ("[i for i in x]", "[i for i in x if i]"),
    ],
)
def test_expressions_that_differ_have_different_keys(one, other):
    """Constants of equal value but other type, names and operators are all part of the key."""
    assert key(f"def f(x): return {one}") != key(f"def f(x): return {other}")


def test_arguments_are_part_of_the_key_and_names_of_locals_are_not():
    """Items are passed by position, keywords by name; a local's name matters to nobody."""
    plain = key("def f(x):\n    y = x + 1\n    return y")

    assert key("def f(x):\n    renamed = x + 1\n    return renamed") == plain
    assert key("def f(z):\n    y = z + 1\n    return y") != plain
    assert key("def f(x, /):\n    y = x + 1\n    return y") != plain


def test_the_qualified_name_is_part_of_the_key():
    """Two functions that do the same are still two functions."""
    assert key("def f(x): return x") != key("def g(x): return x", "g")


def test_what_an_exception_handler_covers_is_part_of_the_key():
    """Moving a statement into a `try` changes the function."""
    inside = "def f(x):\n    try:\n        a(x)\n        b(x)\n    except E: pass"
    outside = "def f(x):\n    a(x)\n    try:\n        b(x)\n    except E: pass"

    assert key(inside) != key(outside)


def test_calling_a_function_does_not_change_its_key():
    """The interpreter specialises bytecode that runs often; that is not another function."""
    func = define("def f(x):\n    return [len(str(i + 1.5)) + x for i in range(3)]")
    before = fingerprint(func)

    for i in range(3000):
        func(i)

    assert fingerprint(func) == before


SAMPLES = '''
import functools, json, sys
from amorsize._function.fingerprints import fingerprint

LIMIT = 3
NAMES = {"a": 1}

class Parser:
    """Has methods that call each other."""
    def __init__(self, n): self.n = n
    def parse(self, x): return self.clean(x) in {"a", "b", "c", ("d", 1), None, 2.5, b"e"}
    def clean(self, x): return x[: self.n]
    def __call__(self, x): return self.parse(x)
    @classmethod
    def make(cls, x): return cls(x)

def outer(n):
    def inner(x, *, flag={"spam", "eggs"}):
        class Local:
            "doc"
            first, second = x, n
            def method(self): self.b, self.a, self.c = n, x, LIMIT
        return x in {"left", "right", "up", "down"} and Local
    return inner

def f(x): return Parser(LIMIT).parse(x) or outer(x) or NAMES[x]

samples = [f, outer(3), Parser(2).parse, Parser(2), Parser, Parser.make, lambda x: x in {"a", "b"},
           functools.partial(f, key={"a", "b"}), functools.lru_cache(f), len, str.upper, " ".join]
print(json.dumps([fingerprint(sample).as_dict() for sample in samples]))
'''


def test_a_fingerprint_is_the_same_in_every_process(run_script):
    """Neither the hash seed nor the script's file and line numbers show in it."""
    printed = [
        run_script("\n" * seed + SAMPLES, environ={"PYTHONHASHSEED": str(seed)}).stdout
        for seed in (0, 1, 2)
    ]

    assert printed[0] == printed[1] == printed[2]
    assert len({record["key"] for record in json.loads(printed[0])}) == 12


# --- the functions it calls -----------------------------------------------------------------------

CHAIN = """
def f(x): return a(x)
def a(x): return b(x)
def b(x): return c(x) + f(0)  # recursion ends
def c(x): return d(x) + {three}
def d(x): return x + {four}
"""


def test_a_change_in_a_callee_changes_the_key_down_to_three_calls():
    """Bodies of the project's own functions count as far as the third call below."""
    plain = key(CHAIN.format(three=1, four=1))

    assert key(CHAIN.format(three=2, four=1)) != plain
    assert key(CHAIN.format(three=1, four=2)) == plain


@pytest.mark.parametrize(
    "caller",
    [
        "def f(x): return g(x)",
        "def f(x): return [g(i) for i in x]",
        "def f(x): return (lambda: g(x))()",
        "f = lambda x: g(x)",
        "def f(x, g=g): return g(x)",
        "def f(x, *, g=g): return g(x)",
        "def make(h):\n    def f(x): return h(x)\n    return f\nf = make(g)",
        "import functools\nf = functools.partial(g, 1)",
        "import functools\nf = functools.partial(map, g)",
        "import functools\nf = functools.lru_cache(g)",
        "import functools\nh = functools.cache(g)\ndef f(x): return h(x)",
        "import functools\n@functools.wraps(g)\ndef f(x): return x",
        "class C:\n    def m(self, x): return g(x)\nf = C().m",
        "class C:\n    def m(self, x): self.n(x)\n    def n(self, x): return g(x)\nf = C().m",
        "class C:\n    @staticmethod\n    def m(x): return g(x)\nf = C.m",
        "class C:\n    @classmethod\n    def m(cls, x): return g(x)\nf = C.m",
        "class C:\n    def __call__(self, x): return g(x)\nf = C()",
        "class C:\n    def __init__(self, x): self.y = g(x)\nf = C",
        "class C:\n    def __init__(self, x): self.y = g(x)\ndef f(x): return C(x)",
        "class C:\n    def m(self, x): return g(x)\ndef f(x): return C().m(x)",
        "class C:\n    def m(self, x): return g(x)\nc = C()\ndef f(x): return c.m(x)",
        "class C:\n    def m(self, x): return g(x)\nclass D(C): pass\ndef f(x): return D().m(x)",
        "class C:\n    @property\n    def m(self): return g(1)\ndef f(x): return C().m",
    ],
)
def test_every_way_to_call_an_own_function_is_followed(caller):
    """What the function leads to by its own names is part of its key."""
    keys = {key(f"def g(x): return x + {n}\n{caller}") for n in (1, 2)}

    assert len(keys) == 2


def test_a_function_of_another_module_of_the_project_is_followed(tmp_path, monkeypatch):
    """`module.function` counts as `function` does; its text on disk is what it was loaded from."""
    keys = []
    for n in (1, 2):
        helper = write_module(tmp_path, monkeypatch, f"helper_{n}", f"def g(x): return x + {n}")
        keys.append(key("def f(x): return helper.g(x)", helper=helper))

    assert keys[0] != keys[1]


def test_library_functions_are_known_by_name_alone(tmp_path, monkeypatch):
    """A library is not read: what lies in site-packages changes with its version."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    keys = []
    for n in (1, 2):
        library = write_module(folder, monkeypatch, "library", f"def g(x): return x + {n}")
        keys.append(key("def f(x): return g(x)", g=library.g))
        del sys.modules["library"]

    assert keys[0] == keys[1]


# --- the variant ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "def f(x, n={}): return x",
        "def f(x, *, n={}): return x",
        "def make(n):\n    return lambda x: x + n\nf = make({})",
        "N = {}\ndef f(x): return x + N",
        "N = {}\ndef g(x): return x + N\ndef f(x): return g(x)",
        "from functools import partial\ndef g(x, n): return x\nf = partial(g, {})",
        "from functools import partial\ndef g(x, n): return x\nf = partial(g, n={})",
    ],
)
def test_scalars_it_is_set_up_with_change_the_variant_alone(source):
    """A closure's changing integer makes another variant of one function, not another function."""
    values = ["1", "2", "True", "1.0", "'1'", "b'1'", "None", "1j"]

    assert len({key(source.format(value)) for value in values}) == 1
    assert len({variant(source.format(value)) for value in values}) == len(values)


def test_other_values_count_by_their_type():
    """A list may be long and change at any time: the variant holds that it is a list."""
    source = "N = {}\ndef f(x): return N"

    assert variant(source.format("[1, 2]")) == variant(source.format("[3]"))
    assert variant(source.format("[1, 2]")) != variant(source.format("(1, 2)"))


def test_settings_that_are_not_read_do_not_count():
    """A global that the function does not name may be anything."""
    assert variant("N = 1\ndef f(x): return x") == variant("N = 2\ndef f(x): return x")


def test_a_long_text_is_not_hashed_whole():
    """Of a text of megabytes the length and the ends count: a variant is a hint."""
    source = "def f(x): return N"
    long = "a" * 10_000_000

    assert variant(source, N=long) == variant(source, N=f"{long[1:5_000_000]}b{long[5_000_000:]}")
    assert variant(source, N=long) != variant(source, N=long + "a")


# --- callables of every kind ----------------------------------------------------------------------


class Odd:
    """Answers every question with another one of its kind."""

    def __getattr__(self, name: str) -> "Odd":
        return Odd()

    def __call__(self, x: int) -> int:
        return x


class Rude:
    """Answers no question at all."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __call__(self, x: int) -> int:
        return x


class Calculator:
    """Has a method of every kind."""

    def double(self, x: int) -> int:
        return 2 * x

    @staticmethod
    def triple(x: int) -> int:
        return 3 * x

    @classmethod
    def make(cls, x: int) -> int:
        return x

    def __call__(self, x: int) -> int:
        return x


class SpecialCalculator(Calculator):
    """Inherits them."""


def identity(x: int) -> int:
    return x


def changed(func: Callable[[int], int]) -> Callable[[int], int]:
    """A decorator that matters."""

    @functools.wraps(func)
    def wrapper(x: int) -> int:
        return func(x) + 100

    return wrapper


@changed
def wrapped(x: int) -> int:
    return x


@autotune
def tuned(x: int) -> int:
    return x


@autotune
@changed
def tuned_and_wrapped(x: int) -> int:
    return x


@functools.lru_cache
def cached(x: int) -> int:
    return x


class Tuned:
    """Has decorated methods."""

    @autotune
    def method(self, x: int) -> int:
        return x

    @autotune
    @staticmethod
    def static(x: int) -> int:
        return x

    @autotune
    @classmethod
    def of_class(cls, x: int) -> int:
        return x


HERE = __name__


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (identity, f"{HERE}.identity"),
        (Calculator().double, f"{HERE}.Calculator.double"),
        (Calculator.triple, f"{HERE}.Calculator.triple"),
        (SpecialCalculator.make, f"{HERE}.SpecialCalculator.make"),
        (Calculator, f"{HERE}.Calculator"),
        (Calculator(), f"{HERE}.Calculator(...)"),
        (functools.partial(identity, 1), f"partial({HERE}.identity)"),
        (tuned, f"{HERE}.tuned"),
        (lambda x: x, f"{HERE}.<lambda>"),
        (len, "builtins.len"),
        (zlib.compress, "zlib.compress"),
        (str.upper, "builtins.str.upper"),
        (" ".join, "builtins.str.join"),
        (dict.fromkeys, "builtins.dict.fromkeys"),
        (Odd(), f"{HERE}.Odd(...)"),
    ],
)
def test_everything_callable_has_a_name_and_a_fingerprint(func, name):
    """Nothing raises, and the same object is always the same."""
    found = fingerprint(func)

    assert name_of(func) == found.name == name
    assert found == fingerprint(func)
    assert (len(found.key), len(found.variant)) == (32, 16)
    int(found.key + found.variant, 16)


def test_a_callable_that_answers_nothing_is_its_type():
    """Every attribute raises something else than AttributeError, `__class__` too."""
    rude = Rude()

    assert name_of(rude) == fingerprint(rude).name == f"{HERE}.Rude(...)"
    assert reference(rude) is None


def test_different_callables_have_different_keys():
    """However alike they are: bound, wrapped, partial or made by a subclass."""
    callables = [
        *(identity, wrapped, cached, Calculator, SpecialCalculator, Calculator(), len, " ".join),
        *(Calculator().double, SpecialCalculator().double, Calculator.triple, Calculator.make),
        *(functools.partial(identity, 1), SpecialCalculator.make, dict.fromkeys, str.upper),
    ]

    assert len({fingerprint(func).key for func in callables}) == len(callables)


def test_the_tuning_around_a_function_is_not_part_of_it():
    """A decorated function and the function itself share what was learned."""
    assert fingerprint(tuned) == fingerprint(tuned.__wrapped__)


def test_a_fingerprint_is_a_value():
    """It compares by content, and is made of what a cache can write."""
    assert fingerprint(identity) == Fingerprint(**fingerprint(identity).as_dict())
    assert all(type(field) is str for field in fingerprint(identity).as_dict().values())


# --- where a worker finds it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "func",
    [
        *(identity, wrapped, wrapped.__wrapped__, cached, cached.__wrapped__),
        *(
            tuned.__wrapped__,
            tuned_and_wrapped.__wrapped__,
            tuned_and_wrapped.__wrapped__.__wrapped__,
        ),
        *(
            Calculator,
            Calculator.triple,
            Calculator.make,
            SpecialCalculator.make,
            Calculator.double,
        ),
        *(len, zlib.compress, str.upper, dict.fromkeys, json.loads, random.random, random.gauss),
    ],
)
def test_what_can_be_imported_is_found_again(func):
    """The reference leads back to this very function, with the decorators that it has."""
    found = reference(func)

    assert found is not None
    assert resolve(*found) == func
    assert found == reference(resolve(*found))


@pytest.mark.parametrize("func", [tuned, Tuned.static, Tuned.of_class])
def test_a_decorated_function_is_found_without_its_tuning(func):
    """A worker calls the function for one item, not the map."""
    found = reference(func)

    assert found is not None
    assert resolve(*found)(7) == 7
    assert resolve(found[0], found[1].removesuffix(".__wrapped__"))(7) == 7


def main_function(x: int) -> int:
    return x


main_function.__module__ = "__main__"


def replaced(x: int) -> int:
    return x


stale = replaced


def replaced(x: int) -> int:
    return x + 1


@pytest.mark.parametrize(
    "func",
    [
        *(lambda x: x, main_function, stale, Calculator().double, Calculator(), Tuned().method),
        *(functools.partial(identity), " ".join, [].append, random.Random().random, Odd()),
        define("def f(x): return x"),
    ],
)
def test_what_a_worker_would_not_find_has_no_reference(func):
    """It must travel by value, and with what it is bound to."""
    assert reference(func) is None


def test_a_function_inside_another_has_no_reference():
    """Its name leads through a call that has ended."""

    def inner(x: int) -> int:
        return x

    assert reference(inner) is None


def test_a_function_of_before_a_reload_has_no_reference(tmp_path, monkeypatch):
    """The module's name now stands for another one; a worker would run that."""
    module = write_module(tmp_path, monkeypatch, "reloaded", "def g(x): return x")
    before = module.g
    assert reference(before) == ("reloaded", "g")

    importlib.reload(module)

    assert reference(before) is None
    assert reference(module.g) == ("reloaded", "g")


def test_a_module_that_nobody_can_import_has_no_reference(monkeypatch):
    """A module made at run time is in no worker."""
    module = ModuleType("made_up")
    exec("def g(x): return x", vars(module))
    monkeypatch.setitem(sys.modules, "made_up", module)

    assert reference(module.g) is None


@pytest.mark.parametrize("missing", [("no_such_module_at_all", "f"), ("json", "no_such_function")])
def test_what_is_not_there_is_said_at_once(missing):
    """A worker without the module or the function says so."""
    with pytest.raises((ImportError, AttributeError), match=r"no_such"):
        resolve(*missing)


def write_module(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str
) -> ModuleType:
    """A module of this text, imported from its file."""
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # or a reload might read the old one
    monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def test_code_is_described_once_and_what_it_names_each_time(monkeypatch):
    """Code never changes; a helper that was replaced is another function all the same."""
    described, body = [], code_body.body

    def adds_one(number):
        return number + 1

    def adds_two(number):
        return number + 2

    def calls(number):
        return helper(number)

    monkeypatch.setattr(code_body, "body", lambda code: described.append(code) or body(code))
    helper = adds_one
    first = [fingerprint(calls) for _ in range(3)]
    helper = adds_two
    other = fingerprint(calls)

    assert first[0] == first[1] == first[2]
    assert other.key != first[0].key
    assert [one.co_name for one in described] == ["calls", "adds_one", "adds_two"]
