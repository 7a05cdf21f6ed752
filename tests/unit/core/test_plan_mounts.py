"""Mounts of RUN: defaults, variables, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest

from incubator.core.plan.graph import stage_sources
from incubator.core.plan.layers import segments
from incubator.core.plan.model import Group, ImageSource, StageSource
from incubator.core.plan.mounts import BindMount, CacheMount, Mount, SecretMount, SshMount, TmpfsMount
from incubator.errors import BuilderError
from tests.unit.core.planning import base, plan, step


def mount(text: str, before: str = "WORKDIR /w") -> Mount:
    [found] = step(f"FROM busybox AS a\nFROM busybox\n{before}\nRUN --mount={text} true").mounts
    assert isinstance(found, BindMount | CacheMount | TmpfsMount | SecretMount | SshMount)
    return found


def secret(**fields: Any) -> SecretMount:
    usual: dict[str, Any] = {"target": None, "env": None, "required": False, "owner": (0, 0), "mode": 0o400}
    return SecretMount(**(usual | fields))


def ssh(**fields: Any) -> SshMount:
    usual: dict[str, Any] = {"id": "default", "target": "/run/buildkit/ssh_agent.0", "required": False}
    return SshMount(**(usual | {"owner": (0, 0), "mode": 0o600} | fields))


def bind(source: str, target: str, *, read_only: bool, origin: StageSource | None = None) -> BindMount:
    return BindMount(origin=origin, source=source, target=target, read_only=read_only)


def tmpfs(size_bytes: int | None) -> TmpfsMount:
    return TmpfsMount(target="/t", size_bytes=size_bytes, read_only=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=x", bind("/", "/w/x", read_only=True)),
        ("type=bind,src=../a/,dst=/b/,rw", bind("/a", "/b", read_only=False)),
        ("from=a,source=d,target=/x,readwrite=false", bind("/d", "/x", read_only=True, origin=StageSource(index=0))),
        ("ro=0,TARGET=/x", bind("/", "/x", read_only=False)),
        ("type=bind", bind("/", "/w", read_only=True)),
        ("type=tmpfs,target=/t,size=64m", tmpfs(64 << 20)),
        ("type=tmpfs,target=/t,size=1.5KiB", tmpfs(1536)),
        ("type=tmpfs,target=/t", tmpfs(None)),
        ("type=ssh", ssh()),
        ("type=ssh,id=k,required,mode=0660,uid=5", ssh(id="k", required=True, owner=(5, 0), mode=0o660)),
        ("type=secret,id=a/b", secret(id="a/b", target="/run/secrets/b")),
        ("type=secret,target=s/key,gid=3", secret(id="key", target="/w/s/key", owner=(0, 3))),
        ("type=secret,id=k,env=KEY", secret(id="k", env="KEY")),
        ("type=secret,id=k,env=KEY,target=/k,required=true", secret(id="k", target="/k", env="KEY", required=True)),
    ],
)  # fmt: skip
def test_what_mounts_mean(text: str, expected: Mount) -> None:
    assert mount(text) == expected


def test_caches() -> None:
    found = mount("type=cache,target=c")
    assert found == CacheMount(
        id="c", origin=None, source="/", target="/w/c", read_only=False, sharing="shared", owner=None, mode=None
    )  # fmt: skip
    found = mount("type=cache,id=pip,target=/c,sharing=LOCKED,uid=7,ro")
    assert found == CacheMount(
        id="pip", origin=None, source="/", target="/c", read_only=True, sharing="locked", owner=(7, 0), mode=0o755
    )  # fmt: skip


def test_variables_have_values_but_not_in_from() -> None:
    found = mount("type=cache,id=$ID-x,target=${HOME}/c", "ENV HOME=/h\nARG ID=one")
    assert isinstance(found, CacheMount)
    assert (found.id, found.target) == ("one-x", "/h/c")


def test_agents_are_numbered() -> None:
    run = step("FROM busybox\nRUN --mount=type=ssh --mount=type=ssh,id=b true")
    assert [found.target for found in run.mounts] == [
        "/run/buildkit/ssh_agent.0",
        "/run/buildkit/ssh_agent.1",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type=chache,target=/x", ["type 'chache'", "did you mean cache?"]),
        ("targte=/x", ["unknown key 'targte'", "did you mean target?"]),
        ("target", ["target needs a value"]),
        ("target=/", ["the target is the root folder"]),
        ("target=/x,ro=maybe", ["ro=maybe is no boolean"]),
        ("target=/x,mode=0700", ["mode is not for mounts of type bind", "cache and secret and ssh"]),
        ("type=cache,target=/x,required", ["required is not for mounts of type cache"]),
        ("type=cache,target=/x,sharing=exclusive", ["no sharing 'exclusive'", "shared, private, locked"]),
        ("type=cache,target=/x,mode=9", ["mode=9 is not an octal mode"]),
        ("type=cache,target=/x,uid=-1", ["uid=-1 is not a number"]),
        ("type=tmpfs,target=/x,size=big", ["size=big is no size"]),
        ("type=secret", ["the secret has no id"]),
        ("type=secret,id=a,src=b", ["an id or a source, not both"]),
        ("type=secret,id=a,from=b", ["a secret has no from"]),
        ("from=b,target=/x", ["there is no image b"]),
    ],
)
def test_faults(text: str, words: list[str]) -> None:
    with pytest.raises(BuilderError) as caught:
        plan(f"FROM busybox AS a\nRUN --mount={text} true")
    assert str(caught.value).startswith("Dockerfile:2:")
    for word in words:
        assert word in str(caught.value)


def test_stages_behind_mounts_are_needed() -> None:
    made = plan(
        "FROM busybox AS a\nFROM busybox AS unused\nFROM busybox\n"
        "RUN --mount=from=a,target=/a --mount=type=cache,from=img,target=/c true",
        base("img"),
    )
    assert [stage.index for stage in made.stages] == [0, 2]
    [group] = made.target.groups
    assert list(stage_sources(group)) == [0]
    [run] = group.steps
    assert isinstance(run.mounts[1].origin, ImageSource)  # type: ignore[attr-defined]


def cut(*lines: str) -> list[list[str]]:
    made = plan("\n".join(["FROM busybox", *lines]), layers=(0,))
    [group] = made.target.groups
    assert isinstance(group, Group)
    return [[s.instruction.original for s in piece.steps] for piece in segments(group)]


def test_what_can_share_a_container() -> None:
    plain, other = "RUN true", "RUN false"
    mounted, copy, env = "RUN --mount=type=tmpfs,target=/t true", "COPY a /", "ENV A=1"
    offline = "RUN --network=none true"
    assert cut(plain, env, copy, other) == [[plain, env, copy, other]]
    assert cut(mounted, env, mounted) == [[mounted, env, mounted]]
    assert cut(copy, plain, mounted, copy, plain) == [[copy, plain], [mounted], [copy, plain]]
    assert cut(copy, mounted) == [[copy], [mounted]]
    assert cut(copy, offline, plain) == [[copy, offline], [plain]]
    assert cut(env, mounted) == [[env, mounted]]
