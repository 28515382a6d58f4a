"""What a worker from a clean start has as its caller has it, entry by entry of the table."""

import asyncio
import calendar
import contextlib
import copyreg
import csv
import ctypes
import decimal
import gc
import importlib
import io
import locale
import logging
import mimetypes
import multiprocessing
import os
import reprlib
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import tracemalloc
import types
import urllib.request
import warnings
import xml.etree.ElementTree as ET
import zoneinfo
from csv import field_size_limit
from pathlib import Path
from sqlite3 import dbapi2

import carried_items
import pytest

import amorsize
from amorsize import tuned_map
from amorsize._engine.costs import spawn_costs
from amorsize._host import import_hooks
from amorsize._workers.carried_state import caller_state
from amorsize._workers.processes import place
from amorsize.errors import SerializationError

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """No worker is forked in these tests."""
    monkeypatch.setenv("AMORSIZE_START", "clean")


@contextlib.contextmanager
def put(get, set_to, value):
    """Set something for a block."""
    before = get()
    set_to(value)
    try:
        yield
    finally:
        set_to(before)


def put_attribute(holder, name, value):
    """Set an attribute for a block, also one that a property sets."""
    return put(lambda: getattr(holder, name), lambda to: setattr(holder, name, to), value)


@contextlib.contextmanager
def garbage_kept():
    """Nothing is collected, and with another threshold."""
    before = gc.get_threshold()
    gc.disable()
    gc.set_threshold(321, 5, 6)
    try:
        yield
    finally:
        gc.enable()
        gc.set_threshold(*before)


@contextlib.contextmanager
def stream_put():
    """Standard output in an encoding of the program's choice."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace")
    with contextlib.redirect_stdout(stream):
        yield


@contextlib.contextmanager
def memory_traced():
    """Memory is traced, as for finding a leak."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def masked_put():
    """Another text for values that are masked."""
    option = pytest.importorskip("numpy").ma.masked_print_option
    before = option.display()
    option.set_display("#")
    try:
        yield
    finally:
        option.set_display(before)


@contextlib.contextmanager
def signals_put():
    """One signal ignored and one blocked."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})


@contextlib.contextmanager
def logging_put():
    """A logger's level."""
    logger = logging.getLogger("carried")
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)


@contextlib.contextmanager
def filter_put():
    """A filter of a logger, with a state of its own."""
    logger = logging.getLogger("carried")
    one = carried_items.Above(7)
    logger.addFilter(one)
    try:
        yield
    finally:
        logger.removeFilter(one)


@contextlib.contextmanager
def records_kept():
    """A logger that hands nothing on to those above it, and whose handler wants errors alone."""
    logger = logging.getLogger("carried")
    logger.addHandler(logging.NullHandler(logging.ERROR))
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(logger.handlers[0])
        logger.propagate = True


@contextlib.contextmanager
def code_put():
    """A short code for a class in pickles."""
    copyreg.add_extension(carried_items.__name__, "Money", 240)
    try:
        yield
    finally:
        copyreg.remove_extension(carried_items.__name__, "Money", 240)


@contextlib.contextmanager
def warnings_as_errors():
    """A filter for one category."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        yield


@contextlib.contextmanager
def namespace_registered():
    """A prefix for one namespace."""
    before = dict(ET._namespace_map)
    ET.register_namespace("mine", "urn:of-a-test")
    try:
        yield
    finally:
        ET._namespace_map.clear()
        ET._namespace_map.update(before)


def numpy_put(**options):
    """NumPy's error state."""
    return pytest.importorskip("numpy").errstate(**options)


def printing_put(**options):
    """NumPy's print options."""
    return pytest.importorskip("numpy").printoptions(**options)


def frames_put(*options):
    """Options of pandas."""
    return pytest.importorskip("pandas").option_context(*options)


@contextlib.contextmanager
def tenant_put():
    """The value of a context variable."""
    token = carried_items.TENANT.set("acme")
    try:
        yield
    finally:
        carried_items.TENANT.reset(token)


def set_collation(value):
    """Set the locale's order of texts."""
    locale.setlocale(locale.LC_COLLATE, value)


def set_authkey(value):
    """Set the key by which processes of one program know one another."""
    multiprocessing.current_process().authkey = value


@contextlib.contextmanager
def filled(registry, key, value):
    """An entry more in a registry."""
    before = dict(registry)
    registry[key] = value
    try:
        yield
    finally:
        registry.clear()
        registry.update(before)


@contextlib.contextmanager
def dialect_put():
    """A way to write CSV, by its name."""
    csv.register_dialect("mine", delimiter="|")
    try:
        yield
    finally:
        csv.unregister_dialect("mine")


@contextlib.contextmanager
def mime_type_put():
    """A kind of file that no system knows."""
    mimetypes.guess_type("x.txt")
    before = dict(mimetypes._db.types_map[True])
    mimetypes.add_type("application/x-of-a-test", ".ofatest")
    try:
        yield
    finally:
        mimetypes._db.types_map[True].clear()
        mimetypes._db.types_map[True].update(before)


@contextlib.contextmanager
def tracebacks_cut():
    """Until the attribute is gone again."""
    sys.tracebacklimit = 0
    try:
        yield
    finally:
        del sys.tracebacklimit


CASES = {
    "lines of tracebacks": (carried_items.lines_of_tracebacks, tracebacks_cut),
    "switch interval": (
        carried_items.switch_interval,
        lambda: put(sys.getswitchinterval, sys.setswitchinterval, 0.02),
    ),
    "stack of new threads": (
        carried_items.stack_of_new_threads,
        lambda: put(threading.stack_size, threading.stack_size, 1 << 20),
    ),
    "error number of ctypes": (
        carried_items.error_number,
        lambda: put(ctypes.get_errno, ctypes.set_errno, 5),
    ),
    "files of MIME types": (
        carried_items.files_of_kinds,
        lambda: put(
            lambda: mimetypes.knownfiles,
            lambda files: setattr(mimetypes, "knownfiles", files),
            ["/nowhere/of/a/test"],
        ),
    ),
    "flags of dlopen": (
        carried_items.flags_of_dlopen,
        lambda: put(sys.getdlopenflags, sys.setdlopenflags, sys.getdlopenflags() ^ os.RTLD_GLOBAL),
    ),
    "origins of coroutines": (
        carried_items.origins_of_coroutines,
        lambda: put(
            sys.get_coroutine_origin_tracking_depth, sys.set_coroutine_origin_tracking_depth, 3
        ),
    ),
    "options of warnings": (
        carried_items.options_of_warnings,
        lambda: put_attribute(sys, "warnoptions", ["ignore"]),
    ),
    "tracing of memory": (carried_items.is_traced, memory_traced),
    "name of the thread": (
        carried_items.name_of_thread,
        lambda: put_attribute(threading.current_thread(), "name", "of a test"),
    ),
    "name of the process": (
        carried_items.name_of_process,
        lambda: put_attribute(multiprocessing.current_process(), "name", "of a test"),
    ),
    "prefix of tempfile": (
        carried_items.prefix_of_tempfile,
        lambda: put_attribute(tempfile, "template", "me"),
    ),
    "text of masked values": (carried_items.masked_text, masked_put),
    "encodings of output": (carried_items.encodings_of_output, stream_put),
    "writing of bytecode": (
        carried_items.writes_bytecode,
        lambda: put_attribute(
            sys,
            "dont_write_bytecode",
            not sys.dont_write_bytecode,
        ),
    ),
    "names of logging levels": (
        carried_items.level_name,
        lambda: filled(logging._levelToName, 10, "fine"),
    ),
    "first day of the week": (
        carried_items.week,
        lambda: put(calendar.firstweekday, calendar.setfirstweekday, 6),
    ),
    "CSV dialects": (carried_items.in_dialect, dialect_put),
    "MIME types": (carried_items.kind_of_file, mime_type_put),
    "SQLite's adapters": (
        carried_items.adapted,
        lambda: filled(
            dbapi2.adapters, (carried_items.Money, dbapi2.PrepareProtocol), carried_items.cents
        ),
    ),
    "archive formats": (
        carried_items.archive_formats,
        lambda: filled(shutil._ARCHIVE_FORMATS, "of-a-test", (carried_items.cents, [], "")),
    ),
    "formats to unpack": (
        carried_items.archive_formats,
        lambda: filled(
            shutil._UNPACK_FORMATS, "of-a-test", ([".ofatest"], carried_items.cents, [], "")
        ),
    ),
    "lengths of reprlib": (
        carried_items.brief_text,
        lambda: put_attribute(reprlib.aRepr, "maxstring", 12),
    ),
    "log records": (
        carried_items.kind_of_records,
        lambda: put(logging.getLogRecordFactory, logging.setLogRecordFactory, carried_items.record),
    ),
    "urllib's opener": (
        carried_items.has_opener,
        lambda: put_attribute(
            urllib.request,
            "_opener",
            carried_items.cents,
        ),
    ),
    "HTTPS contexts": (
        carried_items.https_context,
        lambda: put_attribute(
            ssl,
            "_create_default_https_context",
            ssl._create_unverified_context,
        ),
    ),
    "recursion limit": (
        carried_items.recursion_limit,
        lambda: put(sys.getrecursionlimit, sys.setrecursionlimit, 4321),
    ),
    "digits of an int": (
        carried_items.digits_of_an_int,
        lambda: put(sys.get_int_max_str_digits, sys.set_int_max_str_digits, 6000),
    ),
    "garbage collection": (carried_items.garbage_collection, garbage_kept),
    "signals ignored or blocked": (carried_items.signals, signals_put),
    "locale": (
        carried_items.collation,
        lambda: put(lambda: locale.setlocale(locale.LC_COLLATE), set_collation, "C.UTF-8"),
    ),
    "warning filters": (carried_items.warned, warnings_as_errors),
    "decimal context": (carried_items.third, lambda: decimal.localcontext(decimal.Context(prec=7))),
    "csv field size limit": (
        carried_items.long_field,
        lambda: put(field_size_limit, field_size_limit, 1 << 20),
    ),
    "socket timeout": (
        carried_items.socket_timeout,
        lambda: put(socket.getdefaulttimeout, socket.setdefaulttimeout, 12.5),
    ),
    "folder of tempfile": (
        carried_items.temporary_folder,
        lambda: put_attribute(tempfile, "tempdir", "/var/tmp"),
    ),
    "loggers": (carried_items.is_logged, logging_put),
    "class of new loggers": (
        carried_items.class_of_loggers,
        lambda: put(logging.getLoggerClass, logging.setLoggerClass, carried_items.Told),
    ),
    "filters of loggers": (carried_items.passes, filter_put),
    "loggers that keep records": (carried_items.handlers_and_ways, records_kept),
    "contexts of decimal by name": (
        carried_items.basic_precision,
        lambda: put_attribute(
            decimal.BasicContext,
            "prec",
            5,
        ),
    ),
    "pickle's codes of classes": (carried_items.pickled_class, code_put),
    "asyncio's policy": (
        carried_items.kind_of_policy,
        lambda: put_attribute(
            asyncio.events,
            "_event_loop_policy",
            carried_items.Policy(5),
        ),
    ),
    "folders of time zones": (
        carried_items.folders_of_zones,
        lambda: put(lambda: zoneinfo.TZPATH, zoneinfo.reset_tzpath, ("/nowhere/of/a/test",)),
    ),
    "forms of numbers": (
        carried_items.half,
        lambda: put_attribute(
            locale,
            "_override_localeconv",
            {"decimal_point": ","},
        ),
    ),
    "multiprocessing's key": (
        carried_items.secret,
        lambda: put(lambda: multiprocessing.current_process().authkey, set_authkey, b"of a test"),
    ),
    "multiprocessing's start method": (
        carried_items.way_to_start,
        lambda: put(
            lambda: multiprocessing.get_start_method(allow_none=True),
            lambda to: multiprocessing.set_start_method(to, force=True),
            "spawn",
        ),
    ),
    "XML namespaces": (carried_items.as_xml, namespace_registered),
    "NumPy errors and printing": (
        carried_items.root_of_minus_one,
        lambda: numpy_put(invalid="raise"),
    ),
    "NumPy's print options": (carried_items.printed_array, lambda: printing_put(precision=2)),
    "pandas options": (carried_items.printed_frame, lambda: frames_put("display.max_rows", 4)),
    "arguments": (
        carried_items.arguments,
        lambda: put_attribute(sys, "argv", ["me", "--fast"]),
    ),
    "context variables": (carried_items.tenant, tenant_put),
}
#: Tested below: with stand-ins, or in a program of its own.
ELSEWHERE = {"matplotlib's rcParams", "mpmath's precision", "reports of crashes", "time zone"}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("part", range(4))
def test_it_is_as_in_the_caller_before_during_and_after(part):
    """A warm worker follows: the setting's default, its change, and the default again.

    One worker follows a quarter of the settings, one after the other.
    """
    for name in list(CASES)[part::4]:
        function, changed = CASES[name]
        plain = answers_of(function, name)
        with changed():
            assert answers_of(function, name) != plain, name
        assert answers_of(function, name) == plain, name


def answers_of(function, name):
    """What it gives here, and in the worker as well."""
    here = function(0)
    there = tuned_map(function, range(2), backend="process", n_jobs=1)
    assert there == [here] * 2, name
    return here


def test_every_entry_is_tested():
    """No entry of the table without a case of its own."""
    assert {one.name for one in caller_state.ENTRIES} <= CASES.keys() | ELSEWHERE


def test_the_page_names_each_entry():
    """docs/dev/safety.md lists what is carried, no more and no less."""
    page = (Path(__file__).parents[1] / "docs" / "dev" / "safety.md").read_text()
    listed = page.split("<!-- carried: begin -->")[1].split("<!-- carried: end -->")[0]
    names = [" ".join(one.split()) for one in listed.strip().rstrip(";").split(",")]
    assert sorted(names) == sorted(one.name for one in caller_state.ENTRIES)


def test_a_library_that_the_worker_has_not_loaded_is_not_loaded_for_its_settings():
    """NumPy is imported in the caller, and in no worker whose items do not ask for it."""
    pytest.importorskip("numpy")

    def loaded(_):
        import sys

        return "numpy" in sys.modules

    amorsize.shutdown()  # workers of earlier tests may well have it
    assert tuned_map(loaded, range(2), backend="process", n_jobs=1) == [False, False]


def test_rc_parameters_and_precision_are_read_and_set(monkeypatch):
    """Libraries that are too large to test with: their parts that the table names."""
    mpmath = types.SimpleNamespace(
        mp=types.SimpleNamespace(prec=53, pretty=False),
        iv=types.SimpleNamespace(prec=53, pretty=False),
    )
    matplotlib = types.SimpleNamespace(rcParams={"lines.linewidth": 1.5, "backend": object()})
    for name, module in (("mpmath", mpmath), ("matplotlib", matplotlib)):
        monkeypatch.setitem(sys.modules, name, module)
    mpmath.mp.prec, matplotlib.rcParams["lines.linewidth"] = 200, 3.0
    data = caller_state.packed()
    mpmath.mp.prec, matplotlib.rcParams["lines.linewidth"] = 53, 1.5

    caller_state.take(data)

    assert mpmath.mp.prec == 200
    assert matplotlib.rcParams["lines.linewidth"] == 3.0


DIALECTS = """
import csv
from amorsize import tuned_map

csv.unregister_dialect("excel-tab")
print(*tuned_map(lambda _: sorted(csv.list_dialects()), range(1), backend="process", n_jobs=1))
"""


def test_a_dialect_that_the_program_has_removed_is_removed(run_script):
    """The module registers it again as a worker imports it."""
    done = run_script(DIALECTS, environ={"AMORSIZE_START": "clean"})
    assert done.stdout.splitlines() == ["['excel', 'unix']"]


OF_SCRIPT = """
import asyncio, logging
from amorsize import autotune

class Above:
    def __init__(self, least):
        self.least = least

    def filter(self, record):
        return record.args[0] > self.least

class Policy(asyncio.DefaultEventLoopPolicy):
    size = 3

def passes(_):
    record = logging.LogRecord("of a script", 40, "here", 1, "%d", (5,), None)
    kept = logging.getLogger("of a script").filter(record)
    return bool(kept), type(asyncio.get_event_loop_policy()).__name__

logging.getLogger("of a script").addFilter(Above(7))
asyncio.set_event_loop_policy(Policy())
print(set(autotune(passes, backend="process", n_jobs=1)(range(2))))
"""


def test_settings_of_classes_in_a_script_come_with_their_code(run_script):
    """A worker has another module of that name."""
    done = run_script(OF_SCRIPT, environ={"AMORSIZE_START": "clean"})
    assert done.stdout.splitlines() == ["{(False, 'Policy')}"]


CRASHES = """
import faulthandler
from amorsize import autotune

def told(_):
    return faulthandler.is_enabled()

told = autotune(told, backend="process", n_jobs=1)
for change in (faulthandler.disable, faulthandler.enable, faulthandler.disable):
    change()
    print(*told(range(2)))
"""


def test_crashes_are_reported_as_in_the_caller(run_script):
    """Where the program has it tell at which line it crashed, so do its workers."""
    done = run_script(CRASHES, environ={"AMORSIZE_START": "clean"})
    assert done.stdout.splitlines() == ["False False", "True True", "False False"]


ZONES = """
import os, sys, time
from amorsize import autotune

def hour(_):
    return time.localtime(0).tm_hour

hour = autotune(hour, backend=sys.argv[1], n_jobs=2)
os.environ["TZ"] = "Asia/Tokyo"
time.tzset()
print(*hour(range(2)))
os.environ["TZ"] = "America/New_York"
print(*hour(range(2)))
time.tzset()
print(*hour(range(2)))
"""


def test_a_time_zone_that_the_program_has_not_taken_yet_runs_no_item(run_script):
    """A worker takes it from the environment at once, and so would give other times."""
    environ = {"AMORSIZE_START": "clean"}
    loop = run_script(ZONES, "serial", environ=environ)
    assert loop.stdout.splitlines() == ["9 9", "9 9", "19 19"]

    done = run_script(ZONES, "process", environ=environ, returncode=1)

    assert done.stdout.splitlines() == ["9 9"]
    assert "the time zone is not the caller's" in done.stderr


def test_what_cannot_be_sent_keeps_the_call_in_the_caller(monkeypatch):
    """A formatter that no worker could have: `auto` stays here and says why, others refuse."""
    numpy = pytest.importorskip("numpy")
    monkeypatch.setattr(spawn_costs, "why_not_start", lambda *_: None)  # whatever it takes here

    def text(x):
        import time

        time.sleep(0.002)
        return str(numpy.array([x / 3]))

    with numpy.printoptions(formatter={"float": lambda x: f"<{x:.1f}>"}):
        tuned = amorsize.autotune(text, thread_safe=False)
        assert tuned(range(200)) == [text(x) for x in range(200)]
        assert "NumPy errors and printing" in str(tuned.explain())
        with pytest.raises(SerializationError, match="NumPy errors and printing"):
            tuned_map(text, range(3), backend="process", n_jobs=1)


class Once:
    """Lets each text pass once; its lock is its own."""

    def __init__(self):
        self._lock, self._seen = threading.Lock(), set()

    def filter(self, record):
        with self._lock:
            is_new = record.getMessage() not in self._seen
            self._seen.add(record.getMessage())
            return is_new


@pytest.mark.parametrize("make", [Once, lambda: lambda record: record.args != (1,)])
def test_filters_of_loggers_that_cannot_be_sent_are_asked_in_the_caller(make, caplog, request):
    """They are no reason to refuse a call, and items of most functions log nothing at all."""
    logger, one = logging.getLogger("carried"), make()
    logger.addFilter(one)
    request.addfinalizer(lambda: logger.removeFilter(one))
    items = [0, 1, 1, 2]

    assert tuned_map(carried_items.logs, items, backend="process", n_jobs=1) == items
    in_workers = caplog.messages
    logger.removeFilter(one)
    logger.addFilter(one := make())
    caplog.clear()
    for item in items:
        carried_items.logs(item)
    assert in_workers == caplog.messages


def test_filters_of_warnings_for_a_script_are_sent_without_cloudpickle(monkeypatch):
    """Python has one from the start; cloudpickle takes 13 ms to load."""
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert caller_state.packed()


def module_of(folder, patch, name, text):
    """A module with this text, which no worker has imported."""
    (folder / f"{name}.py").write_text(text)
    patch.syspath_prepend(folder)
    return importlib.import_module(name)


def test_what_a_module_sets_as_it_loads_is_what_the_program_has_set_since(tmp_path, monkeypatch):
    """A worker loads it once it has the caller's settings, and would have its first ones."""
    text = "import decimal\n\ndecimal.getcontext().prec = 50\n\n"
    text += "def third(_):\n    return str(decimal.Decimal(1) / 3)\n"
    with decimal.localcontext():
        third = module_of(tmp_path, monkeypatch, "sets_as_it_loads", text).third
        decimal.getcontext().prec = 4
        assert tuned_map(third, range(2), backend="process", n_jobs=1) == [third(0)] * 2


def test_a_setting_may_be_of_a_module_that_needs_the_one_it_is_set_in(tmp_path, monkeypatch):
    """It is set as soon as that is there, and then looked for under its package as well."""
    text = "import urllib.request\n\nclass Opener(urllib.request.OpenerDirector):\n    pass\n\n"
    text += "def opener(_):\n    return type(urllib.request._opener).__name__\n"
    module = module_of(tmp_path, monkeypatch, "has_an_opener", text)
    monkeypatch.setattr(urllib.request, "_opener", module.Opener())

    assert tuned_map(module.opener, range(2), backend="process", n_jobs=1) == ["Opener"] * 2


FILTERS = """
import logging

LOADED = logging.getLogger("loaded").filters
LOADED.append("once")

class Above:
    def filter(self, record):
        return record.args[0] > 1

logging.getLogger("filtered").addFilter(Above())

def log(x):
    logging.getLogger("filtered").error("%d", x)
    return LOADED is logging.getLogger("loaded").filters
"""

WITH_FILTERS = """
import logging, sys
sys.path.insert(0, sys.argv[1])
import has_a_filter
from amorsize import tuned_map

del has_a_filter.LOADED[:]
logging.basicConfig(format="%(message)s", stream=sys.stdout)
print(tuned_map(has_a_filter.log, range(4), backend="process", n_jobs=1))
"""


def test_a_filter_may_be_of_the_module_that_is_the_first_to_import_logging(tmp_path, run_script):
    """A worker imports logging inside it, when it has no filter yet: records were lost."""
    (tmp_path / "has_a_filter.py").write_text(FILTERS)
    done = run_script(WITH_FILTERS, str(tmp_path), environ={"AMORSIZE_START": "clean"})
    assert done.stdout.splitlines() == ["2", "3", "[True, True, True, True]"]


class TestOnImport:
    """Something is done once a module is there."""

    @pytest.fixture
    def module(self, tmp_path, monkeypatch):
        """A module that nobody has imported."""
        (tmp_path / "late_module.py").write_text("VALUE = 1\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
        yield "late_module"
        sys.modules.pop("late_module", None)

    def test_it_is_done_after_the_import_and_once(self, module):
        """The action sees the whole module; the module has the loader it would have."""
        seen = []
        import_hooks.when_imported(module, "a", lambda: seen.append(sys.modules[module].VALUE))
        assert seen == []

        found = __import__(module)

        assert seen == [1]
        assert type(found.__loader__).__name__ == "SourceFileLoader"
        assert found.__spec__.loader is found.__loader__
        del sys.modules[module]
        __import__(module)
        assert seen == [1]

    def test_the_last_action_of_a_key_counts(self, module):
        """An earlier call's wish is replaced, or withdrawn."""
        seen = []
        for index in range(3):
            import_hooks.when_imported(module, "a", lambda index=index: seen.append(index))
            import_hooks.when_imported(module, "b", lambda: seen.append("b"))
        import_hooks.forget("b")

        __import__(module)

        assert seen == [2]

    def test_a_loaded_module_is_seen_to_at_once(self):
        """Nothing has to be waited for."""
        seen = []
        import_hooks.when_imported("sys", "a", lambda: seen.append(1))
        assert seen == [1]


def test_options_of_pandas_reach_a_worker_that_loads_it_for_the_first_item(run_script):
    """Its parts register them one after the other."""
    pytest.importorskip("pandas")
    done = run_script(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "import pandas\nfrom amorsize import tuned_map\n"
        "pandas.set_option('display.precision', 2)\n"
        "def shown(k): return repr(pandas.Series([k / 7]))\n"
        "found = tuned_map(shown, range(4), backend='process', n_jobs=1)\n"
        "print(found == [shown(k) for k in range(4)])\n"
    )

    assert done.stdout == "True\n"


def test_the_environment_is_what_it_is_now(monkeypatch):
    """Decoded once, and anew after whatever has changed it."""
    assert place._environ() == dict(os.environ)
    changes = [
        lambda: os.environ.__setitem__("AMORSIZE_TEST_ONE", "1"),
        lambda: os.environb.__setitem__(b"AMORSIZE_TEST_ONE", b"2"),
        lambda: os.environ.update(AMORSIZE_TEST_TWO="3", AMORSIZE_TEST_ONE="\udcff"),
        lambda: os.environ.pop("AMORSIZE_TEST_ONE"),
        lambda: monkeypatch.setattr(os, "environ", {"AMORSIZE_TEST_TWO": "in another's place"}),
    ]
    monkeypatch.setenv("AMORSIZE_TEST_ONE", "0")
    monkeypatch.setenv("AMORSIZE_TEST_TWO", "0")
    for change in changes:
        change()
        place._environ().clear()  # what was given is the asker's own

        assert place._environ() == dict(os.environ)


ADAPTING = """
import sqlite3

class Point:
    pass

def told(point):
    return "point"

sqlite3.register_adapter(Point, told)
"""


def adapted_names(x):
    import sqlite3

    return sorted(kind.__name__ for kind, _ in sqlite3.adapters if kind.__name__ == "Point")


def test_adapters_come_once_the_whole_library_is_there(tmp_path, monkeypatch):
    """The module that they are of registers them itself: it needs more than a half of sqlite3."""
    (tmp_path / "adapting.py").write_text(ADAPTING)
    monkeypatch.syspath_prepend(tmp_path)
    import sqlite3

    import adapting

    amorsize.shutdown()  # a worker that is kept warm may have it already
    try:
        found = tuned_map(adapted_names, range(3), backend="process", n_jobs=1)
    finally:
        del sys.modules["adapting"]
        for key in [key for key in sqlite3.adapters if key[0] is adapting.Point]:
            del sqlite3.adapters[key]

    assert found == [["Point"]] * 3
