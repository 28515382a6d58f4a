"""Functions of known libraries that are mapped as they are, in new interpreters."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from amorsize import tuned_map

FRAME = pd.DataFrame({"a": range(100)})


@pytest.mark.parametrize(
    ("func", "items"),
    [
        (FRAME.head, [1, 2, 3, 4]),
        (FRAME.query, ["a > 90", "a < 3", "a == 5"]),
        (partial(pd.concat, axis=1), [[FRAME, FRAME]] * 3),
        (partial(FRAME.a.add, fill_value=1), [0, 5, 7]),
        (np.linalg.norm, [np.arange(9.0)] * 4),
    ],
    ids=["head", "query", "concat", "add", "norm"],
)
@pytest.mark.usefixtures("beside_a_thread")
def test_what_computes_from_its_arguments_needs_no_code_of_its_library(func, items):
    """The library is no part of the project, though the mapped function comes from it."""
    found = tuned_map(func, items, backend="process")
    for one, item in zip(found, items, strict=True):
        expected = func(item)
        assert one.equals(expected) if hasattr(one, "equals") else one == expected
