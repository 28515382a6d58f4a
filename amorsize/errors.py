"""The errors that amorsize raises, as one tree.

AmorsizeError
├── InvalidOptionError (ValueError)      an option's value is not one of those allowed
├── WrongTypeError (TypeError)           an option, a function or the data is of the wrong kind
├── SerializationError (TypeError)       a function, item or result cannot be pickled
├── WorkerDied (RuntimeError)            a worker process ended while it had items
├── WorkersUnavailable (RuntimeError)    no worker could be started where one is required
├── ItemTimeout (TimeoutError)           an item took longer than `timeout`
├── RemoteError (RuntimeError)           stands in for an exception that could not be pickled
├── UnknownResultError (LookupError)     no result was saved under a name
├── HistoryError (OSError)               saved results cannot be read or written
└── MissingExtraError (ImportError)      an optional package is needed; the text names the extra

Warnings derive from AmorsizeWarning (UserWarning).
"""


class AmorsizeError(Exception):
    """Base of every error that amorsize itself raises."""


class InvalidOptionError(AmorsizeError, ValueError):
    """An option's value is not one of those allowed."""


class WrongTypeError(AmorsizeError, TypeError):
    """An option, a function or the data is of the wrong kind."""


class SerializationError(AmorsizeError, TypeError):
    """A function, an item or a result cannot be sent to or from a worker process."""


class WorkerDied(AmorsizeError, RuntimeError):  # noqa: N818 - says what happened
    """A worker process ended while it had items; the text names the item and how it ended."""


class WorkersUnavailable(AmorsizeError, RuntimeError):  # noqa: N818
    """No worker could be started although the call asked for them."""


class ItemTimeout(AmorsizeError, TimeoutError):  # noqa: N818
    """An item took longer than `timeout` seconds; the text names it."""


class RemoteError(AmorsizeError, RuntimeError):
    """Stands in for an exception of a worker that could not be pickled or rebuilt."""


class UnknownResultError(AmorsizeError, LookupError):
    """No result was saved under this name; the text names those that are like it."""


class HistoryError(AmorsizeError, OSError):
    """Saved results cannot be read or written; the text says why and what to do."""


class MissingExtraError(AmorsizeError, ImportError):
    """An optional package is missing; the text names the extra that brings it."""


class AmorsizeWarning(UserWarning):
    """Base of every warning that amorsize gives."""
