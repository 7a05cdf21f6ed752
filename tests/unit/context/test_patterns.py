from __future__ import annotations

import itertools
import json
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incubator.context import longlist
from incubator.context.automaton import Automaton
from incubator.context.globs import has_wildcard, match_glob
from incubator.context.goregexp import RegexpError, automaton_of, compile_regexp
from incubator.context.pattern import Pattern, PatternError, clean_path
from incubator.context.patterns import PatternMatcher, parse_ignore_file
from tests.hostile import PATTERNS as HOSTILE
from tests.hostile import ignore_by_it, match_by_it
from tests.speed import is_within

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def _expression(text: str) -> str:
    return Pattern(text).regexp_text


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
    automaton = Automaton.of(regexp.tokens)
    assert bool(automaton.matching(text)) == expected
    places = [text, *(text[:at] for at, char in enumerate(text) if char == "/")]
    above = any(map(regexp.matches, places))
    assert regexp.matches(text, also_above=True) == above
    assert bool(automaton.matching(text, also_above=True)) == above


@given(st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=100)
def test_any_text_matches_or_is_refused(pattern: str, path: str) -> None:
    try:
        PatternMatcher([pattern]).matches_or_parent_matches(path)
        match_glob(pattern, path)
    except PatternError:
        pass


@given(st.text(max_size=60))
@example("/\r0")
def test_parsed_patterns_stay_the_same_when_parsed_again(text: str) -> None:
    once = [line for line in parse_ignore_file(text) if line != "!" and not line.startswith(("#", "!#"))]
    # Blanks behind a leading slash are of the pattern, but would not be where the slash is gone.
    once = [line for line in once if line.removeprefix("!") == line.removeprefix("!").strip()]
    again = parse_ignore_file("\n".join(["# first", *once]))
    assert [clean_path(line) for line in again] == [
        clean_path(line.removeprefix("/")) or "/" for line in once
    ] or (again == once)


_EXPRESSIONS = st.text(alphabet="\\[]^-:azAdDpLx019.*(?)/$\n", max_size=12)
_USUAL_PIECES = r"""
a / . [^/]* (.*/)? .* [ab] [^a]* [b-a] [a-c] [\d_] [[:alpha:]-] \W \pL [\pN]* \x61 [\x61-b] \. ^ \z * \
"""
_USUAL = st.lists(st.sampled_from([*_USUAL_PIECES.split(), "[\n]", "\n"]), max_size=5).map("".join)


@given(st.lists(_EXPRESSIONS | _USUAL, max_size=6), st.text(alphabet="ab/_1.\n-", max_size=4))
@settings(max_examples=300)
def test_many_expressions_match_together_as_each_does_alone(texts: list[str], path: str) -> None:
    automaton, known = automaton_of(texts)
    found = {known[place] for place in automaton.matching(path)}
    for index, text in enumerate(texts):
        try:
            regexp = compile_regexp(text)
        except RegexpError:
            assert index not in known
            continue
        assert (index in found) == (index in known and regexp.matches(path))
        assert index in known or regexp.impossible or not regexp.tokens


@given(_EXPRESSIONS)
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
        ("*" + "[ab]" * 25_000, "a" * 4000),
        ("*" + "[ab]" * 50 + "c", "a" * 40_000),
        ("*" + "?" * 500 + "b*c", "a" * 50_000 + "c"),
        ("**/*" * 10_000 + "[a]", "ab/c" * 100),
        ("[a*[b*" * 4_000 + "]", "ab/c" * 100),
        ("[[:" * 30_000 + "]", "a"),
        (
            "*" + "".join(f"[{chr(0x4E00 + at)}-{chr(0x4E01 + at)}]" for at in range(1000)),
            "".join(chr(0x4E00 + at) for at in range(1024)),
        ),
    ],
    ids=lambda text: f"{text[:6]}...{len(text)}",
)
def test_no_input_is_slow(pattern: str, path: str) -> None:
    def action() -> None:
        with suppress(PatternError):
            PatternMatcher([pattern, "!" + pattern]).matches_or_parent_matches(path)
            match_glob(pattern, path)

    assert is_within(0.7, action)


def test_a_large_ignore_file_is_read_quickly() -> None:
    text = "some/folder/*.txt\n" * 20_000
    assert is_within(0.7, lambda: PatternMatcher(parse_ignore_file(text)))
    assert len(PatternMatcher(parse_ignore_file(text)).patterns) == 20_000


_PIECES = st.lists(
    st.sampled_from(["a", "b", "ab", "*", "?", "/", ".", "+", "a*b", "\n"]), min_size=1, max_size=8
)


@given(
    _PIECES, st.lists(st.sampled_from(["a", "b", "ab", "ba", "/", ".", "+", "\n"]), min_size=1, max_size=8)
)
def test_patterns_without_classes_match_as_their_expression_does(pieces: list[str], names: list[str]) -> None:
    text, path = clean_path("".join(pieces)), clean_path("".join(names))
    pattern, expression = Pattern(text), compile_regexp(_expression(text))
    if Pattern(text)._compile().kind == "parts":
        assert pattern.matches(path) == expression.matches(path)
        assert pattern.matches_or_above(path) == expression.matches(path, also_above=True)


_TOKENS = ("a", "/", "*", "?", "[ab]", "[^a]", "**")
_PATHS = sorted(
    {clean_path("".join(chars)) for size in range(1, 6) for chars in itertools.product("ab/", repeat=size)}
    - {"/", "."}
)


def _expected(expression: str, path: str) -> bool:
    return re.fullmatch(expression, path, re.ASCII) is not None


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_small_pattern_matches_as_its_expression_does(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longlist, "_FEW", 0)  # all of them by one automaton
    texts = {clean_path("".join(tokens)) for tokens in itertools.product(_TOKENS, repeat=size)} - {"/", "."}
    regexps = sorted(text for text in texts if Pattern(text)._compile().kind in ("regexp", "parts"))
    asked = [Pattern(text) for text in regexps]
    together = longlist.LongList(asked)
    for path in _PATHS:
        above = [path, *(path[:at] for at, char in enumerate(path) if char == "/")]
        candidates, found = together.asked(path, also_above=False)
        candidates_above, found_above = together.asked(path, also_above=True)
        for index, pattern in enumerate(asked):
            expression = pattern.regexp_text
            here = _expected(expression, path)
            any_above = any(_expected(expression, place) for place in above)
            assert pattern.matches(path) == here
            assert pattern.matches_or_above(path) == any_above
            assert (found(index), found_above(index)) == (here, any_above)
            assert index in candidates or not here
            assert index in candidates_above or not any_above


def _naive_glob(tokens: tuple[str, ...], name: str) -> bool:
    """Tries everything."""
    if not tokens:
        return not name
    if tokens[0] == "*":
        return _naive_glob(tokens[1:], name) or (
            name != "" and name[0] != "/" and _naive_glob(tokens, name[1:])
        )
    takes = {"?": "ab", "[ab]": "ab", "[^b]": "a/"}.get(tokens[0], tokens[0])
    return name != "" and name[0] in takes and _naive_glob(tokens[1:], name[1:])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_small_glob_matches_as_trying_everything_does(size: int) -> None:
    names = ["".join(chars) for length in range(5) for chars in itertools.product("ab/", repeat=length)]
    for tokens in itertools.product(("a", "/", "*", "?", "[ab]"), repeat=size):
        for name in names:
            assert match_glob("".join(tokens), name) == _naive_glob(tokens, name), (tokens, name)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("*[^a]*b", "x/yb", False), ("*[^a]b", "x/b", True), ("[^a]", "/", True), ("[b-a]", "b", False)],
)
def test_a_glob_takes_the_first_place_as_go_does(pattern: str, name: str, expected: bool) -> None:
    assert match_glob(pattern, name) == expected


@given(st.lists(PATTERNS.filter(lambda text: clean_path(text) != "!"), max_size=6), NAMES)
@settings(max_examples=100)
def test_a_long_list_says_what_a_short_one_does(texts: list[str], path: str) -> None:
    lines = ["*[a]", *("!" * (at % 2) + text + "[ab]" for at, text in enumerate(texts))]
    short, long = PatternMatcher(lines), PatternMatcher(lines)
    long._is_long = True
    assert not short._is_long
    assert short.matches_or_parent_matches(path) == long.matches_or_parent_matches(path)
    assert short.match_down(path.strip("/")) == long.match_down(path.strip("/"))


@pytest.mark.parametrize(
    "pattern", ["[ab]*[^c]", "**/*[a-z]", "[a*[b*]", "?*?*", "[[:punct:]]**", "\\pL*\\D"]
)
@pytest.mark.parametrize("times", [1, 10, 1000])
def test_work_grows_with_the_pattern_and_with_the_path(pattern: str, times: int) -> None:
    text = pattern * times
    regexp = compile_regexp(_expression(text))
    automaton = Automaton.of(regexp.tokens)
    assert automaton.size <= len(text) + 1  # the bits of each step
    assert len(automaton._events) <= 4 * len(text) + 2  # what makes the masks of these bits
    path = "a/b" * times
    assert sum(1 for _ in automaton.walk(path)) <= len(path) + 1  # the steps


def _compiled(matcher: PatternMatcher) -> int:
    """How many of its patterns have been made ready, each for itself or with its part of the list."""
    parts = matcher._long._parts if matcher._long else []
    alone = sum(pattern._compiled is not None for pattern in matcher.patterns)
    return alone + sum(len(part._indexes) for part in parts if part)


def test_a_long_list_is_made_ready_once() -> None:
    lines = [f"*[{chr(0x4E00 + at)}]" for at in range(20_000)]
    matcher = PatternMatcher([*lines[:10_000], "*[b]", *lines[10_000:], "*[a]", "!*[c]"])
    assert matcher.matches_or_parent_matches("b")
    assert _compiled(matcher) == len(matcher.patterns)
    assert matcher._long
    parts = list(matcher._long._parts)
    assert matcher.matches_or_parent_matches("a")
    assert not matcher.matches_or_parent_matches("c")
    assert matcher._long._parts == parts


def test_a_pattern_is_not_made_ready_for_paths_without_its_text() -> None:
    matcher = PatternMatcher(
        [line for at in range(20_000) for line in (f"**/*[a-c]{at}", f"!{at}*.x", f"{at}?")]
    )
    assert not matcher.matches_or_parent_matches("b")
    assert _compiled(matcher) == 0
    assert matcher.matches_or_parent_matches("x/b4321")
    assert matcher.matches_or_parent_matches("4321x")
    assert not matcher.matches_or_parent_matches("4321.x")
    assert 0 < _compiled(matcher) < 60


def test_what_matched_a_folder_is_kept_for_what_is_below_in_little_memory() -> None:
    matcher = PatternMatcher(["a", *(f"b{at}" for at in range(20_000))])
    ignored, info = matcher.match_below("a", None)
    assert ignored
    assert len(info) == 1
    assert matcher.match_below("a/b1", info)[1] is info


def _calls(action: Callable[[], object]) -> int:
    """How many functions of Python `action` calls."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "pattern", ["?", "a?", "*[a]", "[^a]*b", "[a-z0-9]", "[[a]", "\\-", "[\\]a]", "\\d", "a.b+", "**/*"]
)
def test_usual_patterns_are_read_without_a_step_for_each_character(pattern: str) -> None:
    short, long = (_expression(pattern * times) for times in (10, 10_000))
    assert compile_regexp(long).tokens
    assert _calls(lambda: compile_regexp(long)) <= _calls(lambda: compile_regexp(short)) + 10


def test_too_much_work_is_refused() -> None:
    pattern = "**/*" * 30_000 + "[a]"
    with pytest.raises(PatternError, match="too much to compare"):
        PatternMatcher([pattern]).matches_or_parent_matches("a" * 100_000)
    with pytest.raises(PatternError, match="too much to compare"):
        match_glob("*" + "[ab]" * 50_000 + "*c", "a" * 100_000)


def test_an_error_in_a_long_list_comes_when_its_pattern_is_asked() -> None:
    lines = [f"**/[a]{number}" for number in range(3000)]
    assert PatternMatcher([*lines, "x", "[z-a]"]).matches_or_parent_matches("x")
    with pytest.raises(PatternError):
        PatternMatcher([*lines, "[z-a]"]).matches_or_parent_matches("x")


def test_a_long_list_of_classes_is_asked_quickly() -> None:
    def action() -> None:
        matcher = PatternMatcher([f"**/*[a]{number}" for number in range(10_000)])
        assert not matcher.matches_or_parent_matches("a" * 2000)

    assert is_within(2, action)


@pytest.mark.parametrize("action", [ignore_by_it, match_by_it])
@pytest.mark.parametrize(
    "family",
    [
        "distinct suffixes",
        "distinct deep stars",
        "distinct classes",
        "open classes",
        "open classes of wide letters",
        "line of open classes",
        "line of distinct classes",
        "line of wide letters",
        "line of posix classes",
        "long class",
        "class of wide letters",
    ],
)
def test_a_hostile_ignore_file_takes_time_by_its_size(family: str, action: Callable[[str], None]) -> None:
    """Half of that on a quiet machine; what grows with the square of the size takes far more."""
    text = HOSTILE[family](250_000)
    assert is_within(1, lambda: action(text))


@pytest.mark.parametrize("family", ["paths", "distinct suffixes", "distinct deep stars"])
def test_a_deep_path_is_asked_quickly_about_many_patterns(family: str) -> None:
    matcher = PatternMatcher(parse_ignore_file(HOSTILE[family](250_000)))
    path = "/".join("a" * 2048)
    assert is_within(0.5, lambda: matcher.matches_or_parent_matches(path))


def test_blanks_are_those_of_go() -> None:
    blanks = [chr(code) for code in range(0x110000) if chr(code).isspace() and not 0x1C <= code <= 0x1F]
    text = "".join(f"{blank}a{blank}b{blank}\n" for blank in blanks if blank != "\n")
    assert parse_ignore_file(text) == [f"a{blank}b" for blank in blanks if blank != "\n"]
    assert parse_ignore_file("\x1ca\x1f") == ["\x1ca\x1f"]
