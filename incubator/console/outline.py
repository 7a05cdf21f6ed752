"""Stages of a Dockerfile, and what one takes from its caller, as tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.console.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.core.plan.outline import Outline, Target


def outline_lines(outline: Outline) -> list[str]:
    """Lines of `--call outline`."""
    lines = [f"TARGET: {clean_text(outline.name) or '(default)'}"]
    if outline.description:
        lines.append(f"DESCRIPTION: {clean_text(outline.description)}")
    arguments = [(entry.name, entry.value or "", entry.description) for entry in outline.arguments]
    secrets = [(entry.id, "true" if entry.required else "") for entry in outline.secrets]
    agents = [(entry.id, "true" if entry.required else "") for entry in outline.ssh]
    for heading, rows in (
        (("BUILD ARG", "VALUE", "DESCRIPTION"), arguments),
        (("SECRET", "REQUIRED"), secrets),
        (("SSH", "REQUIRED"), agents),
        (("CACHE",), [(entry.id,) for entry in outline.caches]),
    ):
        if rows:
            lines += ["", *_table([heading, *rows])]
    return lines


def targets_lines(targets: Sequence[Target]) -> list[str]:
    """Lines of `--call targets`."""
    rows = [(_shown(target), target.description) for target in targets]
    return list(_table([("TARGET", "DESCRIPTION"), *rows]))


def _shown(target: Target) -> str:
    if not target.default:
        return target.name or "(unnamed)"
    return f"{target.name} (default)" if target.name else "(default)"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    clean = [[clean_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
