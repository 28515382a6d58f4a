"""Functions that reach large tables, in a module that says when it is imported."""

import builtins
import os
import time

try:
    import numpy as np
except ImportError:
    np = None

if "LARGE_ITEMS_LOG" in os.environ:
    with open(os.environ["LARGE_ITEMS_LOG"], "a") as log:
        log.write(f"{os.getpid()}\n")

TABLE = None if np is None else np.arange(2 << 20, dtype=float)


class Model:
    """Holds a table."""

    def __init__(self, table):
        self.table = table


def facts_of(_, value):
    """Enough of a value to tell it from another."""
    if isinstance(value, Model):
        value = value.table
    if isinstance(value, dict):
        return sorted(value), facts_of(0, value["x"]), facts_of(0, value["y"][0]), value["y"][1]
    if isinstance(value, bytes):
        return len(value), value[:3], value[-3:]
    found = np.asarray(value)
    return found.shape, str(found.dtype), float(found.sum()), found.flags.writeable


def from_global(k):
    """A number of the module's table."""
    return float(TABLE[k * 1000])


def brief(k, table):
    """Over in a millisecond."""
    end = time.perf_counter() + 1e-3
    while time.perf_counter() < end:
        pass
    return float(table[k])


def lent_bytes(_, value=None):
    """This process, and what it has mapped of memory that a caller has lent, without lanes."""
    n_bytes = 0
    with open("/proc/self/maps") as file:
        for line in file:
            if "memfd:amorsize" in line and line.split()[1][3] == "p":
                start, end = line.split()[0].split("-")
                n_bytes += int(end, 16) - int(start, 16)
    return os.getpid(), n_bytes


def keeps_a_part(k, table):
    """Leaves a view of the table where it outlives the call."""
    builtins.part_of_a_table = table[k:]
    return os.getpid(), float(table[k])


def stores(k, table):
    """Sets one number."""
    brief(k, table)
    table[k] = -1.0


def adds_in_place(k, table):
    """Adds to a part."""
    brief(k, table)
    table[k : k + 3] += 1.0


def sorts(k, table):
    """Turns a part round, by a function of NumPy."""
    brief(k, table)
    np.negative(table[k : k + 5], out=table[k : k + 5])
