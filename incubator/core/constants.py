"""Names used in more than one room."""

from __future__ import annotations

APP_NAME = "incubator"
"""Name of the logger, and prefix of all that is made on an engine."""

LABEL_BUILD = "incubator.build"
"""Label on every container and volume of a build; its value is the build's random id."""
