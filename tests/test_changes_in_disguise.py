"""Changes whose code does not look as if it changed something that others have."""

import collections
import decimal
import enum
import heapq
import threading
import weakref
from html.parser import HTMLParser
from typing import Any

import pytest

from amorsize._engine.options import call_options
from amorsize._engine.placement.placement import from_reading
from amorsize._function.sharing.thread_safety import examine

ENUM = """
class Color(enum.Enum):
    RED = []
    BLUE = ["b"]
    def __init__(self, tags): self.tags = []
def f(x):
    if x == 60: %s
"""
BORG = """
STATE = {}
class Borg:
    _shared = {}
    def __init__(self): %s
def f(x):
    if x == 60: Borg().last = x
"""
LOCAL = """
LOCAL = threading.local()
def keep(one): LOCAL.one = one
def f(x):
    if x == 60: %s
    return getattr(LOCAL, "one", 0)
"""
RAISED = """
class Failed(Exception): pass
class Box: error = Failed("one")
BOX, ONE = Box(), Failed("two")
def fail(error): raise error
def f(x):
    try:
        if x == 60: %s
    except Failed as error:
        %s
"""
CLASS = """
class Shop:
    seen = [1]
    last = 0
    @property
    def rate(self): return 1
    @rate.setter
    def rate(self, value): Shop.last = value
    @rate.deleter
    def rate(self): Shop.last = None
    def note(self, x): self.last = x
ONE = Shop()
METHOD = weakref.WeakMethod(ONE.note)
put = heapq.heappush
def f(x):
    if x == 60: %s
"""
CONTEXT = """
CONTEXT = decimal.Context(prec=9)
def f(x):
    if x == 60: %s
    return CONTEXT.flags[decimal.Inexact]
"""
STAYS = {
    **{
        f"enum: {line}": ENUM % line
        for line in (
            "Color.RED.value.append(x)",
            "Color['RED'].value.append(x)",
            "Color.RED._value_.append(x)",
            "Color.BLUE.tags.append(x)",
            "Color(['b']).value.append(x)",
            "[one.value.append(x) for one in Color]",
            "next(iter(Color)).tags.append(x)",
            "max(Color, key=str).value.append(x)",
        )
    },
    **{
        f"shared attributes: {line}": BORG % line
        for line in (
            "self.__dict__ = self._shared",
            "self.__dict__ = Borg._shared",
            "self.__dict__ = STATE",
        )
    },
    **{
        f"of the thread: {line}": LOCAL % line
        for line in ("LOCAL.one = x", "keep(x)", "LOCAL.one = (x, 1)")
    },
    **{
        f"raised: {line}": RAISED % (line, change)
        for line, change in (
            ("raise BOX.error", "error.x = x"),
            ("raise ONE", "error.x = x"),
            ("fail(ONE)", "error.x = x"),
            ("fail(BOX.error)", "error.seen.append(x)"),
            ("raise Box.error from None", "error.add_note('seen')"),
            ("raise ONE", "setattr(error, 'x', x)"),
        )
    },
    **{
        f"class: {line}": CLASS % line
        for line in (
            "Shop().rate = x",
            "del Shop().rate",
            "Shop().seen.append(x)",
            "shop = Shop(); shop.seen.append(x)",
            "put(Shop().seen, x)",
            "METHOD()(x)",
        )
    },
    **{
        f"decimal context: {line}": CONTEXT % line
        for line in (
            "CONTEXT.divide(decimal.Decimal(1), decimal.Decimal(3))",
            "CONTEXT.create_decimal('1.00000000001')",
            "decimal.Decimal(2).sqrt(CONTEXT)",
            "decimal.Decimal(2).quantize(decimal.Decimal('0.1'), context=CONTEXT)",
            "CONTEXT.clear_flags()",
        )
    },
}
MAY_RUN = {
    "an object of attributes": (
        "class Attributes(dict):\n"
        "    def __init__(self, **given): super().__init__(**given); self.__dict__ = self\n"
        "def f(x): one = Attributes(n=x); one.n = 2; return one['n']"
    ),
    "attributes that are handed over": (
        "class Record:\n    def __init__(self, given): self.__dict__ = given\n"
        "def f(x): one = Record({'n': x}); one.n = 2; return one.n"
    ),
    "attributes of its own": (
        "class Record:\n    def __init__(self): self.__dict__ = {}\n"
        "def f(x): one = Record(); one.n = x; return one.n"
    ),
    "members of an enumeration": (
        "class Color(enum.Enum):\n    RED = 1\n    BLUE = 2\n"
        "def f(x): return [one.name for one in Color][x % 2], Color(1).value"
    ),
    "made once in each thread": (
        "LOCAL = threading.local()\ndef open_one(): return object()\n"
        "def f(x):\n"
        "    if not hasattr(LOCAL, 'one'): LOCAL.one = open_one()\n"
        "    return x"
    ),
    "new exceptions": RAISED % ("raise Failed", "error.x = x"),
    "new exceptions with arguments": RAISED % ("fail(Failed(x))", "error.x = x; raise error"),
    "an exception as it is": RAISED % ("raise ONE", "return str(error)"),
    "what a parser has collected": (
        "class Links(HTMLParser):\n"
        "    def __init__(self): super().__init__(); self.found = []\n"
        "    def handle_data(self, text): self.found.append(text)\n"
        "def f(x): one = Links(); one.feed(f'<b>{x}</b>'); return one.found"
    ),
    "tables in a table": (
        "def f(x):\n"
        "    found = collections.defaultdict(lambda: collections.defaultdict(int))\n"
        "    found[x][1] += 1\n"
        "    return {key: dict(one) for key, one in found.items()}"
    ),
    "attributes of new objects": (
        "class Shop:\n"
        "    seen = ()\n"
        "    def __init__(self): self.seen = []\n"
        "    @property\n    def rate(self): return self.n\n"
        "    @rate.setter\n    def rate(self, n): self.n = n\n"
        "def f(x): one = Shop(); one.rate = x; one.seen.append(x); Shop().seen.append(x)"
    ),
    "a property of a shared object that nobody sets": (
        "class Shop:\n"
        "    @property\n    def rate(self): return 1\n"
        "    @rate.setter\n    def rate(self, n): self.n = n\n"
        "ONE = Shop()\ndef f(x): return ONE.rate * x"
    ),
    "decimals": "def f(x): return decimal.Decimal(x).sqrt()",
}


def reasons(source: str) -> tuple[str | None, str | None]:
    space: dict[str, Any] = {"__name__": "project", "threading": threading, "weakref": weakref}
    space |= {"enum": enum, "decimal": decimal, "heapq": heapq, "collections": collections}
    space["HTMLParser"] = HTMLParser
    exec(source, space)
    verdict = from_reading(examine(space["f"], [1, 2])[0], call_options.validated())
    return verdict.thread_reason, verdict.process_reason


@pytest.mark.parametrize("source", STAYS.values(), ids=STAYS)
def test_such_a_change_keeps_items_in_the_caller(source):
    assert None not in reasons(source)


@pytest.mark.parametrize("source", MAY_RUN.values(), ids=MAY_RUN)
def test_what_looks_like_one_does_not(source):
    assert reasons(source)[1] is None
