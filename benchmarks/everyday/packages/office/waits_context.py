"""Functions that wait, and see what their caller has set for itself."""

import asyncio
import contextlib
import contextvars
import decimal
import threading
import time

from .casebook import ANYWHERE, CALLER, PROCESSES, THREADS, of_kind

case = of_kind("waits", __name__, right=ANYWHERE)
N = 50
WAIT_S = 0.006

request = contextvars.ContextVar("request", default="nobody")
path = contextvars.ContextVar("path", default=())


@contextlib.contextmanager
def asked_by(name):
    token = request.set(name)
    yield
    request.reset(token)


@case(range(N), around=lambda: asked_by("alice"))
def on_behalf(k):
    time.sleep(WAIT_S)
    return request.get(), k


@case(range(N))
def inside_steps(k):
    """Sets and resets, as tracing does."""
    token = path.set((*path.get(), k))
    try:
        time.sleep(WAIT_S)
        return path.get()
    finally:
        path.reset(token)


@case(range(N), right=CALLER, effects=lambda: request.get())
def leaves_its_mark(k):
    """The last item's name is what the caller finds."""
    request.set(f"item {k}")
    time.sleep(WAIT_S)
    return request.get()


@contextlib.contextmanager
def precise(digits):
    with decimal.localcontext() as context:
        context.prec = digits
        yield


@case(range(N), around=lambda: precise(50))
def third(k):
    time.sleep(WAIT_S)
    return str(decimal.Decimal(k) / 3)


def fifty_digits():
    decimal.getcontext().prec = 50


@case(range(N), setup=fifty_digits)
def seventh(k):
    time.sleep(WAIT_S)
    return str(decimal.Decimal(k) / 7)


def round_down():
    decimal.getcontext().rounding = decimal.ROUND_FLOOR
    decimal.getcontext().prec = 5


@case(range(N), setup=round_down)
def rounded_down(k):
    time.sleep(WAIT_S)
    return str(decimal.Decimal(2 * k) / 3)


@case(range(N), right=CALLER)
def precision_by_item(k):
    decimal.getcontext().prec = 10 + k
    time.sleep(WAIT_S)
    return str(decimal.Decimal(1) / 3)


@case(range(N))
def local_precision(k):
    with decimal.localcontext() as context:
        context.prec = 10 + k
        time.sleep(WAIT_S)
        return str(decimal.Decimal(1) / 3)


user = threading.local()


def log_in():
    user.name = "alice"


@case(range(N), setup=log_in, right=PROCESSES)
def logged_in(k):
    """What the caller's thread has put into a threading.local."""
    time.sleep(WAIT_S)
    return user.name, k


opened = []


@case(range(N), right=CALLER)
def opened_lazily(k):
    """A connection kept per thread: the loop opens one."""
    if not hasattr(user, "connection"):
        user.connection = len(opened)
        opened.append("connection")
    time.sleep(WAIT_S)
    return user.connection, k


async def _answer(k):
    await asyncio.sleep(WAIT_S)
    return k


@case(range(N))
def with_asyncio(k):
    return asyncio.run(_answer(k))


loop = None


def make_loop():
    global loop
    loop = asyncio.new_event_loop()


@case(range(N), setup=make_loop, right=CALLER)
def on_one_loop(k):
    return loop.run_until_complete(_answer(k))


@case(range(N), around=lambda: asked_by("bob"), right=THREADS)
def in_copied_context(k):
    """Makes its own copy of what it finds."""
    context = contextvars.copy_context()
    time.sleep(WAIT_S)
    return context.run(request.get), k


@case(range(N), right=CALLER)
def main_thread_only(k):
    """As GUI toolkits and some C libraries insist."""
    time.sleep(WAIT_S)
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("call this from the main thread")
    return k
