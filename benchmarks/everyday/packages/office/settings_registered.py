"""Functions whose answer depends on what the program has registered, patched or switched."""

import builtins
import codecs
import collections.abc
import copyreg
import functools
import gc
import json
import os
import random
import signal
import sqlite3
import sys
import threading

from .casebook import ANYWHERE, CALLER, PROCESSES, of_kind, work

case = of_kind("settings", __name__, right=PROCESSES)
N = 60


def stars(error):
    return "*" * (error.end - error.start), error.end


@case(range(N), setup=lambda: codecs.register_error("stars", stars))
def encoded(k):
    work()
    return f"größe {k}".encode("ascii", "stars")


def _find(name):
    if name != "office_shift":
        return None
    return codecs.CodecInfo(
        lambda text, _="": (bytes(ord(c) + 1 for c in text), len(text)),
        lambda data, _="": ("".join(chr(b - 1) for b in data), len(data)),
        name="office_shift",
    )


@case(range(N), setup=lambda: codecs.register(_find))
def in_own_codec(k):
    work()
    return f"item {k}".encode("office_shift")


@functools.singledispatch
def shown(value):
    return "?"


class Money:
    """Has no base in common with what it is registered for."""

    def __init__(self, cents):
        self.cents = cents


def register_money():
    shown.register(Money, lambda money: f"{money.cents / 100:.2f} EUR")


@case(range(N), setup=register_money)
def dispatched(k):
    work()
    return shown(Money(k))


def money_is_sized():
    collections.abc.Sized.register(Money)


@case(range(N), setup=money_is_sized)
def counts_as_sized(k):
    work()
    return isinstance(Money(k), collections.abc.Sized)


def adapt_money():
    sqlite3.register_adapter(Money, lambda money: money.cents)


@case(range(N), setup=adapt_money)
def adapted(k):
    work()
    base = sqlite3.connect(":memory:")
    try:
        return base.execute("select ?", (Money(k),)).fetchone()[0]
    finally:
        base.close()


def reduce_money():
    copyreg.pickle(Money, lambda money: (Money, (money.cents + 1,)))


@case(range(N), setup=reduce_money, right=CALLER)
def copied(k):
    import copy

    work()
    return copy.copy(Money(k)).cents


class Encoder(json.JSONEncoder):
    """Knows money."""

    def default(self, o):
        return {"cents": o.cents}


def patch_json():
    json._default_encoder = Encoder()


@case(range(N), setup=patch_json)
def patched_json(k):
    work()
    return json.dumps({"price": Money(k)})


def install_text():
    builtins._ = {"total": "Summe"}.get


@case(range(N), setup=install_text)
def translated(k):
    work()
    return getattr(builtins, "_", str)("total"), k


def answer_signal():
    signal.signal(signal.SIGUSR1, lambda *_: signals.append(1))


signals: list = []


@case(range(N), setup=answer_signal, right=CALLER)
def signals_itself(k):
    work()
    os.kill(os.getpid(), signal.SIGUSR1)
    return len(signals), k


@case(range(N), setup=gc.disable, right=ANYWHERE)
def collects(k):
    work()
    return gc.isenabled(), k


@case(range(N), setup=lambda: threading.stack_size(1 << 20), right=PROCESSES)
def stack_of_threads(k):
    work()
    before = threading.stack_size()
    return before, k


def one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@case(range(N), setup=one_core, right=ANYWHERE)
def cores(k):
    work()
    return len(os.sched_getaffinity(0)), k


@case(range(N), setup=lambda: setattr(sys, "displayhook", print), right=PROCESSES)
def display_hook(k):
    work()
    return sys.displayhook is print, k


@case(range(N), draws=True, right=ANYWHERE)
def thrown(_):
    """random.seed(1) before the call makes it repeatable."""
    work()
    return [random.randint(1, 6) for _ in range(12)], random.choice(range(10**9))
