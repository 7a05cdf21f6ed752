from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from incubator.ci.outputs import make_outputs
from incubator.ci.summary import MOST_BYTES, build_summary, escape, failure_summary
from incubator.console.text import clean_text
from incubator.errors import InputError

if TYPE_CHECKING:
    from incubator.core.result import ResultImage


def summary(result: ResultImage) -> str:
    return build_summary(result, make_outputs(result))


def test_it_says_what_was_built(result: ResultImage) -> None:
    text = unescape(summary(result))
    assert "### Built <code>localhost:5000/acme/web:1.2</code>" in text
    assert "| Digest | <code>sha256:" + "d" * 64 in text
    assert "| Size | 5.0 MB |" in text
    assert "| Layers | 3, 1 of them cached |" in text
    assert "- <code>localhost:5000/acme/web:latest</code>" in text


def test_the_layers_are_a_table_of_four_columns(result: ResultImage) -> None:
    table = summary(result).partition("| Layer |")[2].splitlines()
    rows = [line for line in table if line.startswith("|")]
    assert [line.count("|") for line in rows] == [5] * len(rows)
    assert rows[1] == "| 1 | base image | | |"
    assert rows[2].endswith("| 1.2 MB | 1.3 s |")
    assert rows[3].endswith("| 3 B | cached |")


def test_foreign_text_is_only_text(result: ResultImage) -> None:
    text = summary(result)
    assert "<b>" not in text
    assert "**bold**" not in text
    assert "](" not in text
    assert "`tick`" not in text
    assert "echo '|' > /x && echo <b>&nbsp;" in unescape(text)
    assert "Tags" in text


@given(st.text(st.sampled_from("ab1 é漢<>|`*_&;#[]()!~\\@:\n\r\t\x1b\x00\u2028"), max_size=40))
def test_escaped_text_has_no_special_characters_and_is_still_the_text(text: str) -> None:
    found = escape(text)
    assert not re.search(r"[<>|`*_\[\]\n\r~!\\@:\x00-\x08]", found)
    assert "&" not in re.sub(r"&#\d+;", "", found)
    assert unescape(found) == clean_text(text)


def test_a_summary_stays_below_the_limit(result: ResultImage) -> None:
    layer = replace(result.layers[1], commands=("*" * 1000,) * 20)
    text = summary(replace(result, layers=(layer,) * 100))
    assert len(text.encode()) < MOST_BYTES + 200
    assert text.endswith("a summary may not be longer.\n")


def test_a_failure_is_summed_up() -> None:
    text = failure_summary(InputError("input push: '<script>' is wrong", hint="write true"))
    assert text.startswith("### The build failed\n")
    assert "<script>" not in text
    assert "write true" in unescape(text)
