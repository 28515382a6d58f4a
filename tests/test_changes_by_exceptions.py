"""Items, and shared objects, that are changed through an exception which carries them."""

import sys
from dataclasses import dataclass

import pytest

from amorsize._function.sharing.thread_safety import examine


class Item:
    def __init__(self, key=0):
        self.key, self.tags = key, []

    def check(self):
        if self.key == 40:
            raise RejectedError(self)


class RejectedError(Exception):
    def __init__(self, item):
        super().__init__(item)
        self.item = item


@dataclass
class FailedError(Exception):
    row: object
    why: str = ""


TABLE = {"bad": 0}
KNOWN = ValueError("known")


def check(item):
    if item.key == 40:
        raise RejectedError(item)
    return item.key


def put(error):
    error.item.tags.append("bad")


def put_first(error):
    error.args[0].tags.append("bad")


def by_attribute(item):
    try:
        check(item)
    except RejectedError as error:
        error.item.tags.append("bad")


def sets_attribute(item):
    try:
        check(item)
    except RejectedError as error:
        error.item.key = -1


def by_method(item):
    try:
        item.check()
    except RejectedError as error:
        error.item.key += 1


def by_helper(item):
    try:
        check(item)
    except RejectedError as error:
        put(error)


def by_arguments(item):
    try:
        if item.key == 40:
            raise ValueError("bad", item)
    except ValueError as error:
        error.args[1].key = 3


def by_helper_of_arguments(item):
    try:
        if item.key == 40:
            raise ValueError(item)
    except ValueError as error:
        put_first(error)


def unpacked(item):
    try:
        check(item)
    except RejectedError as error:
        (one,) = error.args
        one.tags.append("bad")


def by_fields(item):
    try:
        if item.key == 40:
            raise FailedError(item)
    except FailedError as error:
        setattr(error.row, "key", 1)  # noqa: B010


def several(item):
    try:
        if item.key == 40:
            raise RejectedError([item])
    except RejectedError as error:
        for one in error.item:
            one.key = 2


def returned(item):
    yield item.key
    return item


def by_the_end_of_a_generator(item):
    values = returned(item)
    try:
        while True:
            next(values)
    except StopIteration as end:
        end.value.key = 1


def by_sys(item):
    try:
        check(item)
    except RejectedError:
        put(sys.exc_info()[1])


def carries_a_table(item):
    try:
        if item.key == 40:
            raise RejectedError(TABLE)
    except RejectedError as error:
        error.item["bad"] += 1


def by_cause(item):
    try:
        try:
            check(item)
        except RejectedError as error:
            raise ValueError("bad") from error
    except ValueError as error:
        error.__cause__.item.tags.append("bad")


def by_context(item):
    try:
        try:
            check(item)
        except RejectedError:
            raise ValueError("bad")  # noqa: B904
    except ValueError as error:
        error.__context__.item.key = 1


def by_shared_cause(item):
    try:
        if item.key == 40:
            raise ValueError("bad") from KNOWN
    except ValueError as error:
        error.__cause__.key = item.key


def by_table_of_a_cause(item):
    try:
        try:
            if item.key == 40:
                raise KeyError(TABLE)
        except KeyError as error:
            raise ValueError("bad") from error
    except ValueError as error:
        error.__cause__.args[0]["bad"] = 1


def by_group(item):
    try:
        if item.key == 40:
            raise ExceptionGroup("bad", [RejectedError(item)])
    except* RejectedError as group:
        for error in group.exceptions:
            error.item.tags.append("bad")


def by_table_in_a_group(item):
    try:
        if item.key == 40:
            raise ExceptionGroup("bad", [ValueError(TABLE)])
    except* ValueError as group:
        for error in group.exceptions:
            error.args[0]["bad"] = 1


def by_part_of_a_group(item):
    try:
        if item.key == 40:
            raise ExceptionGroup("bad", [KNOWN])
    except ExceptionGroup as group:
        found, _ = group.split(ValueError)
        found.exceptions[0].key = 1


CHANGING = (
    *(by_cause, by_context, by_shared_cause, by_table_of_a_cause, by_group, by_table_in_a_group),
    *(
        by_part_of_a_group,
        by_attribute,
        sets_attribute,
        by_method,
        by_helper,
        by_arguments,
        by_helper_of_arguments,
    ),
    *(unpacked, by_fields, several, by_the_end_of_a_generator, by_sys, carries_a_table),
)


@pytest.mark.parametrize("func", CHANGING)
def test_what_is_changed_through_an_exception_is_told(func):
    reach, _ = examine(func, [Item(1), Item(2)])

    assert reach.stores or reach.changed


def test_rows_that_are_changed_through_an_exception_are_told():
    def by_key(row):
        try:
            if row["key"] == 40:
                raise RejectedError(row)
        except RejectedError as error:
            error.item["bad"] = 1

    reach, _ = examine(by_key, [{"key": 1}, {"key": 2}])

    assert reach.changed


def tells(item):
    try:
        return check(item)
    except RejectedError as error:
        return {"why": str(error), "key": error.item.key, "arguments": error.args}


def gathers(item):
    errors = []
    try:
        check(item)
    except RejectedError as error:
        errors.append(error)
        errors.append(error.item.key)
    return errors


def raises_on(item):
    try:
        return check(item)
    except RejectedError as error:
        error.add_note("while it was checked")
        error.was_seen = True
        raise ValueError("bad") from error


def tries_again(item):
    for _ in range(3):
        try:
            return check(item)
        except RejectedError as error:
            last = error
    raise last


def counts_lines(item):
    lines = []
    try:
        check(item)
    except RejectedError as error:
        at = error.__traceback__
        while at:
            lines.append(at.tb_lineno)
            at = at.tb_next
    return lines


def tells_of_a_group(item):
    told = []
    try:
        if item.key == 40:
            raise ExceptionGroup("bad", [RejectedError(item)])
    except* RejectedError as group:
        told += [str(error) for error in group.exceptions]
    return told


@pytest.mark.parametrize(
    "func", [tells, gathers, raises_on, tries_again, counts_lines, tells_of_a_group]
)
def test_what_only_looks_at_an_exception_is_no_reason(func):
    reach, _ = examine(func, [Item(1), Item(2)])

    assert not reach.stores
    assert not reach.changed
