"""Folders full of bytes that nobody thought of: each file is damaged in a way drawn at random."""

import atexit
import functools
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import forged
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from amorsize import cache
from amorsize.errors import AmorsizeWarning

N_FOLDERS = int(os.environ.get("AMORSIZE_TEST_FOLDERS", "40"))  # `make stress` tries 2 000 in all
KEY, RECORD = forged.KEY, forged.RECORD
pytestmark = [pytest.mark.usefixtures("fresh_cache"), pytest.mark.timeout(60 + N_FOLDERS)]


BESIDE = (
    "cache.db-journal",
    "cache.db-wal",
    "cache.db-shm",
    "journal.jsonl",
    "journal-leaving.jsonl",
)


@functools.cache
def victims():
    """Files outside, kept until the tests are over, and bytes of each kind that attack them."""
    folder = tempfile.mkdtemp(prefix="outside-")
    atexit.register(shutil.rmtree, folder)
    outside = forged.Outside(f"{folder}/outside")
    return outside, forged.forged(outside)


@st.composite
def damaged(draw, kind_names):
    """The name of a kind, where to change it, and what to cut off: or bytes out of the blue."""
    if draw(st.booleans()):
        return None, draw(st.binary(max_size=200)), 0
    changes = draw(st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=8)), max_size=6))
    return draw(st.sampled_from(kind_names)), changes, draw(st.sampled_from([0, 0, 1, 32, 4096]))


def changed(recipe):
    """The bytes that a recipe of `damaged` makes."""
    kind, changes, n_cut = recipe
    if kind is None:
        return changes
    data = bytearray(victims()[1][kind])
    for at, new in changes:
        at %= len(data) + 1
        data[at : at + len(new)] = new
    return bytes(data[: len(data) - n_cut])


ALL_KINDS = [
    *("a database", "small pages", "large pages", "a database in rollback mode", "other tables"),
    *("a journal", "a journal with a super-journal", "a journal of other tables"),
    *("a WAL", "a WAL's header", "half a WAL", "a WAL's index", "lines", "half a line"),
]


@settings(
    max_examples=N_FOLDERS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a folder takes 0.1 s
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    planted=st.dictionaries(st.sampled_from(BESIDE), damaged(ALL_KINDS), min_size=1),
    own=st.one_of(st.none(), damaged(["a database", "small pages"])),
)
def test_no_folder_hurts(planted, own):
    """Whatever bytes all the files have: right results, nothing outside changed, works again."""
    outside, _ = victims()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "handed"
        home.mkdir(mode=0o700)
        recipes = {**planted, "cache.db": own or ("a database", [], 0)}
        for name, recipe in recipes.items():
            forged.write(home / name, changed(recipe))
        forged.use_folder(home)
        forged.use_everything()
        assert outside.state() == outside.before
        assert_works_again()


def assert_works_again():
    """Once it has been cleared, what is put is got."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmorsizeWarning)
        forged.fresh_state()
        cache.clear()
        forged.fresh_state()
        assert cache.put(KEY, RECORD)
        assert cache.get(KEY) == RECORD
    cache.close()
