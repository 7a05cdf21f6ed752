"""Prints a price."""

import sys

from prices import gross

sys.stdout.write(f"{gross(int(sys.argv[1]))}\n")
