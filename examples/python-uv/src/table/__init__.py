"""Prints CSV from standard input as a table."""

import csv
import sys

from tabulate import tabulate


def main() -> None:
    """Read, lay out, write."""
    rows = list(csv.reader(sys.stdin))
    sys.stdout.write(tabulate(rows[1:], headers=rows[0], tablefmt="github") + "\n")
