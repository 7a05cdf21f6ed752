"""Lists written in one text, read as docker/build-push-action reads its inputs.

The whole text is one CSV document: a field that starts with a quote runs to its closing quote, over newlines and
commas, and a quote inside it is doubled; a quote anywhere else is just text. Follows `Util.getInputList` of
docker/actions-toolkit (csv-parse with relaxed quotes). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from incubator.errors import InputError

ListStyle = Literal["lines", "csv", "rules", "verbatim", "quoted"]

_COMMENT = re.compile(r"[ \t]*#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a list, and where it stands, as in `line 3`."""

    text: str
    place: str


def parse_list(text: str, style: ListStyle) -> tuple[str, ...]:
    """Entries of a list, trimmed, without blank ones.

    `lines`: one entry a line; the commas of a line stay, its quotes do not. `verbatim`: so too, but blanks around an
    entry are part of it. `quoted`: so too, but quotes stay, as an entry is CSV by itself. `csv`: newlines and commas
    both separate. `rules`: as `lines`, without lines that begin with `#`, as docker/metadata-action has it. Raises
    InputError where a quote is never closed.
    """
    return tuple(entry.text for entry in parse_entries(text, style))


def parse_entries(text: str, style: ListStyle) -> tuple[Entry, ...]:
    """What `parse_list` gives, with the line that each entry begins in."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text[: len(text) - len(text.lstrip())].count("\n") + 1
    entries: list[Entry] = []
    if style == "quoted":
        lines = enumerate(text.strip().split("\n"), first)
        return tuple(Entry(text=line.strip(), place=f"line {at}") for at, line in lines if line.strip())
    for line, record in _records(text.strip(), comments=style == "rules"):
        if style != "csv":
            parts = [",".join(record)]
        elif len(record) == 1:
            parts = record[0].split(",")  # even where it was quoted, as the model does
        else:
            parts = record
        place = f"line {first + line}"
        kept = parts if style == "verbatim" else [part.strip() for part in parts]
        entries += [Entry(text=part, place=place) for part in kept if part.strip()]
    return tuple(entries)


def parse_fields(entry: str) -> tuple[str, ...]:
    """Fields of one entry that is a list by itself, as `type=semver,pattern={{version}}`; trimmed, none empty."""
    fields = [field for _, record in _records(entry.strip()) for field in record]
    return tuple(field.strip() for field in fields if field.strip())


def write_list(entries: tuple[str, ...] | list[str]) -> str:
    """A text of one entry a line that `parse_list(..., "lines")` reads back: odd entries are quoted."""
    return "\n".join(map(_quoted, entries))


def _quoted(entry: str) -> str:
    if "\n" in entry or "\r" in entry or entry.startswith('"') or ',"' in entry:
        return '"' + entry.replace('"', '""') + '"'
    return entry


def _records(text: str, *, comments: bool = False) -> list[tuple[int, list[str]]]:
    """The line (from 0) and the fields of each record; records that are empty are left out, as are comments."""
    records: list[tuple[int, list[str]]] = []
    record: list[str] = []
    field: list[str] = []
    position, end = 0, len(text)
    line, begun = 0, 0

    def end_field() -> None:
        record.append("".join(field))
        field.clear()

    while position < end:
        char = text[position]
        if comments and not record and not field and _COMMENT.match(text, position):
            newline = text.find("\n", position)
            position = end if newline < 0 else newline
            if position < end:
                position, line, begun = position + 1, line + 1, line + 1
            continue
        if char == '"' and not field:
            content, after = _quoted_field(text, position)
            line += text.count("\n", position, after)
            position = after
            field.append(content)
            continue
        if char == ",":
            end_field()
        elif char == "\n":
            if record or field:
                end_field()
                records.append((begun, record))
            record = []
            line += 1
            begun = line
        else:
            field.append(char)
        position += 1
    if record or field:
        end_field()
        records.append((begun, record))
    return records


def _quoted_field(text: str, start: int) -> tuple[str, int]:
    """Content of the field whose quote opens at `start`, and the position after what was read of it.

    A quote that is not followed by a separator closes nothing: it and the opening one are text.
    """
    content: list[str] = []
    position = start + 1
    while position < len(text):
        if text[position] != '"':
            content.append(text[position])
        elif text.startswith('""', position):
            content.append('"')
            position += 1
        elif position + 1 == len(text) or text[position + 1] in ",\n":
            return "".join(content), position + 1
        else:
            return '"' + "".join(content) + '"', position + 1
        position += 1
    line = text.count("\n", 0, start) + 1
    raise InputError(
        f"a quote that opens in line {line} is never closed",
        hint='quote a whole entry and double the quotes inside it, as in "key=a ""word"""',
    )
