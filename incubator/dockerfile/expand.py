"""Word expansion: quotes, escapes, `$NAME` and the forms of `${NAME...}`. Pure.

Values come from a mapping; what a word used, and what it missed, is told, for checks and cache keys. A value may
hold itself twice over, line after line, so what variables bring into a word is limited, and, by a `Budget`, what they
bring into all words of a file.

Source: BuildKit, frontend/dockerfile/shell/lex.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incubator.dockerfile import glob
from incubator.dockerfile.text import SPACE_CLASS
from incubator.errors import ExpandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "MAX_BROUGHT", "Budget", "ExpandError", "Expansion", "expand", "expand_raw", "expand_word", "expand_words",
    "lex_words",
]  # fmt: skip

MAX_BROUGHT: Final = 1 << 20
"""Characters that variables may bring into one word; Linux takes an eighth of it for one variable of a process."""

_MAX_DEPTH: Final = 64
_SPECIAL: Final = frozenset("@*#?-$!0")
_ASCII_NAME: Final = re.compile(r"[0-9]+|[A-Za-z_][A-Za-z0-9_]*")
_BLANKS: Final = re.compile(f"{SPACE_CLASS}+")
_HEREDOC_BLANKS: Final = re.compile(r"<<[ \t\r]*")
_PLAIN_WORD: Final = re.compile("[^$<'\"\\\\`\ufeff]*+")
_PLAIN_DOLLAR: Final = re.compile(
    r"\$(?:(?P<bare>(?:[A-Za-z_][A-Za-z0-9_]*+|[0-9]++)(?![^\x00-\x7f])|[@*#?$!\-])"
    r"|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*+)\})"
)
_PLAIN_QUOTED: Final = re.compile(r"""'([^']*)'|"([^"$\\`]*)\"""")
"""Nearly all words, variables and quoted texts are written so."""
_IN_PROPORTION: Final = "nothing that a container takes is as large: look for a variable that holds itself"


@dataclass(slots=True)
class Budget:
    """What may yet be made of one Dockerfile beyond its text: characters, or as much work or memory as for one."""

    left: int = 16 << 20

    @property
    def is_spent(self) -> bool:
        """Whether there is nothing left."""
        return self.left < 0

    def spend(self, amount: int) -> bool:
        """Take `amount` away; whether there was as much."""
        self.left -= amount
        return self.left >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A word expanded. `words` is the same text split at blanks outside quotes (values are split, too).

    `used` names the variables that had a value, `unset` those that had none, in order of their first use.
    """

    text: str
    words: tuple[str, ...]
    used: tuple[str, ...]
    unset: tuple[str, ...]


def expand(
    word: str, env: Mapping[str, str], *, escape: str = "\\", budget: Budget | None = None
) -> Expansion:
    """`word` expanded and unquoted, and what it used. Raises `ExpandError`, without a span.

    `budget` is that of the file, which all its words share; None for a word alone.
    """
    if _PLAIN_WORD.fullmatch(word):
        return Expansion(text=word, words=tuple(filter(None, _BLANKS.split(word))), used=(), unset=())
    return _expand(_Lexer(word, env, escape=escape, budget=budget))


def expand_word(word: str, env: Mapping[str, str], *, escape: str = "\\") -> str:
    """`word` expanded and unquoted, as one word. Raises `ExpandError`, without a span."""
    return expand(word, env, escape=escape).text


def expand_words(word: str, env: Mapping[str, str], *, escape: str = "\\") -> list[str]:
    """`word` expanded and split at blanks, as EXPOSE has it. Raises `ExpandError`, without a span."""
    return list(expand(word, env, escape=escape).words)


def expand_raw(text: str, env: Mapping[str, str], *, budget: Budget | None = None) -> Expansion:
    r"""`text` with variables expanded and quotes left alone: the body of a heredoc in COPY and ADD.

    The escape character is always `\` there, and is itself taken away.
    """
    return _expand(_Lexer(text, env, escape="\\", quotes=False, budget=budget))


def lex_words(text: str, *, keep_escapes: bool, keep_quotes: bool) -> list[str]:
    r"""`text` split at blanks outside quotes, variables left as they are; the escape character is `\`.

    This is how the parser looks for heredocs. Raises `ExpandError` as expansion does.
    """
    lexer = _Lexer(text, {}, escape="\\", keep_escapes=keep_escapes, keep_quotes=keep_quotes, keep_unset=True)
    return list(_expand(lexer).words)


def _expand(lexer: _Lexer) -> Expansion:
    try:
        text, words = lexer.until(None, keep_escapes=lexer.keep_escapes)
    except _Fault as fault:
        shown = lexer.text if len(lexer.text) <= 200 else lexer.text[:200] + "..."
        raise ExpandError(
            f"cannot expand {shown!r}: {fault}", by_value=fault.by_value, hint=fault.hint
        ) from None
    return Expansion(text=text, words=tuple(words), used=tuple(lexer.used), unset=tuple(lexer.unset))


class _Fault(Exception):
    def __init__(self, message: str, hint: str | None = None, *, by_value: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.by_value = by_value


def _too_long() -> _Fault:
    return _Fault(
        f"it comes to more than {MAX_BROUGHT} characters of variables", _IN_PROPORTION, by_value=True
    )


class _Words:
    """Collects words: text is cut at blanks unless it is added whole.

    `current` is the word being collected. All parts of a text share it, as in the reference, where a
    `${name:-...}` therefore drops the part of its word that stands before it (`EXPOSE 80${X:-81}` is 81).
    """

    __slots__ = ("current", "done")

    def __init__(self, current: list[str]) -> None:
        self.current = current
        self.current.clear()
        self.done: list[str] = []

    def add(self, text: str) -> None:
        first, *others = _BLANKS.split(text)
        self.add_whole(first)
        if others:
            self.flush()
            last = others.pop()
            self.done += others
            self.add_whole(last)

    def add_whole(self, text: str) -> None:
        if text:
            self.current.append(text)

    def flush(self) -> None:
        if self.current:
            self.done.append("".join(self.current))
            self.current.clear()


class _Lexer:
    """One pass over one text."""

    __slots__ = (
        "brought", "budget", "depth", "env", "escape", "in_quotes", "keep_escapes", "keep_quotes", "keep_unset",
        "plain", "position", "quotes", "text", "unset", "used", "word",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        env: Mapping[str, str],
        *,
        escape: str,
        quotes: bool = True,
        keep_escapes: bool = False,
        keep_quotes: bool = False,
        keep_unset: bool = False,
        budget: Budget | None = None,
    ) -> None:
        self.text = text.removeprefix("\ufeff")
        self.env = env
        self.escape = escape
        self.quotes = quotes
        self.keep_escapes = keep_escapes
        self.keep_quotes = keep_quotes
        self.keep_unset = keep_unset
        self.budget = Budget() if budget is None else budget
        self.brought = 0
        self.position = 0
        self.depth = 0
        self.word: list[str] = []
        # Dictionaries keep the order of first use.
        self.used: dict[str, None] = {}
        self.unset: dict[str, None] = {}
        self.plain, self.in_quotes = _PLAIN[escape]

    def peek(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.position : self.position + 1]

    def next(self) -> str:
        """Takes the next character, empty at the end."""
        character = self.text[self.position : self.position + 1]
        self.position += len(character)
        return character

    def until(self, stop: str | None, *, keep_escapes: bool) -> tuple[str, list[str]]:
        """Text and words up to the character `stop`, which is taken as well; up to the end for None."""
        outer, self.keep_escapes = self.keep_escapes, keep_escapes
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _Fault(f"substitutions are nested more than {_MAX_DEPTH} deep")
        result: list[str] = []
        words = _Words(self.word)
        text = self.text
        while character := text[self.position : self.position + 1]:
            if character == stop:
                break
            if character == "$":
                piece = self.dollar()
                words.add(piece)
            elif character == "<":
                # Blanks between << and the name of a heredoc do not end the word.
                match = _HEREDOC_BLANKS.match(text, self.position)
                piece = match[0] if match else "<"
                self.position += len(piece)
                words.add_whole(piece)
            elif self.quotes and character in "'\"":
                if not self.keep_quotes and (match := _PLAIN_QUOTED.match(text, self.position)):
                    piece = match[1] or match[2] or ""
                    self.position = match.end()
                else:
                    piece = self.single_quoted() if character == "'" else self.double_quoted()
                words.add_whole(piece)
            elif character == self.escape:
                self.position += 1
                piece = (character if self.keep_escapes else "") + self.next()
                words.add_whole(piece)
            else:
                match = self.plain.match(text, self.position)
                piece = match[0] if match else character
                # A quote that is no quote here, or the character that ends this part, cuts the run short.
                if stop is not None and (cut := piece.find(stop)) > 0:
                    piece = piece[:cut]
                self.position += len(piece)
                words.add(piece)
            result.append(piece)
        if stop is not None and not self.next():
            raise _Fault(f"the statement ends where a matching {stop} is expected")
        words.flush()
        self.keep_escapes = outer
        self.depth -= 1
        return "".join(result), words.done

    def single_quoted(self) -> str:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            self.position = len(self.text)
            raise _Fault(
                "the single quote is not closed", "write '...' with a quote at both ends, or escape it"
            )
        body = self.text[self.position + 1 : end]
        self.position = end + 1
        return f"'{body}'" if self.keep_quotes else body

    def double_quoted(self) -> str:
        self.position += 1
        result = ['"'] if self.keep_quotes else []
        while character := self.peek():
            if character == '"':
                self.position += 1
                if self.keep_quotes:
                    result.append('"')
                return "".join(result)
            if character == "$":
                result.append(self.dollar())
                continue
            if character == self.escape:
                self.position += 1
                if self.keep_escapes:
                    result.append(character)
                following = self.peek()
                if not following:
                    break
                # Only these can be escaped in double quotes; any other escape is text.
                result.append(self.next() if following in ('"', "$", self.escape) else character)
                continue
            match = self.in_quotes.match(self.text, self.position)
            assert match  # the three characters it excludes were handled above
            self.position = match.end()
            result.append(match[0])
        raise _Fault("the double quote is not closed", 'write "..." with a quote at both ends, or escape it')

    def dollar(self) -> str:
        if match := _PLAIN_DOLLAR.match(self.text, self.position):
            self.position = match.end()
            value = self.value(match["bare"] or match["braced"])
            if value is None:
                return match[0] if self.keep_unset else ""
            return self.bring(value)
        self.position += 1
        if self.peek() != "{":
            name = self.name()
            if not name:
                return "$"
            value = self.value(name)
            if value is None:
                return f"${name}" if self.keep_unset else ""
            return self.bring(value)
        self.position += 1
        following = self.peek()
        if not following:
            raise _Fault("a } is missing")
        if following in "{}:":
            raise _Fault("bad substitution", "a name is expected behind ${")
        return self.substitution(self.name())

    def substitution(self, name: str) -> str:
        """The value of `${name`, of which all behind the name is still to be read."""
        operator = self.next()
        if operator == "}":
            value = self.value(name)
            if value is None:
                return f"${{{name}}}" if self.keep_unset else ""
            return self.bring(value)
        if operator == "/":
            return self.replacement(name)
        colon = operator == ":"
        if colon:
            operator = self.next()
        if not operator:
            raise _Fault("a } is missing")
        if operator not in ("+", "-", "?", "#", "%") or (colon and operator in "#%"):
            if operator == "}":
                raise _Fault(f"a modifier is missing behind the colon in ${{{name}:}}", _MODIFIERS)
            shown = ":" * colon + operator
            raise _Fault(f"unsupported modifier {shown!r} in ${{{name}{shown}}}", _MODIFIERS)
        trims = operator in "#%"
        word = self.part("}", keep_escapes=trims)
        value = self.value(name)
        if value is None and self.keep_unset:
            return f"${{{name}{':' * colon}{operator}{word}}}"
        if trims:
            longest = word.startswith(operator)
            strip = glob.strip_prefix if operator == "#" else glob.strip_suffix
            pattern = word[1:] if longest else word
            return self.matched(value or "", pattern, lambda text: strip(text, pattern, longest=longest))
        missing = value is None or (colon and not value)
        if operator == "-":
            return word if missing else self.bring(value or "")
        if operator == "+":
            return "" if missing else word
        if missing:
            state = "unset" if value is None else "empty"
            reason = word or f"is not allowed to be {state}"
            raise _Fault(f"{name}: {reason}", f"give {name} a value", by_value=True)
        return self.bring(value or "")

    def replacement(self, name: str) -> str:
        everywhere = self.peek() == "/"
        if everywhere:
            self.position += 1
        pattern = self.part("/", keep_escapes=True)
        replacement = self.part("}", keep_escapes=True)
        value = self.value(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        return self.matched(
            value or "",
            pattern,
            lambda text: glob.replace(text, pattern, replacement, everywhere=everywhere, most=MAX_BROUGHT),
        )

    def bring(self, value: str) -> str:
        """`value`, which becomes a part of the word."""
        self.brought += len(value)
        if self.brought > MAX_BROUGHT:
            raise _too_long()
        self.spend(len(value))
        return value

    def spend(self, amount: int) -> None:
        """Take `amount` off the file's budget."""
        if not self.budget.spend(amount):
            raise _Fault(
                "the variables of this file come to too much altogether", _IN_PROPORTION, by_value=True
            )

    def matched(self, value: str, pattern: str, act: Callable[[str], str]) -> str:
        """What `act`, which looks for `pattern`, makes of `value`."""
        self.spend(glob.cost(value, pattern))
        try:
            return self.bring(act(value))
        except glob.TooLongError:
            raise _too_long() from None
        except glob.PatternError as error:
            raise _Fault(f"invalid pattern {pattern[:200]!r}: {error}", by_value=True) from None

    def part(self, stop: str, *, keep_escapes: bool) -> str:
        """The text inside a substitution, up to `stop`."""
        try:
            return self.until(stop, keep_escapes=keep_escapes)[0]
        except _Fault:
            if self.depth <= _MAX_DEPTH and not self.peek():
                raise _Fault(f"a {stop} is missing in ${{...}}") from None
            raise

    def name(self) -> str:
        """The name at this position: letters, digits and _; digits only; or one special character; or empty."""
        match = _ASCII_NAME.match(self.text, self.position)
        position = match.end() if match else self.position
        digits = match is not None and match[0][0].isdigit()
        if not match and self.peek() in _SPECIAL:
            position += len(self.peek())
            digits = True
        if not digits:
            position = self.wide_name(position)
        elif match:
            while self.text[position : position + 1].isdecimal():
                position += 1
        name = self.text[self.position : position]
        self.position = position
        return name

    def wide_name(self, position: int) -> int:
        """Where a name ends that may hold letters and digits beyond ASCII and goes on at `position`."""
        if position == self.position and self.text[position : position + 1].isdecimal():
            while self.text[position : position + 1].isdecimal():
                position += 1
            return position
        while position < len(self.text):
            character = self.text[position]
            if not (character.isalpha() or character.isdecimal() or character == "_"):
                break
            position += 1
        return position

    def value(self, name: str) -> str | None:
        value = self.env.get(name)
        (self.unset if value is None else self.used)[name] = None
        return value


_MODIFIERS: Final = "known are :- - :+ + :? ? # ## % %% / and //"
_PLAIN: Final = {
    # Runs of text without meaning: outside quotes, and inside double ones.
    escape: (re.compile(rf"[^$<'\"{re.escape(escape)}]+"), re.compile(rf"[^$\"{re.escape(escape)}]+"))
    for escape in ("\\", "`")
}
