"""The base of state machines, with the marks of their methods."""

from stand_in import Mark


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Mark()
