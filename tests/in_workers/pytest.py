"""As much of pytest as importing a test module takes, for workers in new interpreters.

They import the module for the function of the items: programs of users have no pytest in their
workers, and importing it takes four times as long as such a worker needs to begin.
"""

import importlib
import sys
from pathlib import Path

from stand_in import Mark

mark = fixture = param = hookimpl = Mark()
importorskip = importlib.import_module


def __getattr__(name):
    """Types stand in annotations; what an item calls is that of the real pytest."""
    if name[:1].isupper():
        return mark
    if name.startswith("__"):
        raise AttributeError(name)
    here = str(Path(__file__).parent)
    sys.path[:] = [folder for folder in sys.path if folder != here]
    del sys.modules[__name__]
    return getattr(importlib.import_module(__name__), name)
