"""Functions whose answer depends on what the program has changed in its modules since import."""

import contextvars
import dataclasses
import enum
import functools
import sys
import types

from thirdparty import settings

from . import ledger
from .casebook import ANYWHERE, CALLER, PROCESSES, of_kind, work

# Right in forked workers, which have all this; clean ones may have it or must get no item.
case = of_kind("settings", __name__, right=PROCESSES)
N = 60

rate = 1
options = {"digits": 2}
plugins: dict = {}


def set_rate():
    global rate
    rate = 17


@case(range(N), setup=set_rate)
def at_rate(k):
    work()
    return k * rate


@case(range(N), setup=lambda: options.update(digits=5))
def rounded(k):
    work()
    return round(k / 7, options["digits"])


def _double(k):
    return 2 * k


@case(range(N), setup=lambda: plugins.update(double=_double))
def by_plugin(k):
    work()
    return plugins["double"](k) if "double" in plugins else "no plugin"


@case(range(N), setup=lambda: setattr(ledger, "total", 1000))
def of_other_module(k):
    work()
    return ledger.total + k


class Model:
    """A class that is configured before use."""

    scale = 1
    names: list = []

    def __init__(self, k):
        self.k = k

    def score(self):
        return self.k * self.scale, tuple(self.names)


def configure():
    Model.scale = 3
    Model.names.append("ann")


@case(range(N), setup=configure)
def by_class_attribute(k):
    work()
    return Model(k).score()


@case(lambda: [Model(k) for k in range(N)], setup=configure)
def of_items_class(model):
    work()
    return model.score()


def patch_method():
    Model.score = lambda self: ("patched", self.k)


@case(range(N), setup=patch_method)
def patched_method(k):
    work()
    return Model(k).score()


def helper(k):
    return k


def patch_helper():
    global helper
    helper = lambda k: -k  # noqa: E731


@case(range(N), setup=patch_helper)
def patched_function(k):
    work()
    return helper(k)


def with_attribute(k):
    work()
    return getattr(with_attribute, "factor", 1) * k


case(range(N), setup=lambda: setattr(with_attribute, "factor", 5))(with_attribute)


class Client:
    """A singleton that is connected once."""

    _one = None

    @classmethod
    def instance(cls):
        if cls._one is None:
            cls._one = cls()
            cls._one.token = "none"
        return cls._one


def connect():
    Client.instance().token = "secret"


@case(range(N), setup=connect)
def with_token(k):
    work()
    return Client.instance().token, k


@functools.cache
def table(name):
    return state["version"], name


state = {"version": 1}


def prefill():
    table("main")
    state["version"] = 2


@case(range(N), setup=prefill)
def from_filled_cache(k):
    """What was cached under the old version stays."""
    work()
    return table("main"), k


class Lazy:
    """Computes a thing once."""

    base = 10

    @functools.cached_property
    def offset(self):
        return self.base + 1


lazy = Lazy()


def compute_early():
    assert lazy.offset == 11
    Lazy.base = 500


@case(range(N), setup=compute_early)
def from_cached_property(k):
    work()
    return lazy.offset + k


def alias_module():
    module = types.ModuleType("office_alias")
    module.FACTOR = 9
    sys.modules["office_alias"] = module


@case(range(N), setup=alias_module)
def through_alias(k):
    import office_alias

    work()
    return k * office_alias.FACTOR


def make_classes():
    global Row, Shade
    Row = dataclasses.make_dataclass("Row", ["k", "name"])
    Row.__module__ = __name__
    Shade = enum.Enum("Shade", {"LIGHT": 1, "DARK": 2}, module=__name__)


Row = Shade = None


@case(range(N), setup=make_classes)
def of_made_class(k):
    work()
    return repr(Row(k, f"row {k}"))


@case(range(N), setup=make_classes)
def of_made_enum(k):
    work()
    return Shade(1 + k % 2).name


class Base:
    """Knows its subclasses."""

    known: dict = {}

    def __init_subclass__(cls, **facts):
        Base.known[cls.__name__] = cls


def make_subclass():
    type("Late", (Base,), {"factor": 4})


@case(range(N), setup=make_subclass)
def by_subclass(k):
    work()
    return k * Base.known["Late"].factor if "Late" in Base.known else "unknown"


@case(range(N), setup=lambda: settings.OPTIONS.update(unit="g"))
def library_option(k):
    work()
    return settings.OPTIONS["unit"], k


@case(range(N), setup=lambda: settings.Config(level="high").use())
def library_config(k):
    work()
    return settings.Config.current().values["level"], k


@case(range(N), setup=lambda: settings.register("twice", _double))
def library_plugin(k):
    work()
    found = settings.plugin("twice")
    return found(k) if found else "no plugin"


@case(range(N), setup=lambda: setattr(settings, "RATE", 7))
def library_rate(k):
    work()
    return settings.tax(100 * k)


@case(range(N), setup=lambda: setattr(settings, "tax", lambda amount: -amount))
def patched_library_function(k):
    work()
    return settings.tax(k)


tenant = contextvars.ContextVar("tenant", default="none")
hidden = contextvars.ContextVar("hidden", default="none")


def enter_tenant():
    tenant.set("acme")


@case(range(N), setup=enter_tenant)
def of_tenant(k):
    work()
    return tenant.get(), k


def _of_hidden(variable):
    return lambda k: (work(), variable.get(), k)[1:]


def hide():
    global _hidden
    _hidden = contextvars.ContextVar("elsewhere", default="none")
    _hidden.set("set")


_hidden = None
case(range(N), name="of_nameless_variable", setup=hide, ignored=("_hidden",),
     made=lambda: _of_hidden(_hidden))(None)  # fmt: skip


# -- large tables --------------------------------------------------------------------------------

prices: dict = {}
steps: list = []


def load_prices():
    prices.update((f"article {k}", k % 997) for k in range(300_000))


@case(range(N), setup=load_prices, ignored=("prices",))
def from_large_table(k):
    work()
    return sum(prices[f"article {i}"] for i in range(k, 300_000, 3000))


def load_steps():
    steps.extend(range(1_000_000))


@case(range(N), setup=load_steps, ignored=("steps",))
def from_large_list(k):
    work()
    return sum(steps[k:1_000_000:5000])


@case(range(N), setup=load_steps, ignored=("steps",), right=CALLER)
def into_large_list(k):
    work()
    steps[k] += 1
    return steps[k]


text = ""


def load_text():
    global text
    text = "lorem ipsum dolor " * 1_000_000


@case(range(N), setup=load_text, ignored=("text",), right=ANYWHERE)
def in_large_text(k):
    work()
    return text.find("dolor", k * 100_000)
