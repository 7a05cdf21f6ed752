"""A report as one HTML file that needs nothing else: no network, no library, and its script only for the search.

All that comes from a build is text: cleaned of control characters, escaped, and only ever put between tags or into a
quoted attribute. The policy in its head allows the file's own style and script by their hashes and nothing else, so
what slipped through could neither run nor fetch. Lengths are bounded.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from incubator.console.text import clean_text
from incubator.console.words import short_digest, show_count, show_duration, show_size
from incubator.report.words import change_words, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from incubator.report.model import BuildReport, Change, Failure, ImageReport, LayerReport, StepReport

MOST_ITEMS: Final = 1000
"""Steps, layers and the like; each is a few hundred bytes and its text."""

LONGEST_TEXT: Final = 4000
_TICKS: Final = 4
_STATES: Final = {
    "made": "made",
    "cached": "cached",
    "failed": "failed",
    "stopped": "stopped, for another step failed",
}
_SLOT = re.compile(r"\{\{([a-z]+)\}\}")


def to_html(report: BuildReport) -> str:
    """The page."""
    page = _template()
    name = _name(report)
    values = {
        "csp": _policy(page),
        "title": f"{_text('Built' if report.image else 'Failed:')} {_text(name)}",
        "head": _head(report, name),
        "failures": _failures(report.failures),
        "details": "\n".join([*map(_part, report.parts), _details(report)]),
        "foot": f"Made by incubator on {report.started_at:%Y-%m-%d %H:%M} UTC.",
    }
    return _SLOT.sub(lambda slot: values[slot[1]], page)  # once: what is put in is not looked at


def _part(report: BuildReport) -> str:
    """All about one of several platforms."""
    image = report.image
    facts = [f"built in {show_duration(report.duration_s)}"] if image else []
    facts += [f"on {_text(report.engine)}"] if report.engine else []
    facts += [_code(image.digest or image.id)] if image else []
    title = f'<h2 class="part">{_text(report.platform)}</h2>'
    return f'{title}\n<p class="soft">{", ".join(facts)}</p>\n{_details(report)}'


def _details(report: BuildReport) -> str:
    return "\n".join([_steps(report), _layers(report), _changes(report), _findings(report)])


@cache
def _template() -> str:
    return (files("incubator.report") / "report.html").read_text(encoding="utf-8")


def _policy(page: str) -> str:
    """The content security policy, which knows the page's own style and script by their hashes."""
    hashes = {}
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[tag] = f"'sha256-{digest}'"
    return (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; "
        "base-uri 'none'; form-action 'none'"
    )


def _text(text: str) -> str:
    """Foreign text, on one line."""
    return escape(cut(clean_text(text), LONGEST_TEXT))


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _pre(lines: Iterable[str]) -> str:
    return "<pre>" + "\n".join(escape(clean_text(line)) for line in lines) + "</pre>"


def _section(title: str, body: Iterable[str]) -> str:
    return "\n".join([f"<section>\n<h2>{title}</h2>", *body, "</section>"])


def _name(report: BuildReport) -> str:
    if report.image:
        image = report.image
        return image.tags[0] if image.tags else short_digest(image.id) or image.platform
    return report.dockerfile or "the build"


def _head(report: BuildReport, name: str) -> str:
    image = report.image
    facts: list[tuple[str, str, bool]] = [("Time", show_duration(report.duration_s), False)]
    if image:
        facts += _image_facts(report, image)
    ran = [step for step in report.steps if step.state != "cached"]
    if report.steps:
        cached = len(report.steps) - len(ran)
        facts.append(("Steps", f"{len(report.steps)}, {cached} of them cached", False))
    if report.engine:
        facts.append(("Engine", _text(report.engine), False))
    if image:
        facts.append(("Platform", _text(image.platform), False))
        facts += [("Digest", _code(image.digest), True)] if image.digest else []
        facts += [] if report.parts else [("Image ID", _code(image.id), True)]
        if len(image.tags) > 1:
            tags = "<br>".join(_code(tag) for tag in image.tags[:MOST_ITEMS])
            facts.append(("Tags", tags, True))
    if report.bases:
        bases = "<br>".join(
            _code(base.reference) + (" <span class='soft'>pulled</span>" if base.pulled else "")
            for base in report.bases[:MOST_ITEMS]
        )
        facts.append(("Base images", bases, True))
    if image and report.dockerfile:
        facts.append(("Dockerfile", _code(report.dockerfile), True))
    rows = "\n".join(
        f'<div class="{"wide" if wide else "fact"}"><dt>{title}</dt><dd>{value}</dd></div>'
        for title, value, wide in facts
    )
    state = "" if image else ' class="failed"'
    status = "Built" if image else "Failed"
    return (
        f'<header{state}>\n<div class="status">{status}</div>\n<h1>{_text(name)}</h1>\n'
        f'<dl class="facts">\n{rows}\n</dl>\n</header>'
    )


def _image_facts(report: BuildReport, image: ImageReport) -> Iterable[tuple[str, str, bool]]:
    if image.size_bytes is not None:
        yield "Size", show_size(image.size_bytes), False
    own = [layer for layer in report.layers if layer.number is not None]
    if report.parts:
        return
    yield "Layers", f"{image.base_layers + len(own)}, {image.base_layers} of the base", False


def _failures(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    body = []
    for failure in failures[:MOST_ITEMS]:
        body.append('<div class="failure">')
        if failure.place:
            body.append(f"<p>{_code(failure.place)}</p>")
        message = "\n".join(_text(line) for line in failure.message.splitlines())
        body.append(f'<p class="message">{message}</p>')
        if failure.snippet:
            body.append(_pre(failure.snippet))
        if failure.log_tail:
            body += ["<h3>Last lines of its output</h3>", _pre(failure.log_tail)]
        body += [f'<p class="soft">{_text(line)}</p>' for line in failure.advice]
        body.append("</div>")
    return _section("Why it failed", body)


def _steps(report: BuildReport) -> str:
    if not report.steps:
        return ""
    whole_s = max(step.start_s + step.duration_s for step in report.steps) or 1.0
    shown = report.steps[:MOST_ITEMS]
    known = [stage for stage in report.stages if any(step.ref.stage == stage for step in shown)]
    stages = list(dict.fromkeys([*known, *(step.ref.stage for step in shown)]))
    body = [_axis(whole_s)]
    for stage in stages:
        if len(stages) > 1:
            body.append(f"<h3>{_text(stage)}</h3>")
        body += [_step(step, whole_s) for step in shown if step.ref.stage == stage]
    body += _and_more(len(report.steps))
    return _section("Steps over time", body)


def _axis(whole_s: float) -> str:
    ticks = []
    for tick in range(_TICKS + 1):
        anchor = "start" if not tick else "end" if tick == _TICKS else "middle"
        at = f"{tick * 100 / _TICKS:g}%"
        time = show_duration(whole_s * tick / _TICKS)
        ticks.append(f'<text x="{at}" y="1em" text-anchor="{anchor}">{time}</text>')
    return f'<div class="row axis" aria-hidden="true"><span></span><span></span><svg>{"".join(ticks)}</svg></div>'


def _bar(start: float, width: float) -> str:
    """A bar from `start`, both as parts of the whole; thin ones are still seen."""
    start, width = min(max(start, 0.0), 0.995), min(max(width, 0.005), 1.0)
    return f'<svg class="bar"><rect x="{start:.2%}" width="{min(width, 1 - start):.2%}" height="100%"/></svg>'


def _step(step: StepReport, whole_s: float) -> str:
    ref = step.ref
    took = "cached" if step.state == "cached" else show_duration(step.duration_s)
    facts = [f"line {ref.span.first_line}"] if ref.span else []
    facts += [_STATES[step.state]]
    if step.state != "cached":
        facts.append(f"began after {show_duration(step.start_s)}")
    if step.peak_memory_bytes is not None:
        facts.append(f"{show_size(step.peak_memory_bytes)} of memory at most")
    log = ""
    if step.left_out:
        log += '<p class="soft">What came before is left out.</p>'
    if step.lines:
        log += _pre(step.lines)
    return (
        f'<details class="step {step.state}" data-item{" open" if step.state == "failed" else ""}>'
        f'<summary class="row"><span class="number">{ref.number}</span>'
        f'<code class="command">{_text(ref.text)}</code>'
        f"{_bar(step.start_s / whole_s, step.duration_s / whole_s)}"
        f'<span class="value">{took}</span></summary>'
        f'<div class="body"><p class="soft">{", ".join(facts)}</p>{log}</div></details>'
    )


def _layers(report: BuildReport) -> str:
    """Layers, the largest first."""
    if report.parts or not (report.layers or report.image):
        return ""
    rows: list[tuple[int, str]] = []
    image = report.image
    base = image.base_size_bytes if image else 0
    largest = max([base, *(layer.size_bytes or 0 for layer in report.layers)]) or 1
    if image and image.base_layers:
        numbers = "1" if image.base_layers == 1 else f"1-{image.base_layers}"
        what = f"the base image, {show_count(image.base_layers, 'layer')}"
        rows.append((base, _layer_row("base", numbers, what, base / largest, show_size(base))))
    rows += [(layer.size_bytes or 0, _layer(layer, largest)) for layer in report.layers]
    rows.sort(key=lambda row: -row[0])
    return _section(
        "Layers by size", [*(row for _, row in rows[:MOST_ITEMS]), *_and_more(len(rows), MOST_ITEMS)]
    )


def _layer(layer: LayerReport, largest: int) -> str:
    number = str(layer.number) if layer.number is not None else ""
    what = "".join(_code(command) for command in layer.commands[:50]) or "tidies up"
    notes = [f"not in the image, but in stage {_text(layer.stage)}"] if layer.number is None else []
    notes += [f"not cached: {_text(layer.not_cached)}"] if layer.not_cached else []
    notes += ["cached"] if layer.cached else []
    what += "".join(f'<span class="soft">{note}</span>' for note in notes)
    size = show_size(layer.size_bytes) if layer.size_bytes is not None else ""
    share = (layer.size_bytes or 0) / largest
    return _layer_row("cached" if layer.cached else "made", number, what, share, size)


def _layer_row(kind: str, number: str, what: str, share: float, size: str) -> str:
    return (
        f'<div class="row layer {kind}" data-item><span class="number">{number}</span><div>{what}</div>'
        f'{_bar(0, share)}<span class="value">{size}</span></div>'
    )


def _changes(report: BuildReport) -> str:
    image = report.image
    if not image or not image.changes:
        return ""
    body: list[str] = []
    for change in image.changes[:MOST_ITEMS]:
        body += [f"<h3>{_text(change.reference)}</h3>", *_change(change, image)]
    return _section("What changed since the last image", body)


def _change(change: Change, image: ImageReport) -> Iterable[str]:
    if change.is_same:
        yield "<p>Nothing: it is the same image.</p>"
        return
    yield f"<p>{_text(change_words(change, image))}</p>" if image.size_bytes is not None else ""
    yield (
        f"<p>{show_count(change.layers_kept, 'layer')} as before, {change.layers_new} new, "
        f"{change.layers_gone} gone</p>"
    )
    if change.config:
        yield "<ul>" + "".join(f"<li>{_code(line)}</li>" for line in change.config[:MOST_ITEMS]) + "</ul>"


def _findings(report: BuildReport) -> str:
    if not report.findings:
        return ""
    items = []
    for finding in report.findings[:MOST_ITEMS]:
        place = f"{_code(finding.place)} " if finding.place else ""
        rule = f' <span class="soft">{_text(finding.rule)}</span>' if finding.rule else ""
        items.append(f"<li>{place}{_text(finding.message)}{rule}</li>")
    return _section("Warnings", ['<ul class="findings">', *items, "</ul>", *_and_more(len(report.findings))])


def _and_more(count: int, most: int = MOST_ITEMS) -> Iterable[str]:
    if count > most:
        yield f'<p class="soft">and {count - most} more</p>'
