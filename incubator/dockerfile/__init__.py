"""Dockerfile text to typed instructions. Pure: no I/O, no engine, no environment."""
