"""Functions that wait, and meanwhile have changed what belongs to the whole process."""

import argparse
import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from unittest import mock

from .casebook import CALLER, PROCESSES, of_kind

case = of_kind("waits", __name__, right=PROCESSES)
N = 50
WAIT_S = 0.006
START = os.getcwd()


# -- the folder, the mask, the environment -------------------------------------------------------


@case(range(N), right=CALLER)
def download_into_folder(k):
    """Leaves the process in the last item's folder, as the loop does."""
    os.makedirs(os.path.join(START, f"run{k}"), exist_ok=True)
    os.chdir(os.path.join(START, f"run{k}"))
    time.sleep(WAIT_S)
    with open("out.txt", "w") as out:
        out.write(str(k))


@case(range(N))
def in_its_folder(k):
    folder = os.path.join(START, f"job{k}")
    os.makedirs(folder, exist_ok=True)
    with contextlib.chdir(folder):
        time.sleep(WAIT_S)
        with open("out.txt", "w") as out:
            out.write(str(k))
        return os.path.basename(os.getcwd())


@case(range(N))
def there_and_back(k):
    """The way from before contextlib.chdir."""
    before, folder = os.getcwd(), os.path.join(START, f"sim{k}")
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    try:
        with open("input.txt", "w") as given:
            given.write(str(k))
        subprocess.run(["sh", "-c", "sleep 0.004; cat input.txt > output.txt"], check=True)
        with open("output.txt") as made:
            return int(made.read())
    finally:
        os.chdir(before)


@case(range(N))
def private_file(k):
    before = os.umask(0o077 if k % 2 else 0o022)
    try:
        time.sleep(WAIT_S)
        with open(f"secret{k}", "w") as out:
            out.write(str(k))
        return oct(os.stat(f"secret{k}").st_mode & 0o777)
    finally:
        os.umask(before)


@case(range(N), right=CALLER)
def told_by_environment(k):
    """A job's number for its child, which stays there."""
    os.environ["JOB_NUMBER"] = str(k)
    told = ["sh", "-c", "sleep 0.004; printf $JOB_NUMBER"]
    time.sleep(0.001)
    return int(subprocess.run(told, capture_output=True, check=True).stdout)


@case(range(N))
def local_time(k):
    zone = ("UTC", "EST5EDT", "JST-9", "CET-1CEST")[k % 4]
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        time.sleep(WAIT_S)
        return time.strftime("%H:%M %Z", time.localtime(1_700_000_000))
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@case(range(N))
def patched_environment(k):
    with mock.patch.dict(os.environ, {"API_KEY": f"key-{k}"}):
        time.sleep(WAIT_S)
        return os.environ["API_KEY"]


# -- the standard streams ------------------------------------------------------------------------


@case(range(N))
def captured(k):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print("begin", k)
        time.sleep(WAIT_S)
        print("end", k)
    return out.getvalue()


@case(range(N))
def captured_errors(k):
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        sys.stderr.write(f"warn {k}\n")
        time.sleep(WAIT_S)
        print("still", k, file=sys.stderr)
    return told.getvalue()


@case(range(N))
def answers_prompts(k):
    """Feeds input() of an old script."""
    before = sys.stdin
    sys.stdin = io.StringIO(f"{k}\nyes\n")
    try:
        name = sys.stdin.readline().strip()
        time.sleep(WAIT_S)
        return name, sys.stdin.readline().strip()
    finally:
        sys.stdin = before


@case(range(N))
def silenced_below_python(k):
    """What a C library prints goes into a file of the item."""
    sys.stdout.flush()
    saved, target = os.dup(1), os.open(f"c{k}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    try:
        os.write(1, f"begin {k}\n".encode())
        time.sleep(WAIT_S)
        os.write(1, f"end {k}\n".encode())
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(target)


@case(range(N))
def with_arguments(k):
    """Runs a command line of this program as a function."""
    before, sys.argv = sys.argv, ["tool", "--number", str(k)]
    try:
        parser = argparse.ArgumentParser()
        parser.add_argument("--number", type=int)
        time.sleep(WAIT_S)
        return parser.parse_args().number
    finally:
        sys.argv = before


# -- warnings, logging, signals ------------------------------------------------------------------


@case(range(N))
def recorded_warnings(k):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn(f"first of {k}", stacklevel=1)
        time.sleep(WAIT_S)
        warnings.warn(f"second of {k}", stacklevel=1)
    return [str(one.message) for one in seen]


@case(range(N))
def strict_on_even(k):
    """Warnings are errors for some of the items."""
    with warnings.catch_warnings():
        warnings.simplefilter("error" if k % 2 == 0 else "ignore")
        time.sleep(WAIT_S)
        try:
            warnings.warn("odd data", stacklevel=1)
        except UserWarning:
            return "refused"
        return "taken"


_jobs = logging.getLogger("office.jobs")


@case(range(N))
def log_of_its_own(k):
    handler = logging.FileHandler(os.path.join(START, f"item{k}.log"))
    _jobs.addHandler(handler)
    try:
        _jobs.warning("started %d", k)
        time.sleep(WAIT_S)
        _jobs.warning("done %d", k)
    finally:
        _jobs.removeHandler(handler)
        handler.close()


@case(range(N))
def quiet_for_some(k):
    """Turns a chatty library's logger down, and back."""
    chatty, told = logging.getLogger("office.chatty"), io.StringIO()
    chatty.propagate, before = False, chatty.level
    handler = logging.StreamHandler(told)
    chatty.addHandler(handler)
    chatty.setLevel(logging.ERROR if k % 2 else logging.INFO)
    try:
        time.sleep(WAIT_S)
        chatty.info("%d", k)
        return told.getvalue()
    finally:
        chatty.setLevel(before)
        chatty.removeHandler(handler)
        chatty.propagate = True


class TooLong(Exception):  # noqa: N818
    """The guard's."""


def guarded(seconds, function, *args):
    """As timeout decorators do it."""

    def ring(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return function(*args)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _slow(k):
    time.sleep(WAIT_S)
    return k


@case(range(N))
def with_alarm(k):
    return guarded(10.0, _slow, k)


@case(range(N))
def undisturbed(k):
    """Holds SIGTERM back while it writes."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        time.sleep(WAIT_S)
        return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
