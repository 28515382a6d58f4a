"""Worker processes under random faults, sizes and hits from outside; the loop is the oracle."""

import contextlib
import itertools
import os
import re
import signal
import tempfile
import threading
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import amorsize
from amorsize import SerializationError, WorkerDied, autotune

DEEDS = (
    "give",
    "give",
    "give",
    "give",
    "raise",
    "die",
    "die once",
    "lock",
    "fork",
    "large",
    "array",
)
HITS = (signal.SIGKILL, signal.SIGTERM)
RETRIES = 12  # an item that is hit from outside may be hit again
_numbers = itertools.count()


class Item:
    """One item: where it stands, what it does, and where it notes that it did it once."""

    def __init__(self, index, deed, folder):
        self.index, self.deed, self.folder = index, deed, folder

    def is_first_time(self):
        try:
            os.close(os.open(f"{self.folder}/{self.index}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


def do(item):
    """What an item's deed asks for; twice its index where it gives a result."""
    if item.deed == "raise":
        raise LookupError(item.index)
    if item.deed == "die" or (item.deed == "die once" and item.is_first_time()):
        os.kill(os.getpid(), signal.SIGKILL)
    if item.deed == "lock":
        return threading.Lock()
    if item.deed == "fork" and item.is_first_time():
        os.fork()
    if item.deed == "array":
        return np.full(1_500_000, item.index, dtype="u1")
    return bytes(200_000 + item.index) if item.deed == "large" else 2 * item.index


def is_right(item, found):
    """Whether this is what became of an item, where exceptions are results."""
    if item.deed == "array":
        return (
            isinstance(found, np.ndarray) and found.nbytes == 1_500_000 and found[-1] == item.index
        )
    if item.deed == "large":
        return isinstance(found, bytes) and found == bytes(200_000 + item.index)
    if item.deed == "raise":
        return type(found) is LookupError and found.args == (item.index,)
    kinds = {"die": WorkerDied, "lock": SerializationError}
    if item.deed in kinds:
        names_it = re.search(rf"\bitem {item.index}\b", str(found)) is not None
        return type(found) is kinds[item.deed] and names_it
    return isinstance(found, int) and found == 2 * item.index


def workers():
    """This process's children that run."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return sorted(int(pid) for pid in listing.split())


class Maps(RuleBasedStateMachine):
    """One stream at a time, taken from, hit from outside, left or finished."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        amorsize.shutdown()
        self.before = set(workers())
        self.stream = None

    @precondition(lambda self: self.stream is None)
    @rule(
        deeds=st.lists(st.sampled_from(DEEDS), min_size=1, max_size=40),
        n_jobs=st.integers(1, 3),
        chunksize=st.sampled_from([None, 1, 3, 50]),
        buffer=st.sampled_from([None, 1, 5, 30]),
        is_ordered=st.booleans(),
        from_iterator=st.booleans(),
    )
    def begin(self, deeds, n_jobs, chunksize, buffer, is_ordered, from_iterator):
        folder = f"{self.folder.name}/{next(_numbers)}"
        os.mkdir(folder)
        self.items = [Item(index, deed, folder) for index, deed in enumerate(deeds)]
        tuned = autotune(
            do,
            backend="process",
            n_jobs=n_jobs,
            chunksize=chunksize,
            retries=RETRIES,
            return_exceptions=True,
        )
        data = iter(self.items) if from_iterator else self.items
        self.is_ordered, self.found = is_ordered, []
        self.stream = tuned.stream(data, ordered=is_ordered, buffer=buffer)

    @precondition(lambda self: self.stream is not None)
    @rule(n_results=st.integers(1, 10))
    def take(self, n_results):
        self.found += itertools.islice(self.stream, n_results)
        if self.is_ordered:
            for item, found in zip(self.items, self.found, strict=False):
                assert is_right(item, found), (item.deed, found)

    @precondition(lambda self: self.stream is not None)
    @rule(
        which=st.integers(0, 5),
        number=st.sampled_from(HITS),
    )
    def hit(self, which, number):
        own = [pid for pid in workers() if pid not in self.before]
        if own:
            with contextlib.suppress(ProcessLookupError):
                os.kill(own[which % len(own)], number)

    @precondition(lambda self: self.stream is not None)
    @rule()
    def leave(self):
        self.stream.close()
        self.stream = None
        self.nobody_is_left()

    @precondition(lambda self: self.stream is not None)
    @rule()
    def finish(self):
        self.found += self.stream
        self.stream = None
        assert len(self.found) == len(self.items)
        left = list(self.found)
        for item in self.items:
            place = next(i for i, found in enumerate(left) if is_right(item, found))
            assert place == 0 or not self.is_ordered
            del left[place]
        self.nobody_is_left()

    def nobody_is_left(self):
        amorsize.shutdown()  # beside a second thread, workers stay warm for a next call
        assert set(workers()) == self.before

    def teardown(self):
        with self.folder:
            if self.stream is not None:
                self.finish()


# Beside the thread of pytest-xdist each map starts its workers cleanly, which takes 0.2 s.
Maps.TestCase.settings = settings(
    max_examples=8 if "PYTEST_XDIST_WORKER" in os.environ else 10,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestMaps = Maps.TestCase
