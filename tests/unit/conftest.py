"""Settings of all unit tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Each run draws other examples, and runs are many; tests that need more say so.
# A busy machine is slow at times, which is no fault of what is tested.
settings.register_profile(
    "unit", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unit")
