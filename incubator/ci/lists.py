"""Lists written in one text, read as docker/build-push-action reads its inputs.

The whole text is one CSV document: a field that starts with a quote runs to its closing quote, over newlines and
commas, and a quote inside it is doubled; a quote anywhere else is just text. Follows `Util.getInputList` of
docker/actions-toolkit (csv-parse with relaxed quotes). Pure.
"""

from __future__ import annotations

from typing import Literal

from incubator.errors import InputError

ListStyle = Literal["lines", "csv"]


def parse_list(text: str, style: ListStyle) -> tuple[str, ...]:
    """Entries of a list, trimmed, without blank ones.

    `lines`: one entry a line; the commas of a line stay, its quotes do not. `csv`: newlines and commas both
    separate. Raises InputError where a quote is never closed.
    """
    entries: list[str] = []
    for record in _records(text.replace("\r\n", "\n").replace("\r", "\n").strip()):
        if style == "lines":
            entries.append(",".join(record))
        elif len(record) == 1:
            entries += record[0].split(",")  # even where it was quoted, as the model does
        else:
            entries += record
    return tuple(entry.strip() for entry in entries if entry.strip())


def write_list(entries: tuple[str, ...] | list[str]) -> str:
    """A text of one entry a line that `parse_list(..., "lines")` reads back: odd entries are quoted."""
    return "\n".join(map(_quoted, entries))


def _quoted(entry: str) -> str:
    if "\n" in entry or "\r" in entry or entry.startswith('"') or ',"' in entry:
        return '"' + entry.replace('"', '""') + '"'
    return entry


def _records(text: str) -> list[list[str]]:
    """Fields of each record; records that are empty are left out."""
    records: list[list[str]] = []
    record: list[str] = []
    field: list[str] = []
    position, end = 0, len(text)

    def end_field() -> None:
        record.append("".join(field))
        field.clear()

    while position < end:
        char = text[position]
        if char == '"' and not field:
            content, position = _quoted_field(text, position)
            field.append(content)
            continue
        if char == ",":
            end_field()
        elif char == "\n":
            if record or field:
                end_field()
                records.append(record)
            record = []
        else:
            field.append(char)
        position += 1
    if record or field:
        end_field()
        records.append(record)
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
