"""ADD of URLs and git repositories: equal to what the engine's own builder makes, and safe."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from incubator.api import build
from incubator.errors import BuilderError
from tests.engine.conftest import docker_build
from tests.engine.web import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab import RegistryHandle
    from tests.engine.conftest import Bench
    from tests.engine.web import LOG

CONTENT = b"some text\n"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path, LOG]]:
    folder = tmp_path / "web"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file.txt").write_bytes(CONTENT)
    os.utime(folder / "sub" / "file.txt", (1_600_000_000, 1_600_000_000))
    with tarfile.open(folder / "some.tar.gz", "w:gz") as tar:
        tar.add(folder / "sub" / "file.txt", "in/tar.txt")
    with serve(folder) as (address, log):
        yield address, folder, log


def repository(folder: Path) -> str:
    """Make `r.git` with two commits, a tag on the first; the first commit's id."""
    work = folder / "work"
    (work / "dir").mkdir(parents=True)
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "x@example.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }  # fmt: skip

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=work, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    (work / "dir" / "one").write_text("1\n")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "link").symlink_to("dir/one")
    git("add", ".")
    git("commit", "-qm", "first")
    first = git("rev-parse", "HEAD")
    git("tag", "v1")
    (work / "dir" / "two").write_text("2\n")
    git("add", ".")
    git("commit", "-qm", "second")
    git("clone", "-q", "--bare", ".", str(folder / "r.git"))
    subprocess.run(
        ["git", "-C", folder / "r.git", "config", "uploadpack.allowAnySHA1InWant", "true"], check=True
    )
    return first


def test_as_the_reference_has_it(docker28: Bench, web: tuple[str, Path, LOG]) -> None:
    address, folder, _ = web
    first = repository(folder)
    digest = hashlib.sha256(CONTENT).hexdigest()
    text = f"""FROM busybox
ADD {address}/sub/file.txt /to/a/folder/
ADD --chown=1:2 --chmod=0751 {address}/sub/file.txt /as/a/name
ADD --checksum=sha256:{digest} {address}/sub/file.txt /checked
ADD {address}/some.tar.gz /packed/
ADD --unpack=true {address}/some.tar.gz /unpacked/
ADD --unpack=false local.tar /kept/
ADD local.txt {address}/sub/file.txt local.tar /mixed/
ADD --link {address}/sub/file.txt /link/
ADD {address}/r.git /git/head/
ADD {address}/r.git#v1 /git/tag
ADD {address}/r.git#{first}:dir /git/commit/
ADD --checksum={first[:9]} {address}/r.git#v1:dir /git/checked/
ADD --exclude=run.sh {address}/r.git#main /git/excluded/
"""
    docker28.write({"local.txt": "local"})
    with tarfile.open(docker28.folder / "local.tar", "w") as tar:
        tar.add(docker28.folder / "local.txt", "from-tar")
    result = docker28.build(text)
    theirs = docker28.reference_build("remote:all")
    assert docker28.snapshot(result.id).differences(theirs) == []
    modified = docker28.run(result.id, "stat", "-c", "%Y", "/to/a/folder/file.txt")
    assert modified.strip() == "1600000000"
    kept = docker28.build(f"FROM busybox\nADD --keep-git-dir=true {address}/r.git#v1 /git/\n")
    assert docker28.run(kept.id, "ls", "-A", "/git").split() == [".git", "dir", "link", "run.sh"]


def test_nothing_stale_is_used(docker28: Bench, web: tuple[str, Path, LOG]) -> None:
    address, folder, _ = web
    text = f"FROM busybox\nADD {address}/sub/file.txt /f\n"
    results = []
    for content in ("one", "two", "two"):
        (folder / "sub" / "file.txt").write_text(content)
        results.append(docker28.build(text, no_cache=False))
        assert docker28.run(results[-1].id, "cat", "/f") == content
    assert results[-1].layers[-1].cached


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ADD --checksum=sha256:{zeros} {address}/sub/file.txt /x", "is not what --checksum says"),
        ("ADD --checksum=abcdef1 {address}/r.git#v1 /x", "does not begin with abcdef1"),
        ("ADD {address}/missing /x", "404"),
        ("ADD {address}/r.git#nowhere /x", "nowhere"),
        ("ADD {address}/r.git#v1:nowhere /x", "has no folder 'nowhere'"),
        ("ADD http://127.0.0.1:1/x /x", "Connection refused"),
        ("ADD {address}/away/{address}/away/{address}/away/file:///etc/passwd /x", "No connection adapters"),
    ],
)
def test_failures(docker28: Bench, web: tuple[str, Path, LOG], line: str, words: str) -> None:
    address, folder, _ = web
    repository(folder)
    with pytest.raises(BuilderError, match=words) as caught:
        docker28.build("FROM busybox\n" + line.format(address=address, zeros="0" * 64))
    assert str(caught.value.span).endswith("Dockerfile:2:1")


def test_a_server_that_stumbles(docker28: Bench, web: tuple[str, Path, LOG]) -> None:
    address, folder, _ = web
    (folder / "flaky").write_text("at last")
    result = docker28.build(f"FROM busybox\nADD {address}/flaky /x\n")
    assert docker28.run(result.id, "cat", "/x") == "at last"


def test_logins_go_to_their_host_alone(docker28: Bench, web: tuple[str, Path, LOG]) -> None:
    address, folder, log = web
    repository(folder)
    host = address.removeprefix("http://")
    other = address.replace("127.0.0.1", "localhost")
    secrets = {f"HTTP_AUTH_TOKEN_{host}": "t0ken", "GIT_AUTH_TOKEN": "g1t"}
    docker28.build(
        f"FROM busybox\nADD {address}/sub/file.txt /a\nADD {address}/away/{other}/sub/file.txt /b\n"
        f"ADD {address}/r.git /c/\n",
        secrets=secrets,
    )
    seen = {path: header for path, header in log if header}
    assert seen["/sub/file.txt"] == "Bearer t0ken"
    assert ("/sub/file.txt", None) in log
    assert seen["/r.git/info/refs?service=git-upload-pack"].startswith("basic ")


def test_a_redirect_of_a_repository_gets_no_login(docker28: Bench, web: tuple[str, Path, LOG]) -> None:
    address, folder, log = web
    repository(folder)
    other = address.replace("127.0.0.1", "localhost")
    text = f"FROM busybox\nADD {address}/away/{other}/r.git /c/\n"
    with pytest.raises(BuilderError, match="redirect"):
        docker28.build(text, secrets={"GIT_AUTH_TOKEN": "g1t"})
    assert [path for path, header in log if header and not path.startswith("/away/")] == []
    assert docker28.run(docker28.build(text).id, "ls", "/c").split() == ["dir", "link", "run.sh"]


def test_a_hostile_repository(docker28: Bench, web: tuple[str, Path, LOG], tmp_path: Path) -> None:
    address, folder, _ = web
    repository(folder)
    work = folder / "work"
    (work / "out").symlink_to("/etc")
    (work / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = file://{folder}/r.git\n')
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x",
               "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x"}  # fmt: skip
    first = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=work, env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()
    for command in (
        ["add", "."],
        ["update-index", "--add", "--cacheinfo", f"160000,{first},x"],
        ["commit", "-qm", "x"],
        ["push", "-q", str(folder / "r.git"), "main"],
    ):
        subprocess.run(["git", *command], cwd=work, env=environ, check=True)
    with pytest.raises(BuilderError, match="transport 'file' not allowed"):
        docker28.build(f"FROM busybox\nADD {address}/r.git /x/\n")
    with pytest.raises(BuilderError, match="has no folder 'out'"):
        docker28.build(f"FROM busybox\nADD {address}/r.git?submodules=false&subdir=out /x/\n")


def test_contexts_from_elsewhere(docker28: Bench, web: tuple[str, Path, LOG]) -> None:
    address, folder, log = web
    repository(folder)
    work = folder / "work"
    (work / "dir" / "Dockerfile").write_text("FROM busybox\nCOPY . /here/\n")
    (work / "dir" / ".dockerignore").write_text("two\n")
    (work / "dir" / "other").write_text("FROM busybox\nCOPY one /other/\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x",
               "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x"}  # fmt: skip
    for command in (["add", "."], ["commit", "-qm", "x"], ["push", "-q", str(folder / "r.git"), "main"]):
        subprocess.run(["git", *command], cwd=work, env=environ, check=True)
    with tarfile.open(folder / "context.tar.gz", "w:gz") as tar:
        for path in sorted((work / "dir").iterdir()):
            tar.add(path, path.name)
    (folder / "plain").write_text("FROM busybox\nRUN echo plain >/plain\n")
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("git", f"{address}/r.git#main:dir", {}),
        ("file", f"{address}/r.git#main:dir", {"dockerfile": "other"}),
        ("tar", f"{address}/context.tar.gz", {}),
        ("plain", f"{address}/plain", {}),
    ]
    for name, context, options in cases:
        result = build(
            path=context,
            container_client=docker28.client,
            emit=docker28.events.append,
            network="none",
            no_cache=True,
            **options,
        )
        command = ["-f", options["dockerfile"]] if options else []
        docker_build(docker28.handle, context, f"elsewhere:{name}", *command)
        assert docker28.snapshot(result.id).differences(docker28.snapshot(f"elsewhere:{name}")) == [], name
    local = build(
        path=folder / "context.tar.gz", container_client=docker28.client, network="none", no_cache=True
    )
    assert docker28.run(local.id, "ls", "/here").split() == ["Dockerfile", "one", "other", "two"]
    assert [path for path, _ in log if "plain" in path]


def test_named_contexts(docker28: Bench, web: tuple[str, Path, LOG], tmp_path: Path) -> None:
    address, folder, _ = web
    repository(folder)
    shared = tmp_path / "shared"
    (shared / "in").mkdir(parents=True)
    (shared / "in" / "a").write_text("a")
    (shared / "left-out").write_text("x")
    (shared / ".dockerignore").write_text("left-out\n")
    docker28.write({"Dockerfile": (
        "FROM other AS mine\nCOPY --from=shared / /shared/\nCOPY --from=tools /etc/passwd /from-tools\n"
        "RUN --mount=from=shared,source=in,target=/m cat /m/a >/mounted\nCOPY --from=repo dir /repo/\n"
    )})  # fmt: skip
    contexts = {
        "shared": str(shared),
        "other": "docker-image://busybox",
        "tools": "docker-image://busybox:latest",
        "repo": f"{address}/r.git#v1",
    }
    result = build(
        path=docker28.folder, container_client=docker28.client, emit=docker28.events.append, network="none",
        no_cache=True, build_contexts=contexts,
    )  # fmt: skip
    theirs = docker28.reference_build(
        "named:all", *(word for pair in contexts.items() for word in ("--build-context", "=".join(pair)))
    )
    assert docker28.snapshot(result.id).differences(theirs) == []
    (shared / "left-out").write_text("y")
    options: dict[str, Any] = {
        "path": docker28.folder,
        "container_client": docker28.client,
        "network": "none",
    }
    first = build(**options, build_contexts=contexts)
    assert build(**options, build_contexts=contexts).id
    (shared / "in" / "a").write_text("b")
    changed = build(**options, build_contexts=contexts)
    assert docker28.run(changed.id, "cat", "/mounted") == "b"
    assert docker28.run(first.id, "cat", "/mounted") == "a"


def test_what_was_fetched_is_attested(
    docker28: Bench, web: tuple[str, Path, LOG], registry: RegistryHandle
) -> None:
    address, folder, _ = web
    first = repository(folder)
    work = folder / "work"
    (work / "Dockerfile").write_text(
        f"FROM busybox\nADD {address}/sub/file.txt?key=abcd /\nADD {address}/r.git#v1 /r/\n"
        "COPY --from=repo dir /repo/\nCOPY dir /here/\n"
    )
    with tarfile.open(folder / "context.tar", "w") as tar:
        for name in ("Dockerfile", "dir"):
            tar.add(work / name, name)
    result = build(
        path=f"{address}/context.tar",
        tag=f"{registry.address}/attest/{uuid.uuid4().hex[:12]}:1",
        container_client=docker28.client,
        emit=docker28.events.append,
        network="none",
        no_cache=True,
        push=True,
        build_contexts={"repo": f"{address}/r.git#v1"},
        provenance=True,
    )
    assert result.provenance
    definition = result.provenance["buildDefinition"]
    context = hashlib.sha256((folder / "context.tar").read_bytes()).hexdigest()
    source = {"uri": f"{address}/context.tar", "digest": {"sha256": context}}
    assert definition["externalParameters"]["configSource"] == source | {"path": "Dockerfile"}
    digests = {found["uri"]: found.get("digest") for found in definition["resolvedDependencies"]}
    assert digests.pop("pkg:docker/busybox@latest?platform=linux%2Famd64", None) is None
    assert digests == {
        source["uri"]: source["digest"],
        f"{address}/sub/file.txt": {"sha256": hashlib.sha256(CONTENT).hexdigest()},
        f"{address}/r.git#v1": {"gitCommit": first},
    }
