"""Items see the context of their call: in threads, and in the caller, whose own it is."""

import contextvars
import decimal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal

import pytest

from amorsize import AmorsizeWarning, autotune, tuned_map

np = pytest.importorskip("numpy")
request = contextvars.ContextVar("request", default="nobody")


class Bound:
    """An object that stands for whatever its context holds, as `flask.g` does."""

    def __init__(self, variable):
        object.__setattr__(self, "_variable", variable)

    def __getattr__(self, name):
        return getattr(self._variable.get(), name)


class Application:
    """What a web framework pushes around each request."""

    current = contextvars.ContextVar("application")

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self._token = self.current.set(self)

    def __exit__(self, *_):
        self.current.reset(self._token)


app = Bound(Application.current)


def waits(item):
    time.sleep(0.002)
    return item


def third(number):
    return str(Decimal(waits(number)) / 3)


def whose(number):
    return waits(number), request.get()


def of_application(number):
    return waits(number), app.name


def one_by_zero(number):
    try:
        return float(np.float64(waits(1)) / np.float64(0))
    except FloatingPointError:
        return "raised"


@pytest.fixture
def in_context():
    """Run a function in a context of its own, so that no test changes that of others."""
    return contextvars.copy_context().run


def test_threads_compute_with_the_callers_precision(in_context):
    """decimal.getcontext().prec, set by the program, holds for items in threads."""

    def program():
        decimal.getcontext().prec = 6
        return tuned_map(third, range(1, 40), backend="thread", n_jobs=4)

    with decimal.localcontext(prec=6):
        expected = [str(Decimal(number) / 3) for number in range(1, 40)]
    assert in_context(program) == expected


def test_threads_see_the_callers_context_variables(in_context):
    """Whose request it is, in each item."""

    def program():
        request.set("somebody")
        return tuned_map(whose, range(40), backend="thread", n_jobs=4)

    assert in_context(program) == [(n, "somebody") for n in range(40)]


def test_threads_handle_errors_of_numpy_as_the_caller_does(in_context):
    """`np.errstate` around the call."""

    def program():
        with np.errstate(divide="raise"):
            return tuned_map(one_by_zero, range(20), backend="thread", n_jobs=4)

    assert in_context(program) == ["raised"] * 20


def test_threads_know_the_application_of_a_framework(in_context):
    """What a framework binds to the context is bound in items, too."""

    def program():
        with Application("shop"):
            return tuned_map(of_application, range(20), backend="thread", n_jobs=4)

    assert in_context(program) == [(n, "shop") for n in range(20)]


def test_each_thread_has_a_context_of_its_own(in_context):
    """What one thread sets, neither the caller nor another thread sees."""
    barrier = threading.Barrier(3)

    def item(number):
        token = request.set(f"item {number}")
        barrier.wait(10)
        seen = request.get()
        request.reset(token)
        return seen

    def program():
        return tuned_map(item, range(9), backend="thread", n_jobs=3, chunksize=1), request.get()

    assert in_context(program) == ([f"item {n}" for n in range(9)], "nobody")


def test_what_setup_sets_holds_for_the_items_of_its_thread(in_context):
    """setup= runs in the context of the thread."""

    def program():
        results = tuned_map(
            whose, range(9), backend="thread", n_jobs=2, setup=lambda: request.set("worker")
        )
        return results, request.get()

    assert in_context(program) == ([(n, "worker") for n in range(9)], "nobody")


@pytest.mark.parametrize("options", [{"backend": "serial"}, {"n_jobs": 1}])
def test_what_an_item_sets_in_the_caller_stays(in_context, options):
    """Items in the caller run in its own context, as in the loop."""

    def program():
        tuned_map(request.set, ["first", "second"], **options)
        return request.get()

    assert in_context(program) == "second"


def test_a_stream_gives_its_threads_the_context_of_its_consumer(in_context):
    """Also where threads are started between two results."""

    @autotune(backend="thread", n_jobs=3)
    def mapped(number):
        return whose(number)

    def program():
        request.set("reader")
        return list(mapped.stream(iter(range(30))))

    assert in_context(program) == [(n, "reader") for n in range(30)]


def test_threads_that_are_started_beside_an_item_see_it_as_well(in_context):
    """The thread that serves workers while the caller is in a long item starts some of them."""

    def long_or_short(number):
        time.sleep(0.12 if number % 40 == 0 else 0.01)
        return request.get()

    def program():
        request.set("caller")
        return tuned_map(long_or_short, range(160), thread_safe=True)

    assert in_context(program) == ["caller"] * 160


def test_threads_of_an_executor_have_the_context_of_each_call():
    """And keep nothing of it for the next one, or for others."""
    with ThreadPoolExecutor(2) as executor:
        found = []
        for digits in (5, 7):
            with decimal.localcontext(prec=digits):
                token = request.set(f"number {digits}")
                found.append(set(tuned_map(third_of, range(40), executor=executor, chunksize=4)))
                request.reset(token)
        left = executor.submit(request.get).result()

    assert found == [{("0.33333", "number 5")}, {("0.3333333", "number 7")}]
    assert left == "nobody"


def test_what_numpy_cannot_send_costs_no_call_on_an_executor():
    """It is told, as what prints or logs would differ there."""
    numpy = pytest.importorskip("numpy", "2.0")
    with (
        ProcessPoolExecutor(1) as executor,
        numpy.printoptions(formatter={"float": lambda value: f"{value:.1f}"}),
        decimal.localcontext(prec=5),
        pytest.warns(
            AmorsizeWarning, match=r"cannot be set in a worker \(NumPy errors and printing\)"
        ),
    ):
        found = tuned_map(digits_of, range(4), executor=executor)

    assert found == [5] * 4


def digits_of(_):
    return decimal.getcontext().prec


def test_a_chunk_leaves_nothing_of_its_digits_for_the_next_one():
    """Nor does the first one of a thread."""
    with ThreadPoolExecutor(1) as executor, decimal.localcontext(prec=5):
        found = tuned_map(widened, range(8), executor=executor, chunksize=2)

    assert found[::2] == [5] * 4


def widened(k):
    digits = decimal.getcontext().prec
    decimal.getcontext().prec = 50 + k
    time.sleep(1e-3)
    return digits


def third_of(_):
    time.sleep(1e-3)
    return str(Decimal(1) / 3), request.get()
