"""Functions whose answer depends on what the program changes between its calls."""

import contextlib
import contextvars
import decimal
import enum
import functools
import importlib
import logging
import os
import string
import sys
import tempfile
import time
import types
import warnings
import weakref
from unittest import mock

from thirdparty import settings

from .casebook import PROCESSES, each_call, of_kind, work

# Workers that are kept from one call to the next must not answer as in the call before.
case = of_kind("settings", __name__, right=PROCESSES)
N = 60


fee = 0


def raise_fee(number):
    global fee
    fee = 10 * number


@case(range(N), around=each_call(raise_fee))
def with_fee(k):
    work()
    return k + fee


discounts = {"student": {"share": 0}}


@case(range(N), around=each_call(lambda n: discounts["student"].update(share=n)))
def for_students(k):
    work()
    return k * (100 - discounts["student"]["share"])


class Parcel:
    """Is weighed."""

    unit = "kg"

    def label(self, k):
        return f"{k} {self.unit}"


parcel, scaled, other = Parcel(), Parcel(), Parcel()


@case(range(N), around=each_call(lambda n: setattr(Parcel, "unit", f"u{n}")))
def by_unit(k):
    work()
    return parcel.label(k)


@case(range(N), around=each_call(lambda n: setattr(scaled, "label", lambda k: k * n)))
def by_method_of_object(k):
    work()
    return scaled.label(k)


class Letter:
    """What a parcel may turn into."""

    def label(self, k):
        return f"letter {k}"


def turn(number):
    other.__class__ = (Letter, Parcel)[number % 2]


@case(range(N), around=each_call(turn))
def by_class_of_object(k):
    work()
    return other.label(k).replace(Parcel.unit, "")


def priced(k, by=1, *, plus=0):
    return k * by + plus


def other_defaults(number):
    priced.__defaults__ = (number,)
    priced.__kwdefaults__ = {"plus": 100 * number}


@case(range(N), around=each_call(other_defaults))
def by_defaults(k):
    work()
    return priced(k)


quick = functools.partial(priced, by=3, plus=0)


@case(range(N), around=each_call(lambda n: quick.keywords.update(plus=n)))
def by_partial(k):
    work()
    return quick(k)


class Level(enum.Enum):
    """Has a limit that is set later."""

    LOW, HIGH = 1, 2


@case(range(N), around=each_call(lambda n: setattr(Level.LOW, "limit", 10 * n)))
def under_limit_of_member(k):
    work()
    return k < Level.LOW.limit


user = contextvars.ContextVar("user", default="nobody")


@case(range(N), around=each_call(lambda n: user.set(f"user {n}") and None))
def as_user(k):
    work()
    return user.get(), k


class Request:
    """Keeps a variable in its class."""

    locale = contextvars.ContextVar("locale", default="en")


@case(range(N), around=each_call(lambda n: Request.locale.set(("de", "fr", "it")[n - 1]) and None))
def in_language_of_request(k):
    work()
    return Request.locale.get(), k


@functools.singledispatch
def named(value):
    return "thing"


def learn(number):
    named.register((int, bool, str)[number - 1], lambda value: f"known {number}")


@case([True, 1, "a", 1.0] * 15, around=each_call(learn))
def by_type(value):
    work()
    return named(value)


class Plugin:
    """Knows its subclasses."""

    names: list = []

    def __init_subclass__(cls):
        Plugin.names.append(cls.__name__)


@case(range(N), around=each_call(lambda n: type(f"Plugin{n}", (Plugin,), {}) and None))
def by_plugins(k):
    work()
    return k, list(Plugin.names)


@case(range(N), around=each_call(lambda n: os.environ.__setitem__("OFFICE", str(n))))
def by_office(k):
    work()
    return k, os.environ["OFFICE"], os.path.expandvars("$OFFICE")


@case(range(N), around=each_call(lambda n: decimal.localcontext(decimal.Context(prec=3 * n))))
def in_local_context(k):
    work()
    return str(decimal.Decimal(k) / 7)


@contextlib.contextmanager
def treat_warnings(number):
    with warnings.catch_warnings():
        warnings.simplefilter("error" if number % 2 else "ignore")
        yield


@case(range(N), around=each_call(treat_warnings))
def complains(k):
    work()
    try:
        warnings.warn("odd", UserWarning, stacklevel=1)
    except UserWarning:
        return k, "refused"
    return k, "ignored"


@case(range(N), around=each_call(lambda n: logging.getLogger("post").setLevel(10 * n)))
def told_from(k):
    work()
    return [n for n in range(0, 50, 10) if logging.getLogger("post").isEnabledFor(n)], k


def travel(number):
    os.environ["TZ"] = f"XYZ-{number}"
    time.tzset()


@case(range(N), around=each_call(travel))
def local_hour(k):
    work()
    return time.localtime(3600 * k).tm_hour


def other_scratch(number):
    os.mkdir(f"scratch{number}")
    tempfile.tempdir = os.path.abspath(f"scratch{number}")


@case(range(N), around=each_call(other_scratch))
def scratch_folder(k):
    work()
    return os.path.basename(tempfile.gettempdir()), k


def reload_rates(number):
    with open("office_rates.py", "w") as out:
        out.write(f"RATE = {number}\n\n\ndef tax(k):\n    return {number} * k + RATE\n")
    sys.path[:0] = [os.getcwd()] if number == 1 else []
    sys.dont_write_bytecode = True
    module = importlib.import_module("office_rates")
    importlib.invalidate_caches()
    importlib.reload(module)


@case(range(N), around=each_call(reload_rates))
def by_reloaded_module(k):
    import office_rates

    work()
    return office_rates.tax(k)


def replace_module(number):
    module = types.ModuleType("office_region")
    module.NAME = f"region {number}"
    sys.modules["office_region"] = module


@case(range(N), around=each_call(replace_module))
def by_replaced_module(k):
    import office_region

    work()
    return office_region.NAME, k


@functools.cache
def quota():
    return fee_of_year["now"]


fee_of_year = {"now": 0}


def new_year(number):
    fee_of_year["now"] = number
    if number != 2:  # in the second call the old answer is still kept
        quota.cache_clear()
        quota()


@case(range(N), around=each_call(new_year))
def from_cache_of_year(k):
    work()
    return quota(), k


@case(range(N), around=each_call(lambda n: mock.patch.object(settings, "RATE", 10 * n)))
def under_patched_rate(k):
    work()
    return settings.tax(100 * k)


def move(number):
    os.mkdir(f"room{number}")
    os.chdir(f"room{number}")


@case(range(N), around=each_call(move))
def in_room(k):
    work()
    return os.path.basename(os.getcwd()), k


class Guest:
    """Is referred to weakly."""


guests = [Guest() for _ in range(5)]
present = weakref.WeakValueDictionary(enumerate(guests))


@case(range(N), around=each_call(lambda n: guests.pop() and None), ignored=("guests", "present"))
def guests_left(k):
    work()
    return len(present), k


def shadow(number):
    globals()["len"] = lambda text: 100 * number


@case(["a", "bb"] * 30, around=each_call(shadow))
def by_shadowed_builtin(text):
    work()
    return len(text)


class Article:
    """Gets its price late."""

    cents = 1


def other_price(number):
    Article.cents = property(lambda self: 100 * number) if number != 3 else 7


@case(range(N), around=each_call(other_price))
def by_late_property(k):
    work()
    return Article().cents * k


menu = {"soup": 1, "fish": 2, "cake": 3}


def reorder(number):
    first = next(iter(menu))
    menu[first] = menu.pop(first)


@case(range(N), around=each_call(reorder))
def by_order_of_menu(k):
    work()
    return list(menu)[k % 3]


class Form(string.Template):
    """Marks its places otherwise after a while."""


def mark(number):
    del Form.pattern
    Form.delimiter = "%$&"[number - 1]
    Form.__init_subclass__()


@case(range(N), around=each_call(mark))
def filled_form(k):
    work()
    return Form("$n %n &n").safe_substitute(n=k)


def swap_helper(number):
    global chosen
    chosen = (str, priced, abs)[number - 1]


chosen = abs


@case(range(N), around=each_call(swap_helper))
def by_chosen_function(k):
    work()
    return chosen(-k)
