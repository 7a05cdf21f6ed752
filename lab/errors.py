"""What the lab raises."""

from __future__ import annotations


class LabError(Exception):
    """A part of the lab could not be made, started or reached; the message says which and why."""
