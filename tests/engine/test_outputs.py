"""Results of builds in files, on real engines."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

from incubator.cli import main
from incubator.events import WriteFinished
from tests.engine.conftest import owned_by

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.engine.conftest import Bench

COMMAND = [sys.executable, "-m", "incubator", "build", "--network", "none"]
ARTIFACTS = """\
FROM busybox AS build
RUN mkdir -p /out/sub && echo program > /out/program && ln -s program /out/link && chmod 750 /out/program
FROM scratch AS bin
COPY --from=build /out /
"""


def names_of(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return sorted(tar.getnames())


def test_artifacts_of_a_scratch_target(bench: Bench, tmp_path: Path) -> None:
    out, tar = tmp_path / "out", tmp_path / "out.tar"
    name = f"incubator-test-output:{secrets.token_hex(6)}"
    result = bench.build(ARTIFACTS, target="bin", tag=name, outputs=[str(out), f"type=tar,dest={tar}"])
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == ["link", "program", "sub"]
    assert (out / "program").read_text() == "program\n"
    assert (out / "program").stat().st_mode & 0o777 == 0o750
    assert str((out / "link").readlink()) == "program"
    assert names_of(tar) == ["link", "program", "sub"]
    ends = [event for event in bench.events if isinstance(event, WriteFinished)]
    assert [(event.what, event.target) for event in ends] == [
        ("output", f"type=local,dest={out}, type=tar,dest={tar}")
    ]
    assert result.duration_s > ends[0].duration_s
    assert bench.client.image(name) is None, "no tag stays for files alone"
    assert bench.leftovers() == []
    assert result.tags == (name,)


def test_files_below_a_volume(bench: Bench, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN mkdir /data && echo kept > /data/x\nVOLUME /data\n"
    bench.build(text, outputs=f"type=tar,dest={tmp_path / 'x.tar'}")
    names = names_of(tmp_path / "x.tar")
    assert "data/x" in names
    assert not {".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf"} & set(names)
    assert bench.leftovers() == []


def test_an_archive_of_the_image(bench: Bench, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    tags = [f"incubator-test-output:{secrets.token_hex(6)}" for _ in range(2)]
    text = f"FROM busybox\nRUN echo {secrets.token_hex(8)} > /x\nENV A=b\n"
    result = bench.build(text, tag=tags, outputs=f"type=docker,dest={archive}")
    assert [bench.client.image(tag) for tag in tags] == [None, None]
    check_archive(archive, tags, result.config_digest)
    with archive.open("rb") as file:
        loaded = list(bench.api.load_image(file))  # type: ignore[no-untyped-call]
    try:
        assert loaded
        found = bench.client.image(tags[0])
        assert found is not None
        assert [layer.diff_id for layer in result.layers] == list(found.config.diff_ids)
        assert bench.run(tags[1], "/bin/sh", "-c", "echo $A") == "b\n"
    finally:
        for tag in tags:
            bench.client.remove_image(tag)


def check_archive(path: Path, tags: list[str], config_digest: str) -> None:
    """Compute what the archive says of its config and layers."""
    with tarfile.open(path) as tar:

        def digest(name: str, *, plain: bool = False) -> str:
            member = tar.extractfile(name)
            assert member is not None
            with member:
                if plain and member.read(2) == b"\x1f\x8b":
                    import gzip

                    member.seek(0)
                    return hashlib.sha256(gzip.decompress(member.read())).hexdigest()
                member.seek(0)
                return hashlib.sha256(member.read()).hexdigest()

        file = tar.extractfile("manifest.json")
        assert file is not None
        [entry] = json.load(file)
        assert {tag.rpartition("/")[2] for tag in entry["RepoTags"]} == set(tags)
        config = tar.extractfile(entry["Config"])
        assert config is not None
        parsed: dict[str, Any] = json.load(config)
        assert f"sha256:{digest(entry['Config'])}" == config_digest
        found = [f"sha256:{digest(name, plain=True)}" for name in entry["Layers"]]
        assert found == parsed["rootfs"]["diff_ids"]


def test_the_command(docker28: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = docker28.write({"Dockerfile": ARTIFACTS})
    monkeypatch.chdir(folder)
    for name, value in docker28.handle.env.items():
        monkeypatch.setenv(name, value)
    assert main(["build", "--network", "none", "--target", "bin", "-o", "out", "."]) == 0
    assert (folder / "out/program").read_text() == "program\n"
    command = [*COMMAND, "--target", "bin", "-o", "-", "."]
    stream = subprocess.run(command, check=True, capture_output=True).stdout
    (folder / "stream.tar").write_bytes(stream)
    assert names_of(folder / "stream.tar") == ["link", "program", "sub"]


def test_the_command_ends_when_nobody_reads_its_output(bench: Bench) -> None:
    folder = bench.write({"Dockerfile": "FROM busybox\nRUN head -c 30000000 /dev/zero > /large\n"})
    command = subprocess.Popen(
        [*COMMAND, "-o", "-", "."],
        cwd=folder,
        env=os.environ | bench.handle.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert command.stdout
    with command, command.stdout:
        try:
            assert command.stdout.read(512)
            command.stdout.close()
            assert command.wait(120) == 1
        finally:
            command.kill()
    assert owned_by(bench, command.pid) == []
