"""The job summary: what was built, as GitHub's Markdown. Pure but for the writing.

Commands, labels and tags are foreign text: in a table cell every character that Markdown or HTML could give a
meaning stands as a character reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from incubator.console.text import clean_text
from incubator.console.words import short_digest, show_duration, show_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.ci.outputs import Outputs
    from incubator.core.result import LayerResult, ResultImage
    from incubator.errors import BuilderError

MOST_BYTES = 900_000
"""GitHub refuses a summary above 1 MiB, and other steps' parts count on their own."""

_MOST_LAYERS = 200
_LONGEST_COMMAND = 160
_PLAIN = re.compile(r"[^A-Za-z0-9 /.,-]")


def escape(text: str) -> str:
    """`text` on one line, each character that could mean something as a character reference."""
    return _PLAIN.sub(lambda match: f"&#{ord(match[0])};", clean_text(text))


def build_summary(result: ResultImage, outputs: Outputs) -> str:
    """Markdown about a finished build: tags, digest, sizes, and a table of the layers."""
    rows = [("Image ID", _code(result.id)), ("Platform", _code(str(result.platform)))]
    rows += [("Digest", _code(result.digest))] if result.digest else []
    if outputs["image-size-bytes"] is not None:
        rows.append(("Size", escape(show_size(outputs["image-size-bytes"]))))
    rows.append(("Layers", f"{outputs['layers']}, {outputs['cached-layers']} of them cached"))
    rows.append(("Duration", show_duration(result.duration_s)))
    name = result.tags[0] if result.tags else short_digest(result.id)
    parts = [f"### Built {_code(name)}", "", "| | |", "| --- | --- |"]
    parts += [f"| {title} | {value} |" for title, value in rows]
    parts += ["", "**Tags**", "", *(f"- {_code(tag)}" for tag in result.tags)] if result.tags else []
    parts += ["", *_layer_table(result.layers), ""]
    return _limited("\n".join(parts))


def failure_summary(error: BuilderError) -> str:
    """Markdown about a failed build: the error's own text."""
    lines = [_code(line) for line in str(error).splitlines() if line.strip()]
    return _limited("\n".join(["### The build failed", "", "<br>\n".join(lines), ""]))


def _layer_table(layers: Sequence[LayerResult]) -> list[str]:
    lines = ["| Layer | Made by | Size | Time |", "| --- | --- | ---: | ---: |"]
    base = sum(layer.base for layer in layers)
    if base:
        lines.append(f"| {_numbers(1, base)} | base image | | |")
    for number, layer in enumerate(layers[:_MOST_LAYERS], start=1):
        if layer.base:
            continue
        size = "" if layer.size_bytes is None else escape(show_size(layer.size_bytes))
        took = "cached" if layer.cached else show_duration(layer.duration_s)
        commands = "<br>".join(_code(_cut(command)) for command in layer.commands)
        lines.append(f"| {number} | {commands} | {size} | {took} |")
    if len(layers) > _MOST_LAYERS:
        lines.append(f"| | and {len(layers) - _MOST_LAYERS} more | | |")
    return lines


def _numbers(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_COMMAND else f"{text[: _LONGEST_COMMAND - 3]}..."


def _limited(text: str) -> str:
    """`text`, cut at a line's end where it is too long."""
    if len(text.encode()) <= MOST_BYTES:
        return text
    kept = text.encode()[:MOST_BYTES].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe rest is left out: a summary may not be longer.\n"
