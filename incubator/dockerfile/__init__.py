"""Dockerfile text to typed instructions. Pure: no I/O, no engine, no environment.

`parse` reads a file, `parse_trigger` an ONBUILD trigger that a base image carries; `expand` holds word
expansion, `lint` the build checks.
"""

from incubator.dockerfile.parser import parse, parse_trigger
from incubator.dockerfile.source import Source, Span

__all__ = ["Source", "Span", "parse", "parse_trigger"]
