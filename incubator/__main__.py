"""`python -m incubator`."""

import sys

from incubator.cli import main

if __name__ == "__main__":
    sys.exit(main())
