"""Characters as the reference frontend sees them: blanks, case, near words; and how they are shown. Pure.

Go and Python differ on what is a blank (Python adds U+001C to U+001F) and on the case of a few letters;
a Dockerfile must be cut at the same places whoever reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's `unicode.IsSpace` holds for a blank."""

ASCII_SPACES: Final = "\t\n\v\f\r "
"""Those of them that are one byte."""

SPACE_CLASS: Final = f"[{SPACES}]"
"""The same as a regular expression's character class."""

_MAX_WORD: Final = 40

_PICTURES: Final = {code: 0x2400 + code for code in range(0x20) if code != 0x09} | {0x7F: 0x2421}
_INVISIBLE: Final = dict.fromkeys(
    (
        *range(0x80, 0xA0), 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070),
        0xFEFF, *range(0xD800, 0xE000), *range(0xE0000, 0xE0080),
    ),
    0xFFFD,
)  # fmt: skip
_SHOWN: Final = _PICTURES | _INVISIBLE


def visible(text: str) -> str:
    """`text` that is safe to show, as long as before: control characters but tabs as their pictures (U+241B for ESC).

    What could reorder or hide text, and what is no character, becomes U+FFFD.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)


def lower(text: str) -> str:
    """`text` in lower case, one character for one: U+0130 gives `i`, as in Go."""
    return text.lower() if text.isascii() else text.replace("\u0130", "i").lower()


def nearest(word: str, options: Iterable[str], *, case_sensitive: bool = True) -> str | None:
    """The option that is nearest to `word`, the earlier of equals.

    Two edits away at most, one for a word of three letters, none for a shorter one. None where there is no such
    option, and where `word` itself is one: then spelling was not the fault.
    """
    if not word or len(word) > _MAX_WORD:
        return None
    wanted = word if case_sensitive else word.lower()
    best: str | None = None
    best_distance = min(3, max(1, len(word) - 1))
    for option in options:
        candidate = option if case_sensitive else option.lower()
        if candidate == wanted:
            return None
        if abs(len(candidate) - len(wanted)) >= best_distance:
            continue
        distance = edit_distance(wanted, candidate)
        if distance < best_distance:
            best, best_distance = option, distance
    return best


def edit_distance(one: str, other: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn `one` into `other`."""
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        current = [i]
        for j, b in enumerate(other, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
