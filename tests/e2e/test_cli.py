"""The installed `incubator` command against a real engine and real registries."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import lab
from incubator.schema import load_schema
from tests.conftest import need
from tests.e2e.engine import docker, nothing_left, output_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

INCUBATOR = Path(sys.executable).with_name("incubator")
PATIENCE_S = 60
CLEANUP_S = 5

GOOD = """\
FROM busybox
ARG WORD=nothing
COPY greeting /greeting
RUN echo "built with $WORD" && cat /greeting
RUN echo more > /more
CMD ["cat", "/greeting"]
"""


@pytest.fixture(scope="module")
def cli_engine() -> EngineHandle:
    """This machine's engine, or one of the lab's; it holds busybox."""
    if not os.environ.get("DOCKER_HOST"):
        need("docker20")
    handle = lab.default_engine()
    lab.ensure_images(handle, ["busybox:latest"])
    return handle


@dataclass
class Bench:
    """A folder that is a context, and the command run in it."""

    engine: EngineHandle
    folder: Path

    def environ(self, **more: str) -> dict[str, str]:
        plain = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder.parent / "home"), "LANG": "C.UTF-8"}
        return {**plain, **self.engine.env, **more}

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(INCUBATOR), *arguments],
            cwd=self.folder,
            env=self.environ(**environ),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=240,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def build(self, *arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
        done = self.run("build", "--network=none", *arguments, stdin=stdin, **environ)
        assert done.returncode == 0, done.stderr
        return done

    def inspect(self, image: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker(self.engine, "image", "inspect", image))[0]
        return found

    def has(self, image: str) -> bool:
        return bool(docker(self.engine, "images", "--quiet", image).strip())

    def output(self, image: str, *command: str) -> str:
        return output_of(self.engine, image, *command)


@pytest.fixture
def bench(cli_engine: EngineHandle, tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "home").mkdir()
    made = Bench(cli_engine, folder)
    made.write("Dockerfile", GOOD)
    made.write("greeting", "hello\n")
    with nothing_left(cli_engine):
        yield made


@pytest.fixture
def tag(cli_engine: EngineHandle) -> Iterator[str]:
    """A reference of this test alone, gone afterwards."""
    name = f"cli-{uuid.uuid4().hex[:12]}:t"
    yield name
    docker(cli_engine, "rmi", "--force", name, check=False)


def test_a_build(bench: Bench, tag: str) -> None:
    done = bench.build("-t", tag, "--no-cache", "--build-arg", "WORD=care", "--label", "a=b", ".")
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    assert re.search(r"^\[.* \d/\d\] \| built with care$", done.stderr, re.MULTILINE)
    assert re.search(r"^\[.* \d/\d\] \| hello$", done.stderr, re.MULTILINE)
    assert re.search(rf"^tag +{tag}$", done.stderr, re.MULTILINE)
    found = bench.inspect(tag)
    assert re.search(rf"^image +{found['Id']}$", done.stderr, re.MULTILINE)
    assert found["Config"]["Labels"] == {"a": "b"}
    assert found["Config"]["Cmd"] == ["cat", "/greeting"]
    assert "WORD" not in str(found["Config"])
    assert bench.output(tag) == "hello\n"


def test_quiet_and_files_of_the_result(bench: Bench, tag: str) -> None:
    done = bench.build("-q", "-t", tag, "--iidfile", "iid", "--metadata-file", "meta.json", ".")
    found = bench.inspect(tag)
    assert (done.stdout, done.stderr) == (f"{found['Id']}\n", "")
    assert (bench.folder / "iid").read_text() == found["Id"]
    metadata = json.loads((bench.folder / "meta.json").read_text())
    assert metadata["containerimage.digest"] == found["Id"]
    assert metadata["image.name"] == f"docker.io/library/{tag}"
    assert {path.name for path in bench.folder.iterdir()} == {"Dockerfile", "greeting", "iid", "meta.json"}


@pytest.mark.parametrize(
    ("arguments", "layers"),
    [([], 3), (["--squash"], 1), (["-s", "5"], 1), (["-s", "3", "-s", "5"], 2), (["--layers", "auto"], 2)],
)
def test_layers(bench: Bench, tag: str, arguments: list[str], layers: int) -> None:
    base = len(bench.inspect("busybox")["RootFS"]["Layers"])
    bench.write("Dockerfile", "FROM busybox\nRUN echo 1 > /1\nCOPY greeting /\nENV A=b\nRUN echo 2 > /2\n")
    bench.build("-q", "-t", tag, *arguments, ".")
    # On Podman a last, tiny layer takes the mount points away that it leaves in every container.
    tidy = 1 if "podman" in bench.engine.host else 0
    assert len(bench.inspect(tag)["RootFS"]["Layers"]) - base in {layers, layers + tidy}
    assert bench.output(tag, "cat", "/1", "/greeting", "/2") == "1\nhello\n2\n"


def test_json_lines(bench: Bench) -> None:
    done = bench.build("--progress", "rawjson", "--no-cache", ".")
    records = [json.loads(line) for line in done.stderr.splitlines()]
    validator = jsonschema.Draft202012Validator(load_schema("events"))
    for record in records:
        validator.validate(record)
    kinds = [record["event"] for record in records]
    assert kinds.count("build-started") == kinds.count("image-built") == 1
    output = "".join(record["data"] for record in records if record["event"] == "step-output")
    assert "built with nothing\nhello\n" in output
    assert done.stdout == ""


def run_on_terminal(bench: Bench, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Exit code and all that the terminal got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [str(INCUBATOR), *arguments],
        cwd=bench.folder,
        env=bench.environ(TERM="xterm"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    got = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        got += data
    os.close(master)
    return process.wait(timeout=PATIENCE_S), got.decode()


def test_on_a_terminal(bench: Bench) -> None:
    bench.write(
        "Dockerfile",
        "FROM busybox\nRUN echo working; sleep 1; printf '\\033[2Jno\\033]0;x\\007'; echo done\n",
    )
    code, text = run_on_terminal(bench, "build", "--no-cache", "--network=none", ".")
    assert code == 0, text
    assert "[+] Building" in text
    assert " => => # working" in text
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert re.search(r"^image +sha256:", text, re.MULTILINE)


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colours_of_a_log(bench: Bench, no_colour: str) -> None:
    bench.write("Dockerfile", "FROM busybox\nRUN echo one\n")
    assert ("\x1b[" in bench.build(".", FORCE_COLOR="1", NO_COLOR=no_colour).stderr) is (not no_colour)


def test_a_failing_step(bench: Bench, tag: str) -> None:
    bench.write("Dockerfile", "FROM busybox\n\nRUN echo before; echo reason >&2; exit 7\nRUN echo never\n")
    bench.write("iid", "old")
    done = bench.run(
        "build", "--network=none", "-t", tag, "--iidfile", "iid", "--metadata-file", "meta.json", "."
    )
    assert (done.returncode, done.stdout) == (1, "")
    for words in (
        "Dockerfile:3:1:",
        "exit status 7",
        ">> 3 | RUN echo before",
        "   | reason",
        "FAILED after",
    ):
        assert words in done.stderr
    assert "never" not in done.stderr.replace("RUN echo never", "")
    assert not bench.has(tag)
    assert not (bench.folder / "iid").exists()
    assert not (bench.folder / "meta.json").exists()
    quiet = bench.run("build", "--network=none", "-q", ".")
    assert (quiet.returncode, quiet.stdout) == (1, "")
    assert "   | reason" in quiet.stderr


def context_tar(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def test_standard_input(bench: Bench, tag: str) -> None:
    bench.build("-q", "-t", tag, "-", stdin=b"FROM busybox\nRUN echo alone > /how\n")
    assert bench.output(tag, "cat", "/how") == "alone\n"
    bench.build("-q", "-t", tag, "-f", "-", ".", stdin=b"FROM busybox\nCOPY greeting /how\n")
    assert bench.output(tag, "cat", "/how") == "hello\n"
    stdin = context_tar(other="FROM busybox\nCOPY file /how\n", file="packed\n")
    bench.build("-q", "-t", tag, "-f", "other", "--context-file-limit", "1", "-", stdin=stdin)
    assert bench.output(tag, "cat", "/how") == "packed\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_cancelling(bench: Bench, tag: str, number: int, code: int) -> None:
    bench.write("Dockerfile", "FROM busybox\nRUN echo running; sleep 300\n")
    process = subprocess.Popen(
        [str(INCUBATOR), "build", "--network=none", "-t", tag, "."],
        cwd=bench.folder,
        env=bench.environ(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    seen = ""
    while "| running" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(number)
    begin = time.monotonic()
    out, err = process.communicate(timeout=PATIENCE_S)
    took = time.monotonic() - begin
    assert (process.returncode, out) == (code, "")
    assert "cancelled" in err
    assert "Traceback" not in err
    assert took < CLEANUP_S
    assert not bench.has(tag)


def test_no_engine(bench: Bench) -> None:
    done = bench.run("build", ".", DOCKER_HOST=f"unix://{bench.folder}/nothing.sock")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no container engine answers" in done.stderr
    assert "hint: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "context 'nowhere' does not exist"),
        (["-f", "Dockerfil", "."], "did you mean -f Dockerfile?"),
        (["-t", "Not:A:Tag", "."], "invalid reference 'Not:A:Tag'"),
        (["-v", "/etc", "."], "invalid volume '/etc'"),
        (["-m", "lots", "."], "'lots'"),
        (["--layers", "1;2", "."], "invalid layer split '1;2'"),
        (["--progres", "plain", "."], "did you mean --progress?"),
        (["-f", "bad", "."], "bad:2:1: error[unknown-instruction]"),
    ],
)
def test_bad_input_needs_no_engine(bench: Bench, arguments: list[str], words: str) -> None:
    bench.write("bad", "FROM busybox\nRUNN x\n")
    done = bench.run("build", *arguments, DOCKER_HOST="unix:///nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "nope", "."], ["nope"]),
        (["-s", "99", "."], ["99"]),
    ],
)
def test_what_the_plan_refuses_changes_nothing(
    bench: Bench, tag: str, arguments: list[str], words: list[str]
) -> None:
    done = bench.run("build", "-t", tag, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    for word in words:
        assert word in done.stderr
    assert not bench.has(tag)


def test_limits(bench: Bench) -> None:
    bench.write(
        "Dockerfile",
        "FROM busybox\n"
        "RUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true\n",
    )
    done = bench.build("--no-cache", "-m", "64m", ".")
    assert f"| {64 << 20}" in done.stderr


def test_volumes(bench: Bench, tag: str) -> None:
    bench.write("cache/kept", "from the host\n")
    bench.write("Dockerfile", "FROM busybox\nRUN cat /cache/kept > /seen && echo new > /cache/made\n")
    bench.build("-q", "-t", tag, "-v", "./cache:/cache", ".")
    assert (bench.folder / "cache/made").read_text() == "new\n"
    assert bench.output(tag, "cat", "/seen") == "from the host\n"
    assert "kept" not in bench.output(tag, "sh", "-c", "ls /cache 2>/dev/null; true")


def test_configuration_files(bench: Bench, tag: str) -> None:
    bench.write("cache/kept", "from the host\n")
    bench.write("Dockerfile", "FROM busybox\nRUN cat /cache/kept\n")
    bench.write(
        ".incubator", f"tags: ['{tag}']\nvolumes: ['./cache:/cache:ro']\nlabels: {{from: checkout}}\n"
    )
    (bench.folder.parent / "home/.incubator.rc").write_text('{"labels": {"from": "home", "home": "yes"}}')
    done = bench.build(".")
    assert "| from the host" in done.stderr
    assert bench.inspect(tag)["Config"]["Labels"] == {"from": "checkout", "home": "yes"}
    shown = bench.run("build", "--test-config", DOCKER_HOST="unix:///nothing")
    assert shown.returncode == 0
    assert "./.incubator:3 (not trusted)" in shown.stdout


def test_a_repository_cannot_reach_the_host(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    (bench.folder / "way").symlink_to("..")
    bench.write("Dockerfile", "FROM busybox\nRUN cat /s/secret\n")
    for source in (str(tmp_path), "..", "./way", "engine-volume"):
        bench.write(".incubator", f"volumes: ['{source}:/s']\n")
        done = bench.run("build", "--network=none", ".")
        assert done.returncode == 2
        assert "SECRET" not in done.stderr
        assert "./.incubator:1:" in done.stderr
    bench.write(".incubator", "{}")
    assert "SECRET" in bench.build("-v", f"{tmp_path}:/s:ro", ".").stderr


def test_pushing(bench: Bench, registry: RegistryHandle) -> None:
    name = f"{registry.address}/cli/{uuid.uuid4().hex[:12]}"
    done = bench.build("-t", f"{name}:1", "-t", f"{name}:2", "--push", "--metadata-file", "meta.json", ".")
    metadata = json.loads((bench.folder / "meta.json").read_text())
    digest = metadata["containerimage.digest"]
    assert metadata["image.name"] == f"{name}:1,{name}:2"
    assert f"digest    {name}:1@{digest}" in done.stderr
    docker(bench.engine, "rmi", "--force", f"{name}:1", f"{name}:2")
    docker(bench.engine, "pull", "--quiet", f"{name}@{digest}")
    assert bench.output(f"{name}@{digest}") == "hello\n"
    docker(bench.engine, "rmi", "--force", f"{name}@{digest}")


def test_a_registry_that_refuses(bench: Bench, registry_auth: RegistryHandle) -> None:
    name = f"{registry_auth.address}/cli/{uuid.uuid4().hex[:12]}"
    done = bench.run(
        "build", "--network=none", "-t", f"{name}:1", "--push", "--metadata-file", "meta.json", "."
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert f"cannot push to {name}: " in done.stderr
    assert "nothing was built\nhint: log in: " in done.stderr
    assert not (bench.folder / "meta.json").exists()


@pytest.mark.parametrize(
    ("dockerfile", "code", "words"),
    [
        ("FROM registry.invalid/web\n", 4, "hint: it is the engine that has to reach the registry"),
        ("FROM busybox\nCOPY greting /\n", 2, "hint: did you mean greeting?"),
        ("FROM busybox\nCOPY ignored /\n", 2, "hint: take it back with a line `!ignored`"),
        ("FROM busybox\nRUN ehco hello\n", 1, "hint: a command was not found"),
        ("FROM busybox\nCPY greeting /\n", 2, "hint: did you mean COPY?"),
    ],
)
def test_mistakes_in_a_dockerfile_have_a_hint(bench: Bench, dockerfile: str, code: int, words: str) -> None:
    bench.write("Dockerfile", dockerfile)
    bench.write("ignored", "")
    bench.write(".dockerignore", "ignored\n")
    done = bench.run("build", "--network=none", ".")
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr


def test_version(bench: Bench) -> None:
    done = bench.run("version", DOCKER_HOST="unix:///nothing")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("incubator ")


def test_as_a_module(bench: Bench) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "incubator", "version"],
        capture_output=True,
        text=True,
        check=False,
        env=bench.environ(),
    )
    assert done.stdout == bench.run("version").stdout


def test_python_front_door(bench: Bench, tag: str) -> None:
    """The same build through `incubator.api.build`, with every kind of context."""
    code = (
        "import io, sys; from incubator.api import build\n"
        f"first = build('.', tag='{tag}', network='none', no_cache=True, layers=[0])\n"
        "print(first.id, len(first.logs), first.tags[0])\n"
        "print([log.logs for log in first.logs if log.command.startswith('RUN echo \"built')][0], end='')\n"
        "second = build(fileobj=io.BytesIO(b'FROM busybox\\nRUN true\\n'), network='none')\n"
        "third = build(fileobj=open('ctx.tar', 'rb'), custom_context=True, dockerfile='other', network='none')\n"
        "print(second.id != third.id)\n"
    )
    (bench.folder / "ctx.tar").write_bytes(context_tar(other="FROM busybox\nCOPY file /\n", file="x"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=bench.folder,
        env=bench.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith(bench.inspect(tag)["Id"])
    assert first.endswith(tag)
    assert rest == ["built with nothing", "hello", "True"]
