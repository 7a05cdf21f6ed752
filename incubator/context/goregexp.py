r"""The regular expressions that ignore patterns turn into, matched in linear time. Pure.

The engine's pattern matcher rewrites each pattern to a Go regular expression, and what people rely on (and
stumble over) follows from that text: `\d` in a pattern is a digit, `[[:alpha:]]` a letter, `[z-a]` an error.
So the same text is parsed here. What the rewriting can produce is small: a sequence of single characters
and classes, some of them repeated, and the group `(.*/)?`. A sequence needs no backtracking: most go to `re`
in a form that cannot blow up, the others run as a bit-parallel automaton (one step a character).

Syntax: the Go standard library's `regexp/syntax`, its `Perl` flags. Left out and refused: `\b`, `\B`, `\Q`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal


class RegexpError(ValueError):
    """The text is not an expression that Go would compile, or uses what is left out here."""


CodeRange = tuple[int, int]
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


def _complement(spans: tuple[CodeRange, ...]) -> list[CodeRange]:
    rest: list[CodeRange] = []
    start = 0
    for low, high in sorted(spans):
        if low > start:
            rest.append((start, low - 1))
        start = max(start, high + 1)
    return [*rest, (start, _LAST)]


@dataclass(frozen=True, slots=True)
class CharSet:
    """One character: of `spans` (code points, both ends in) or of `categories`; any other if `negated`."""

    spans: tuple[CodeRange, ...]
    negated: bool = False
    categories: tuple[tuple[str, bool], ...] = ()
    """First letter of a general category, and whether it is meant negated."""

    def has(self, char: str) -> bool:
        """True if `char` is one of them."""
        code = ord(char)
        found = any(low <= code <= high for low, high in self.spans) or any(
            (unicodedata.category(char)[0] == letter) != negated for letter, negated in self.categories
        )
        return found != self.negated

    @property
    def text(self) -> str:
        """The set as `re` writes it. Only without categories, which `re` lacks."""
        if len(self.spans) == 1 and self.spans[0][0] == self.spans[0][1] and not self.negated:
            return re.escape(chr(self.spans[0][0]))
        inside = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in self.spans)
        return f"[{'^' if self.negated else ''}{inside}]"


NOT_SLASH = CharSet(((47, 47),), negated=True)
NOT_NEWLINE = CharSet(((10, 10),), negated=True)


@dataclass(frozen=True, slots=True)
class Token:
    """One element: a character of `chars`, once or repeated; `deep` is the group `(.*/)?`."""

    chars: CharSet
    kind: Literal["one", "many", "deep"] = "one"


@dataclass(frozen=True, slots=True)
class Regexp:
    """A compiled expression, anchored at both ends.

    `impossible`: an assertion inside it can never hold.
    """

    tokens: tuple[Token, ...]
    impossible: bool = False
    _quick: re.Pattern[str] | None = field(default=None, compare=False, repr=False)
    _quick_length: int = field(default=0, compare=False, repr=False)
    _least: int = field(default=0, compare=False, repr=False)

    def matches(self, text: str) -> bool:
        """True if the whole of `text` matches. Linear in `len(text)`, up to a factor the pattern gives."""
        if self.impossible or self._least > len(text):
            return False
        if self._quick is not None and len(text) <= self._quick_length:
            return self._quick.match(text) is not None
        return _run(self.tokens, text)

    def matches_or_above(self, path: str) -> bool:
        """True if `path` or a folder above it matches. Linear in `len(path)` too, however deep it is."""
        if self.impossible or self._least > len(path):
            return False
        if self._quick is None or len(path) > min(self._quick_length, _SHORT) or path.count("/") > _DEEP:
            return _run(self.tokens, path, also_above=True)
        at = len(path)
        while at >= 0:
            if self._quick.match(path[:at]) is not None:
                return True
            at = path.rfind("/", 0, at)
        return False


def compile_regexp(text: str) -> Regexp:
    """The compiled form of `text`, given without its `^` and `$`. Raises `RegexpError`."""
    tokens, impossible = _Parser(text).parse()
    least = sum(token.kind == "one" for token in tokens)
    quick, length = _quick_form(tokens)
    return Regexp(tokens, impossible, quick, length, least)


_UNBOUNDED = 1 << 62
_DEEP = 20
_SHORT = 1000
"""Up to this many characters a quadratic expression may go to `re`: a few milliseconds at worst."""


def _quick_form(tokens: tuple[Token, ...]) -> tuple[re.Pattern[str] | None, int]:
    """The expression for `re` and the longest text it may get; None where only the automaton will do."""
    if any(token.chars.categories for token in tokens) or len(tokens) > _SHORT:
        return None, 0
    deep = sum(token.kind == "deep" for token in tokens)
    most = here = 0
    slash = CharSet(((47, 47),))
    for token in tokens:
        if token.kind == "many":
            here += 1 if token.chars == NOT_SLASH else 2
        elif token.chars == slash:
            here = 0
        most = max(most, here)
    if deep + most <= 1:
        length = _UNBOUNDED
    elif deep + most == 2:
        length = _SHORT
    else:
        return None, 0
    return re.compile("".join(map(_quick_text, tokens)) + r"\Z"), length


def _quick_text(token: Token) -> str:
    if token.kind == "deep":
        return "(?:.*/)?"
    return token.chars.text + ("*" if token.kind == "many" else "")


def _run(tokens: tuple[Token, ...], text: str, *, also_above: bool = False) -> bool:
    """Simulate the sequence as bits of an integer: bit i is set while tokens before i have matched.

    `also_above`: an end before a slash counts as well.
    A deep group is two states: bit i inside its `.*`, entered or skipped by an empty step.
    """
    skips = 0
    classes: dict[CharSet, int] = {}
    loop_classes: dict[CharSet, int] = {}
    deep = 0
    for index, token in enumerate(tokens):
        bit = 1 << index
        if token.kind == "one":
            classes[token.chars] = classes.get(token.chars, 0) | bit
        else:
            skips |= bit
            loop_classes[token.chars] = loop_classes.get(token.chars, 0) | bit
            if token.kind == "deep":
                deep |= bit
    # After a deep group's first character it may only be left by a slash, so "inside" is a second bit field.
    inside = 0
    state = _close(1, skips)
    cache: dict[str, tuple[int, int]] = {}
    final = 1 << len(tokens)
    for char in text:
        if char == "/" and also_above and state & final:
            return True
        masks = cache.get(char)
        if masks is None:
            masks = (
                sum(mask for chars, mask in classes.items() if chars.has(char)),
                sum(mask for chars, mask in loop_classes.items() if chars.has(char)),
            )
            cache[char] = masks
        one, many = masks
        in_deep = (state | inside) & deep
        stepped = ((state & one) << 1) | (state & many & ~deep)
        if char == "/":
            stepped |= in_deep << 1
        inside = in_deep & many
        state = _close(stepped, skips)
        if not state and not inside:
            return False
    return bool(state & final)


def _close(state: int, skips: int) -> int:
    """Add the states reached by skipping optional tokens. Runs of them are short, so this ends soon."""
    frontier = state
    while True:
        frontier = (frontier & skips) << 1
        new = frontier & ~state
        if not new:
            return state
        state |= new
        frontier = new


_PLAIN = re.compile(r"[^\\\[(.*?^]+(?!\*)")


@lru_cache(maxsize=1024)
def _literal(char: str) -> Token:
    return Token(CharSet(((ord(char), ord(char)),)))


class _Parser:
    """Recursive descent over the text of an expression; see the module's docstring for what can occur."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parse(self) -> tuple[tuple[Token, ...], bool]:
        tokens: list[Token] = []
        impossible = False
        ended = False
        while self.at < len(self.text):
            if not ended and (plain := _PLAIN.match(self.text, self.at)):
                tokens.extend(map(_literal, plain.group()))
                self.at = plain.end()
                continue
            if self.text.startswith("(.*/)?", self.at):
                self.at += 6
                token = Token(NOT_NEWLINE, "deep")
            elif self.text[self.at] == "^" or self.text.startswith("\\A", self.at):
                self.at += 1 if self.text[self.at] == "^" else 2
                impossible |= any(token.kind == "one" for token in tokens)
                tokens.clear()
                continue
            elif self.text.startswith("\\z", self.at):
                self.at += 2
                ended = True
                continue
            else:
                token = self._repeated(self._one())
            if ended:
                impossible |= token.kind == "one"
            elif token.kind == "one" or not tokens or tokens[-1] != token:
                tokens.append(token)  # a repetition next to its like adds nothing
        return tuple(tokens), impossible

    def _repeated(self, chars: CharSet) -> Token:
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
        categories: list[tuple[str, bool]] = []
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise RegexpError(f"missing closing ]: {self.text[start:]!r}")
            first = False
            if self._posix(spans):
                continue
            if self.text[self.at] == "\\" and (group := self._group()):
                spans += group.spans
                categories += group.categories
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
        return CharSet(tuple(spans), negated, tuple(categories))

    def _posix(self, spans: list[CodeRange]) -> bool:
        end = self.text.find(":]", self.at + 2)
        if not self.text.startswith("[:", self.at) or end < 0:
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
            return self._escaped_char()
        self.at += 1
        return ord(self.text[self.at - 1])

    def _group(self) -> CharSet | None:
        r"""The set of a `\d`, `\W`, `\pL` and the like at the current place; None for another escape."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter and letter.lower() in _PERL:
            self.at += 2
            spans = _PERL[letter.lower()]
            return CharSet(tuple(_complement(spans)) if letter.isupper() else spans)
        if letter in ("p", "P") and letter:
            category = self.text[self.at + 2 : self.at + 3]
            if category not in tuple("CLMNPSZ"):
                raise RegexpError(f"invalid character class range: {self.text[self.at : self.at + 3]!r}")
            self.at += 3
            return CharSet((), categories=((category, letter == "P"),))
        return None

    def _escape(self) -> CharSet:
        group = self._group()
        if group is not None:
            return group
        code = self._escaped_char()
        return CharSet(((code, code),))

    def _escaped_char(self) -> int:
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
