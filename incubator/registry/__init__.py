"""Registries of the OCI distribution API, spoken to directly."""
