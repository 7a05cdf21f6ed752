"""What the container of a pipeline step runs."""

from __future__ import annotations

import os
import sys

from incubator.ci.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
