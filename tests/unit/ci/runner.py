"""How GitHub's runner and GitLab's log read what a job prints: models that the listeners' tests hold them to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PROPERTY_ESCAPES = (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_DATA_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
NAMES = {
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
    "save-state", "set-env", "set-output", "stop-commands", "warning",
}  # fmt: skip


@dataclass
class Command:
    name: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)


def _unescape(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for written, meant in escapes:
        text = text.replace(written, meant)
    return text


def _parse(line: str, names: set[str]) -> Command | None:
    """A command at the line's start, or the older form anywhere in it (ActionCommand.TryParseV2 and TryParse)."""
    new = re.match(r"\s*::([^ :]+)(?: (.*?))?::(.*)$", line, re.DOTALL)
    if new and new[1] in names:
        properties = dict(part.split("=", 1) for part in (new[2] or "").split(",") if "=" in part)
        return Command(
            new[1],
            _unescape(new[3], _DATA_ESCAPES),
            {key: _unescape(value, _PROPERTY_ESCAPES) for key, value in properties.items()},
        )
    old = re.search(r"##\[([^\]; ]+)[^\]]*\](.*)$", line, re.DOTALL)
    if old and old[1] in names:
        return Command(old[1], old[2])
    return None


def github_reads(text: str) -> tuple[list[Command], list[str]]:
    """Commands that the runner would obey, in order, and the lines that it would show as they are."""
    commands: list[Command] = []
    shown: list[str] = []
    token = ""
    for line in re.split(r"\r\n|\n|\r", text):
        if token:
            command = _parse(line, {token})
            if command:
                token = ""
            else:
                shown.append(line)
            continue
        command = _parse(line, NAMES)
        if command is None:
            shown.append(line)
        elif command.name == "stop-commands":
            token = command.message
        else:
            commands.append(command)
    assert not token, "commands were never resumed"
    return commands, shown


def gitlab_sections(text: str) -> list[tuple[str, str]]:
    """Section marks that GitLab would obey: `start` or `end`, and the name."""
    return re.findall(r"section_(start|end):\d+:([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\r\x1b\[0K", text)
