"""What stands for the marks and strategies of test libraries in the workers of tests."""

from types import FunctionType


class Mark:
    """Any mark, fixture or setting: what it decorates stays as it is."""

    def __init__(self, *_, **__):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments, **_):
        return arguments[0] if arguments and isinstance(arguments[0], FunctionType | type) else self


class Strategy(Mark):
    """Any strategy, or what draws from one: nothing is ever drawn in a worker."""

    def __call__(self, *_, **__):
        return self

    def __or__(self, _):
        return self
