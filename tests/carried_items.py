"""Functions whose answer depends on state of the process, of a library, or of this module."""

import asyncio
import contextvars
import logging
import sys

TENANT = contextvars.ContextVar("tenant", default="nobody")


def recursion_limit(_):
    return sys.getrecursionlimit()


def digits_of_an_int(_):
    try:
        return len(str(10**5000))
    except ValueError:
        return "too many"


def garbage_collection(_):
    import gc

    return gc.isenabled(), gc.get_threshold()


def signals(_):
    import signal

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return signal.getsignal(signal.SIGUSR1), signal.SIGUSR2 in blocked


def collation(_):
    import locale

    return locale.setlocale(locale.LC_COLLATE), locale.setlocale(locale.LC_ALL)


def name_of_thread(_):
    import threading

    return threading.current_thread().name


def warned(_):
    import warnings

    try:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    except DeprecationWarning:
        return "raised"
    return "not raised"


def third(_):
    from decimal import Decimal

    return str(Decimal(1) / Decimal(3))


def long_field(_):
    import csv

    try:
        return len(next(csv.reader(["x" * 200_000]))[0])
    except csv.Error:
        return "too long"


def socket_timeout(_):
    import socket

    with socket.socket() as one:
        return one.gettimeout()


def temporary_folder(_):
    import tempfile

    return tempfile.gettempdir()


def is_logged(_):
    import logging

    return logging.getLogger("carried.deep").isEnabledFor(logging.DEBUG)


def secret(_):
    import multiprocessing

    return bytes(multiprocessing.current_process().authkey)


def way_to_start(_):
    import multiprocessing

    return multiprocessing.get_start_method(allow_none=True)


def as_xml(_):
    import xml.etree.ElementTree as ET

    return ET.tostring(ET.Element("{urn:of-a-test}a"))


def root_of_minus_one(_):
    import numpy as np

    try:
        np.sqrt(np.array([-1.0]))
    except FloatingPointError:
        return "raised"
    return "not raised"


def printed_array(_):
    import numpy as np

    return str(np.array([1 / 3, 2 / 3]))


def printed_frame(_):
    import pandas as pd

    return str(pd.DataFrame({"a": range(20)}))


def arguments(_):
    return list(sys.argv)


def tenant(_):
    return TENANT.get()


def lines_of_tracebacks(_):
    import traceback

    try:
        return 1 / 0
    except ZeroDivisionError:
        return traceback.format_exc().count("\n")


def switch_interval(_):
    return round(sys.getswitchinterval(), 4)


def stack_of_new_threads(_):
    import threading

    found = threading.stack_size()  # to ask for it is to set it to the default
    threading.stack_size(found)
    return found


def error_number(_):
    import ctypes

    return ctypes.get_errno()


def files_of_kinds(_):
    import mimetypes

    return mimetypes.knownfiles[:1]


def encodings_of_output(_):
    return [(one.encoding, one.errors) for one in (sys.stdout, sys.stderr)]


def flags_of_dlopen(_):
    return sys.getdlopenflags()


def origins_of_coroutines(_):
    return sys.get_coroutine_origin_tracking_depth()


def options_of_warnings(_):
    return list(sys.warnoptions)


def is_traced(_):
    import tracemalloc

    return tracemalloc.is_tracing()


def name_of_process(_):
    import multiprocessing

    return multiprocessing.current_process().name


def prefix_of_tempfile(_):
    import tempfile

    return tempfile.gettempprefix()


def masked_text(_):
    import numpy as np

    return str(np.ma.masked_array([1, 2], [False, True]))


def writes_bytecode(_):
    return sys.dont_write_bytecode


def level_name(_):
    import logging

    return logging.getLevelName(10)


def week(_):
    import calendar

    return calendar.monthcalendar(2024, 3)[0]


def in_dialect(_):
    import csv
    import io

    out = io.StringIO()
    try:
        csv.writer(out, "mine").writerow(["a", "b"])
    except csv.Error:
        return "unknown"
    return out.getvalue()


def kind_of_file(_):
    import mimetypes

    return mimetypes.guess_type("a.ofatest"), mimetypes.guess_type("a.html")


class Money:
    """Known to SQLite where somebody says so."""

    cents = 250


def cents(money):
    return money.cents


def adapted(_):
    import sqlite3

    base = sqlite3.connect(":memory:")
    try:
        return base.execute("select ?", (Money(),)).fetchone()[0]
    except sqlite3.Error as error:
        return type(error).__name__
    finally:
        base.close()


def archive_formats(_):
    import shutil

    found = shutil.get_archive_formats() + shutil.get_unpack_formats()
    return sorted(name for name, *_ in found)


def brief_text(_):
    import reprlib

    return reprlib.repr("x" * 100)


def has_opener(_):
    import urllib.request

    return urllib.request._opener is not None


def https_context(_):
    import ssl

    return ssl._create_default_https_context.__name__


def record(*args, **kwargs):
    made = logging.LogRecord(*args, **kwargs)
    made.kind = "own"
    return made


def kind_of_records(x):
    return getattr(logging.makeLogRecord({"msg": str(x)}), "kind", None)


class Policy(asyncio.DefaultEventLoopPolicy):
    """A policy of the program's own."""

    def __init__(self, size):
        super().__init__()
        self.size = size


class Told(logging.Logger):
    """A logger of the program's own class."""


def class_of_loggers(_):
    return logging.getLoggerClass().__name__


class Above:
    """A filter with a number of its own."""

    def __init__(self, least):
        self.least = least

    def filter(self, record):
        return record.args[0] > self.least


def passes(x):
    record = logging.LogRecord("carried", logging.ERROR, "here", 1, "%d", (5,), None)
    return bool(logging.getLogger("carried").filter(record))


def logs(x):
    logging.getLogger("carried").error("%d", x)
    return x


def handlers_and_ways(_):
    logger = logging.getLogger("carried")
    return [one.level for one in logger.handlers], logger.propagate


def basic_precision(_):
    import decimal

    return str(decimal.BasicContext.divide(1, 3))


def pickled_class(_):
    import pickle

    return pickle.dumps(Money, 2)


def kind_of_policy(_):
    policy = asyncio.get_event_loop_policy()
    loop = policy.new_event_loop()
    loop.close()
    return type(policy).__name__, getattr(policy, "size", 0)


def folders_of_zones(_):
    import zoneinfo

    return zoneinfo.TZPATH


def half(_):
    import locale

    return locale.format_string("%.1f", 0.5)
