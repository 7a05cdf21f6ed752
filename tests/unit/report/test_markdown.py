from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from incubator.console.text import clean_text
from incubator.errors import InputError, StepFailed
from incubator.events import StepFinished, StepStarted
from incubator.report.markdown import MOST_BARS, MOST_BYTES, diagram_text, escape, to_markdown
from tests.unit.report.conftest import MAKE, Story, step

if TYPE_CHECKING:
    from incubator.core.result import ResultImage

HOSTILE = st.text(st.sampled_from("ab1 é漢<>|`*_&;#[]()!~\\@:%{}\n\r\t\x1b\x00\u2028"), max_size=40)


def diagram(text: str) -> list[str]:
    (found,) = re.findall(r"^```mermaid\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for line in found.splitlines()]


def test_it_says_what_was_built(built: Story, result: ResultImage) -> None:
    text = unescape(to_markdown(built.recorder.report(result)))
    assert text.startswith("### Built <code>localhost:5000/acme/web:1.2</code>\n")
    assert "| Digest | <code>sha256:" + "3" * 64 in text
    assert "| Size | 5.0 MB (1.2 MB more than the last localhost:5000/acme/web:latest) |" in text
    assert "| Layers | 3 layers, 1 of them cached |" in text
    assert "- <code>localhost:5000/acme/web:latest</code>" in text


def test_the_layers_are_a_table_of_four_columns(built: Story, result: ResultImage) -> None:
    table = to_markdown(built.recorder.report(result)).partition("| Layer |")[2].partition("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in rows] == [5] * len(rows)
    assert rows[1:3] == ["| 1 | base image | 3.0 MB | |", "| 2 | <code>COPY tool /</code> | 7 B | cached |"]
    assert rows[3].endswith("<br><sub>not cached: RUN changed</sub> | 2.0 MB | 2.5 s |")
    assert rows[4] == "| &#40;tools&#41; | <code>RUN build</code> | 8 B | 2.5 s |"


def test_the_timeline_is_a_gantt_diagram_by_stage(built: Story, result: ResultImage) -> None:
    lines = diagram(to_markdown(built.recorder.report(result)))
    base = 946684800000
    assert lines[:3] == ["gantt", "dateFormat x", "axisFormat %-S.%L s"]
    assert lines[3:5] == ["section tools", f"2 RUN build :{base + 500}, {base + 3000}"]
    assert lines[5] == "section app"
    assert lines[7] == f"4 RUN make all :{base + 4000}, {base + 5000}"
    assert all(
        re.fullmatch(r"[A-Za-z0-9 /._=+-]+ :(crit, |done, )?\d+, \d+", line)
        for line in (lines[4], *lines[6:])
    )


def test_long_builds_show_the_time_of_day(built: Story, result: ResultImage) -> None:
    long = step(9, "RUN long")
    built.at(10, StepStarted(step=long))
    built.at(110, StepFinished(step=long, duration_s=100.0))
    lines = diagram(to_markdown(built.recorder.report(result)))
    assert "axisFormat %H:%M:%S" in lines
    assert lines[-1] == "9 RUN long :1772600777000, 1772600877000"  # 2026-03-04 05:06:17 UTC


def test_a_diagram_stays_small(built: Story, result: ResultImage) -> None:
    for number in range(1000):
        ref = step(number, "RUN " + "x" * 500)
        built.at(number, StepStarted(step=ref), StepFinished(step=ref, duration_s=1 + number / 1000))
    text = to_markdown(built.recorder.report(result))
    assert len("\n".join(diagram(text))) < 50_000
    assert f"The {MOST_BARS} longest of 1003 steps." in text


@given(HOSTILE)
def test_escaped_text_has_no_special_characters_and_is_still_the_text(text: str) -> None:
    found = escape(text)
    assert not re.search(r"[<>|`*_\[\]\n\r~!\\@:\x00-\x08]", found)
    assert "&" not in re.sub(r"&#\d+;", "", found)
    assert unescape(found) == clean_text(text)


@given(HOSTILE)
def test_text_in_a_diagram_ends_nothing(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9 /._=+-]{0,40}", diagram_text(text))


def test_foreign_text_is_only_text(built: Story, result: ResultImage) -> None:
    text = to_markdown(built.recorder.report(result))
    for sign in ("<script", "<b>", "](", "`tick`", "<!--", "<img", "%%{"):
        assert sign not in text
    assert "<b>old</b> | form" in unescape(text)
    assert text.count("```") == 2


def test_a_failure_shows_the_instruction_and_its_last_lines(begun: Story) -> None:
    tail = ["", "</pre> # no heading", "```"]
    error = StepFailed("RUN failed with exit status 2", exit_status=2, log_tail=tail, span=MAKE.span)
    error.step = MAKE
    text = to_markdown(begun.recorder.report(error))
    assert text.startswith("### The build failed\n\n<code>docker/Dockerfile&#58;4</code>: RUN failed")
    assert text.count("<pre>") == text.count("</pre>") == 2
    assert "\n\n</pre>" not in text
    assert ">> 4 | RUN make \\" in unescape(text)
    assert " :crit, " in text


def test_a_failure_before_the_build_is_one_too() -> None:
    text = to_markdown(
        Story().recorder.report(InputError("input push: '<script>' is wrong", hint="write true"))
    )
    assert text.startswith("### The build failed\n")
    assert "<script>" not in text
    assert "hint: write true" in unescape(text)
    assert "mermaid" not in text


def test_a_summary_stays_below_the_limit(built: Story, result: ResultImage) -> None:
    layer = replace(result.layers[1], commands=("*" * 1000,) * 40)
    text = to_markdown(built.recorder.report(replace(result, layers=(layer,) * 300)))
    assert MOST_BYTES // 2 < len(text.encode()) < MOST_BYTES + 200
    assert text.endswith("a summary may not be longer.\n")
    error = StepFailed("x" * 10, exit_status=1, log_tail=["*" * 8000] * 500)
    text = to_markdown(built.recorder.report(error))
    assert len(text.encode()) < MOST_BYTES
    assert text.count("<pre>") == text.count("</pre>")
    assert diagram(text)
