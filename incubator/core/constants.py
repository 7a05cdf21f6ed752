"""Names and values used in more than one room."""

from __future__ import annotations

APP_NAME = "incubator"
"""Name of the logger, and prefix of all that is made on an engine."""

LABEL_BUILD = "incubator.build"
"""Label on every container and volume of a build; its value is the build's random id."""

EMPTY_TAR = bytes(1024)
"""A tar without entries."""

EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""Its digest, which is the diff ID of a layer that changes nothing."""
