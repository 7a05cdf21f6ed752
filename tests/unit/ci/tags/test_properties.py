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
from incubator.ci.tags.dates import format_date
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dddd, MMMM Do YYYY, h:mm:ss a", "Friday, January 10th 2020, 3:25:50 pm"),
        ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2020-01-10T15:25:50.123Z"),
        ("YY Q M MM MMM D DD DDD DDDD d dd ddd e E", "20 1 1 01 Jan 10 10 10 010 5 Fr Fri 5 5"),
        ("w ww W WW gggg GGGG", "2 02 2 02 2020 2020"),
        ("H HH h hh k kk m mm s ss S SS A a", "15 15 3 03 15 15 25 25 50 50 1 12 PM pm"),
        ("Z ZZ z X x", "+00:00 +0000 UTC 1578669950 1578669950123"),
        ("[YYYY] L LT", "YYYY 01/10/2020 3:25 PM"),
    ],
)
def test_date_formats(text: str, expected: str) -> None:
    assert format_date(NOW, text) == expected


def test_weeks_at_the_turn_of_a_year() -> None:
    assert format_date(datetime(2020, 12, 31, tzinfo=UTC), "gggg-ww GGGG-WW") == "2021-01 2020-53"
    assert format_date(datetime(2021, 1, 1, tzinfo=UTC), "gggg-ww GGGG-WW") == "2021-01 2020-53"


@pytest.mark.parametrize(
    ("ref", "tags", "flavor", "words"),
    [
        ("refs/tags/v1.0.0", "type=semver,pattern={{version}}", "suffix=-x", "not on the tag latest"),
        ("refs/tags/v1.0.0-rc.1", "type=ref,event=tag", "", "looks like a pre-release"),
        ("refs/tags/1.0rc1", "type=match,pattern=.*", "", "looks like a pre-release"),
        ("refs/heads/x", "type=ref,event=tag", "", "no rule gives a tag"),
        ("refs/tags/nope", "type=semver,pattern={{version}}", "", "not a semantic version"),
        ("refs/heads/x", "type=raw,a,sufix=b", "", "did you mean suffix?"),
        ("refs/heads/x", f"type=raw,{'y' * 200}", "", "is no valid tag"),
    ],
)
def test_warnings(ref: str, tags: str, flavor: str, words: str) -> None:
    faults = Faults()
    language = read_language(
        images=(),
        tags=(Entry(text=tags, place="line 1"),),
        flavor=(Entry(text=flavor, place="line 1"),) if flavor else (),
        faults=faults,
    )
    assert faults.errors == []
    assert any(words in text for text in compute(language, with_ref(BLANK, ref)).warnings)


def test_an_affix_that_is_meant_to_miss_latest_is_no_warning() -> None:
    flavor = (Entry(text="suffix=-x,onlatest=false", place="line 1"),)
    tags = (Entry(text="type=semver,pattern={{version}}", place="line 1"),)
    language = read_language(images=(), tags=tags, flavor=flavor, faults=Faults())
    assert compute(language, with_ref(BLANK, "refs/tags/v1.0.0")).warnings == ()
