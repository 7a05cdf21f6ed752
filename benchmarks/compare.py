"""incubator and `docker build` side by side: medians and ratios. See README.md."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """A folder to build, and options that only one of the builders gets."""

    write: Callable[[Path], None]
    options: tuple[str, ...] = ()


def runs(folder: Path) -> None:
    """20 small RUNs."""
    lines = "".join(f"RUN echo {number} > /made-{number}\n" for number in range(20))
    (folder / "Dockerfile").write_text(f"FROM busybox\n{lines}")


def copies(folder: Path) -> None:
    """20 times COPY of a small file."""
    for number in range(20):
        (folder / f"file-{number}").write_bytes(os.urandom(2000))
    lines = "".join(f"COPY file-{number} /copied-{number}\n" for number in range(20))
    (folder / "Dockerfile").write_text(f"FROM busybox\n{lines}")


def files(folder: Path) -> None:
    """5000 files of 2 kB in 50 folders."""
    for number in range(5000):
        path = folder / "tree" / f"folder-{number % 50}" / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(2000))
    (folder / "Dockerfile").write_text("FROM busybox\nCOPY tree /tree\n")


def stages(folder: Path) -> None:
    """Four stages that do not depend on each other."""
    made = "".join(f"FROM busybox AS s{n}\nRUN sleep 2; echo {n} > /{n}\n" for n in range(4))
    copies = "".join(f"COPY --from=s{n} /{n} /\n" for n in range(4))
    (folder / "Dockerfile").write_text(f"{made}FROM busybox\n{copies}")


def output(folder: Path) -> None:
    """A step with much to say."""
    (folder / "Dockerfile").write_text("FROM busybox\nRUN yes 'a line of output' | head -c 20000000\n")


def example(folder: Path) -> None:
    """The project's example."""
    shutil.copytree(ROOT / "examples" / "hello", folder, dirs_exist_ok=True)


CASES = {
    "example": Case(example),
    "runs": Case(runs),
    "runs-one-layer": Case(runs, ("--split-layer", "0")),
    "copies": Case(copies),
    "files": Case(files),
    "stages": Case(stages),
    "output": Case(output),
}


def docker() -> str:
    """The docker command: this machine's if it has BuildKit, else the lab's."""
    found = shutil.which("docker")
    if (
        found
        and not subprocess.run([found, "buildx", "version"], capture_output=True, check=False).returncode
    ):
        return found
    sys.path.insert(0, str(ROOT))
    import lab

    return str(lab.tool("docker"))


def seconds(command: Sequence[str]) -> float:
    """How long a command takes; one that fails ends the benchmark with its output."""
    begin = time.monotonic()
    done = subprocess.run(
        command, env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return took


def measure(name: str, case: Case, times: int) -> None:
    """Build a case with both, in turn; print a line for cold and one for warm builds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        case.write(folder)
        common = ["build", "--network", "host", "--progress", "plain", "-t", "incubator-benchmark"]
        ours = [sys.executable, "-m", "incubator", *common, *case.options]
        theirs = [docker(), *common]
        for kind, extra in (("cold", ["--no-cache"]), ("warm", [])):
            if not extra:  # the first of these fills the caches
                seconds([*ours, str(folder)])
                seconds([*theirs, str(folder)])
            pairs = [
                (seconds([*ours, *extra, str(folder)]), seconds([*theirs, *extra, str(folder)]))
                for _ in range(times)
            ]
            mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{name:<16} {kind:<5} {mine:9.2f} s {other:9.2f} s {mine / other:8.2f}", flush=True)


def main() -> None:
    """Run the cases that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--runs", type=int, default=3, help="builds of each kind, of which the median counts")
    arguments = parser.parse_args()
    print(f"{'case':<16} {'':<5} {'incubator':>11} {'docker':>11} {'ratio':>8}")
    for name in arguments.cases or CASES:
        measure(name, CASES[name], arguments.runs)


if __name__ == "__main__":
    main()
