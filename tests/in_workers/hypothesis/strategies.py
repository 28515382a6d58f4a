"""Every strategy."""

from stand_in import Strategy


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Strategy()
