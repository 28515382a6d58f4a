"""The command `amorsize`, which is `python -m amorsize` as well."""

import os
import signal
import sys


def main() -> int:
    """Run the command of this process; Ctrl-C while its modules are still read is told as later."""
    try:
        from amorsize.cli import main as run

        return run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more would cut short what is said of it
        if sys.stderr is not None:
            print("amorsize: interrupted.", file=sys.stderr)
        return 130


def _import_from_here_last() -> None:
    """Python has put the current folder before its own modules; `cli.target` puts it after them."""
    try:
        if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]
    except OSError:
        return  # the current folder is gone


if __name__ == "__main__":
    _import_from_here_last()
    sys.exit(main())
