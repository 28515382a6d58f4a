"""What the tables of libraries and the descriptors of a process get from items stays with it."""

import builtins
import calendar
import codecs
import contextlib
import copyreg
import csv
import functools
import gc
import gettext
import locale
import logging
import mimetypes
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from xml.etree import ElementTree

import pytest

from amorsize._function.sharing.thread_safety import examine
from amorsize._watching import process_state


class Money:
    """What items register something for."""


def adds_type(number):
    mimetypes.add_type("a/b", f".one{number}")


def names_level(number):
    logging.addLevelName(900 + number, f"LEVEL {number}")


def adapts(_):
    sqlite3.register_adapter(Money, str)


def converts(number):
    sqlite3.register_converter(f"MONEY{number}", str)


def reduces(_):
    copyreg.pickle(Money, str)


@pytest.mark.parametrize("act", [adds_type, names_level, adapts, converts, reduces])
def test_what_a_library_keeps_is_watched(act):
    settings = [one for one in process_state.SETTINGS if one.name.startswith("what ")]
    before = [one.state() for one in settings]
    tables = [sqlite3.adapters, sqlite3.converters, copyreg.dispatch_table, logging._levelToName]
    tables += [mimetypes.types_map, mimetypes.common_types]
    kept = [dict(one) for one in tables]
    try:
        act(1)
        assert [one.state() for one in settings] != before
    finally:
        for table, content in zip(tables, kept, strict=True):
            table.clear()
            table.update(content)


def opens(number):
    return os.open(f"/tmp/{number}", os.O_RDONLY)


def opens_and_closes(number):
    found = os.open(f"/tmp/{number}", os.O_RDONLY)
    os.close(found)
    return number


def opens_a_file(number):
    with open(os.open(f"/tmp/{number}", os.O_RDONLY)) as file:
        return file.read()


def handles_errors(number):
    codecs.register_error(f"own{number}", codecs.ignore_errors)


def sets_for_programs(number):
    os.putenv("NUMBER", str(number))


def signals_itself(_):
    os.kill(os.getpid(), signal.SIGUSR1)


def signals_by_helper(number):
    if number == 40:
        send_to(os.getpid())


def send_to(process):
    os.kill(process, signal.SIGUSR1)


def signals_its_group(_):
    os.kill(0, signal.SIGUSR1)


def hands_a_signal_on(_):
    functools.partial(os.kill, os.getpid(), signal.SIGUSR1)()


def handles_as_told(number):
    signal.signal(signal.SIGUSR2, (signal.SIG_IGN, signal.SIG_DFL)[number % 2])


def sets_domain(number):
    gettext.textdomain("shop" if number < 40 else "store")


def sets_locale(name):
    return locale.setlocale(locale.LC_ALL, name)


def sets_domain_by_helper(number):
    def sets(domain):
        gettext.textdomain(domain)

    sets("shop" if number < 40 else "store")


def hands_domain_on(number):
    functools.partial(gettext.textdomain)("shop" if number < 40 else "store")


def signals_by_getattr(number):
    if number == 40:
        getattr(signal, "raise_signal")(signal.SIGUSR1)  # noqa: B009


def sets_limit(number):
    csv.field_size_limit(1000 + number // 40)


def sets_one_of_two_limits(number):
    if number < 40:
        csv.field_size_limit(1000)
    else:
        csv.field_size_limit(2000)


def registers_one_of_two(number):
    if number == 40:
        mimetypes.add_type("text/late", ".late")
        return
    mimetypes.add_type("text/early", ".early")


def allows_more_if_it_must(text):
    csv.field_size_limit(1000)
    try:
        return next(csv.reader([text]))
    except csv.Error:
        csv.field_size_limit(100_000)
        return next(csv.reader([text]))


def collects_again_at_the_end(number):
    gc.disable()
    if number == 40:
        gc.enable()


def quiet():
    logging.disable(logging.INFO)


def quieter():
    logging.disable(logging.ERROR)


def allows_more_after_an_early_return(number):
    csv.field_size_limit(1000)
    if number < 40:
        return
    csv.field_size_limit(2000)


def is_quieted_by_helpers(number):
    return quiet() if number < 40 else quieter()


@pytest.mark.parametrize(
    "act",
    [
        *(sets_one_of_two_limits, registers_one_of_two, allows_more_if_it_must),
        *(collects_again_at_the_end, is_quieted_by_helpers, allows_more_after_an_early_return),
        *(opens, handles_errors, sets_for_programs, signals_itself, signals_by_helper),
        *(signals_its_group, hands_a_signal_on, handles_as_told, sets_domain, sets_locale),
        *(sets_limit, sets_domain_by_helper, hands_domain_on, signals_by_getattr),
    ],
)
def test_what_cannot_be_watched_is_for_the_caller(act):
    assert examine(act)[0].bound


def ends_a_program(_):
    program = subprocess.Popen(["sleep", "9"])
    os.kill(program.pid, signal.SIGTERM)
    return program.wait()


def asks_for_a_process(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def sets_locale_for_a_while(name):
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, name)
        return locale.str(1.5)
    finally:
        locale.setlocale(locale.LC_ALL, before)


def goes_there_and_back(folder):
    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, os.getcwd())
        os.chdir(folder)
        return os.listdir()


def sets_back_by_a_constant(name):
    locale.setlocale(locale.LC_ALL, name)
    told = locale.str(1.5)
    locale.setlocale(locale.LC_ALL, "C")
    return told


def sets_the_same(number):
    sys.setrecursionlimit(10_000)
    return number


def registers_two(number):
    ElementTree.register_namespace("a", "https://a.example")
    ElementTree.register_namespace("b", "https://b.example")
    return ElementTree.tostring(ElementTree.Element("x")) if number else None


def computes_without_the_collector(number):
    gc.disable()
    try:
        for _ in range(number):
            number = number * 2 if number < 9 else number
    finally:
        gc.enable()
    return number


@pytest.mark.parametrize(
    "act",
    [
        registers_two,
        computes_without_the_collector,
        ends_a_program,
        asks_for_a_process,
        sets_locale_for_a_while,
        sets_the_same,
        goes_there_and_back,
        sets_back_by_a_constant,
    ],
)
def test_other_processes_and_what_is_set_back_are_no_reason(act):
    assert not examine(act)[0].bound


def test_each_setting_of_the_process_is_watched():
    """What items set once, to what is the program's own."""
    sets = [
        (lambda: gettext.textdomain("one"), lambda: gettext.textdomain("messages")),
        (lambda: gettext.bindtextdomain("one", "/tmp"), gettext._localedirs.clear),
        (lambda: calendar.setfirstweekday(6), lambda: calendar.setfirstweekday(0)),
        (lambda: gc.set_threshold(701), lambda: gc.set_threshold(700)),
        (lambda: threading.stack_size(1 << 20), lambda: threading.stack_size(0)),
    ]
    for set_it, undo in sets:
        before = [one.state() for one in process_state.SETTINGS]
        try:
            set_it()
            assert [one.state() for one in process_state.SETTINGS] != before
        finally:
            undo()


@pytest.mark.parametrize("act", [opens_and_closes, opens_a_file])
def test_descriptors_that_items_close_are_their_own(act):
    assert not examine(act)[0].bound


PRINTED: list[object] = []


def prints(number):
    print(number)
    return number


def test_a_print_of_the_program_is_read_like_any_function(monkeypatch):
    monkeypatch.setattr(builtins, "print", lambda *texts: PRINTED.append(texts))
    assert examine(prints)[0].stores
