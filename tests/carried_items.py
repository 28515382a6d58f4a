"""Functions whose answer depends on state of the process, of a library, or of this module."""

import contextvars
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

    return locale.setlocale(locale.LC_COLLATE), locale.setlocale(locale.LC_NUMERIC)


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
