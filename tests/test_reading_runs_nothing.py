"""Reading a function runs nobody's code."""

import types

import pytest

from amorsize._function.sharing.thread_safety import examine

HOOKED = types.ModuleType("test_reading_runs_nothing_module")


def test_reading_runs_no_code_of_the_project():
    """Properties of metaclasses, hooks of modules, descriptors of classes: they may do anything."""
    ran = []

    class Noting(type):
        @property
        def serial(cls):
            ran.append("property")

        def __getattr__(cls, name):
            ran.append(name)
            raise AttributeError(name)

    class Field:
        def __get__(self, owner, kind=None):
            ran.append("descriptor")

    class Plain(metaclass=Noting):
        field = Field()

    HOOKED.__getattr__ = ran.append

    examine(lambda: (Plain.serial, Plain.missing(), Plain.field(), HOOKED.missing()), [])

    assert ran == []


RAN: list[str] = []


def noting(hook):
    def noted(cls, *arguments):
        RAN.append(hook)
        return getattr(type, hook)(cls, *arguments)

    return noted


def of_metaclass(*hooks):
    """A class whose metaclass answers in its place."""
    meta = type("Meta", (type,), {hook: noting(hook) for hook in hooks})
    cls = meta("Odd", (), {"rate": 3, "run": lambda self, x: x, "__module__": __name__})
    RAN.clear()
    return cls


USES = {
    "attribute": "def f(x): return Odd.rate * x",
    "method": "def f(x): return Odd.run(ONE, x)",
    "instance": "def f(x): return ONE.run(x)",
    "store": "def f(x): ONE.rate = x",
    "table": "def f(x): return TABLE['one'].run(x) + len(ROW) + (x in ROW)",
    "default": "def f(x, one=ONE): return one.run(x)",
    "passed on": "def g(one, x): one.rate = x\ndef f(x): return g(ONE, x)",
    "module": "def f(x): return MODULE.Odd(x)",
    "handler": "def f(x):\n  try: return x\n  except Odd: return 0",
    "file": "def f(x): open(f'{ONE}{x}', 'w')",
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("hook", ["__getattribute__", "__hash__", "__eq__"])
def test_a_metaclass_that_answers_for_its_classes_is_not_asked(hook, use):
    """Such a class cannot even be looked at, so the caller runs the items."""
    odd = of_metaclass(*{hook, "__hash__"})
    one = object.__new__(odd)
    space = {"Odd": odd, "ONE": one, "TABLE": {"one": one}, "ROW": (one, odd), "__name__": __name__}
    space["MODULE"] = types.SimpleNamespace if use != "module" else types.ModuleType("shop")
    if use == "module":
        space["MODULE"].Odd = odd
    exec(USES[use], space)

    reach, _ = examine(space["f"])

    assert RAN == []
    assert any("looked at" in one for one in reach.copies)


@pytest.mark.parametrize("items", ["[one, one]", "[odd, odd]", "[(one,)] * 2", "[{1: odd}] * 2"])
def test_items_of_such_a_class_are_not_looked_at(items):
    odd = of_metaclass("__getattribute__", "__hash__", "__eq__")

    reach, _ = examine(lambda x: x.run(1), eval(items, {"odd": odd, "one": object.__new__(odd)}))

    assert RAN == []
    assert any("looked at" in one for one in reach.copies)


class OfLibrary(type):
    """Has code of a file that lies among the libraries."""

    exec(
        compile(
            "def __eq__(cls, other): return cls is other\n"
            "def __hash__(cls): return type.__hash__(cls)",
            pytest.__file__,
            "exec",
        )
    )


@pytest.mark.parametrize("meta", [OfLibrary, type("OfC", (type,), {"__hash__": type.__hash__})])
def test_a_metaclass_of_a_library_may_answer(meta):
    """Protocols of `typing_extensions` have such a one, and all classes that pybind11 has made."""
    odd = meta("Odd", (), {"__module__": __name__, "run": lambda self, x: x})
    one = odd()

    reach, _ = examine(lambda x: (one.run(x), odd().run(x), x), [one])

    assert not any("looked at" in text for text in reach.copies)
