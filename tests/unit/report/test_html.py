from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from incubator.errors import StepFailed
from incubator.events import StepFinished, StepStarted, WarningRaised
from incubator.report.html import MOST_ITEMS, to_html
from tests.unit.report.conftest import HOSTILE, MAKE, Story, step

if TYPE_CHECKING:
    from incubator.core.result import ResultImage

VOID = {"meta", "input", "br", "rect"}


class Page(HTMLParser):
    """Tags with their attributes, the text between them, and whether each tag is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def page(built: Story, result: ResultImage) -> str:
    return to_html(built.recorder.report(result))


def failed(begun: Story) -> str:
    error = StepFailed("RUN failed", exit_status=2, log_tail=["</pre><b>"], span=MAKE.span, hint="<i>")
    error.step = MAKE
    return to_html(begun.recorder.report(error))


def test_it_shows_image_steps_layers_changes_and_warnings(page: str) -> None:
    text = Page(page).text
    for words in (
        "localhost:5000/acme/web:1.2", "sha256:" + "3" * 64, "5.0 MB", "4, 1 of them cached",
        "linux/amd64", "Docker Engine 28.5.2", "busybox", "RUN build", "line 3, made, began after 1.0 s",
        "5.0 MB of memory at most", "not in the image, but in stage tools", "not cached: RUN changed",
        "1.2 MB more than the last", "2 layers as before, 1 new, 2 gone", "Env OLD gone", "docker/Dockerfile:4",
        "2026-03-04 05:06 UTC",
    ):  # fmt: skip
        assert words in text


def test_layers_come_by_size(page: str) -> None:
    text = Page(page).text.partition("Layers by size")[2]
    places = [text.index(words) for words in ("the base image", "alert(1)", "RUN build", "COPY tool")]
    assert places == sorted(places)


def test_foreign_text_is_only_text(page: str, begun: Story) -> None:
    for text in (page, failed(begun)):
        parsed = Page(text)
        assert HOSTILE in parsed.text
        assert "two </pre><img src=x onerror=alert(1)>" in parsed.text
        assert [
            tag for tag, _ in parsed.tags if tag in {"img", "b", "i", "a", "iframe", "link", "object"}
        ] == []
        assert len(parsed.of("script")) == len(parsed.of("style")) == 1
        names = {name for _, attributes in parsed.tags for name in attributes}
        assert not {name for name in names if name.startswith("on") or name in {"style", "src", "href"}}
        assert "{{csp}}" in parsed.text, "what was put in is not looked at again"


def test_its_policy_allows_its_own_style_and_script_and_nothing_else(page: str) -> None:
    (policy,) = [
        attributes["content"] for attributes in Page(page).of("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    directives = dict(part.split(" ", 1) for part in str(policy).split("; "))
    assert (
        directives.pop("default-src")
        == directives.pop("form-action")
        == directives.pop("base-uri")
        == "'none'"
    )
    for kind in ("style", "script"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert directives == {}
    assert "url(" not in page
    assert "@import" not in page


def test_a_failed_build_opens_the_step_that_failed(begun: Story) -> None:
    parsed = Page(failed(begun))
    opened = [attributes for attributes in parsed.of("details") if "open" in attributes]
    assert [attributes["class"] for attributes in opened] == ["step failed"]
    for words in ("Why it failed", "docker/Dockerfile:4", ">> 4 | RUN make \\", "</pre><b>", "hint: <i>"):
        assert words in parsed.text
    assert "What changed" not in parsed.text


def test_bars_stay_in_their_frame(page: str) -> None:
    for rect in Page(page).of("rect"):
        start, width = (float(str(rect[name]).rstrip("%")) for name in ("x", "width"))
        assert start >= 0
        assert width > 0
        assert start + width <= 100.01


def test_a_page_stays_bounded(built: Story, result: ResultImage) -> None:
    for number in range(3 * MOST_ITEMS):
        ref = step(number, "RUN " + "&" * 9000)
        built.recorder(StepStarted(step=ref))
        built.recorder(StepFinished(step=ref, duration_s=0.1))
        built.recorder(WarningRaised(message="<" * 9000))
    page = to_html(built.recorder.report(result))
    assert len(page) < 60_000_000
    assert len(Page(page).of("details")) == MOST_ITEMS
    assert f"and {2 * MOST_ITEMS + 4} more" in page
