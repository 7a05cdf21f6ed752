"""A report as the Markdown of a GitHub job summary. Pure.

Commands, labels, tags and output are foreign text. Outside of the diagram every character that Markdown or HTML could
give a meaning stands as a character reference; in the diagram, whose language has no way to quote, only letters, digits
and a few harmless signs are left of it. Limits: GitHub's, 1 MiB a summary and 50,000 characters a diagram.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from incubator.console.text import clean_text
from incubator.console.words import short_digest, show_count, show_duration, show_size
from incubator.report.words import change_words, cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incubator.core.merge_images import MergedImage
    from incubator.report.model import BuildReport, Failure, ImageReport, LayerReport, StepReport

MOST_BYTES: Final = 900_000
"""GitHub refuses a summary above 1 MiB, and other steps' parts count on their own."""

MOST_ROWS: Final = 200
MOST_BARS: Final = 120
"""At about 100 characters each far below the limit of a diagram."""

_LONGEST_COMMAND: Final = 160
_LONGEST_LINE: Final = 1000
_LONGEST_LABEL: Final = 56
_MINUTE: Final = timedelta(minutes=1)
_PLAIN = re.compile(r"[^A-Za-z0-9 /.,-]")
_NOT_IN_DIAGRAM = re.compile(r"[^A-Za-z0-9 /._=+-]+")


def escape(text: str) -> str:
    """`text` on one line, each character that could mean something as a character reference."""
    return _PLAIN.sub(lambda match: f"&#{ord(match[0])};", clean_text(text))


def to_markdown(report: BuildReport) -> str:
    """The summary: what was built, or why nothing was; layers, timeline, findings."""
    head = "\n".join(_built(report, report.image) if report.image else _failed(report.failures))
    # The diagram is small and comes whole: what is cut is a table.
    lines = [_limited(head, MOST_BYTES // 2)]
    for part in report.parts:
        lines += ["", f"#### {escape(part.platform)}"]
        lines += ["", *_facts(part, part.image)] if part.image else []
        lines += _details(part)
    return _limited("\n".join([*lines, *_details(report), ""]), MOST_BYTES)


def _details(report: BuildReport) -> Iterator[str]:
    yield from _timeline(report)
    yield from _layers(report)
    yield from _findings(report)


def _built(report: BuildReport, image: ImageReport) -> Iterator[str]:
    yield f"### Built {_code(image.tags[0] if image.tags else short_digest(image.id) or image.platform)}"
    yield ""
    yield from _facts(report, image)
    if image.tags:
        yield from ("", "**Tags**", "", *(f"- {_code(tag)}" for tag in image.tags[:MOST_ROWS]))


def _facts(report: BuildReport, image: ImageReport) -> Iterator[str]:
    """What there is to know of an image as a whole; that of several platforms has its layers in their parts."""
    rows = [("Digest", _code(image.digest))] if image.digest else []
    rows += [] if report.parts else [("Image ID", _code(image.id))]
    rows += [("Platform", _code(image.platform))]
    if image.size_bytes is not None:
        change = next((text for change in image.changes if (text := change_words(change, image))), "")
        rows.append(("Size", escape(show_size(image.size_bytes) + (f" ({change})" if change else ""))))
    own = [layer for layer in report.layers if layer.number is not None]
    if not report.parts:
        count = show_count(image.base_layers + len(own), "layer")
        rows.append(("Layers", f"{count}, {sum(layer.cached for layer in own)} of them cached"))
    rows.append(("Duration", show_duration(report.duration_s)))
    yield from ("| | |", "| --- | --- |", *(f"| {title} | {value} |" for title, value in rows))


def _failed(failures: Sequence[Failure]) -> Iterator[str]:
    yield "### The build failed"
    for failure in failures[:MOST_ROWS]:
        place = f"{_code(failure.place)}: " if failure.place else ""
        # Each line on its own: a message may quote several lines.
        message = [escape(line) for line in failure.message.splitlines() if line.strip()]
        yield from ("", place + "<br>\n".join(message))
        yield from _block(failure.snippet)
        if failure.log_tail:
            yield from ("", "Last lines of its output:")
            yield from _block(failure.log_tail)
        for line in failure.advice:
            yield from ("", escape(line))


def _block(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        # Blank lines would end neither this nor a fence, but a reference cannot be taken for the end of either.
        yield from ("", "<pre>", *(escape(cut(line, _LONGEST_LINE)) or " " for line in lines), "</pre>")


def _layers(report: BuildReport) -> Iterator[str]:
    if not report.layers:
        return
    yield from ("", "| Layer | Made by | Size | Time |", "| --- | --- | ---: | ---: |")
    image = report.image
    if image and image.base_layers:
        numbers = "1" if image.base_layers == 1 else f"1 to {image.base_layers}"
        size = escape(show_size(image.base_size_bytes)) if image.base_size_bytes else ""
        yield f"| {numbers} | base image | {size} | |"
    yield from map(_layer_row, report.layers[:MOST_ROWS])
    if len(report.layers) > MOST_ROWS:
        yield f"| | and {len(report.layers) - MOST_ROWS} more | | |"


def _layer_row(layer: LayerReport) -> str:
    size = "" if layer.size_bytes is None else escape(show_size(layer.size_bytes))
    took = "cached" if layer.cached else show_duration(layer.duration_s)
    commands = [_code(cut(command, _LONGEST_COMMAND)) for command in layer.commands[:50]] or ["(tidies up)"]
    if layer.not_cached:
        commands.append(f"<sub>not cached: {escape(layer.not_cached)}</sub>")
    number = escape(f"({layer.stage})") if layer.number is None else layer.number
    return f"| {number} | {'<br>'.join(commands)} | {size} | {took} |"


def _timeline(report: BuildReport) -> Iterator[str]:
    """A Gantt diagram in Mermaid's language, which GitHub draws; without what took no time, if that is too much."""
    steps = [step for step in report.steps if step.state != "cached"]
    if not steps:
        return
    shown = sorted(
        sorted(steps, key=lambda step: -step.duration_s)[:MOST_BARS], key=lambda step: step.start_s
    )
    # Seconds for a short build; else the time of day, in the reader's own zone.
    is_short = max(step.start_s + step.duration_s for step in steps) < _MINUTE.total_seconds()
    begin = datetime(2000, 1, 1, tzinfo=UTC) if is_short else report.started_at
    yield from (
        "",
        "<details open><summary>Timeline</summary>",
        "",
        "```mermaid",
        "gantt",
        "    dateFormat x",
    )
    yield f"    axisFormat {'%-S.%L s' if is_short else '%H:%M:%S'}"
    for stage in dict.fromkeys(step.ref.stage for step in shown):
        yield f"    section {diagram_text(stage) or '-'}"
        yield from (_bar(step, begin) for step in shown if step.ref.stage == stage)
    yield from ("```", "", "</details>")
    if len(shown) < len(steps):
        yield from ("", f"The {len(shown)} longest of {len(steps)} steps.")


def _bar(step: StepReport, begin: datetime) -> str:
    start = begin + timedelta(seconds=step.start_s)
    end = start + timedelta(seconds=max(step.duration_s, 0.001))
    tag = {"made": "", "cached": "done, ", "failed": "crit, ", "stopped": "done, "}[step.state]
    label = diagram_text(f"{step.ref.number} {step.ref.text}", _LONGEST_LABEL)
    return f"    {label} :{tag}{_milliseconds(start)}, {_milliseconds(end)}"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def diagram_text(text: str, most: int = 40) -> str:
    """What is left of `text` for a name in a diagram: it can end neither the name, the line, nor the diagram."""
    return " ".join(_NOT_IN_DIAGRAM.sub(" ", text).split())[:most].strip()


def _findings(report: BuildReport) -> Iterator[str]:
    if not report.findings:
        return
    yield from ("", "| Warning | Where | What |", "| --- | --- | --- |")
    for finding in report.findings[:MOST_ROWS]:
        rule = _code(finding.rule) if finding.rule else ""
        where = _code(finding.place) if finding.place else ""
        yield f"| {rule} | {where} | {escape(cut(finding.message, _LONGEST_LINE))} |"
    if len(report.findings) > MOST_ROWS:
        yield f"| | | and {len(report.findings) - MOST_ROWS} more |"


def merge_markdown(merged: MergedImage) -> str:
    """Markdown about a finished merge: tags, digest, platforms."""
    parts = [f"### Merged {_code(merged.tags[0])}", "", "| | |", "| --- | --- |"]
    parts += [f"| Digest | {_code(merged.digest)} |"]
    parts += [f"| Platform | {_code(platform)} |" for platform in merged.platforms]
    parts += ["", "**Tags**", "", *(f"- {_code(tag)}" for tag in merged.tags), ""]
    return _limited("\n".join(parts), MOST_BYTES)


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _limited(text: str, most: int) -> str:
    """`text`, cut at a line's end where it has more than `most` bytes."""
    if len(text.encode()) <= most:
        return text
    kept = text.encode()[:most].decode(errors="ignore").rpartition("\n")[0]
    if kept.count("<pre>") > kept.count("</pre>"):
        kept += "\n</pre>"
    return f"{kept}\n\nThe rest is left out: a summary may not be longer.\n"
