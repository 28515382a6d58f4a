"""`python -m amorsize` is the command `amorsize`."""

import os
import sys


def _import_from_here_last() -> None:
    """Python has put the current folder before its own modules; `cli.target` puts it after them."""
    try:
        if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]
    except OSError:
        return  # the current folder is gone


if __name__ == "__main__":
    _import_from_here_last()
    from amorsize.cli import main

    sys.exit(main())
