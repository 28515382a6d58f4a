"""Functions whose answer depends on hashes and on the order of sets: on this very process."""

import pathlib

from .casebook import ANYWHERE, of_kind, work

# With forked workers all is as in the caller; workers from a clean start have other hashes.
case = of_kind("settings", __name__, right=ANYWHERE, ignored=("KNOWN",))
N = 60
NAMES = [f"user{k % 20}" for k in range(N)]


@case(NAMES)
def bucket(name):
    work()
    return hash(name) % 1024


@case(NAMES)
def shard_of_bytes(name):
    work()
    return hash(name.encode()) % 64


@case(NAMES)
def hash_of_pair(name):
    work()
    return hash((name, "orders")) % 4096


@case([pathlib.PurePosixPath(f"/home/{name}") for name in NAMES])
def hash_of_path(path):
    work()
    return hash(path) % 1024


@case(NAMES)
def set_order(name):
    work()
    return list({name, "b", "c", "d", "e", "f"})


@case(NAMES)
def first_of_set(name):
    """Takes any."""
    work()
    return next(iter(frozenset({name + "x", name + "y", name + "z"})))


@case(NAMES)
def sorted_by_hash(name):
    work()
    return sorted([name, "b", "c", "d"], key=hash)


class Tag:
    """Hashes as its text does."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return self.text == other.text

    def __hash__(self):
        return hash(self.text)


@case(NAMES)
def tags_in_order(name):
    work()
    return [tag.text for tag in {Tag(name), Tag("new"), Tag("old")}]


class Marker:
    """Hashes by where it lies."""


MARKER, OTHER = Marker(), Marker()
KNOWN = {hash(MARKER): "first", hash(OTHER): "second"}


@case(range(N))
def by_identity(k):
    """Finds again what was put down under an object's hash."""
    work()
    return KNOWN.get(hash(MARKER if k % 2 else OTHER))


MISSING = object()


@case([MISSING if k % 3 else k for k in range(N)])
def is_missing(value):
    """The marker is known by being that very object."""
    work()
    return value is MISSING
