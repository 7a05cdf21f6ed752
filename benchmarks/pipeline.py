"""The second pipeline of a project, on an engine that knows nothing: both builders with a cache in a registry.

See README.md. Everything that the engine has of earlier builds is removed before each build.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import lab
from benchmarks.compare import docker, seconds

DOCKERFILE = """\
FROM {base}
WORKDIR /srv/app
COPY requirements.txt .
RUN python3 -c "import os; open('/installed', 'wb').write(os.urandom(50_000_000))"
COPY src src
CMD ["python3", "src/main.py"]
"""


def client(*arguments: str) -> str:
    """Run the docker client; its output."""
    return subprocess.run([docker(), *arguments], check=True, capture_output=True, text=True).stdout


def forget() -> None:
    """Take all images and all build cache from the engine."""
    subprocess.run([docker(), "builder", "prune", "--all", "--force"], check=True, capture_output=True)
    if images := client("image", "ls", "--all", "--quiet").split():
        subprocess.run([docker(), "image", "rm", "--force", *set(images)], check=False, capture_output=True)


def edit(folder: Path) -> None:
    """A change as most are: one source file."""
    (folder / "src" / "main.py").write_text(f"print({secrets.token_hex(8)!r})\n")


def main() -> None:
    """Build cold once, then with an edited file, and with nothing changed, several times each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="builds of each kind, of which the median counts")
    parser.add_argument(
        "--base", default="python:3.12-slim", help="base image, which the engine has (%(default)s)"
    )
    arguments = parser.parse_args()
    name = f"{lab.registry().address}/benchmark/{secrets.token_hex(4)}"
    client("tag", arguments.base, f"{name}/base:1")
    client("push", f"{name}/base:1")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "src").mkdir()
        (folder / "requirements.txt").write_text("one\n")
        (folder / "Dockerfile").write_text(DOCKERFILE.format(base=f"{name}/base:1"))
        for number in range(200):
            (folder / "src" / f"module_{number}.py").write_bytes(os.urandom(4000))
        edit(folder)

        def command(who: str) -> list[str]:
            cache = f"type=registry,ref={name}/{who}-cache:main,mode=max"
            program = [sys.executable, "-m", "incubator"] if who == "incubator" else [docker()]
            options = ["--push", "--cache-from", cache.removesuffix(",mode=max"), "--cache-to", cache]
            load = ["--load=false"] if who == "incubator" else []
            return [
                *program,
                "build",
                "--network",
                "host",
                *load,
                *options,
                "-t",
                f"{name}/{who}:1",
                str(folder),
            ]

        print(f"{'second pipeline':<18} {'incubator':>11} {'docker':>11} {'ratio':>8}")
        builders = ("incubator", "docker")
        for kind in ("cold", "edited", "unchanged"):
            pairs = []
            for _ in range(1 if kind == "cold" else arguments.runs):
                if kind == "edited":
                    edit(folder)
                times = []
                for who in builders:
                    forget()
                    times.append(seconds(command(who)))
                pairs.append(times)
            mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{kind:<18} {mine:9.2f} s {other:9.2f} s {mine / other:8.2f}", flush=True)


if __name__ == "__main__":
    main()
