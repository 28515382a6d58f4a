"""Functions whose answer depends on what a program has set in modules of libraries."""

import copy
import email.charset
import enum
import json
import linecache
import math
import pickle
import shlex
import sqlite3
import sys
import textwrap
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "site-packages"))
import orchard
import own_settings
from orchard import OPTIONS, tax


class Apple:
    """Of the project."""

    def __init__(self, weight):
        self.weight = weight


class AppleEncoder(json.JSONEncoder):
    """Knows apples."""

    def default(self, o):
        return {"weight": o.weight}


class Shouting:
    """A formatter of the project's."""

    def show(self, value):
        return f"!{value}!"


class Fruit(enum.Enum):
    """Of the project, too."""

    PEAR = "pear"


factor = 2


def by_factor(k):
    return k * factor


def reverse(text):
    return text[::-1]


def shouted(text):
    return text + "!"


def by_option(k):
    return orchard.OPTIONS["unit"], k


def by_imported_option(k):
    return OPTIONS["unit"], k


def by_asked_option(k):
    return orchard.option("unit"), k


def by_nested_option(k):
    return orchard.digits() + k


def by_rate(k):
    return orchard.tax(100 * k)


def by_imported_function(k):
    return tax(100 * k)


def by_plugin(k):
    found = orchard.plugin("own")
    return found(k) if found else k


def by_hooks(k):
    return orchard.hooked(f" {k}1 ")


def by_kind(k):
    return orchard.is_allowed(Apple(k))


def by_limits(k):
    return orchard.cut(1000 + k)


def by_formatter(k):
    return orchard.shown(k)


def by_client(k):
    return orchard.asked(k)


def by_memory(k):
    return orchard.tenfold(k)


def by_link(k):
    return orchard.linked(k)


def by_json(k):
    try:
        return json.dumps({"apple": Apple(k)})
    except TypeError:
        return "unknown"


def by_default_encoder(k):
    return json.dumps({"k": "ä"})


def by_copy(k):
    return copy.copy(Apple(k)).weight


def by_pickle(k):
    return pickle.loads(pickle.dumps(Apple(k))).weight


def by_sqlite(k):
    base = sqlite3.connect(":memory:")
    try:
        return base.execute("select ?", (Apple(k),)).fetchone()[0]
    except sqlite3.Error:
        return "unknown"
    finally:
        base.close()


def by_scheme(k):
    return urllib.parse.urljoin("s3://bucket/folder/", f"{k}")


def by_charset(k):
    return str(email.charset.Charset("mine"))


def by_alias(k):
    import orchard_tools

    return orchard_tools.thrice(k)


def lighter(apple):
    return Apple, (apple.weight - 1,)


def pickling(apple):
    return apple.weight


class Sealed:
    """A plug-in that stays where it is."""

    def __call__(self, k):
        return -k

    def __reduce__(self):
        raise TypeError("sealed")


def by_writer(k):
    return orchard.written(Apple(k)), orchard.written(k)


def by_late_number(k):
    import orchard_late

    return orchard_late.deep(k)


def by_late_list(k):
    from orchard_late import filtered

    return filtered(f"K{k}1")


def by_late_table(k):
    import orchard_late as late

    return late.named("own"), k


def by_part(k):
    from orchard_parts import part

    return part.sized(k)


def by_value_of_part(k):
    from orchard_parts import part as one

    return one.SIZE + k


def by_handed_class(k):
    from orchard_parts.part import Reader, load

    return load(f"apple {k}", Reader), load(f"int {k}", Reader)


def by_constants(k):
    return orchard.constants(f"aA{k}")


def by_code(k):
    return orchard.code(f"code {k}"), orchard.code("mine")


def by_text(k):
    return getattr(orchard, "RATE") * k, getattr(math, "own_factor", 0)  # noqa: B009


def by_text_of_project(k):
    return getattr(own_settings, "FACTOR_" + "OF_ALL") * k


def by_line(k):
    return linecache.getline("<of a test>", k)


def by_wrapping(k):
    return textwrap.TextWrapper(width=8).fill("one-two three-four")


def by_main(k):
    import __main__

    return getattr(__main__, "factor_of_a_test", k)


NAN = float("nan")
WEIGHTS = {1.0: "one"}
MARKED = {NAN}


def by_weight(k):
    return WEIGHTS.get(NAN, k)


def by_mark(k):
    return NAN in MARKED, k


def by_method_of_a_pattern(_):
    return shlex.quote("a b")


def by_method_of_a_set(_):
    import keyword

    return keyword.iskeyword("apple")
