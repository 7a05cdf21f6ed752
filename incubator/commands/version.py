"""`incubator version`."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from incubator import __version__
from incubator.arguments import ArgumentParser

if TYPE_CHECKING:
    import argparse


def make_parser() -> ArgumentParser:
    """The parser of the command."""
    return ArgumentParser(prog="incubator version", description="Show the version of incubator.")


def run(_arguments: argparse.Namespace) -> int:
    """Print the version to standard output."""
    sys.stdout.write(version_text() + "\n")
    return 0


def version_text() -> str:
    """`incubator 1.2.3 (CPython 3.11.7, Linux x86_64)`."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"incubator {__version__} ({python}, {platform.system()} {platform.machine()})"
