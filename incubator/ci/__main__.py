"""`python3 -m incubator.ci`: one pipeline step where incubator is installed, and not in its own image."""

from __future__ import annotations

import os
import sys

from incubator.ci.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
