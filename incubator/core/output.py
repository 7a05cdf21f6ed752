"""Texts of the logger `incubator`."""

from __future__ import annotations

ERROR_SUBTITLE = "######> {}\n"
"""Format of the line that announces a failure; takes the reason."""
