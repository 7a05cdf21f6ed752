"""Settings of all unit tests."""

from __future__ import annotations

from hypothesis import settings

# Each run draws other examples, and runs are many; tests that need more say so.
settings.register_profile("unit", max_examples=50)
settings.load_profile("unit")
