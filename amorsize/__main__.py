"""`python -m amorsize`: the command line."""

import sys

from amorsize.cli import main

if __name__ == "__main__":
    sys.exit(main())
