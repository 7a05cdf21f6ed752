"""Mounts, networks and rights of RUN: what commands see, what stays in the image, what is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.constants import LABEL_BUILD
from incubator.core.leftovers import LABEL_CACHE_MOUNT
from incubator.core.mounts import CACHE_VOLUME
from incubator.errors import BuilderError, DockerfileError, StepFailed
from incubator.events import LayerCommitted, StepOutput
from tests.engine.conftest import Bench, make_bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import EngineHandle

TOKEN = "t0ken-Zx81qq"


@pytest.fixture
def reference(start_engine: Callable[[str], EngineHandle], tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "reference"
    folder.mkdir()
    yield from make_bench(start_engine("docker28"), folder)


def caches(bench: Bench, *ids: str) -> list[str]:
    """Volumes of the cache mounts with these ids; other tests may have others."""
    found = bench.client.volumes(LABEL_CACHE_MOUNT)
    return [name for name, labels in found.items() if labels[LABEL_CACHE_MOUNT] in ids]


def forget_caches(bench: Bench, *ids: str) -> None:
    for volume in caches(bench, *ids):
        bench.client.remove_volume(volume)


@pytest.fixture(autouse=True)
def no_volumes_left(request: pytest.FixtureRequest) -> Iterator[None]:
    bench = next(
        (request.getfixturevalue(name) for name in ("bench", "docker28") if name in request.fixturenames),
        None,
    )
    yield
    if bench is not None:
        ours = {event.build_id for event in bench.events if hasattr(event, "build_id")}
        labels = bench.client.volumes(LABEL_BUILD)
        assert [name for name, found in labels.items() if found[LABEL_BUILD] in ours] == []


ALL = """
FROM busybox AS a
RUN mkdir -p /d/sub && echo from-a >/d/x && chown 5:6 /d/x && ln -s x /d/link && chmod 0700 /d/sub
FROM busybox
RUN ln -s /srv/real /via && mkdir -p /srv/real
RUN --mount=type=bind,source=sub,target=/ctx cp -a /ctx /kept && ! touch /ctx/new
RUN --mount=type=bind,source=sub/f,target=/one/file cat /one/file >/one-file
RUN --mount=type=bind,source=sub,target=/ctx,rw echo more >>/ctx/f && cp /ctx/f /changed
RUN --mount=source=sub,target=/ctx cat /ctx/f >/unchanged
RUN --mount=from=a,source=/d,target=/from/a cp -a /from/a /stage
RUN --mount=type=cache,target=/via/cache,mode=0751,uid=7 \\
    stat -c '%a %u %g' /via/cache >/cache-owner && touch /via/cache/n
RUN --mount=type=cache,id=/via/cache,target=/elsewhere,mode=0751,uid=7 ls /elsewhere >/cache-found
RUN --mount=type=cache,from=a,source=/d,target=/filled ls -a /filled >/cache-filled
RUN --mount=type=tmpfs,target=/t,size=1m stat -c %a /t >/tmpfs-mode && touch /t/x
RUN --mount=type=secret,id=tok \\
    stat -c '%a %u' /run/secrets/tok >/secret-mode && test "$(cat /run/secrets/tok)" = t0ken-Zx81qq
RUN --mount=type=secret,id=tok,target=/deep/er/file,mode=0444,uid=3 stat -c '%a %u' /deep/er/file >/secret-owner
RUN --mount=type=secret,id=tok,env=TOK test "$TOK" = t0ken-Zx81qq && test ! -e /run/secrets
RUN --mount=type=secret,id=missing test ! -e /run/secrets/missing
RUN find / -xdev -mindepth 1 | grep -v -e ^/proc -e ^/sys -e ^/dev -e ^/.dockerenv -e ^/etc/ -e ^/tree | sort >/tree
USER daemon
WORKDIR /home
RUN --mount=target=ctx ls ctx/sub >/tmp/as-user && ! touch ctx/no
"""
FILES = {"sub/f": "hello\n", "sub/deeper/g": "g\n", "other": "o\n"}


def test_all_kinds_as_the_reference_has_them(bench: Bench, reference: Bench) -> None:
    forget_caches(bench, "/via/cache", "/filled")
    secrets = {"tok": TOKEN}
    result = bench.build(ALL, FILES, secrets=secrets)
    reference.folder = bench.folder
    (bench.folder.parent / "token").write_text(TOKEN)
    theirs = reference.reference_build("mounts:all", "--secret", f"id=tok,src={bench.folder.parent}/token")
    ours = bench.snapshot(result.id)
    if bench.handle.name == "podman":
        # Podman's files of its own.
        ours, theirs = (
            shot.without("tree", "etc/mtab", "run/.containerenv", "run") for shot in (ours, theirs)
        )
    assert ours.differences(theirs) == []
    forget_caches(bench, "/via/cache", "/filled")


MIXED = """
FROM busybox
RUN mkdir /keep /gone /again && echo 1 >/keep/1 && ln /keep/1 /keep/2 && echo z >/zap && echo old >/again/old
COPY sub /ctx
RUN --mount=type=bind,source=sub,target=/ctx rm -r /gone /zap /again && mkdir /again && echo new >/again/new
RUN --mount=type=secret,id=tok test -s /run/secrets/tok && chmod 0750 /keep && rm /keep/2
RUN --network=none echo t >/ctx/added && ln /keep/1 /keep/3 && ln -s nowhere /keep/link
WORKDIR /made/here
"""


@pytest.mark.parametrize("layers", [(0,), (2,), (3,), "auto"])
def test_runs_with_different_mounts_in_one_layer(docker28: Bench, layers: tuple[int, ...] | str) -> None:
    result = docker28.build(MIXED, FILES, secrets={"tok": TOKEN}, layers=layers)
    (docker28.folder.parent / "token").write_text(TOKEN)
    theirs = docker28.reference_build(
        "mounts:mixed", "--secret", f"id=tok,src={docker28.folder.parent}/token"
    )
    assert docker28.snapshot(result.id).differences(theirs) == []
    if layers == (0,):
        assert len([layer for layer in result.layers if not layer.base]) == 1


def test_podman_cannot_mix(bench: Bench) -> None:
    if bench.handle.name != "podman":
        bench.build(MIXED, FILES, secrets={"tok": TOKEN}, layers=(0,))
        return
    with pytest.raises(BuilderError, match="cannot share a layer with Podman"):
        bench.build(MIXED, FILES, secrets={"tok": TOKEN}, layers=(0,))


def test_a_secret_is_nowhere(docker28: Bench) -> None:
    result = docker28.build(
        "FROM busybox\n"
        "RUN --mount=type=secret,id=tok --mount=type=secret,id=tok,env=TOK cat /run/secrets/tok; echo $TOK >&2; "
        "printf t0ken; sleep 1; echo -Zx81qq; echo visible",
        secrets={"tok": TOKEN},
    )
    said = b"".join(event.data for event in docker28.events if isinstance(event, StepOutput))
    assert b"visible" in said
    assert TOKEN.encode() not in said
    assert TOKEN not in repr(docker28.events) + repr(result)
    api: Any = docker28.api
    assert TOKEN not in str(api.history(result.id)) + str(api.inspect_image(result.id))
    assert TOKEN.encode() not in b"".join(api.get_image(result.id))


def test_a_secret_is_in_no_config_while_the_build_runs(docker28: Bench) -> None:
    docker28.write(
        {
            "Dockerfile": "FROM busybox\nRUN --mount=type=secret,id=tok,env=TOK --mount=type=secret,id=tok sleep 4\n"
        }
    )
    (docker28.folder.parent / "token").write_text(TOKEN)
    seen = ""
    with start(docker28, "--secret", f"id=tok,src={docker28.folder.parent}/token") as process:
        while process.poll() is None:
            for container in docker28.client.containers(LABEL_BUILD):
                try:
                    seen += str(docker28.api.inspect_container(container)) + str(docker28.api.top(container))
                except Exception:  # noqa: BLE001 - it has just ended
                    continue
            time.sleep(0.2)
    assert process.returncode == 0
    assert "sleep 4" in seen
    assert TOKEN not in seen


def start(bench: Bench, *arguments: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "incubator",
        "build",
        "--network",
        "none",
        "--no-cache",
        *arguments,
        str(bench.folder),
    ]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(bench.folder), **bench.handle.env}
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, env=environ, cwd=root, text=True, stderr=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_volumes_of_a_killed_build_go(docker28: Bench, number: int) -> None:
    docker28.write({
        "Dockerfile": "FROM busybox\nRUN --mount=type=secret,id=tok --mount=target=/ctx echo started; sleep 60\n"
    })  # fmt: skip
    (docker28.folder.parent / "token").write_text(TOKEN)
    before = set(docker28.client.volumes(LABEL_BUILD))
    with start(
        docker28, "--secret", f"id=tok,src={docker28.folder.parent}/token", "--progress", "plain"
    ) as process:
        assert process.stderr is not None
        while "| started" not in process.stderr.readline():
            assert process.poll() is None
        made = set(docker28.client.volumes(LABEL_BUILD)) - before
        process.send_signal(number)
        process.communicate()
    assert len(made) >= 2
    if number == signal.SIGKILL:
        docker28.build("FROM busybox\nRUN true")
    assert made.isdisjoint(docker28.client.volumes(LABEL_BUILD))


def test_a_required_secret_that_is_missing(docker28: Bench) -> None:
    with pytest.raises(BuilderError, match="the secret 'tok' is required") as caught:
        docker28.build("FROM busybox\nRUN --mount=type=secret,id=tok,required true")
    assert str(caught.value.span).endswith("Dockerfile:2:1")
    assert "--secret id=tok" in str(caught.value.hint)


def test_a_missing_source(docker28: Bench) -> None:
    with pytest.raises(BuilderError, match="'nowhere' not found"):
        docker28.build("FROM busybox\nRUN --mount=source=nowhere,target=/x true")


def test_files_that_are_mounted_are_in_the_key(docker28: Bench) -> None:
    text = "FROM busybox\nRUN --mount=source=sub,target=/x cat /x/f >/copy\n"
    for content in ("one", "two"):
        result = docker28.build(text, FILES | {"sub/f": content}, no_cache=False)
        assert docker28.run(result.id, "cat", "/copy") == content
    again = docker28.build(text, FILES | {"sub/f": "two", "other": "changed"}, no_cache=False)
    assert all(layer.cached for layer in again.layers if not layer.base)


@pytest.mark.parametrize("sharing", ["shared", "locked", "private"])
def test_caches_of_builds_at_the_same_time(docker28: Bench, sharing: str) -> None:
    name = f"at-once-{sharing}"
    forget_caches(docker28, name)
    run = (
        f"RUN --mount=type=cache,id={name},target=/c,sharing={sharing} "
        "[ ! -e /c/busy ] || touch /together; touch /c/busy; sleep 2; rm /c/busy; touch /c/$NAME; ls /c >/seen"
    )
    result = docker28.build(
        f"FROM busybox AS a\nENV NAME=a\n{run}\nFROM busybox AS b\nENV NAME=b\n{run}\n"
        "FROM busybox\nCOPY --from=a / /a/\nCOPY --from=b / /b/"
    )
    together = docker28.run(
        result.id, "sh", "-c", "ls -d /a/together /b/together 2>/dev/null | wc -l"
    ).strip()
    seen = docker28.run(result.id, "sh", "-c", "cat /a/seen /b/seen | sort | uniq -c | tr -s ' '")
    assert together == ("1" if sharing == "shared" else "0")
    assert seen.split() == (["1", "a", "1", "b"] if sharing == "private" else seen.split())
    volumes = caches(docker28, name)
    assert len(volumes) == (2 if sharing == "private" else 1)
    assert all(volume.startswith(CACHE_VOLUME) for volume in volumes)
    forget_caches(docker28, name)


def test_networks_and_rights(docker28: Bench) -> None:
    text = "FROM busybox\nRUN --network=host true\n"
    with pytest.raises(DockerfileError, match="not allowed in this build"):
        docker28.build(text)
    docker28.build(text, allow=["network.host"])
    docker28.build(
        "FROM busybox\nRUN --network=none ip link | grep -c '^[0-9]' >/links; ! ip link show eth0",
        network="host",
    )
    mount = "mkdir /m && mount -t tmpfs tmpfs /m"
    docker28.build(f"FROM busybox\nRUN --security=insecure {mount}", allow=["security.insecure"])
    with pytest.raises(StepFailed):
        docker28.build(f"FROM busybox\nRUN {mount}", allow=["security.insecure"])


def test_a_script_longer_than_an_argument_may_be(docker28: Bench) -> None:
    script = "#!/bin/sh\n" + "# it's a filler line, ä\n" * 12000 + "echo ran >/ran\n"
    result = docker28.build(f"FROM busybox\nRUN <<EOF\n{script}EOF\n")
    assert docker28.run(result.id, "cat", "/ran") == "ran\n"


def test_the_id_of_a_cache_is_its_target_as_written(docker28: Bench) -> None:
    mount = "--mount=type=cache,target=./as-written"
    dockerfile = (
        f"FROM busybox\nWORKDIR /p\nRUN {mount} echo x >as-written/f\n"
        f"WORKDIR /q\nRUN {mount} ls -A as-written >/seen\n"
    )
    try:
        result = docker28.build(dockerfile)
        docker28.reference_build("as-written:reference")
        seen = [docker28.run(image, "cat", "/seen") for image in (result.id, "as-written:reference")]
        assert seen == ["f\n", "f\n"]
    finally:
        forget_caches(docker28, "as-written")


def test_an_agent_of_the_caller(docker28: Bench) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/agent"
        with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as agent:
            while not Path(path).exists():
                assert agent.poll() is None
                time.sleep(0.05)
            try:
                result = docker28.build(
                    "FROM busybox\n"
                    "RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK >/path\n"
                    "RUN --mount=type=ssh,id=other,target=/o test ! -e /o && test -z $SSH_AUTH_SOCK\n"
                    "RUN test ! -e /run/buildkit && test -z $SSH_AUTH_SOCK\n",
                    ssh={"default": path},
                )
            finally:
                agent.terminate()
    assert docker28.run(result.id, "cat", "/path") == "/run/buildkit/ssh_agent.0\n"
    with pytest.raises(BuilderError, match="the SSH agent 'default' is required"):
        docker28.build("FROM busybox\nRUN --mount=type=ssh,required true")


def test_the_layer_that_is_told_is_the_one_of_the_step(bench: Bench) -> None:
    """And not the one behind it that takes mount points away, where there is one."""
    base = bench.client.image("busybox")
    made = bench.build("FROM busybox\nRUN --mount=type=tmpfs,target=/new/place echo x >/f\n")
    [layer] = [event for event in bench.events if isinstance(event, LayerCommitted)]
    image = bench.client.image(made.id)
    assert base
    assert image
    assert layer.diff_id == image.config.diff_ids[len(base.config.diff_ids)]
