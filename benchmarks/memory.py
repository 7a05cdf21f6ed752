"""Peak memory of `incubator build`, with a large file and with many files. See README.md.

The figure is that of `getrusage` for the process: what was resident at its highest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_MB: Final = 150
"""What the project promises."""

_MANY: Final = 100_000
_LARGE_BYTES: Final = 2 << 30
_A_FOLDER: Final = 500
_PIECE: Final = 1 << 20


def _large(folder: Path) -> None:
    """One file; of bytes that repeat, since it is about memory and not about the speed of compression."""
    piece = os.urandom(_PIECE)
    with (folder / "large").open("wb") as file:
        for _ in range(_LARGE_BYTES // _PIECE):
            file.write(piece)


def _many(folder: Path) -> None:
    """Files of a few bytes in folders of 500."""
    for number in range(_MANY):
        path = folder / f"folder-{number // _A_FOLDER}" / f"file-{number}"
        if number % _A_FOLDER == 0:
            path.parent.mkdir()
        path.write_text(f"{number}\n")


CASES: Final[dict[str, tuple[Callable[[Path], None], str]]] = {
    "large-copy": (_large, "COPY . /context/\n"),
    "large-copy-and-run": (_large, "RUN true\nCOPY . /context/\nRUN true\n"),
    "large-mounted": (_large, "RUN --mount=target=/context test -s /context/large\n"),
    "large-unused": (_large, "RUN true\n"),
    "many-copy": (_many, "COPY . /context/\n"),
    "many-copy-and-run": (_many, "RUN true\nCOPY . /context/\nRUN true\n"),
    "many-mounted": (_many, "RUN --mount=target=/context test -d /context/folder-0\n"),
    "many-unused": (_many, "RUN true\n"),
}
"""What fills the context, and what a Dockerfile does with it. `...-run` makes one layer of COPY and RUNs."""


def measure(folder: Path, work: Path) -> tuple[float, float]:
    """Build once without a cache; megabytes (of a million bytes) at the peak, and seconds."""
    iid = work / "iid"
    command = [
        sys.executable, "-m", "incubator", "build", "--no-cache", "--progress", "plain", "--layers", "auto",
        "--network", "none", "--iidfile", str(iid), "--file", str(work / "Dockerfile"), str(folder),
    ]  # fmt: skip
    begin = time.monotonic()
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took_s = time.monotonic() - begin
    if process.returncode:
        raise SystemExit(f"the build failed:\n{(work / 'log').read_text(errors='replace')}")
    _remove_image(iid.read_text())
    return usage.ru_maxrss * 1024 / 1e6, took_s


def _remove_image(image: str) -> None:
    from contextlib import closing

    from incubator.core.client import DockerClient

    with closing(DockerClient.from_env()) as client:
        client.remove_image(image)


def main() -> int:
    """Print a line a case; 1 where one needs too much."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    wanted = parser.parse_args().cases or list(CASES)
    worst = 0.0
    for name in wanted:
        fill, instructions = CASES[name]
        with tempfile.TemporaryDirectory() as made:
            work = Path(made)
            folder = work / "context"
            folder.mkdir()
            fill(folder)
            (work / "Dockerfile").write_text(f"FROM busybox\n{instructions}")
            peak_mb, took_s = measure(folder, work)
        worst = max(worst, peak_mb)
        sys.stdout.write(f"{name:<20} {peak_mb:7.1f} MB {took_s:7.1f} s\n")
        sys.stdout.flush()
    sys.stdout.write(f"promised: less than {MOST_MB} MB\n")
    return int(worst >= MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
