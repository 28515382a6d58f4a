"""Functions whose answer depends on what the program has set in Python and its library."""

import calendar
import csv
import decimal
import locale
import logging
import mimetypes
import os
import resource
import socket
import sys
import tempfile
import time
import warnings
from xml.etree import ElementTree

from .casebook import ANYWHERE, PROCESSES, of_kind, work

case = of_kind("settings", __name__, right=PROCESSES)
N = 60


def fifty_digits():
    decimal.getcontext().prec = 50


@case(range(N), setup=fifty_digits)
def quotient(k):
    work()
    return str(decimal.Decimal(k) / 7)


def traps():
    decimal.getcontext().traps[decimal.Inexact] = True


@case(range(N), setup=traps)
def exact_or_refused(k):
    work()
    try:
        return str(decimal.Decimal(k) / 4)
    except decimal.Inexact:
        return "inexact"


def other_default():
    decimal.DefaultContext.prec = 7
    decimal.setcontext(decimal.DefaultContext)


@case(range(N), setup=other_default)
def by_default_context(k):
    work()
    return str(decimal.Decimal(k) / 3)


@case(range(N), setup=lambda: warnings.simplefilter("error"))
def strict(k):
    """Warnings are errors in this program."""
    work()
    try:
        warnings.warn(f"odd {k}", stacklevel=1)
    except UserWarning:
        return "refused"
    return "taken"


@case(range(N), setup=lambda: sys.set_int_max_str_digits(0))
def long_number(k):
    work(20_000)
    return len(str(10**5000 + k))


@case(range(N), setup=lambda: csv.field_size_limit(50))
def limited_field(k):
    work()
    try:
        return len(next(csv.reader(["x" * (40 + k)]))[0])
    except csv.Error:
        return "too long"


@case(range(N), setup=lambda: socket.setdefaulttimeout(7.5))
def new_socket(k):
    work()
    with socket.socket() as made:
        return made.gettimeout(), k


@case(range(N), setup=lambda: sys.setrecursionlimit(9000))
def deep(k):
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    work(30_000)
    return down(3000 + k)


@case(range(N), setup=lambda: locale.setlocale(locale.LC_ALL, "C.utf8"))
def in_locale(k):
    work()
    return locale.setlocale(locale.LC_CTYPE), k


def in_tokyo():
    os.environ["TZ"] = "JST-9"
    time.tzset()


@case(range(N), setup=in_tokyo)
def clock(k):
    work()
    return time.strftime("%H:%M %Z", time.localtime(1_700_000_000 + 60 * k))


@case(range(N), setup=lambda: os.environ.__setitem__("RATE", "17"))
def by_environment(k):
    work()
    return k * int(os.environ.get("RATE", "0"))


def into_folder():
    os.mkdir("inner")
    os.chdir("inner")


@case(range(N), setup=into_folder, right=ANYWHERE)
def relative(k):
    """The program has changed its folder since it began."""
    work()
    with open(f"part{k}", "w") as out:
        out.write(str(k))
    return os.path.basename(os.getcwd())


@case(range(N), setup=lambda: os.umask(0o077), right=ANYWHERE)
def private(k):
    work()
    with open(f"private{k}", "w") as out:
        out.write(str(k))


@case(range(N), setup=lambda: sys.argv.extend(["--level", "7"]))
def by_arguments(k):
    work()
    return k * int(sys.argv[-1]) if "--level" in sys.argv else None


def lower_limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


@case(range(N), setup=lower_limit, right=ANYWHERE)
def under_limit(k):
    work()
    return resource.getrlimit(resource.RLIMIT_FSIZE), k


def be_quiet():
    logging.getLogger("office.steps").setLevel(logging.ERROR)
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger("office.steps").addHandler(handler)


@case(range(N), setup=be_quiet)
def tells_errors_only(k):
    work()
    logging.getLogger("office.steps").warning("step %d", k)
    if k % 20 == 0:
        logging.getLogger("office.steps").error("wrong: %d", k)


@case(range(N), setup=lambda: logging.disable(logging.CRITICAL))
def is_enabled(k):
    work()
    return logging.getLogger("any").isEnabledFor(logging.ERROR), k


def scratch():
    os.mkdir("scratch")
    tempfile.tempdir = os.path.abspath("scratch")


@case(range(N), setup=scratch)
def in_scratch(k):
    work()
    with tempfile.TemporaryDirectory() as folder:
        return os.path.basename(os.path.dirname(folder)), k


def add_folder():
    os.mkdir("plugins")
    with open("plugins/late_plugin.py", "w") as out:
        out.write("FACTOR = 3\n")
    sys.path.append(os.path.abspath("plugins"))
    sys.dont_write_bytecode = True


@case(range(N), setup=add_folder, right=ANYWHERE)
def with_late_plugin(k):
    import late_plugin

    work()
    return k * late_plugin.FACTOR


@case(range(N), setup=lambda: calendar.setfirstweekday(6))
def weeks(k):
    work()
    return calendar.monthcalendar(2024, 1 + k % 12)[0]


@case(range(N), setup=lambda: mimetypes.add_type("application/x-note", ".note"))
def kind_of_file(k):
    work()
    return mimetypes.guess_type(f"{k}.note")[0]


@case(range(N), setup=lambda: ElementTree.register_namespace("shop", "urn:shop"))
def prefixed(k):
    work()
    return ElementTree.tostring(ElementTree.Element("{urn:shop}item", n=str(k))).decode()
