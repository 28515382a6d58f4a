"""The same kinds with arrays and tables."""

import time

import numpy as np
import pandas as pd

from .casebook import ANYWHERE, CALLER, PROCESSES, THREADS, of_kind, work

N = 60
WAIT_S = 0.006
waits = of_kind("waits", __name__, right=ANYWHERE)
handles = of_kind("handles", __name__, right=CALLER)
state = of_kind("state", __name__, right=CALLER)
in_place = of_kind("in place", __name__, right=CALLER)
settings = of_kind("settings", __name__, right=PROCESSES)
pure = of_kind("pure", __name__, right=ANYWHERE)


# -- waits ---------------------------------------------------------------------------------------


@waits(range(N), right=PROCESSES)
def seeded_array(k):
    np.random.seed(k)
    first = np.random.random()
    time.sleep(WAIT_S)
    return first, np.random.random()


@waits(range(N), right=PROCESSES)
def seeded_and_sorted(k):
    """Large draws let go of the lock of the interpreter."""
    np.random.seed(k)
    return sum(float(np.sort(np.random.standard_normal(30_000))[0]) for _ in range(4))


@waits(range(N), around=lambda: np.errstate(all="raise"))
def overflow(k):
    time.sleep(WAIT_S)
    try:
        np.float64(1e300) * np.float64(1e300)
    except FloatingPointError:
        return "raised"
    return "inf"


@waits(range(N), around=lambda: np.printoptions(precision=2))
def printed_array(k):
    time.sleep(WAIT_S)
    return str(np.array([k / 7]))


@waits(range(N))
def own_errstate(k):
    with np.errstate(divide="ignore" if k % 2 else "raise"):
        time.sleep(WAIT_S)
        try:
            return float(np.float64(1) / np.float64(0))
        except FloatingPointError:
            return "raised"


@waits(range(N), right=PROCESSES)
def own_display(k):
    with pd.option_context("display.precision", 1 + k % 5):
        time.sleep(WAIT_S)
        return repr(pd.Series([1 / 7]))


# -- handles and state ---------------------------------------------------------------------------

table = None


def make_memmap():
    global table
    table = np.memmap("table.bin", dtype="i8", mode="w+", shape=(N, 10))


@handles(range(N), setup=make_memmap, right=PROCESSES, effects=lambda: table.sum())
def into_memmap(k):
    work()
    table[k] = k


def load_lazily():
    global table
    np.savez("all.npz", **{f"a{k}": np.full(500, k) for k in range(N)})
    table = np.load("all.npz")


@handles(range(N), setup=load_lazily, ignored=("table",))
def from_archive(k):
    values = table[f"a{k}"]
    work()
    return int(values.sum())


histogram = np.zeros(10, dtype=int)


@state(range(N))
def into_histogram(k):
    work()
    histogram[k % 10] += 1


frame = pd.DataFrame({"n": np.arange(N), "square": 0})


@state(range(N))
def into_frame(k):
    work(30_000)
    frame.loc[k, "square"] = k * k


generator = np.random.default_rng(5)


def reseed():
    global generator
    generator = np.random.default_rng(5)


@state(range(N), draws=True, right=ANYWHERE, reseed=reseed, ignored=("generator",))
def drawn_from_generator(_):
    work()
    return float(generator.random())


@state(range(N), draws=True, right=ANYWHERE)
def drawn_from_numpy(_):
    work()
    return float(np.random.random()), float(np.random.normal())


# -- in place ------------------------------------------------------------------------------------


@in_place(lambda: np.ones((N, 8)) * np.arange(1, 9))
def normalised(row):
    work()
    row /= row.sum()


@in_place(lambda: [np.array([k, 3, 1, 2]) for k in range(N)])
def sorted_array(values):
    work()
    values.sort()


@in_place(lambda: [np.arange(6.0) for _ in range(N)])
def into_out(values):
    """By an argument of a function of the library."""
    work()
    np.multiply(values, 2, out=values)


@in_place(lambda: [np.arange(6.0) for _ in range(N)], right=THREADS)
def scaled_after_wait(values):
    time.sleep(WAIT_S)
    values *= 3


@in_place(lambda: [pd.DataFrame({"a": [k, 1]}) for k in range(N)])
def column_added(one):
    work()
    one["b"] = one["a"] * 2


@in_place(lambda: [memoryview(bytearray(b"abcd")) for _ in range(N)])
def through_view(view):
    work()
    view[0] = 65


# -- settings ------------------------------------------------------------------------------------


@settings(range(N), setup=lambda: np.seterr(all="raise"))
def strict_arrays(k):
    work()
    try:
        return float(np.float64(k) / np.float64(0))
    except FloatingPointError:
        return "raised"


@settings(range(N), setup=lambda: np.set_printoptions(precision=3))
def shown_array(k):
    work()
    return repr(np.array([k / 7]))


@settings(range(N), setup=lambda: pd.set_option("display.precision", 2))
def shown_series(k):
    work()
    return repr(pd.Series([k / 7]))


@settings(range(N), setup=lambda: pd.options.display.__setattr__("max_rows", 4))
def shown_frame(k):
    work()
    return repr(pd.DataFrame({"a": range(k, k + 9)}))


large = None


def load_large():
    global large
    large = np.arange(5_000_000, dtype=float)  # 40 MB


@settings(range(N), setup=load_large)
def from_large_array(k):
    work()
    return float(large[k::50_000].sum())


@settings(range(N), setup=load_large, right=CALLER)
def into_large_array(k):
    work()
    large[k] = -1


# -- pure ----------------------------------------------------------------------------------------


@pure([np.random.default_rng(k).random((90, 90)) for k in range(N)])
def largest_singular(matrix):
    return round(float(np.linalg.svd(matrix, compute_uv=False)[0]), 6)


@pure(range(N))
def spectrum(k):
    signal = np.sin(np.arange(1 << 16) * (k + 1) / 500)
    return int(np.argmax(np.abs(np.fft.rfft(signal))))


frames = pd.DataFrame({"a": np.arange(N), "b": np.arange(N) * 2.0})


@pure(lambda: frames.itertuples())
def of_row(row):
    work()
    return float(row.a + row.b)


@pure(lambda: frames.iterrows())
def of_series(pair):
    work()
    return float(pair[1]["a"])


@pure(lambda: frames.groupby("a"))
def of_group(pair):
    work()
    return int(pair[0]), len(pair[1])
