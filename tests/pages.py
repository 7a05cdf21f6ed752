"""Pages of the documentation, and the fenced blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
RUN = (
    *sorted(f"docs/migrate/{path.name}" for path in (ROOT / "docs/migrate").glob("*.md")),
    "docs/how-to/monorepo.md",
    "docs/how-to/podman.md",
    "docs/how-to/secrets.md",
    "docs/how-to/self-hosted.md",
)
"""Pages whose snippets are run by tests/e2e/test_pages.py. Those of the other pages are only checked."""
PIPELINES = (
    "README.md",
    "docs/how-to/cache.md",
    "docs/how-to/reports.md",
    "docs/how-to/tags.md",
    "docs/how-to/volumes-and-limits.md",
)
"""Pages of which the workflows and pipelines are run there too."""
COMMANDS = ("docs/how-to/cache.md", "docs/how-to/volumes-and-limits.md")
"""Pages of which the commands are run there too."""
_NOT_RUN = re.compile(r"^Before|\bnot run by the tests: (.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A fenced block; `above` is the paragraph that it belongs to."""

    page: str
    line: int
    language: str
    text: str
    above: str

    @property
    def id(self) -> str:
        """Where it is."""
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether a test runs it: not what is shown of another tool, nor what says to the reader why it is not run."""
        return _NOT_RUN.search(" ".join(self.above.split())) is None


def snippets_of(page: str) -> Iterator[Snippet]:
    """All fenced blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, block.start()) + 1
        above = text[: block.start()].rstrip().rpartition("\n\n")[2]
        above = "" if above.endswith("```") else above
        yield Snippet(page=page, line=line, language=block[1], text=block[2], above=above)


def documents() -> list[str]:
    """All pages of the project, relative to its root."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    for folder in ("docs", "examples", "lab", "benchmarks"):
        found += sorted((ROOT / folder).rglob("*.md"))
    return [str(path.relative_to(ROOT)) for path in found]


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cut = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return cut[2:]
