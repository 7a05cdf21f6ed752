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
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


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


def merged(spans: list[CodeRange]) -> tuple[CodeRange, ...]:
    """The same code points, sorted and without overlap."""
    merged: list[CodeRange] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class CharSet:
    """One character: of `spans` (code points, both ends in) or of `categories`; any other if `negated`."""

    spans: tuple[CodeRange, ...]
    """Sorted, without overlap."""
    negated: bool = False
    categories: str = ""
    """First letters of general categories."""

    @property
    def text(self) -> str:
        """The set as `re` writes it. Only without categories, which `re` lacks."""
        if len(self.spans) == 1 and self.spans[0][0] == self.spans[0][1] and not self.negated:
            return re.escape(chr(self.spans[0][0]))
        inside = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in self.spans)
        return f"[{'^' if self.negated else ''}{inside}]"

    @property
    def has_slash(self) -> bool:
        """True if a slash is one of them. Only without categories."""
        return any(low <= 47 <= high for low, high in self.spans) != self.negated


SLASH = CharSet(((47, 47),))
NOT_SLASH = CharSet(((47, 47),), negated=True)
NOT_NEWLINE = CharSet(((10, 10),), negated=True)
_CATEGORIES = "CLMNPSZ"


@dataclass(frozen=True, slots=True)
class Token:
    """One element: a character of `chars`, once or repeated; `deep` is the group `(.*/)?`."""

    chars: CharSet
    kind: Literal["one", "many", "deep"] = "one"


class Automaton:
    """Sequences of tokens, run side by side over a text: one step a character, whatever the sequences are.

    Bit i of an integer is set while the tokens of a sequence before its token i have matched. A step is a
    handful of operations on such integers, so a megabyte of patterns costs about 0.1 ms a character.
    """

    __slots__ = (
        "_after", "_behind", "_deep", "_ends", "_events", "_first", "_letters", "_loops", "_masks", "_negated",
        "_ones", "_places", "_start", "size",
    )  # fmt: skip

    def __init__(self, sequences: Iterable[Sequence[Token]]) -> None:
        places: dict[str, list[int]] = {"one": [], "many": [], "deep": []}
        letters: dict[str, list[int]] = {}
        starts, negated = [], []
        groups: dict[int, tuple[CharSet, list[int]]] = {}
        self._places: list[int] = []
        at = 0
        for tokens in sequences:
            starts.append(at)
            for token in tokens:
                places[token.kind].append(at)
                chars = token.chars
                group = groups.get(
                    id(chars)
                )  # most sets are of a few objects, and equal ones may be of several
                if group is None:
                    group = groups[id(chars)] = (chars, [])
                group[1].append(at)
                at += 1
            self._places.append(at)
            at += 1
        self.size = at
        events: list[tuple[int, list[int] | int]] = []
        for chars, group_places in groups.values():
            of_group = group_places if len(group_places) < _FEW else _bits(group_places, at)
            for low, high in chars.spans:
                events += ((low, of_group), (high + 1, of_group))
            for letter in chars.categories:
                letters.setdefault(letter, []).extend(group_places)
            if chars.negated:
                negated += group_places
        self._events = sorted(events, key=_code)
        self._masks: dict[str, int] = {}
        self._ones, self._loops, self._deep = (_bits(of, at) for of in places.values())
        self._letters = {letter: _bits(of, at) for letter, of in letters.items()}
        self._negated = _bits(negated, at)
        self._ends = _bits(self._places, at)
        # Optional tokens stand in runs. An end of each run is always set, so that subtracting its first bit
        # flips all up to the lowest one set, and those above it are what can be reached by skipping.
        skips = self._loops | self._deep
        self._after = skips << 1
        self._first = skips & ~self._after
        self._behind = self._after & ~skips
        self._start = self._closed(_bits(starts, at))

    def _closed(self, state: int) -> int:
        """`state` and what is reached from it by skipping optional tokens."""
        full = state | self._behind
        return state | (self._after & ~(full ^ (full - self._first)))

    def is_too_much(self, length: int) -> bool:
        """True if a walk over so many characters would take too long."""
        return self.size * length > WORK

    def walk(self, text: str, start: int = 0) -> Iterator[int]:
        """For each place of `text` from `start` on, to its end, the ends that match there.

        Stops early where nothing can match any more. Raises `RegexpError` where it would take too long.
        """
        if self.is_too_much(len(text) - start):
            raise RegexpError(f"too much to compare with a path of {len(text)} characters")
        ends, ones, loops, deep = self._ends, self._ones, self._loops, self._deep
        state, inside = self._start, 0
        yield state & ends
        length = 64
        while start < len(text):
            piece = text[start : start + length]
            start += length
            length = _PIECE  # the first piece is short, as most walks are
            masks = self._masks_of(set(piece))
            for char in piece:
                mask = masks[char]
                live = state & mask
                stepped = ((live & ones) << 1) | (live & loops)
                if deep:
                    # After its first character a deep group may only be left by a slash.
                    inside = (state | inside) & deep
                    if char == "/":
                        stepped |= inside << 1
                    inside &= mask
                if not stepped and not inside:
                    return
                state = self._closed(stepped)
                yield state & ends

    def _masks_of(self, chars: set[str]) -> dict[str, int]:
        """For each of the characters the tokens that take it. Those of the latest texts are kept."""
        known = self._masks
        if not known.keys() >= chars:
            if len(known) > _MOST_MASKS:
                known = {}
            # A new one each time, as others may be walking by the last.
            self._masks = known = known | self._made_masks(chars - known.keys())
        return known

    def _made_masks(self, chars: set[str]) -> dict[str, int]:
        masks = {}
        taking, many = bytearray(self.size // 8 + 1), 0
        events, at = self._events, 0
        for char in sorted(chars):
            code = ord(char)
            while at < len(events) and events[at][0] <= code:
                places = events[at][1]
                if isinstance(places, int):
                    many ^= places
                else:
                    for place in places:
                        taking[place >> 3] ^= 1 << (place & 7)
                at += 1
            mask = int.from_bytes(taking, "little") ^ many
            if self._letters:
                mask |= self._letters.get(unicodedata.category(char)[0], 0)
            masks[char] = mask ^ self._negated
        return masks

    def matching(self, text: str, *, also_above: bool = False) -> list[int]:
        """Which sequences match the whole of `text`; `also_above`: or what is before one of its slashes."""
        found = 0
        for at, ends in enumerate(self.walk(text)):
            if ends and (at == len(text) or (also_above and text[at] == "/")):
                found |= ends
                if found == self._ends:
                    break
        if not found:
            return []
        bits = found.to_bytes(self.size // 8 + 1, "little")
        return [index for index, at in enumerate(self._places) if bits[at >> 3] >> (at & 7) & 1]


def _code(event: tuple[int, list[int] | int]) -> int:
    return event[0]


def _bits(places: Iterable[int], size: int) -> int:
    """The integer in which the bits at `places` are set, in linear time."""
    bits = bytearray(size // 8 + 1)
    for at in places:
        bits[at >> 3] |= 1 << (at & 7)
    return int.from_bytes(bits, "little")


WORK = 1 << 32
"""Tokens times characters that an automaton takes on: a megabyte of patterns and the longest path of Linux."""
_PIECE = 4096
"""Characters of a text for which masks are held at the same time."""
_MOST_MASKS = 64
"""Masks that are kept from one text to the next; each takes a bit a token."""
_FEW = 32
"""Places of a set that are flipped one by one; more are flipped together."""
_QUICK = 1_000_000
"""The same for `re`, which may backtrack: some milliseconds at worst."""


class Regexp:
    """A compiled expression, anchored at both ends.

    `impossible`: an assertion inside it can never hold. `size`: how many tokens there are at most.
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
        "size",
    )

    def __init__(self, items: list[str], made: dict[str, Token], *, impossible: bool) -> None:
        self._items = items
        self._made = made
        self._tokens: tuple[Token, ...] | None = None
        self.impossible = impossible
        self._least: int | None = None
        self.size = len(items)
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
            tokens = tuple(map(of_item.__getitem__, self._items))
            if any(token.kind != "one" for token in of_item.values()):
                # A repetition next to its like adds nothing.
                pairs = zip((Token(SLASH), *tokens), tokens, strict=False)
                tokens = tuple(
                    [it for before, it in pairs if it.kind == "one" or it.kind != before.kind or it != before]
                )
            self._tokens = tokens
        return self._tokens

    def matches(self, text: str, *, also_above: bool = False) -> bool:
        """True if the whole of `text` matches; `also_above`: or a folder above it.

        Raises `RegexpError` where both this and `text` are so long that it would take seconds.
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
            self._automaton = Automaton([self.tokens])
        return bool(self._automaton.matching(text, also_above=also_above))


def compile_regexp(text: str) -> Regexp:
    """The compiled form of `text`, given without its `^` and `$`. Raises `RegexpError`."""
    return _Parser(text).parse()


def _least(items: list[str], made: dict[str, Token]) -> int:
    """How many of the items stand for exactly one character."""
    return sum(count for item, count in Counter(items).items() if _is_one(item, made))


def _is_one(item: str, made: dict[str, Token]) -> bool:
    if item in made:
        return made[item].kind == "one"
    return item != "(.*/)?" and (not item.endswith("*") or item == "\\*")


def _tries(tokens: tuple[Token, ...]) -> int:
    """The power of a text's length that bounds what `re` tries for each token; 0 if it cannot be asked."""
    if len(tokens) > 1000 or any(token.chars.categories for token in tokens):
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
_MEMBER = rf"(?:[^]\[\\-]|{_PUNCTUATION})"
_NAMED = rf"\[:\^?(?:{'|'.join(_POSIX)}):\]"
_ITEM = re.compile(
    r"\(\.\*/\)\?|(?:"
    rf"[^\\\[(*?^]|{_PUNCTUATION}|\\[dDsSwW]|\[\^?+(?:{_MEMBER}(?:-{_MEMBER})?|{_NAMED}|\[(?!:))+\]"
    r")\*?"
)
_ITEMS = re.compile(f"(?:{_ITEM.pattern})++")
_PLAIN_MEMBERS = re.compile(r"[^]\[\\-]+(?!-)")


@lru_cache(maxsize=1024)
def literal(char: str) -> Token:
    """The token that is `char` itself."""
    return Token(CharSet(((ord(char), ord(char)),)))


@lru_cache(maxsize=1024)
def _token(item: str) -> Token:
    return _Parser(item).token()


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
            if category not in tuple(_CATEGORIES):
                raise RegexpError(f"invalid character class range: {self.text[self.at : self.at + 3]!r}")
            self.at += 3
            return CharSet((), categories=category if letter == "p" else _CATEGORIES.replace(category, ""))
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
