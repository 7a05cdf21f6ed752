"""A cold build that is pushed: large files that do not compress, by both builders to one registry. See README.md.

Everything that the engine has of earlier builds is removed before each build.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import lab
from benchmarks.compare import docker, seconds
from benchmarks.pipeline import client, forget

FILE_BYTES = 60_000_000
FILES = ("one", "two", "three", "four")


def main() -> None:
    """Build with both, in turn, with files that no registry has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="builds of each, of which the median counts")
    parser.add_argument(
        "--base", default="python:3.12-slim", help="whose layers the base image has (%(default)s)"
    )
    arguments = parser.parse_args()
    name = f"{lab.registry().address}/benchmark/{secrets.token_hex(4)}"
    make_base(arguments.base, f"{name}/base:1")
    pairs = [build(f"{name}/base:1", name) for _ in range(arguments.runs)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"incubator {mine:.2f} s, docker {other:.2f} s, ratio {mine / other:.2f}")


def make_base(layers_of: str, name: str) -> None:
    """Put an image into the registry that the engine has the layers of, but not the image."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(f"FROM {layers_of}\nLABEL benchmark={name}\n")
        client("build", "--tag", name, folder)
    client("push", name)
    client("image", "rm", name)


def build(base: str, name: str) -> list[float]:
    """How long both take for the same new files."""
    times = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for file in FILES:
            (folder / file).write_bytes(os.urandom(FILE_BYTES))
        (folder / "Dockerfile").write_text(
            f"FROM {base}\n" + "".join(f"COPY {file} /srv/\n" for file in FILES)
        )
        programs = {
            "incubator": [sys.executable, "-m", "incubator", "build", "--load=false"],
            "docker": [docker(), "build"],
        }
        for who, program in programs.items():
            forget()
            options = ["--network", "host", "--push", "-t", f"{name}/{who}:{secrets.token_hex(4)}"]
            times.append(seconds([*program, *options, str(folder)]))
    return times


if __name__ == "__main__":
    main()
