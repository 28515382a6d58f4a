"""What items print, log and warn comes as in the loop, through whatever streams the program has."""

import os
import pty
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

PROGRAM = """
import contextlib, io, logging, logging.handlers, os, pprint, queue, sys, threading, time
import traceback, warnings
from amorsize import autotune, tuned_map
way, beside, work = sys.argv[1:]
if beside: threading.Thread(target=threading.Event().wait, daemon=True).start()
OUT, ERR, write = sys.stdout, sys.stderr, sys.stdout.write

def take(x):
    if way == "loop": return  # which prints in order whatever items take
    if work == "wait": time.sleep(0.002 if x % 3 else 0.005)
    end = time.process_time() + (0.0 if work == "wait" else 0.002 if x % 3 else 0.004)
    while time.process_time() < end: pass

def parts(x): print("begin", x, end=" "); take(x); print("end", x)
def at_once(x): take(x); print(x, end="", flush=True)
def kept_stream(x): take(x); print("a", x, "b", sep="|", file=OUT); ERR.write(f"kept {x}\\n")
def by_default(x, file=sys.stdout): take(x); print("default", x, file=file)
def both(x): take(x); sys.stdout.write(f"out {x}\\n"); sys.stderr.write(f"err {x}\\n")
def lines(x): take(x); sys.stdout.writelines([f"one {x} ", f"two {x}\\n"])
def original(x): take(x); sys.__stdout__.write(f"original {x}\\n")
def in_bytes(x): take(x); sys.stdout.buffer.write(b"bytes %d\\n" % x); sys.stdout.buffer.flush()
def by_number(x): take(x); os.write(1, b"number %d\\n" % x)
def by_its_number(x): take(x); os.write(sys.stdout.fileno(), b"fileno %d\\n" % x)
def kept_method(x): take(x); write(f"method {x}\\n")
def pretty(x): take(x); pprint.pprint({"x": x, "more": list(range(40))})
def failing(x):
    take(x)
    try: 1 / (x % 2)
    except ZeroDivisionError: traceback.print_exc(limit=-1)
def warning(x): take(x); warnings.warn(f"row {x}"); print("then", x)
def warning_once(x): print("before", x); take(x); warnings.warn("once"); print("after", x)
log = logging.getLogger("job"); log.setLevel(10); log.propagate = False
handler = logging.StreamHandler(sys.stdout); log.addHandler(handler)
handler.setFormatter(logging.Formatter("%(levelname)s %(threadName)s %(funcName)s %(message)s"))
def logging_too(x): take(x); log.debug("d %s", {"x": x}); print("and", x); log.warning("w %d", x)
def logging_errors(x):
    take(x)
    try: int(f"x{x}")
    except ValueError as error: log.error("bad %d %s", x, error)
def last_resort(x): take(x); logging.getLogger("unheard").warning("last %d", x)
rows = queue.SimpleQueue()
queued = logging.getLogger("queued"); queued.propagate = False
queued.addHandler(logging.handlers.QueueHandler(rows))
def to_queue(x): take(x); queued.error("row %d", x)
rotating = logging.getLogger("rotating"); rotating.propagate = False
rotating.addHandler(logging.handlers.RotatingFileHandler("log", maxBytes=300, backupCount=9))
def to_files(x): take(x); rotating.error("row %d", x)
class Logger:
    def __init__(self): self.streams, self.lock = [sys.stderr], threading.Lock()
    def info(self, text):
        for stream in self.streams:
            with self.lock: stream.write(text + "\\n"); stream.flush()
logger = Logger()
def own_logger(x): take(x); logger.info(f"own {x}")
def echo(text, file=None):
    file = file or sys.stdout
    file.write(f"{text}\\n"); file.flush()
def echoing(x): take(x); echo(x); echo(f"error {x}", sys.stderr)
def caught(x):
    with contextlib.redirect_stdout(io.StringIO()) as found: print("inside", x)
    take(x); return found.getvalue()
def overwriting(x): take(x); print(f"\\r{x}", end="", file=sys.stderr, flush=True)
def foreign(x): take(x); print("é", x, "→")

def run(function, data=range(20)):
    if way == "loop": return [function(x) for x in data]
    if way == "stream": return list(autotune(function).stream(data))
    if way == "thread": return tuned_map(function, data, backend="thread", n_jobs=4)
    return tuned_map(function, data)

class Tee:
    def __init__(self, out): self.out, self.kept = out, []
    def write(self, text): self.kept.append(text); return self.out.write(text)
    def flush(self): self.kept.append("flush"); self.out.flush()
class Bare:
    __slots__ = ("kept",)
    def __init__(self): self.kept = []
    def write(self, text): self.kept.append(text)
    def flush(self): self.kept.append("flush")

ALL = (parts, at_once, kept_stream, by_default, both, lines, original, in_bytes, pretty, failing,
       warning, warning_once, logging_too, logging_errors, last_resort, to_queue, to_files,
       own_logger, echoing, overwriting, foreign, caught)
for function in ALL if way == "thread" else (*ALL, by_number, by_its_number, kept_method):
    print(f"== {function.__name__}", flush=True)
    print("gives", run(function), flush=True)
for name in sorted(os.listdir()):
    if name.startswith("log"): print(name, open(name).read())
while not rows.empty(): print(rows.get().getMessage())
for function in (parts, at_once, echoing, both, logging_too):
    for kind in (Tee, Bare, io.StringIO):
        mine = kind(sys.stdout) if kind is Tee else kind()
        with contextlib.redirect_stdout(mine): run(function)
        print(function.__name__, getattr(mine, "kept", None) or mine.getvalue(), flush=True)
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    run(warning)
print([str(one.message) for one in found])
print(vars(sys.stdout), vars(sys.stderr), logging.Logger.callHandlers.__name__)
print(warnings._showwarnmsg_impl.__name__, warnings.showwarning.__name__)
"""


#: Named in what tracebacks show, so all ways run in one.
FOLDER = tempfile.TemporaryDirectory()


def played(*arguments, terminal=False):
    """What the program writes to stdout and stderr if it goes one way."""
    folder = Path(FOLDER.name)
    (folder / "script.py").write_text(PROGRAM, encoding="utf-8")
    for old in folder.glob("log*"):
        old.unlink()
    command = [sys.executable, "script.py", *arguments]
    if terminal:
        return _in_terminal(command, folder)
    with (folder / "out").open("w+b") as out, (folder / "err").open("w+b") as err:
        subprocess.run(command, stdout=out, stderr=err, cwd=folder, timeout=120, check=True)
        out.seek(0), err.seek(0)
        return out.read().decode(), err.read().decode()


@cache
def loop(*, terminal=False):
    """What it writes as a plain loop, where items take no time."""
    return played("loop", "", "wait", terminal=terminal)


def _in_terminal(command, folder):
    """What a program shows in a terminal, where both streams go."""
    ours, its = pty.openpty()
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=folder) as program:
        os.close(its)
        shown = b""
        try:
            while more := os.read(ours, 1 << 16):
                shown += more
        except OSError:  # the program has ended
            pass
    os.close(ours)
    assert program.returncode == 0, shown.decode()
    return shown.decode(), ""


def _the_same(ours, loop):
    for one, other in zip(ours, loop, strict=True):
        assert one.split("\n== ") == other.split("\n== ")


@pytest.mark.parametrize("beside", ["", "beside"], ids=["alone", "beside a thread"])
@pytest.mark.parametrize("work", ["wait", "compute"])
def test_output_is_that_of_the_loop(work, beside):
    """In threads, in workers of both kinds; each call of a stream of the program's own as well."""
    _the_same(played("auto", beside, work), loop())


@pytest.mark.parametrize("way", ["thread", "stream"])
def test_output_is_that_of_the_loop_in_other_ways(way):
    """Where the user has chosen threads, and in a stream."""
    out, err = loop()
    if way == "thread":
        for name in ("by_number", "by_its_number", "kept_method"):
            before, _, after = out.partition(f"== {name}\n")
            out = before + after.partition("gives ")[2].partition("\n")[2]
    _the_same(played(way, "", "wait"), (out, err))


def test_output_in_a_terminal_is_that_of_the_loop():
    """Where standard streams are flushed by the line."""
    _the_same(played("auto", "", "wait", terminal=True), loop(terminal=True))


def test_silent_items_send_nothing_but_results(tmp_path):
    """No text is sent in vain, and nothing piles up on a stream from call to call."""
    (tmp_path / "silent.py").write_text(
        "import sys\n"
        "from amorsize import tuned_map\n"
        "from amorsize._engine.data import output_order\n"
        "taken = []\n"
        "output_order.Printed.take = lambda _, start, calls: taken.append(calls)\n"
        "def f(x): return x\n"
        "for backend in ('process', 'thread') * 3: tuned_map(f, range(50), backend=backend)\n"
        "print(taken, [*vars(sys.stdout)], file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "silent.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == "[] ['mode']\n"
