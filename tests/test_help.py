"""`help()` of what is public is complete, and its examples run."""

import doctest
import functools
import inspect
import pydoc
import re

import pytest

import amorsize
import amorsize.tuning
from amorsize import autotune
from amorsize._engine.options.call_options import DEFAULTS

FUNCTIONS = {
    name: getattr(amorsize, name)
    for name in amorsize.__all__
    if name not in ("cache", "history") and not name.endswith(("Error", "Warning"))
    if name not in ("ItemTimeout", "WorkerDied", "WorkersUnavailable")
}
FUNCTIONS |= {name: getattr(amorsize.tuning, name) for name in ("compare_plans", "so_far")}
OF_HISTORY = ("save", "list", "show", "compare", "delete", "clear")
FUNCTIONS |= {f"history.{name}": getattr(amorsize.history, name) for name in OF_HISTORY}
OF_CACHE = ("clear", "entries", "forget", "home", "size_bytes")
FUNCTIONS |= {f"cache.{name}": getattr(amorsize.cache, name) for name in OF_CACHE}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_public_name_runs(name):
    """Each docstring has one, and it gives what it says."""
    scope = {**vars(amorsize), **FUNCTIONS, "history": amorsize.history, "cache": amorsize.cache}
    text = inspect.getdoc(FUNCTIONS[name])
    test = doctest.DocTestParser().get_doctest(text, scope, name, None, 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    told = []
    failed, tried = doctest.DocTestRunner(optionflags=flags).run(test, out=told.append)

    assert tried > 0, f"{name} has no example"
    assert not failed, "".join(told)


def lines_on_options(func):
    """What a docstring says of each option, by its name."""
    arguments = inspect.getdoc(func).split("Args:\n")[1].split("\n\n")[0]
    told = re.findall(r"^    (\w+): (.+(?:\n        .+)*)", arguments, flags=re.MULTILINE)
    return {name: text for name, text in told if name in DEFAULTS.as_dict()}


def test_tuned_map_explains_each_option_as_autotune_does():
    """`help(tuned_map)` leaves nothing to be looked up elsewhere."""
    assert list(lines_on_options(autotune)) == list(DEFAULTS.as_dict())
    assert lines_on_options(amorsize.tuned_map) == lines_on_options(autotune)


@autotune(n_jobs=2)
def label(name: str, number: int, *, sep: str = "-") -> str:
    """Join a name and a number."""
    return f"{name}{sep}{number}"


class Scale:
    @autotune
    def times(self, number):
        """Scale a number."""

    @autotune
    @staticmethod
    def half(number):
        return number / 2

    @autotune
    @classmethod
    def made(cls, number):
        return cls, number


def shown(thing):
    return pydoc.render_doc(thing, renderer=pydoc.plaintext)


def test_help_of_a_tuned_function_says_how_it_is_called():
    """After its own docstring, with an example of each way, and the options it was given."""
    text = shown(label)

    assert text.index("Join a name and a number.") < text.index("Tuned by amorsize.")
    assert "name: collections.abc.Iterable[str]" in text
    assert "an iterable for each of name, number" in text
    assert "results = label(all_name, all_number)" in text
    assert "label.one(name, number)" in text
    assert "Its options: n_jobs=2." in text
    assert label.one.__doc__ == "Join a name and a number."


@pytest.mark.parametrize(
    ("tuned", "call"),
    [
        (Scale.times, "instance.times(items)"),
        (Scale().times, "instance.times(items)"),
        (vars(Scale)["times"], "instance.times(items)"),
        (Scale.half, "Scale.half(items)"),
        (Scale.made, "Scale.made(items)"),
        (autotune(len), "len(items)"),
        (autotune(lambda x: x), "tuned(items)"),
        (autotune(functools.partial(pow, 2)), "pow(items)"),
    ],
)
def test_help_names_a_tuned_function_as_its_users_do(tuned, call):
    """Methods by an instance, static and class methods by their class."""
    assert f"results = {call}\n" in tuned.__doc__


def test_help_of_a_class_shows_its_tuned_methods():
    """With the docstrings of their own."""
    text = shown(Scale)

    assert "Scale a number." in text
    assert "instance.times(items)" in text


def test_what_help_shows_can_be_called(tmp_path):
    """The lines of the example are Python that runs."""

    @autotune
    def twice(number):
        return 2 * number

    example = re.findall(r"^    (.+)$", twice.__doc__, flags=re.MULTILINE)
    scope = {"twice": twice, "items": [1, 2], "number": 3}
    exec("\n".join(example).replace("print(", "str("), scope)

    assert (scope["results"], scope["result"]) == ([2, 4], 4)


def test_a_docstring_can_be_set():
    """As that of any function: by documentation tools, for example."""
    tuned = autotune(lambda item: item)
    tuned.__doc__ = "New."

    assert tuned.__doc__.startswith("New.\n\nTuned by amorsize.")
    assert tuned.one.__doc__ == "New."


def test_ipython_shows_it_as_well():
    """`?f` has the signature of the map, and the whole docstring."""
    oinspect = pytest.importorskip("IPython.core.oinspect")
    told = oinspect.Inspector(theme_name="nocolor").info(label, oname="label")

    assert "Iterable[str]" in told["definition"]
    assert "results = label(all_name, all_number)" in told["docstring"]
