"""Throws texts at the parser, the checks, word expansion and ignore rules; looks for crashes, hangs and blow-ups.

    python scripts/fuzz.py [--minutes N] [--seed N] [--slower N]

Texts are generated Dockerfiles and the project's own cases, mutated; now and then a piece of one is repeated up to
1 MB. Every text must parse or fail with a DockerfileError, a small one in 0.5 s of processor time and a large one
in 2 s (the checks, which walk over all of it many times, in 5 s); --slower allows N times that on a slow or busy
machine. What survives parsing must come through all
checks and all formats. Failing texts are printed, and written
to --keep. Exits 1 if there are any.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from incubator.context import globs  # noqa: E402 - it is found only now
from incubator.context.globs import match_glob  # noqa: E402
from incubator.context.pattern import PatternError  # noqa: E402
from incubator.context.patterns import PatternMatcher, parse_ignore_file  # noqa: E402
from incubator.dockerfile import Source, parse  # noqa: E402
from incubator.dockerfile.expand import expand, expand_raw  # noqa: E402
from incubator.dockerfile.lint import FORMATS, Report, examine, faults_of  # noqa: E402
from incubator.dockerfile.parser import MAX_FAULTS  # noqa: E402
from incubator.errors import DockerfileError, DockerfileErrors  # noqa: E402
from tests.speed import nominal_seconds  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
CORPUS = sorted((ROOT / "tests" / "data" / "dockerfile").rglob("Dockerfile"))
SMALL_S, LARGE_S, CHECKS_S, LARGE = 0.5, 2.0, 5.0, 1_000_000
TOKENS = (
    "FROM a\n", "RUN ", "COPY ", "ADD ", "ENV ", "LABEL ", "ARG ", "ONBUILD ", "HEALTHCHECK ", "EXPOSE ",
    "SHELL ", "CMD ", "<<E", "<<-'E'", "\nE\n", "\\\n", "`\n", "# escape=`\n", "# check=", "--from=",
    "--mount=", '["a", ', '"]\n', "${", "}", "${a:-", "${a#", "${a//", "$", "*", "?", "\\", "'", '"',
    "**/", "/**", "!", "[^a-z]", "[ab]", "[a*", "**", "\\D*", "*a*a*a", "../", "/",
    "=", " ", "\t", "\r\n", "\n", "\x00", "\ufeff", "\xa0", "\u2028", "\x1c", "\x85", "\ud800", "\udcff",
    "\U0001f600", "1s", "65536", "[", "{", ",", "null",
)  # fmt: skip
LINES = (
    "RUN x\n", "RUN\\\n x\n", "RUN <<E\nx\nE\n", "COPY a b\n", "COPY --chown=$a --from=b c d\n",
    "ENV a=b c='d e'\n", "ENV a b\n", "ARG a=$b\n", 'LABEL a="$b"\n', "FROM a\n", "FROM $a AS b\n",
    "FROM a AS b\nFROM b\nWORKDIR x\n", "EXPOSE 80 81\n", "HEALTHCHECK --interval=1s CMD x\n",
    'CMD ["a", "b"]\n', "VOLUME a\n", 'SHELL ["a"]\n', "ONBUILD RUN x\n", "# c\n", "\n",
    "RUN x \\\n\n y\n", "RUN pip install x; apt-get update\n", "RUN --mount=type=cache,target=$a x\n",
    "ADD <<E /x\n$a\nE\n",
)  # fmt: skip
ENV = {"a": "aab/a*b?.c", "b": "a" * 50, "PATH": "/bin:/usr/bin", "V": "x y", "e": ""}


class Fuzzer:
    """Makes texts and tries them."""

    def __init__(self, seed: int, slower: float) -> None:
        self.slower = slower
        self.random = random.Random(seed)
        self.oracle = importlib.import_module("oracle")
        self.corpus = [path.read_bytes().decode() for path in CORPUS]
        self.counts = {"small": 0, "large": 0, "parsed": 0, "words": 0, "ignore": 0}
        self.slowest: dict[str, tuple[float, str]] = {}

    def text(self) -> str:
        """A small text."""
        pick = self.random
        kind = pick.randrange(4)
        if kind == 0:
            text = str(self.oracle.Generator(pick.randrange(1 << 40)).dockerfile())
        elif kind == 1:
            text = pick.choice(self.corpus)
        else:
            text = "".join(pick.choice(TOKENS) for _ in range(pick.randrange(1, 60)))
        for _ in range(pick.choice((0, 0, 1, 2, 8))):
            text = self.mutated(text)
        return text

    def mutated(self, text: str) -> str:
        """`text` with one change."""
        pick = self.random
        at, to = sorted((pick.randrange(len(text) + 1), pick.randrange(len(text) + 1)))
        to = min(to, at + 40)
        change = pick.randrange(5)
        if change == 0:
            return text[:at] + pick.choice(TOKENS) + text[at:]
        if change == 1:
            return text[:at] + text[to:]
        if change == 2:
            return text[:to] + text[at:to] * pick.randrange(1, 20) + text[to:]
        if change == 3:
            other = pick.choice(self.corpus)
            return text[:at] + other[pick.randrange(len(other) + 1) :]
        return (
            text[:at]
            + chr(pick.choice((pick.randrange(128), pick.randrange(0x3000), pick.randrange(0x110000))))
            + text[to:]
        )

    def large(self) -> str:
        """A piece of a small text, repeated, at times one that is a whole instruction."""
        text = self.text()
        if self.random.randrange(2):
            line = self.random.choice(LINES)
            return "FROM a\n" + line * ((LARGE - 7) // len(line))
        if not text:
            return ""
        at, to = sorted((self.random.randrange(len(text)), self.random.randrange(len(text) + 1)))
        piece = text[at : max(to, at + 1)]
        if "\n" not in piece and self.random.randrange(4):
            piece += self.random.choice(("\\\n", "`\n", "\n", " \\\n"))
        size = LARGE - len(text)
        return text[:at] + piece * (size // len(piece)) + text[to:]

    def try_document(self, text: str, limit: float) -> None:
        """Parses and checks; raises where it fails in a way it must not."""
        source = Source("Dockerfile", text)
        allowed = CHECKS_S if limit == LARGE_S else limit
        try:
            document = self.timed("parse", limit, text, lambda: parse(source))
        except DockerfileErrors as error:
            assert error.errors  # noqa: PT017
            faults = self.timed("faults", allowed, text, lambda: faults_of(source))
            # Of very many faults the first are told, and others may stand before these.
            told = {*map(str, faults)}
            assert told >= {*map(str, error.errors)} or len(faults) > MAX_FAULTS  # noqa: PT017
            report = Report(faults=faults)
        else:
            self.counts["parsed"] += 1
            try:
                found = self.timed("lint", allowed, text, lambda: examine(document, base_env={"a": {}}))
            except DockerfileError:
                return
            report = Report(warnings=found.warnings[:200], faults=found.faults)
        if limit == SMALL_S:
            str(report.faults)
            for write in FORMATS.values():
                write(report)

    def try_words(self, text: str, limit: float) -> None:
        """Expands the text as one word."""
        self.counts["words"] += 1
        for name, act in (("expand", lambda: expand(text, ENV)), ("raw", lambda: expand_raw(text, ENV))):
            try:
                self.timed(name, limit, text, act)
            except DockerfileError as error:
                assert error.text  # noqa: PT017

    def try_ignore_rules(self, text: str, limit: float) -> None:
        """Reads the text as an ignore file, asks it about paths, and takes its first line as a glob."""
        self.counts["ignore"] += 1
        patterns = self.timed("ignore file", limit, text, lambda: parse_ignore_file(text))
        paths = ["a", "a/b/c.txt", "aaaaaaaa/" * 400 + "a", text[:4000].replace("\n", "/")]
        if limit == LARGE_S:
            self.try_long_path(text)
        try:
            for path in paths:
                self.timed(
                    "ignored",
                    limit,
                    text,
                    lambda: PatternMatcher(patterns).matches_or_parent_matches(path),  # noqa: B023
                )
        except PatternError as error:
            assert error.reason  # noqa: PT017
        for path in paths:
            try:
                self.timed("glob", limit, text, lambda: match_glob(text.partition("\n")[0], path))  # noqa: B023
            except PatternError as error:
                assert error.reason  # noqa: PT017

    def try_long_path(self, path: str) -> None:
        """Asks a small pattern about `path`."""
        pattern = self.text()[:100].replace("\n", "")
        for name, ask in (
            ("path ignored", lambda: PatternMatcher([pattern]).matches_or_parent_matches(path)),
            ("path glob", lambda: match_glob(pattern, path)),
        ):
            try:
                self.timed(name, LARGE_S, pattern + path, ask)
            except PatternError as error:
                assert error.reason  # noqa: PT017

    def timed(self, name: str, limit: float, text: str, act: Callable[[], T]) -> T:
        """What `act` gives or raises; fails where it takes longer than `limit`.

        What does is tried twice more, and told as what a quiet machine needs: others have this one too.
        """
        outcomes: list[T] = []
        errors: list[Exception] = []

        def attempt() -> None:
            globs._parse_glob.cache_clear()  # noqa: SLF001 - else it is quicker each next time
            try:
                outcomes.append(act())
            except (DockerfileError, DockerfileErrors, PatternError) as error:
                errors.append(error)

        start = time.process_time()
        attempt()
        took = time.process_time() - start
        for _ in range(2):
            if took > limit * self.slower:
                took = min(took, nominal_seconds(attempt))
        key = f"{name} {'large' if limit > SMALL_S else 'small'}"
        if took > self.slowest.get(key, (0.0, ""))[0]:
            self.slowest[key] = (took, text)
        if took > limit * self.slower:
            raise TimeoutError(f"{name} took {took:.2f} s")
        if errors:
            raise errors[0]
        return outcomes[0]

    def once(self) -> str | None:
        """Tries one text; the text if it failed, after the traceback was printed."""
        is_large = self.random.randrange(500) == 0
        self.counts["large" if is_large else "small"] += 1
        text = self.large() if is_large else self.text()
        limit = LARGE_S if is_large else SMALL_S
        try:
            self.try_document(text, limit)
            self.try_words(text, limit)
            self.try_ignore_rules(text, limit)
        except Exception:  # noqa: BLE001 - to find any is what this is for
            traceback.print_exc()
            print(repr(text[:2000]))
            return text
        return None


def main() -> int:
    """Runs for the given time; the exit code."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--slower", type=float, default=1)
    options.add_argument("--keep", type=Path, help="folder for texts that failed")
    arguments = options.parse_args()
    fuzzer = Fuzzer(arguments.seed, arguments.slower)
    failures = 0
    end = time.monotonic() + arguments.minutes * 60
    while time.monotonic() < end and failures < 20:
        failed = fuzzer.once()
        if failed is not None:
            failures += 1
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                (arguments.keep / f"{failures}").write_text(failed, errors="surrogatepass", newline="")
    print(", ".join(f"{name} {count}" for name, count in fuzzer.counts.items()))
    for name, (took, text) in sorted(fuzzer.slowest.items()):
        print(f"slowest {name}: {took:.2f} s of {len(text)} characters: {text[:60]!r}")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
