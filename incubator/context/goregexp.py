r"""The regular expressions that ignore patterns turn into, matched in linear time. Pure.

The engine's pattern matcher rewrites each pattern to a Go regular expression, and what people rely on (and
stumble over) follows from that text: `\d` in a pattern is a digit, `[[:alpha:]]` a letter, `[z-a]` an error.
So the same text is parsed here. What the rewriting can produce is small: a sequence of single characters
and classes, some of them repeated, and the group `(.*/)?`. A sequence needs no backtracking: it goes to `re`
where that cannot take long, else it runs as a bit-parallel automaton (one step a character), as many do at once.

Syntax: the Go standard library's `regexp/syntax`, its `Perl` flags. Left out and refused: `\b`, `\B`, `\Q`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from incubator.context.automaton import Automaton
from incubator.context.tokens import NOT_NEWLINE, NOT_SLASH, SLASH, CharSet, CodeRange, Token, literal, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RegexpError(ValueError):
    """The text is not an expression that Go would compile, or uses what is left out here."""


_WORD: tuple[CodeRange, ...] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: tuple[CodeRange, ...] = ((9, 10), (12, 13), (32, 32))
_PERL: dict[str, tuple[CodeRange, ...]] = {"d": ((48, 57),), "w": _WORD, "s": _SPACE}
_POSIX: dict[str, tuple[CodeRange, ...]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": ((48, 57),),
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_LAST = 0x10FFFF


def _perl(letter: str) -> Sequence[CodeRange]:
    r"""What `\d` and the like take."""
    spans = _PERL[letter.lower()]
    return _complement(spans) if letter.isupper() else spans


def _complement(spans: tuple[CodeRange, ...]) -> list[CodeRange]:
    rest: list[CodeRange] = []
    start = 0
    for low, high in sorted(spans):
        if low > start:
            rest.append((start, low - 1))
        start = max(start, high + 1)
    return [*rest, (start, _LAST)]


_CATEGORIES = "CLMNPSZ"
_QUICK = 1_000_000
"""Tokens times characters that `re` takes on, which may backtrack: some milliseconds at worst."""
_SHORT = 100
"""Tokens of an expression that `re` is given: it takes 0.1 ms or more for each token to be made ready."""


class Regexp:
    """A compiled expression, anchored at both ends.

    `impossible`: an assertion inside it can never hold.
    """

    __slots__ = (
        "_automaton",
        "_items",
        "_least",
        "_made",
        "_quick",
        "_tokens",
        "_tries",
        "impossible",
    )

    def __init__(self, items: list[str], made: dict[str, Token], *, impossible: bool) -> None:
        self._items = items
        self._made = made
        self._tokens: tuple[Token, ...] | None = None
        self.impossible = impossible
        self._least: int | None = None
        self._tries: int | None = None
        self._automaton: Automaton | None = None
        self._quick: dict[bool, re.Pattern[str]] = {}

    @property
    def least(self) -> int:
        """The length of the shortest text that matches."""
        if self._least is None:
            self._least = _least(self._items, self._made)
        return self._least

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Its elements in order, made when first needed: not for a line longer than any path."""
        if self._tokens is None:
            of_item = {item: self._made.get(item) or _token(item) for item in set(self._items)}
            tokens = list(map(of_item.__getitem__, self._items))
            repeats = any(token.kind != "one" for token in of_item.values())
            self._tokens = tuple(_shortened(tokens) if repeats else tokens)
        return self._tokens

    def matches(self, text: str, *, also_above: bool = False) -> bool:
        """True if the whole of `text` matches; `also_above`: or a folder above it.

        Raises `TooMuchError` where both this and `text` are so long that it would take seconds.
        """
        if self.impossible or self.least > len(text):
            return False
        if self._tries is None:
            self._tries = _tries(self.tokens)
        if self._tries and len(self.tokens) * len(text) ** self._tries <= _QUICK:
            if also_above not in self._quick:
                end = r"(?=/|\Z)" if also_above else r"\Z"
                self._quick[also_above] = re.compile("".join(map(_quick_text, self.tokens)) + end)
            return self._quick[also_above].match(text) is not None
        if self._automaton is None:
            self._automaton = Automaton.of(self.tokens)
        return bool(self._automaton.matching(text, also_above=also_above))


def compile_regexp(text: str) -> Regexp:
    """The compiled form of `text`, given without its `^` and `$`. Raises `RegexpError`."""
    return _Parser(text).parse()


def automaton_of(texts: Sequence[str]) -> tuple[Automaton, list[int]]:
    """Many expressions in one, and the indexes of those that are in it: neither malformed nor impossible.

    Nearly all that is done is done for all of them at once: there may be a hundred thousand.
    """
    # At the beginning `^` says nothing.
    bare = [text.lstrip("^") if text.startswith("^") else text for text in texts]
    known: list[int] = []
    rest: dict[int, Sequence[Token]] = {}
    for index, text in enumerate(bare):
        if _ITEMS.fullmatch(text) and "\n" not in text:
            known.append(index)
        elif tokens := _tokens_of(texts[index]):
            rest[index] = tokens
    malformed: set[str] = set()
    made = _joined([bare[index] for index in known], list(rest.values()), malformed)
    if malformed:
        known = [index for index in known if malformed.isdisjoint(_ITEM.findall(bare[index]))]
        made = _joined([bare[index] for index in known], list(rest.values()), set())
    return made, [*known, *rest]


def _joined(texts: list[str], rest: list[Sequence[Token]], malformed: set[str]) -> Automaton:
    """Of usual texts, then of others; without items that are malformed, which it adds to those."""
    at_item: defaultdict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(_ITEM.findall("\n".join([*texts, ""]))):
        at_item[item].append(at)
    ends = at_item.pop("\n", [])
    at_token: defaultdict[Token, list[int]] = defaultdict(list)
    for tokens in rest:
        start = ends[-1] + 1 if ends else 0
        for at, token in enumerate(tokens, start):
            at_token[token].append(at)
        ends.append(start + len(tokens))

    def placed() -> Iterator[tuple[Token, list[int]]]:
        for item, places in at_item.items():
            try:
                yield _made_token(item), places
            except RegexpError:
                malformed.add(item)
        yield from at_token.items()

    return Automaton(placed(), ends)


def _tokens_of(text: str) -> Sequence[Token]:
    with suppress(RegexpError):
        regexp = compile_regexp(text)
        if not regexp.impossible:
            return regexp.tokens
    return ()


def _shortened(tokens: list[Token]) -> list[Token]:
    """The same without repetitions next to their like, which add nothing."""
    pairs = zip((Token(SLASH), *tokens), tokens, strict=False)
    return [it for before, it in pairs if it.kind == "one" or it.kind != before.kind or it != before]


def _least(items: list[str], made: dict[str, Token]) -> int:
    """How many of the items stand for exactly one character."""
    return sum(count for item, count in Counter(items).items() if _is_one(item, made))


def _is_one(item: str, made: dict[str, Token]) -> bool:
    if item in made:
        return made[item].kind == "one"
    return item != "(.*/)?" and (not item.endswith("*") or item == "\\*")


def _tries(tokens: tuple[Token, ...]) -> int:
    """The power of a text's length that bounds what `re` tries for each token; 0 if it cannot be asked."""
    if len(tokens) > _SHORT or any(token.chars.categories for token in tokens):
        return 0
    everywhere = most = here = 0
    for token in tokens:
        if token.kind == "deep":
            everywhere += 1
        elif token.kind == "many":
            here += 1 if token.chars == NOT_SLASH else 2
        elif token.chars == SLASH:
            here = 0
        elif token.chars.has_slash:
            everywhere += 1  # what is before it may end at more than one slash
        most = max(most, here)
    return max(1, everywhere + most)


def _quick_text(token: Token) -> str:
    if token.kind == "deep":
        return "(?:.*/)?"
    return token.chars.text + ("*" if token.kind == "many" else "")


# Nearly all that occurs, read without a step of Python for each character. `_Parser` reads the rest.
_PUNCTUATION = r"\\[!-/:-@\[-`{-~]"
_SET = rf"\\[dDsSwW]|\\[pP][{_CATEGORIES}]"
_CODE = r"\\[afnrtv]|\\x[0-9A-Fa-f]{2}|\\0[0-7]{0,2}|\\[1-7][0-7]{1,2}"
_MEMBER = rf"(?:[^]\[\\-]|{_PUNCTUATION}|{_CODE})"
_RANGE = rf"{_MEMBER}(?:-{_MEMBER})?"
_NAMED = rf"\[:\^?(?:{'|'.join(_POSIX)}):\]"
_CLASS = rf"\[\^?+(?:{_RANGE}|{_SET}|{_NAMED}|\[(?!:))+\]"
_ITEM = re.compile(rf"\(\.\*/\)\?|(?:[^\\\[(*?^]|{_PUNCTUATION}|{_SET}|{_CODE}|{_CLASS})\*?")
_ITEMS = re.compile(f"(?:{_ITEM.pattern})++")
_PLAIN_CLASS = re.compile(r"\[(\^?+)((?:[^]\[\\-]|\[(?!:))+)\](\*?)")
_USUAL_MEMBER = re.compile(rf"(\\[dDsSwW]|\[)|({_MEMBER})(?:-({_MEMBER}))?")
_USUAL_CLASS = re.compile(rf"\[(\^?+)((?:{_RANGE}|\\[dDsSwW]|\[(?!:))+)\](\*?)")
_PLAIN_MEMBERS = re.compile(r"[^]\[\\-]+(?!-)")


def _made_token(item: str) -> Token:
    """Raises `RegexpError`."""
    if len(item) == 1 and item != ".":
        return literal(item)
    if plain := _PLAIN_CLASS.fullmatch(item):
        caret, members, star = plain.groups()
        codes = sorted(set(map(ord, members)))
        return Token(
            CharSet(
                tuple(zip(codes, codes)),  # noqa: B905 - strict is slower
                caret == "^",
            ),
            "many" if star else "one",
        )
    usual = _USUAL_CLASS.fullmatch(item)
    if not usual:
        return _Parser(item).token()
    caret, members, star = usual.groups()
    spans: list[CodeRange] = []
    for group, low, high in set(_USUAL_MEMBER.findall(members)):
        if group:
            spans += [(ord(group), ord(group))] if group == "[" else _perl(group[1])
            continue
        first = _code_point(low)
        last = _code_point(high) if high else first
        if first > last:
            raise RegexpError(f"invalid character class range: {f'{low}-{high}'!r}")
        spans.append((first, last))
    return Token(CharSet(merged(spans), bool(caret)), "many" if star else "one")


def _code_point(member: str) -> int:
    return ord(member) if len(member) == 1 else _Parser(member).escaped_char()


_token = lru_cache(maxsize=1024)(_made_token)


class _Parser:
    """Recursive descent over the text of an expression; see the module's docstring for what can occur."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.last_posix = text.rfind(":]")

    def parse(self) -> Regexp:
        """The whole, with nothing made of what surely is sound: much of it may never be asked."""
        items: list[str] = []
        made: dict[str, Token] = {}
        impossible = False
        ended = False
        while self.at < len(self.text):
            start = self.at
            if run := _ITEMS.match(self.text, start):
                self.at = run.end()
                found = _ITEM.findall(run.group())
                if "-" in run.group():  # maybe a range the wrong way round
                    made.update((item, _token(item)) for item in dict.fromkeys(found) if "-" in item)
            elif self.text[start] == "^" or self.text.startswith("\\A", start):
                self.at += 1 if self.text[start] == "^" else 2
                impossible = impossible or _least(items, made) > 0
                items.clear()
                continue
            elif self.text.startswith("\\z", start):
                self.at += 2
                ended = True
                continue
            else:
                token = self.token()
                found = [self.text[start : self.at]]
                made[found[0]] = token
            if ended:
                impossible = impossible or _least(found, made) > 0
            else:
                items += found
        return Regexp(items, made, impossible=impossible)

    def token(self) -> Token:
        """The one at the current place."""
        if self.text.startswith("(.*/)?", self.at):
            self.at += 6
            return Token(NOT_NEWLINE, "deep")
        chars = self._one()
        if self.text.startswith("*", self.at):
            self.at += 1
            return Token(chars, "many")
        return Token(chars)

    def _one(self) -> CharSet:
        char = self.text[self.at]
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        self.at += 1
        if char == ".":
            return NOT_NEWLINE
        return CharSet(((ord(char), ord(char)),))

    def _class(self) -> CharSet:
        start = self.at
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        spans: list[CodeRange] = []
        categories: set[str] = set()
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise RegexpError(f"missing closing ]: {self.text[start:]!r}")
            first = False
            if self._posix(spans):
                continue
            if self.text[self.at] == "\\" and (group := self._group()):
                spans += group.spans
                categories.update(group.categories)
                continue
            if plain := _PLAIN_MEMBERS.match(self.text, self.at):
                spans += [(code, code) for code in map(ord, set(plain.group()))]
                self.at = plain.end()
                continue
            low = self._class_char(start)
            high = low
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                high = self._class_char(start)
            if low > high:
                raise RegexpError(f"invalid character class range: {self.text[start : self.at]!r}")
            spans.append((low, high))
        self.at += 1
        return CharSet(merged(spans), negated, "".join(sorted(categories)))

    def _posix(self, spans: list[CodeRange]) -> bool:
        if self.at > self.last_posix or not self.text.startswith("[:", self.at):
            return False
        end = self.text.find(":]", self.at + 2)
        if end < 0:
            return False
        name = self.text[self.at + 2 : end]
        negated = name.startswith("^")
        known = _POSIX.get(name[negated:])
        if known is None:
            raise RegexpError(f"invalid character class range: {self.text[self.at : end + 2]!r}")
        spans += _complement(known) if negated else known
        self.at = end + 2
        return True

    def _class_char(self, start: int) -> int:
        if self.at >= len(self.text):
            raise RegexpError(f"missing closing ]: {self.text[start:]!r}")
        if self.text[self.at] == "\\":
            return self.escaped_char()
        self.at += 1
        return ord(self.text[self.at - 1])

    def _group(self) -> CharSet | None:
        r"""The set of a `\d`, `\W`, `\pL` and the like at the current place; None for another escape."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter and letter.lower() in _PERL:
            self.at += 2
            return CharSet(tuple(_perl(letter)))
        if letter in ("p", "P") and letter:
            category = self.text[self.at + 2 : self.at + 3]
            if category not in tuple(_CATEGORIES):
                raise RegexpError(f"invalid character class range: {self.text[self.at : self.at + 3]!r}")
            self.at += 3
            return CharSet((), categories=category if letter == "p" else _CATEGORIES.replace(category, ""))
        return None

    def _escape(self) -> CharSet:
        group = self._group()
        if group is not None:
            return group
        code = self.escaped_char()
        return CharSet(((code, code),))

    def escaped_char(self) -> int:
        """The code point of the escape at the current place, which is not a set."""
        start = self.at
        self.at += 1
        if self.at >= len(self.text):
            raise RegexpError("trailing backslash")
        char = self.text[self.at]
        self.at += 1
        if char in _CONTROL:
            return _CONTROL[char]
        if char in "01234567":
            more = re.compile("[0-7]{0,2}").match(self.text, self.at)
            digits = more.group() if more else ""
            if char != "0" and not digits:
                raise RegexpError(f"invalid escape sequence: {self.text[start : self.at]!r}")
            self.at += len(digits)
            return int(char + digits, 8)
        if char == "x":
            digits = self.text[self.at : self.at + 2]
            if not re.fullmatch("[0-9A-Fa-f]{2}", digits):
                raise RegexpError(f"invalid escape sequence: {self.text[start : self.at + 2]!r}")
            self.at += 2
            return int(digits, 16)
        if not char.isascii() or char.isalnum():
            raise RegexpError(f"invalid escape sequence: {self.text[start : self.at]!r}")
        return ord(char)
