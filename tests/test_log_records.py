"""Records of logging that code of the program makes are made in the caller."""

import logging

import pytest

from amorsize import autotune
from amorsize._engine.options.call_options import Options
from amorsize._engine.placement.placement import from_reading
from amorsize._function.sharing.thread_safety import reach

LOG = logging.getLogger("records")
MADE = []


class Record(logging.LogRecord):
    pass


def counted(*args, **kwargs):
    MADE.append(1)
    record = logging.LogRecord(*args, **kwargs)
    record.number = len(MADE)
    return record


def through_a_logger(x):
    LOG.warning("item %s", x)
    return x


def through_the_module(x):
    logging.warning("item %s", x)
    return x


def by_name(x):
    logging.getLogger("records").warning("item %s", x)
    return x


def made_by_hand(x):
    return type(LOG.makeRecord("records", 20, "p", 1, "m", (), None)).__name__


def staying(func):
    verdict = from_reading(reach(func), Options())
    return None not in (verdict.thread_reason, verdict.process_reason)


@pytest.fixture
def set_factory():
    before = logging.getLogRecordFactory()
    yield logging.setLogRecordFactory
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize("factory", [Record, counted])
@pytest.mark.parametrize("func", [through_a_logger, through_the_module, by_name, made_by_hand])
def test_items_that_log_stay_where_their_records_are_made(func, factory, set_factory):
    """Also if they were read before."""
    assert not staying(func)
    set_factory(factory)
    assert staying(func)


def library_factory(*args, **kwargs):
    return logging.LogRecord(*args, **kwargs)


library_factory.__module__ = "json"


def test_records_that_a_library_makes_are_made_anywhere(set_factory):
    """Workers take over its function."""
    set_factory(library_factory)

    assert not staying(through_a_logger)


def test_each_record_is_made_once(set_factory, caplog):
    """A factory that counts its records gives each a number, as in the loop."""
    set_factory(counted)
    MADE.clear()
    tuned = autotune(through_a_logger)
    tuned(range(300))

    assert [record.number for record in caplog.records] == list(range(1, 301))
    assert len(MADE) == 300
