"""Whatever a pipeline or a repository brings: no crash, and tags that are tags."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.ci.facts import read_facts
from incubator.ci.lists import Entry
from incubator.ci.surroundings import Surroundings
from incubator.ci.tags import PipelineFacts, compute, read_language
from incubator.ci.tags.facts import with_ref
from incubator.ci.tags.names import LONGEST_TAG, sanitize
from incubator.ci.tags.versions import parse_pep440, parse_semver
from incubator.errors import InputError
from incubator.faults import Faults
from incubator.oci.reference import parse_reference
from tests.speed import is_within

NOW = datetime(2020, 1, 10, 15, 25, 50, 123456, tzinfo=UTC)
BLANK = PipelineFacts(now=NOW, created=NOW)
SNIPPETS = ["type=", "semver", "sha", "raw", "ref", "event=", "branch", "match", "pattern=", "{{", "}}", "{{branch}}",
            "date 'Y'", ",", "=", '"', "value=", "(", ")", "enable=", "\u00e9", "/", "-", ".", "v1.2.3"]  # fmt: skip
rules = st.lists(st.sampled_from(SNIPPETS), max_size=12).map("".join) | st.text(max_size=40)


@given(st.text(max_size=400))
def test_what_is_sanitized_is_a_tag_or_nothing(text: str) -> None:
    name = sanitize(text)
    if name:
        assert parse_reference(f"a:{name}").tag == name
        assert sanitize(name) == name


def test_long_names_stay_apart() -> None:
    first, second = (sanitize("x" * 200 + end) for end in "ab")
    assert len(first) == len(second) == LONGEST_TAG
    assert first != second


@given(st.lists(rules, max_size=4), rules, rules, st.text(max_size=30))
@settings(max_examples=150)
def test_no_input_crashes_and_what_comes_out_is_valid(
    tags: list[str], flavor: str, image: str, branch: str
) -> None:
    def entries(*texts: str) -> tuple[Entry, ...]:
        return tuple(Entry(text=text, place="here") for text in texts if text.strip())

    try:
        faults = Faults()
        language = read_language(
            images=entries(image), tags=entries(*tags), flavor=entries(flavor), faults=faults
        )
        faults.check()
        made = compute(language, with_ref(BLANK, f"refs/heads/{branch}"))
    except InputError:
        return
    for name in made.tags:
        parse_reference(name)
    for name in made.tag_names:
        parse_reference(f"a:{name}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(["number", "pull_request", "repository", "commits", "head_commit", "base_ref"]),
        json_values,
    ),
    st.sampled_from(["push", "pull_request", "pull_request_target", "schedule"]),
)
@settings(max_examples=60, deadline=None)
def test_no_payload_crashes(payload: dict[str, object], event: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "event.json"
        path.write_text(json.dumps(payload))
        environ = {"GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(path), "GITHUB_REF": "refs/heads/x"}
        facts = read_facts(Surroundings(ci="github", workspace=Path(name), environ=environ), now=NOW)
    assert isinstance(facts.repository.description, str)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff", b"", b"[]", b'{"number": 1e999}'])
def test_payloads_that_are_no_objects_count_as_empty(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(text)
    environ = {"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_EVENT_PATH": str(tmp_path / "e")}
    around = Surroundings(ci="github", workspace=tmp_path, environ=environ)
    assert read_facts(around, now=NOW).kind is None


@pytest.mark.parametrize(
    "text", ["{{" * 50_000, "v" * 100_000, "1." * 50_000, "-" * 100_000, "1.2.3-" + "a." * 50_000]
)
def test_long_texts_take_no_long_time(text: str) -> None:
    def action() -> None:
        sanitize(text)
        parse_semver(text)
        parse_pep440(text)
        read_language(images=(), tags=(Entry(text=f"raw,{text}", place=""),), flavor=(), faults=Faults())

    assert is_within(5, action)
