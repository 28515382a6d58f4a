"""Items that open one file anew through a log handler, or without a buffer."""

import io
import logging
import logging.handlers

import pytest

from amorsize._function.sharing.thread_safety import examine


def record(x):
    return logging.makeLogRecord({"msg": str(x)})


def handler_in_a_branch(x):
    if x == 40:
        handler = logging.FileHandler("last.log", mode="w")
        handler.emit(record(x))
        handler.close()


def handler_by_place(x):
    if x == 40:
        handler = logging.FileHandler("last.log", "w")
        handler.close()


def rotating(x):
    if x == 40:
        handler = logging.handlers.RotatingFileHandler("last.log", maxBytes=100, backupCount=2)
        handler.emit(record(x))
        handler.close()


def unbuffered(x):
    if x == 40:
        with io.FileIO("last", "w") as file:
            file.write(b"x")


@pytest.mark.parametrize("func", [handler_in_a_branch, handler_by_place, rotating, unbuffered])
def test_one_file_for_all_items_is_told(func):
    reach, _ = examine(func, [1, 2])

    assert any("last" in one for one in reach.bound), reach


def appends(x):
    handler = logging.FileHandler("all.log")
    handler.emit(record(x))
    handler.close()


def reads(x):
    with io.FileIO("table", "r") as file:
        return file.read(x)


def has_its_own(x):
    logging.FileHandler(f"{x}.log", mode="w").close()


@pytest.mark.parametrize("func", [appends, reads, has_its_own])
def test_files_that_are_added_to_read_or_of_one_item_are_no_reason(func):
    reach, _ = examine(func, [1, 2])

    assert not reach.bound
