"""What the tables of libraries and the descriptors of a process get from items stays with it."""

import builtins
import codecs
import copyreg
import logging
import mimetypes
import os
import sqlite3

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


@pytest.mark.parametrize("act", [opens, handles_errors, sets_for_programs])
def test_what_cannot_be_watched_is_for_the_caller(act):
    assert examine(act)[0].bound


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
