"""What was built, in a few lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.console.text import clean_text, fit
from incubator.console.words import short_digest, show_count, show_duration, show_size
from incubator.core.result import ResultIndex

if TYPE_CHECKING:
    from incubator.core.merge_images import MergedImage
    from incubator.core.result import LayerResult, ResultImage

_NAME_COLUMNS = 9


def summary_lines(result: ResultImage, *, columns: int | None = None) -> list[str]:
    """Tags, digests, id and layers with size and time; lines of layers are cut to `columns`.

    What is for several platforms has its own names first, and then a part for each.
    """
    if isinstance(result, ResultIndex):
        lines = _names(result)
        for image in result.images:
            lines += [
                _row("platform", str(image.platform)),
                *_ids(image),
                *_names(image),
                *_layers(image, columns),
            ]
    else:
        lines = [
            *_ids(result),
            *_names(result),
            _row("platform", str(result.platform)),
            *_layers(result, columns),
        ]
    lines.append(_row("built in", show_duration(result.duration_s)))
    return [clean_text(line) for line in lines]


def _ids(result: ResultImage) -> list[str]:
    lines = [_row("image", result.id)]
    if result.config_digest != result.id:
        lines.append(_row("config", result.config_digest))
    return lines


def _names(result: ResultImage) -> list[str]:
    lines = [_row("tag", tag) for tag in result.tags]
    lines += [_row("digest", f"{reference}@{digest}") for reference, digest in result.digests.items()]
    lines += [_row("attested", kind) for kind in result.attested]
    return lines


def _layers(result: ResultImage, columns: int | None) -> list[str]:
    own = [layer for layer in result.layers if not layer.base]
    size = sum(layer.size_bytes or 0 for layer in own)
    base = len(result.layers) - len(own)
    of_base = f", {show_count(base, 'layer')} of the base" if base else ""
    lines = [_row("layers", f"{show_count(len(own), 'layer')} ({show_size(size)}){of_base}")]
    return lines + [fit(_layer_row(layer), columns) if columns else _layer_row(layer) for layer in own]


def merge_lines(merged: MergedImage) -> list[str]:
    """Tags, digest and platforms of a merge."""
    lines = [_row("digest", merged.digest)]
    lines += [_row("tag", tag) for tag in merged.tags]
    lines += [_row("platform", platform) for platform in merged.platforms]
    return [clean_text(line) for line in lines]


def _row(name: str, value: str) -> str:
    return f"{name:<{_NAME_COLUMNS}} {value}"


def _layer_row(layer: LayerResult) -> str:
    size = "" if layer.size_bytes is None else show_size(layer.size_bytes)
    took = "CACHED" if layer.cached else show_duration(layer.duration_s)
    commands = "; ".join(" ".join(command.split()) for command in layer.commands)
    return f"  {short_digest(layer.diff_id)} {size:>9} {took:>9}  {commands}".rstrip()
