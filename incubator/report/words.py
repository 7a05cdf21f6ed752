"""Words that all forms of a report have in common. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.console.words import show_size

if TYPE_CHECKING:
    from incubator.report.model import Change, ImageReport


def cut(text: str, most: int) -> str:
    """`text`, ending in `...` where it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def change_words(change: Change, image: ImageReport) -> str:
    """`1.2 MB more than the last app:1`; empty where the size is not known."""
    if image.size_bytes is None:
        return ""
    if change.is_same:
        return f"the very image that {change.reference} named before"
    delta = image.size_bytes - change.size_bytes
    if not delta:
        return f"as large as the last {change.reference}"
    return f"{show_size(abs(delta))} {'more' if delta > 0 else 'less'} than the last {change.reference}"
