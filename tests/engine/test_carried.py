"""Build-time volumes on an engine that is reached over a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from incubator.core.client import DockerClient
from incubator.errors import StepFailed
from incubator.events import WarningRaised
from tests.engine.forwarder import forwarded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Bench

MAKE_FILES = """\
mount -t tmpfs none "$1"
mkdir -p "$1/cache/deep"
echo kept > "$1/cache/deep/file"
echo alone > "$1/one"
ln -s file "$1/cache/deep/link"
ln "$1/cache/deep/file" "$1/cache/hard"
chown 1234:4321 "$1/cache/deep/file"
chmod 600 "$1/cache/deep/file"
"""
"""Files in a file system that only this process and its children have: an engine on another machine has it no less."""

DOCKERFILE = """\
FROM busybox
RUN stat -c '%u:%g %a' /c/deep/file > /seen; cat /c/deep/link /c/hard /one >> /seen; echo new > /c/new
RUN cat /c/new >> /seen; ls /.incubator* >> /seen 2>&1; touch /one 2>> /seen; true
"""


@pytest.fixture
def address(bench: Bench) -> Iterator[str]:
    """Where the bench's engine is reached over TCP. Volumes of its builds are gone afterwards."""
    with forwarded(bench.handle.host.removeprefix("unix://")) as address:
        yield address


def alone(script: str, folder: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `incubator` with what `script` makes in `folder`, which nobody else sees."""
    command = [sys.executable, "-m", "incubator", *arguments]
    return subprocess.run(
        [
            "unshare", "--mount", "--propagation", "private",
            "sh", "-ec", f'{script}\nshift; exec "$@"', "sh", str(folder), *command,
        ],
        env={**os.environ, "DOCKER_HOST": address},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def test_what_the_engine_does_not_see_is_copied(bench: Bench, address: str, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    bench.write({"Dockerfile": DOCKERFILE})
    iid = tmp_path / "iid"
    done = alone(
        MAKE_FILES, hidden, address, "build", "--no-cache", "--network", "none", "--progress", "plain",
        "--iidfile", str(iid), "-v", f"{hidden}/cache:/c", "-v", f"{hidden}/one:/one:ro", str(bench.folder),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    image = iid.read_text()
    try:
        seen = bench.run(image, "cat", "/seen")
        assert seen.startswith("1234:4321 600\nkept\nkept\nalone\nnew\n"), seen
        assert "Read-only" in seen or "read-only" in seen
        files = bench.snapshot(image).files
        assert not {"c", "one"} & set(files)
    finally:
        bench.client.remove_image(image)
    assert f"does not see '{hidden}/cache'" in done.stderr
    assert f"does not see '{hidden}/one'" not in done.stderr


def test_a_failed_build_leaves_no_copy(bench: Bench, address: str, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    bench.write({"Dockerfile": "FROM busybox\nRUN grep ' /c ' /proc/self/mountinfo; false\n"})
    done = alone(
        MAKE_FILES, hidden, address, "build", "--no-cache", "--network", "none", "--progress", "plain",
        "-v", f"{hidden}/cache:/c:ro", str(bench.folder),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    [volume] = set(re.findall(r"incubator-build-[0-9a-f]+-[0-9a-f]+", done.stderr))
    assert bench.client.volume(volume) is None


def test_a_shared_folder_is_mounted_itself(bench: Bench, address: str, tmp_path: Path) -> None:
    asked = bench.handle.name != "podman"  # which makes the folders it is asked for
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "input").write_text("from here\n")
    with closing(DockerClient.from_env({"DOCKER_HOST": address})) as client:
        result = bench.build(
            "FROM busybox\nRUN cat /c/input /one > /seen; echo out > /c/output\n",
            volumes=[f"{shared}:/c", f"{shared}/input:/one:ro"],
            container_client=client,
        )
        with pytest.raises(StepFailed, match=r"[Rr]ead-only"):
            bench.build(
                "FROM busybox\nRUN touch /c/x\n", volumes=[f"{shared}:/c:ro"], container_client=client
            )
    assert bench.run(result.id, "cat", "/seen") == "from here\nfrom here\n"
    assert sorted(path.name for path in shared.iterdir()) == (["input", "output"] if asked else ["input"])
    warnings = [event.message for event in bench.events if isinstance(event, WarningRaised)]
    assert len(warnings) == (0 if asked else 1), warnings
