from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.context import patterns
from incubator.context.goregexp import RegexpError, _run, compile_regexp
from incubator.context.patterns import (
    Pattern,
    PatternError,
    PatternMatcher,
    clean_path,
    has_wildcard,
    match_glob,
    parse_ignore_file,
)

DATA = Path(__file__).parents[2] / "data" / "ignore"


def cases(name: str) -> list[Any]:
    rows: list[Any] = json.loads((DATA / name).read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize("case", cases("matching.json"), ids=lambda case: " ".join(case["patterns"]))
def test_matching(case: dict[str, Any]) -> None:
    matcher = PatternMatcher(case["patterns"])
    assert [path for path in case["yes"] if not matcher.matches_or_parent_matches(path)] == []
    assert [path for path in case["no"] if matcher.matches_or_parent_matches(path)] == []


@pytest.mark.parametrize("case", cases("files.json"), ids=lambda case: repr(case["text"]))
def test_ignore_file(case: dict[str, Any]) -> None:
    assert parse_ignore_file(case["text"]) == case["patterns"]


@pytest.mark.parametrize("case", cases("globs.json"), ids=lambda case: repr(case["pattern"]))
def test_globs(case: dict[str, Any]) -> None:
    if case.get("error"):
        with pytest.raises(PatternError):
            match_glob(case["pattern"], "anything")
        return
    assert [name for name in case["yes"] if not match_glob(case["pattern"], name)] == []
    assert [name for name in case["no"] if match_glob(case["pattern"], name)] == []


@pytest.mark.parametrize("patterns", [["!"], ["[a"], ["a", "!["], ["a\\"]])
def test_refused_when_made(patterns: list[str]) -> None:
    with pytest.raises(PatternError) as caught:
        PatternMatcher(patterns)
    assert caught.value.exit_code == 2
    assert repr(caught.value.pattern) in str(caught.value)


@pytest.mark.parametrize(
    "pattern", ["[z-a]", "[[:nope:]]", "\\y?", "\\1*", "\\é?", "\\p?", "\\xg*", "\\b*", "\\Qa*"]
)
def test_refused_when_matching(pattern: str) -> None:
    matcher = PatternMatcher([pattern])
    for _ in range(2):
        with pytest.raises(PatternError):
            matcher.matches_or_parent_matches("x")


def test_the_single_parent_question() -> None:
    matcher = PatternMatcher(["a*/b"])
    assert matcher.matches("ax/b/c")
    assert not matcher.matches("x/ax/b")
    assert not PatternMatcher(["*"]).matches(".")
    assert not PatternMatcher(["*"]).matches_or_parent_matches(".")


def test_walking_down_carries_what_matched_above() -> None:
    matcher = PatternMatcher(["a", "!a/b"])
    ignored, info = matcher.match_below("a", None)
    assert ignored
    kept, below = matcher.match_below("a/b", info)
    assert not kept
    assert not matcher.match_below("a/b/c", below)[0]
    assert matcher.match_below("a/c", info)[0]


@pytest.mark.parametrize(
    ("patterns", "folder", "expected"),
    [
        (["a", "!a/b/c"], "a", True),
        (["a", "!a/b/c"], "a/b", True),
        (["a", "!a/b/c"], "a/x", False),
        (["a", "!ab/c"], "a", False),
        (["*", "!a/**"], "a/b", False),
        (["*", "!a/*/c"], "zzz", True),
        (["a"], "a", False),
    ],
)
def test_where_to_look_inside_an_ignored_folder(patterns: list[str], folder: str, expected: bool) -> None:
    assert PatternMatcher(patterns).may_take_back_below(folder) == expected


def test_where_to_look_for_included_paths() -> None:
    matcher = PatternMatcher(["a/b/c", "!x"])
    assert matcher.may_match_below("a")
    assert not matcher.may_match_below("b")
    assert PatternMatcher(["a/*/c"]).may_match_below("b")


@pytest.mark.parametrize(
    ("text", "expected"), [("a*", True), ("a\\*", False), ("[", True), ("\\[?", True), ("a\\", False)]
)
def test_wildcards(text: str, expected: bool) -> None:
    assert has_wildcard(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", "."), ("//a//b/", "/a/b"), ("/../a", "/a"), ("a/../..", ".."), ("!a/./b", "!a/b")],
)
def test_clean_path(path: str, expected: str) -> None:
    assert clean_path(path) == expected


NAMES = st.text(alphabet="ab/.*\n", max_size=9)
PATTERNS = st.text(alphabet="ab/.*?", max_size=9)


def slow(pattern: str) -> re.Pattern[str]:
    """The expression of the engine's matcher, for `re` to run with backtracking."""
    text = re.sub(
        r"\*\*/?$|\*\*/?|\*|\?|.",
        lambda m: (
            ".*"
            if m.group().startswith("**") and m.end() == len(pattern)
            else "(?:.*/)?"
            if m.group().startswith("**")
            else {"*": "[^/]*", "?": "[^/]"}.get(m.group(), re.escape(m.group()))
        ),
        pattern,
    )
    return re.compile(text + r"\Z")


@given(pattern=PATTERNS, path=NAMES)
@settings(max_examples=150)
def test_agrees_with_backtracking(pattern: str, path: str) -> None:
    cleaned = clean_path(pattern)
    if not pattern.strip() or cleaned in {".", "..", "/"}:
        return
    matcher = PatternMatcher([pattern])
    expected = slow(cleaned).match(path) is not None
    if cleaned.endswith("**") and not set(cleaned[:-2]) & set("*?"):
        expected = path.startswith(cleaned[:-2])  # the engine compares a prefix there, newlines and all
    elif cleaned.startswith("**") and not set(cleaned[2:]) & set("*?"):
        rest = cleaned[2:]
        expected = path.endswith(rest) or (rest.startswith("/") and path == rest[1:])
    assert matcher.patterns[0].matches(path) == expected
    places = [path, *(path[:at] for at, char in enumerate(path) if char == "/")]
    assert matcher.patterns[0].matches_or_above(path) == any(map(matcher.patterns[0].matches, places))


@given(
    pattern=st.lists(st.sampled_from(["a", "b", "/", "[^/]*", "(.*/)?", "[ab]", "[^a]*", "."]), max_size=8),
    text=NAMES,
)
@settings(max_examples=150)
def test_automaton_agrees_with_re(pattern: list[str], text: str) -> None:
    regexp = compile_regexp("".join(pattern))
    expected = re.compile("".join(pattern) + r"\Z").match(text) is not None
    assert regexp.matches(text) == expected
    assert _run(regexp.tokens, text) == expected
    places = [text, *(text[:at] for at, char in enumerate(text) if char == "/")]
    assert _run(regexp.tokens, text, also_above=True) == any(map(regexp.matches, places))


@given(st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=100)
def test_any_text_matches_or_is_refused(pattern: str, path: str) -> None:
    try:
        PatternMatcher([pattern]).matches_or_parent_matches(path)
        match_glob(pattern, path)
    except PatternError:
        pass


@given(st.text(max_size=60))
def test_parsed_patterns_stay_the_same_when_parsed_again(text: str) -> None:
    once = [line for line in parse_ignore_file(text) if line != "!" and not line.startswith(("#", "!#"))]
    again = parse_ignore_file("\n".join(["# first", *once]))
    assert [clean_path(line) for line in again] == [
        clean_path(line.removeprefix("/")) or "/" for line in once
    ] or (again == once)


@given(st.text(alphabet="\\[]^-:azAdDpLx019.*(?)/$", max_size=12))
@settings(max_examples=100)
def test_any_expression_compiles_or_is_refused(text: str) -> None:
    try:
        regexp = compile_regexp(text)
    except RegexpError:
        return
    regexp.matches("a/b")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a*" * 30 + "b", "a" * 4000),
        ("**/*" * 30 + "b", "a/" * 2000),
        ("*a*/" * 50 + "b", "a" * 100 + "/" + "aa/" * 1300),
        ("*" * 2001, "a" * 4000),
        ("[^a-b]*" * 200, "c" * 4000),
        ("?*" * 1000, "a" * 4000),
        ("x" * 120_000 + "*", "a" * 4000),
        ("a*b", "a" * 250_000),
        ("**/" * 40_000 + "*a*", "a" * 4000),
        ("[*" * 2000 + "]" * 2000, "[" * 4000),
    ],
    ids=lambda text: f"{text[:6]}...{len(text)}",
)
def test_no_input_is_slow(pattern: str, path: str) -> None:
    start = time.process_time()
    try:
        PatternMatcher([pattern, "!" + pattern]).matches_or_parent_matches(path)
        match_glob(pattern, path)
    except PatternError:
        pass
    assert time.process_time() - start < 0.7


def test_a_large_ignore_file_is_read_quickly() -> None:
    text = "some/folder/*.txt\n" * 20_000
    start = time.process_time()
    assert len(PatternMatcher(parse_ignore_file(text)).patterns) == 20_000
    assert time.process_time() - start < 0.7


_PIECES = st.lists(
    st.sampled_from(["a", "b", "ab", "*", "?", "/", ".", "+", "a*b", "\n"]), min_size=1, max_size=8
)


@given(
    _PIECES, st.lists(st.sampled_from(["a", "b", "ab", "ba", "/", ".", "+", "\n"]), min_size=1, max_size=8)
)
def test_patterns_without_classes_match_as_their_expression_does(pieces: list[str], names: list[str]) -> None:
    text, path = clean_path("".join(pieces)), clean_path("".join(names))
    pattern, expression = Pattern(text), compile_regexp(patterns._to_regexp(text))
    if patterns._compile(text).kind == "parts":
        assert pattern.matches(path) == expression.matches(path)
        assert pattern.matches_or_above(path) == expression.matches_or_above(path)
