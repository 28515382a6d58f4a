"""Functions that wait, and meanwhile have set what a module keeps for the whole process."""

import csv
import locale
import os
import random
import socket
import sys
import time
from unittest import mock
from xml.etree import ElementTree

from .casebook import ANYWHERE, CALLER, PROCESSES, of_kind

case = of_kind("waits", __name__, right=PROCESSES)
N = 50
WAIT_S = 0.006
START = os.getcwd()


@case(range(N))
def seeded_by_item(k):
    random.seed(k)
    first = random.random()
    time.sleep(WAIT_S)
    return first, random.random()


@case(range(N))
def shuffled_by_item(k):
    names = ["ann", "bob", "cid", "dee", "eve"]
    random.seed(k)
    time.sleep(WAIT_S)
    random.shuffle(names)
    return names


@case(range(N), draws=True, right=ANYWHERE)
def jitter(_):
    first = random.random()
    time.sleep(WAIT_S)
    return first, random.random()


@case(range(N))
def default_timeout(k):
    socket.setdefaulttimeout(1.0 + k)
    try:
        time.sleep(WAIT_S)
        with socket.socket() as made:
            return made.gettimeout()
    finally:
        socket.setdefaulttimeout(None)


@case(range(N))
def other_locale(k):
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, ("C", "C.utf8")[k % 2])
    try:
        time.sleep(WAIT_S)
        return locale.setlocale(locale.LC_CTYPE)
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


@case(range(N))
def wide_fields(k):
    before = csv.field_size_limit(100 + k)
    try:
        time.sleep(WAIT_S)
        return csv.field_size_limit()
    finally:
        csv.field_size_limit(before)


@case(range(N), right=CALLER)
def named_space(k):
    """A prefix that is registered for the whole process, and stays."""
    ElementTree.register_namespace("item", f"urn:item:{k}")
    time.sleep(WAIT_S)
    return ElementTree.tostring(ElementTree.Element(f"{{urn:item:{k}}}row")).decode()


@case(range(N))
def dialect_of_item(k):
    csv.register_dialect("item", delimiter=";,|:"[k % 4])
    try:
        time.sleep(WAIT_S)
        return next(csv.reader(["a;b,c|d:e"], "item"))
    finally:
        csv.unregister_dialect("item")


def price(k):
    """What tests replace."""
    return k


@case(range(N))
def patched_helper(k):
    with mock.patch(f"{__name__}.price", return_value=-k):
        time.sleep(WAIT_S)
        return price(0)


@case(range(N))
def patched_library(k):
    with mock.patch("os.getlogin", return_value=f"user{k}"):
        time.sleep(WAIT_S)
        return os.getlogin()


@case(range(N))
def deeper(k):
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(5000 + k)
    try:
        time.sleep(WAIT_S)
        return sys.getrecursionlimit()
    finally:
        sys.setrecursionlimit(before)


@case(range(N))
def plugin_of_its_own(k):
    """Imports `plugin` from the item's folder, and forgets it again."""
    folder = os.path.join(START, f"plugin{k}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"plugin_of_{k % 3}.py"), "w") as out:
        out.write(f"NUMBER = {k}\n")
    sys.path.insert(0, folder)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        time.sleep(WAIT_S)
        return __import__(f"plugin_of_{k % 3}").NUMBER
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(folder)
        sys.modules.pop(f"plugin_of_{k % 3}", None)
