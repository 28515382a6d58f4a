"""As much of hypothesis as importing a test module takes, for workers in new interpreters."""

from stand_in import Mark


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Mark()
