"""Numbers in words, the same in all displays. Pure."""

from __future__ import annotations

_MINUTE_S = 60
_HOUR_S = 3600
_SHORT_DIGEST = len("sha256:") + 12


def show_duration(seconds: float) -> str:
    """`0.3 s`, `12.0 s`, `3 min 05 s`, `1 h 02 min`."""
    if seconds < _MINUTE_S - 0.05:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def show_size(size_bytes: float) -> str:
    """A size as engines show it: `512 B`, `1.2 MB`, in powers of 1000."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 999.95:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1000:.1f} TB"


def show_count(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short_digest(digest: str) -> str:
    """Enough of a digest to tell it from others."""
    return digest[:_SHORT_DIGEST]
