"""Functions whose answer depends on settings of NumPy, or on large arrays and frames."""

import numpy as np
import pandas as pd

from .casebook import CALLER, PROCESSES, each_call, of_kind, work

case = of_kind("settings", __name__, right=PROCESSES, needs="numpy")
N = 60


@case(range(N), around=each_call(lambda n: np.printoptions(precision=n)))
def array_as_text(k):
    work()
    return str(np.array([k / 7, k / 9]))


def treat(number):
    return np.errstate(divide=("raise", "ignore", "raise")[number - 1])


@case(range(N), around=each_call(treat))
def divided(k):
    work()
    try:
        return str(np.float64(k + 1) / np.float64(0))
    except FloatingPointError:
        return "refused"


@case(range(N), around=each_call(lambda n: pd.option_context("display.precision", n)))
def series_as_text(k):
    work()
    return str(pd.Series([k / 7]))


matrix = np.zeros(0)
frame = pd.DataFrame()


def load_matrix(number):
    global matrix
    if number == 1:
        matrix = np.arange(2_000_000, dtype=float)
    matrix[::1000] = number


@case(range(N), around=each_call(load_matrix))
def from_large_matrix(k):
    work()
    return float(matrix[k * 1000 : k * 1000 + 3].sum())


@case(range(N), around=each_call(load_matrix), right=CALLER)
def into_large_matrix(k):
    work()
    matrix[k * 1000 + 1] += 1
    return float(matrix[k * 1000 + 1])


def load_frame(number):
    global frame
    frame = pd.DataFrame({"price": np.arange(200_000) * number})


@case(range(N), around=each_call(load_frame), ignored=("frame",))
def from_large_frame(k):
    work()
    return int(frame["price"].iloc[k * 100])
