"""Many patterns compared with a path at once, in time that grows with its length alone. Pure."""

from __future__ import annotations

import itertools
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from incubator.context.tokens import Token


class TooMuchError(ValueError):
    """A text so long, compared with patterns so many, that it would take seconds."""


class Automaton:
    """Sequences of tokens, run side by side over a text: one step a character, whatever the sequences are.

    Bit i of an integer is set while the tokens of a sequence before its token i have matched. A step is a
    handful of operations on such integers, so a megabyte of patterns costs about 0.1 ms a character.
    """

    __slots__ = (
        "_after", "_behind", "_deep", "_ends", "_events", "_first", "_letters", "_loops", "_masks",
        "_negated", "_ones", "_places", "_start", "size",
    )  # fmt: skip

    def __init__(self, tokens: Iterable[tuple[Token, list[int]]], ends: list[int]) -> None:
        """Of all sequences in a row: for each token the places where it stands, and the places behind each.

        A token may come again.
        """
        size = ends[-1] + 1 if ends else 0
        self._places = ends
        self.size = size
        kinds: dict[str, list[int]] = {"one": [], "many": [], "deep": []}
        letters: dict[str, list[int]] = {}
        negated: list[int] = []
        # Flat lists of numbers, where objects of their own would keep the garbage collector busy.
        codes: list[int] = []
        flipped: list[int] = []
        together: dict[int, int] = {}
        for (chars, kind), places in tokens:
            kinds[kind] += places
            if len(places) < _FEW:
                for low, high in chars.spans:
                    for place in places:
                        codes += (low, high + 1)
                        flipped += (place, place)
            else:
                bits = _bits(places, size)
                for low, high in chars.spans:
                    together[low] = together.get(low, 0) ^ bits
                    together[high + 1] = together.get(high + 1, 0) ^ bits
            for letter in chars.categories:
                letters.setdefault(letter, []).extend(places)
            if chars.negated:
                negated += places
        self._events: list[tuple[int, tuple[int, ...] | int]] = list(together.items())
        """Code points, and what begins or ends to take characters there."""
        for code, events in itertools.groupby(
            sorted(range(len(codes)), key=codes.__getitem__), codes.__getitem__
        ):
            at_code = tuple([flipped[event] for event in events])
            self._events.append((code, at_code if len(at_code) < _FEW else _bits(at_code, size)))
        self._events.sort(key=_code)
        self._masks: dict[str, int] = {}
        self._ones, self._loops, self._deep = (_bits(places, size) for places in kinds.values())
        self._letters = {letter: _bits(places, size) for letter, places in letters.items()}
        self._negated = _bits(negated, size)
        self._ends = _bits(ends, size)
        # Optional tokens stand in runs. An end of each run is always set, so that subtracting its first bit
        # flips all up to the lowest one set, and those above it are what can be reached by skipping.
        skips = self._loops | self._deep
        self._after = skips << 1
        self._first = skips & ~self._after
        self._behind = self._after & ~skips
        self._start = self._closed((self._ends << 1 | 1) & ~(1 << size) if size else 0)

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> Automaton:
        """One sequence alone."""
        places: dict[Token, list[int]] = {}
        for at, token in enumerate(tokens):
            places.setdefault(token, []).append(at)
        return cls(places.items(), [len(tokens)])

    def _closed(self, state: int) -> int:
        """`state` and what is reached from it by skipping optional tokens."""
        full = state | self._behind
        return state | (self._after & ~(full ^ (full - self._first)))

    def walk(self, text: str, start: int = 0) -> Iterator[int]:
        """For each place of `text` from `start` on, to its end, the ends that match there.

        Stops early where nothing can match any more. Raises `TooMuchError` where it would take too long.
        """
        if self.size * (len(text) - start) > _WORK:
            raise TooMuchError(f"too much to compare with a path of {len(text)} characters")
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
            # A new one each time, as others may be walking by the last.
            made = self._made_masks(chars - known.keys())
            known = known | made
            self._masks = next((masks for masks in (known, made) if len(masks) <= _MOST_MASKS), {})
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


def _code(event: tuple[int, tuple[int, ...] | int]) -> int:
    return event[0]


def _bits(places: Iterable[int], size: int) -> int:
    """The integer in which the bits at places that come an odd number of times are set, in linear time."""
    bits = bytearray(size // 8 + 1)
    for at in places:
        bits[at >> 3] ^= 1 << (at & 7)
    return int.from_bytes(bits, "little")


_WORK = 1 << 32
"""Tokens times characters that an automaton takes on: a megabyte of patterns and the longest path of Linux."""
_PIECE = 4096
"""Characters of a text for which masks are held at the same time."""
_MOST_MASKS = 64
"""Masks that are kept from one text to the next; each takes a bit a token."""
_FEW = 32
"""Places of a set that are flipped one by one; more are flipped together."""
