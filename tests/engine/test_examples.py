"""Every example is built by the command of its README, verified, and compared with what `docker build` makes of it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab
from tests.conftest import need
from tests.engine.conftest import api_of
from tests.engine.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import EngineHandle

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/verify"))
OWN_OPTIONS = {"--layers": 1, "--squash": 0}
"""Options that `docker build` lacks, and how many words follow each."""

BY_THE_CLOCK = re.compile(
    r"\.pyc$|^var/(log|cache|lib/(apt|dpkg))/|^etc/ld\.so\.cache$|^var/lib/systemd|^var/cache/ldconfig"
    r"|^tmp/|^root/\.(npm|cache)/|^public/|sitemap\.xml|^usr/share/nginx/html/|\.jar$|node_modules/\.package-lock\.json$"
    r"|^etc/(shadow|passwd|group|gshadow)-?$|_remote\.repositories$|resolver-status|^app/\.venv/.*(RECORD|uv_cache\.json)$"
)
"""What holds the time or the place it was made at, whoever builds."""


def test_all_examples_that_are_built_are_verified() -> None:
    with_dockerfile = {path.parent.name for path in (ROOT / "examples").glob("*/Dockerfile")}
    assert with_dockerfile == {*EXAMPLES, "hello"}  # hello has tests of its own, and `make demo`


@pytest.fixture(scope="module")
def engine(start_engine: Callable[[str], EngineHandle]) -> EngineHandle:
    """The engine with BuildKit."""
    return start_engine("docker28")


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_is_built_and_works(engine: EngineHandle, example: str) -> None:
    bases = base_images(example)
    for base in bases:
        need(base)
    lab.ensure_images(engine, bases)
    command = documented_command(example)
    tag = command[command.index("--tag") + 1]
    verify = str(ROOT / "examples" / example / "verify")
    theirs = f"{tag}:theirs"
    words = docker_words(command)
    words[words.index("--tag") + 1] = theirs
    # Containers of this engine reach package mirrors by the host's network only.
    run(engine, ["docker", "build", "--network", "host", *words])
    run(engine, [verify, theirs])
    run(engine, [sys.executable, "-m", "incubator", *command[1:], "--network", "host"])
    run(engine, [verify, tag])
    api = api_of(engine)
    differences = take_snapshot(api, tag).differences(take_snapshot(api, theirs))
    api.close()
    assert [line for line in differences if not BY_THE_CLOCK.search(line.partition(":")[0].lstrip("/"))] == []


def base_images(example: str) -> list[str]:
    """Images that the Dockerfile starts from and copies from, but for its own stages and named contexts."""
    text = (ROOT / "examples" / example / "Dockerfile").read_text()
    words = documented_command(example)
    contexts = {words[i + 1].split("=")[0] for i, word in enumerate(words) if word == "--build-context"}
    stages = set(re.findall(r"^FROM .* AS (\S+)", text, re.MULTILINE))
    named = re.findall(r"^FROM (\S+)|^COPY --from=(\S+)", text, re.MULTILINE)
    return sorted({image for pair in named for image in pair if image} - stages - contexts - {"scratch"})


def documented_command(example: str) -> list[str]:
    """The words of the README's command."""
    text = (ROOT / "examples" / example / "README.md").read_text()
    return shlex.split(re.findall(r"^    (incubator build .*)$", text, re.MULTILINE)[0])


def docker_words(command: list[str]) -> list[str]:
    """The same for `docker build`, whose options have the same names."""
    words, rest = [], iter(command[2:])
    for word in rest:
        if word not in OWN_OPTIONS:
            words.append(word)
        for _ in range(OWN_OPTIONS.get(word, 0)):
            next(rest)
    return words


def run(engine: EngineHandle, command: list[str]) -> None:
    """Run a command in the project's root, which finds the engine and its client."""
    path = f"{lab.tool('docker').parent}:{os.environ['PATH']}"
    environ = {**os.environ, **engine.env, "PATH": path, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
