"""Reading a function runs nobody's code."""

import dataclasses
import functools
import types
import weakref

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


def noted(hook):
    """A method that notes that it ran."""

    def run(self, *arguments):
        RAN.append(hook)
        return getattr(object, hook, lambda *_: 0)(self, *arguments)

    return run


#: What objects may have that runs where they are only looked at.
HOOKS = {
    "__class__": property(noted("__class__ of a proxy")),
    "__dict__": property(noted("__dict__ made up")),
    "__wrapped__": property(noted("__wrapped__ made up")),
    **{
        name: noted(name)
        for name in (
            *("__getattribute__", "__getattr__", "__eq__", "__hash__", "__repr__", "__bool__"),
            *("__len__", "__iter__", "__call__", "__contains__", "__getitem__", "__index__"),
        )
    },
}
USES_OF_OBJECTS = {
    "attribute": "def f(x): return ONE.rate * x",
    "method": "def f(x): return ONE.run(x)",
    "call": "def f(x): return ONE(x)",
    "handed on": "def f(x): return sorted([x], key=ONE), list(map(ONE, [x]))",
    "element": "def f(x): return LIST[0], LIST[-1].rate, TABLE['one'].run(x), TABLE[3]",
    "key": "def f(x): return KEYS[3], KEYS['a'], KEYS.get(ONE), len(KEYS)",
    "attribute of a shared object": "def f(x): BOX.held = BOX.one.rate; return BOX.one(x)",
    "default": "def f(x, one=ONE): return one.run(x) or one(x)",
    "a helper is handed it": "def g(one, x): one.n = x; return one\ndef f(x): return g(ONE, x).n",
    "made by an object": "def f(x): ONE.maker('n')(x).n = 1; return ONE(x)(x)[0]",
    "partial": "f = functools.partial(lambda one, x: one(x), ONE)",
    "decorated": "def f(x): return x\nf.__wrapped__ = ONE",
    "subclass of a container": "def f(x): return ROWS[0], SHELF['a'], [*ROWS], len(PAIR), x in BAG",
    "handed to a helper": "def g(a, b, c): return a[0](b, c)\ndef f(x): g(ROWS, SHELF, PAIR)",
    "field of a frozen record": "def f(x): return RECORD.one(x)",
    "name of a file": "def f(x): open(f'{ONE}{x}', 'w')",
    "cached": "@functools.lru_cache\ndef g(one, x): return one\ndef f(x): return g(ONE, x)",
    "weak": "def f(x): return WEAK().run(x)",
    "exception": "def f(x):\n  try: return ONE.run(x)\n  except OSError as e: e.one = ONE; raise",
}


def of_class(hook):
    """A class whose objects have one of these hooks."""
    plain = {"__hash__": object.__hash__, "run": lambda self, x: x, "rate": 3}
    return type("Odd", (), {"__module__": __name__, **plain, hook: HOOKS[hook]})


def counting(kind):
    """A subclass of a builtin container that notes when it is looked at."""
    hooks = ("__len__", "__iter__", "__getitem__", "__contains__", "values", "items", "keys", "get")
    own = {name: noted(name) for name in hooks if hasattr(kind, name)}
    return type(f"Noted{kind.__name__}", (kind,), {**own, "__module__": __name__})


@pytest.mark.parametrize("use", USES_OF_OBJECTS)
@pytest.mark.parametrize("hook", HOOKS)
def test_objects_of_the_project_are_not_asked_for_anything(hook, use):
    """What an object is, is told by its type: any question to it may run code of the project."""
    odd = of_class(hook)
    one, box = odd(), type("Box", (), {"__module__": __name__})()
    record = dataclasses.make_dataclass("Record", ["one"], frozen=True)
    object.__setattr__(box, "one", one)
    space = {
        **{"ONE": one, "BOX": box, "LIST": [one, one], "TABLE": {"one": one, 3: one}},
        **{"KEYS": {"a": 1, 3: 2}, "RECORD": record(one), "WEAK": weakref.ref(one)},
        **{"ROWS": counting(list)([1, one]), "SHELF": counting(dict)(a=one)},
        **{"PAIR": counting(tuple)((one, 2)), "BAG": counting(set)([1, 2])},
        **{"functools": functools, "__name__": __name__},
    }
    if hook != "__hash__":
        space["KEYS"][one] = 1
    exec(USES_OF_OBJECTS[use], space)
    RAN.clear()

    examine(space["f"], [1, 2])

    assert RAN == []


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("item", ["one", "[one]", "(one, 2)", "{'a': one}", "one.run", "ROWS"])
def test_items_of_the_project_are_not_asked_for_anything(hook, item):
    odd = of_class(hook)
    made = eval(item, {"one": odd(), "ROWS": counting(list)([1, odd()])})
    RAN.clear()

    examine(lambda x: (x.rate, x[0], len(x), [*x]), [made, made])

    assert RAN == []
