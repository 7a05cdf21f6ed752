"""Finding the own container and mapping paths, against what engines were seen to tell (ids shortened by rule)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from incubator.ci.workspace import (
    ProcessView,
    cgroup_ids,
    engine_source,
    find_by_mounts,
    find_own_container,
    translate_volumes,
    upper_dir,
)
from incubator.core.engine import ContainerInfo, Mounted, PathStat
from incubator.core.volume import Volume
from incubator.errors import EngineError, InputError, InputErrors

OWN = "0a" * 32
JOB = "0b" * 32
OTHER = "0c" * 32
UPPER = "/var/lib/docker/overlay2/9f3c/diff"

CGROUP_V1 = f"""\
12:memory:/docker/{OWN}
11:cpuset:/docker/{OWN}
1:name=systemd:/docker/{OWN}
0::/system.slice/containerd.service
"""
CGROUP_V1_SYSTEMD = f"4:memory:/system.slice/docker-{OWN}.scope\n"
CGROUP_V1_KUBERNETES = f"4:memory:/kubepods/burstable/pod5f1b0a8e-1/{OWN}\n"
CGROUP_V1_NESTED = f"4:memory:/docker/{OTHER}/docker/{OWN}\n"
CGROUP_V2 = "0::/\n"

MOUNTINFO_DOCKER = f"""\
610 520 0:62 / / rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir={UPPER},workdir=/w
611 610 0:65 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
640 610 0:25 /docker/containers/{JOB}/hosts /etc/hosts rw,relatime - tmpfs tmpfs rw
641 610 8:1 /home/runner/work/web /github/workspace rw,relatime - ext4 /dev/sda1 rw
"""
MOUNTINFO_HOST = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"

BIND = Mounted(
    kind="bind", name="", source="/home/runner/work/web", destination="/github/workspace", writable=True
)
VOLUME = Mounted(
    kind="volume",
    name="gcl-build",
    source="/var/lib/docker/volumes/gcl-build/_data",
    destination="/builds/acme/web",
    writable=True,
)
SOCKET = Mounted(
    kind="bind", name="", source="/run/docker.sock", destination="/var/run/docker.sock", writable=True
)
TMPFS = Mounted(kind="tmpfs", name="", source="", destination="/scratch", writable=True)
FOREIGN_DRIVER = Mounted(kind="volume", name="nfs", source="", destination="/data", writable=True)
MOUNTS = (BIND, VOLUME, SOCKET, TMPFS, FOREIGN_DRIVER)


def seen(container: str, upper: str, mounts: tuple[Mounted, ...]) -> ContainerInfo:
    return ContainerInfo(id=container, upper_dir=upper, mounts=mounts, labels={}, created_s=0)


class Engine:
    """Containers that tell what they are told to, and files of one of them on this machine."""

    def __init__(
        self, upper_dirs: dict[str, str], files_of: str | None = None, root: Path = Path("/")
    ) -> None:
        self.upper_dirs = upper_dirs
        self.files_of = files_of
        self.root = root
        self.gone: set[str] = set()
        self.mounts: tuple[Mounted, ...] = ()
        self.asked_for: list[str] = []

    def containers(self) -> list[str]:
        return list(self.upper_dirs)

    def container_info(self, container: str) -> ContainerInfo:
        if container in self.gone:
            raise EngineError("no such container", status=404)
        return seen(container, self.upper_dirs[container], self.mounts)

    def stat(self, container: str, path: str) -> PathStat | None:
        self.asked_for.append(path)
        if container in self.gone:
            raise EngineError("no such container", status=404)
        if container == self.files_of and (self.root / path.lstrip("/")).exists():
            return PathStat(kind="file", mode=0o644, size=0)
        return None


def view(
    cgroup: str = CGROUP_V2, mountinfo: str = MOUNTINFO_DOCKER, root: Path = Path("/nowhere")
) -> ProcessView:
    return ProcessView(cgroup=cgroup, mountinfo=mountinfo, root=root)


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (CGROUP_V1, [OWN]),
        (CGROUP_V1_SYSTEMD, [OWN]),
        (CGROUP_V1_KUBERNETES, [OWN]),
        (CGROUP_V1_NESTED, [OWN, OTHER]),
        (CGROUP_V2, []),
        ("", []),
        (f"4:memory:/docker/{OWN}ab\n", []),
    ],
)
def test_ids_in_cgroups(cgroup: str, expected: list[str]) -> None:
    assert cgroup_ids(cgroup) == expected


def test_the_upper_folder_of_the_root() -> None:
    assert upper_dir(MOUNTINFO_DOCKER) == UPPER
    assert upper_dir(MOUNTINFO_HOST) is None
    assert upper_dir("") is None
    assert upper_dir("1 0 0:1 / / rw - overlay overlay rw,upperdir=/a\\040b,workdir=/w\n") == "/a b"


def test_the_cgroup_tells_and_nothing_else_is_asked() -> None:
    engine = Engine({OTHER: UPPER, OWN: ""})
    found = find_own_container(engine, view(cgroup=CGROUP_V1))
    assert found is not None
    assert found.id == OWN
    assert engine.asked_for == []


def test_the_upper_folder_tells_where_the_cgroup_does_not() -> None:
    found = find_own_container(Engine({JOB: "/other/diff", OWN: UPPER}), view())
    assert found is not None
    assert found.id == OWN


def test_the_file_of_hosts_names_the_wrong_container_and_is_not_believed() -> None:
    """The hosts file and the host name are the job container's, in an action that shares its network."""
    assert find_own_container(Engine({JOB: "/other/diff"}), view()) is None


def test_the_probe_file_tells_where_nothing_else_does(tmp_path: Path) -> None:
    engine = Engine({JOB: "", OWN: ""}, files_of=OWN, root=tmp_path)
    found = find_own_container(engine, view(root=tmp_path))
    assert found is not None
    assert found.id == OWN
    assert len(set(engine.asked_for)) == 1
    assert list(tmp_path.iterdir()) == [], "the probe file is gone"


def test_containers_that_go_away_meanwhile_do_no_harm(tmp_path: Path) -> None:
    engine = Engine({JOB: "", OTHER: UPPER, OWN: ""}, files_of=OWN, root=tmp_path)
    engine.gone = {JOB, OTHER}
    found = find_own_container(engine, view(root=tmp_path))
    assert found is not None
    assert found.id == OWN


def test_on_the_host_no_file_is_made(tmp_path: Path) -> None:
    engine = Engine({JOB: ""}, files_of=JOB, root=tmp_path)
    assert find_own_container(engine, view(mountinfo=MOUNTINFO_HOST, root=tmp_path)) is None
    assert engine.asked_for == []


def test_a_container_of_another_engine_is_none_of_this_one(tmp_path: Path) -> None:
    assert find_own_container(Engine({OTHER: ""}), view(cgroup=CGROUP_V1, root=tmp_path)) is None
    assert find_own_container(Engine({}), view(root=tmp_path)) is None


JOB_MOUNTS = f"""\
{MOUNTINFO_DOCKER}642 610 0:70 /docker/volumes/gcl-build/_data /builds/acme/web rw - tmpfs tmpfs rw
643 610 0:26 /docker.sock {os.path.realpath(SOCKET.destination)} rw - tmpfs tmpfs rw
"""


def test_mounts_tell_where_nothing_else_can() -> None:
    own = seen(OWN, "", (BIND, VOLUME, SOCKET))
    others = [
        seen(JOB, "", (SOCKET,)),
        seen(OTHER, "", (replace(BIND, source="/home/runner/work/app"), VOLUME)),
    ]
    assert find_by_mounts([*others, own], JOB_MOUNTS) == own
    assert find_by_mounts(others[1:], JOB_MOUNTS) is None
    assert find_by_mounts([], JOB_MOUNTS) is None
    assert find_by_mounts([seen(OTHER, "", ())], JOB_MOUNTS) is None


def test_a_twin_with_the_same_mounts_tells_the_same_and_a_differing_one_nothing() -> None:
    own = seen(OWN, "", (VOLUME, SOCKET))
    assert find_by_mounts([replace(own, id=JOB), own], JOB_MOUNTS) == replace(own, id=JOB)
    elsewhere = replace(SOCKET, source="/other/docker.sock")
    assert find_by_mounts([own, seen(JOB, "", (VOLUME, elsewhere))], JOB_MOUNTS) is None


def test_a_root_that_takes_no_file_is_no_error() -> None:
    assert find_own_container(Engine({OWN: ""}), view(root=Path("/proc/self/nowhere"))) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/github/workspace", "/home/runner/work/web"),
        ("/github/workspace/a/b", "/home/runner/work/web/a/b"),
        ("/github/workspace/", "/home/runner/work/web"),
        ("/github/workspace2", "/github/workspace2"),
        ("/builds/acme/web", "gcl-build"),
        ("/builds/acme/web/.cache", "/var/lib/docker/volumes/gcl-build/_data/.cache"),
        ("/builds/acme/web/../../..", "/"),
        ("/var/run/docker.sock", "/run/docker.sock"),
        ("/srv/cache", "/srv/cache"),
        ("/", "/"),
    ],
)
def test_paths_of_the_job_as_the_engine_has_them(path: str, expected: str) -> None:
    assert engine_source(path, MOUNTS) == expected


def test_the_innermost_mount_counts() -> None:
    inner = Mounted(kind="bind", name="", source="/mnt/c", destination="/github/workspace/c", writable=True)
    for mounts in ((BIND, inner), (inner, BIND)):
        assert engine_source("/github/workspace/c/d", mounts) == "/mnt/c/d"
        assert engine_source("/github/workspace/d", mounts) == "/home/runner/work/web/d"


@pytest.mark.parametrize("path", ["/scratch", "/scratch/a", "/data/a"])
def test_what_the_engine_has_no_path_for_is_an_error(path: str) -> None:
    with pytest.raises(InputError, match="no path on the engine's host"):
        engine_source(path, MOUNTS)


def test_a_volume_of_another_driver_is_mounted_by_name() -> None:
    assert engine_source("/data", MOUNTS) == "nfs"


def test_volumes_are_translated_and_names_are_kept(tmp_path: Path) -> None:
    mount = replace(BIND, destination=str(tmp_path))
    own = seen(OWN, "", (mount,))
    (tmp_path / "a").mkdir()
    volumes = [Volume(f"{tmp_path}/a", "/a", "ro"), Volume("maven", "/m2"), Volume("/srv", "/srv")]
    assert translate_volumes(volumes, own) == (
        Volume("/home/runner/work/web/a", "/a", "ro"),
        Volume("maven", "/m2"),
        Volume("/srv", "/srv"),
    )
    assert translate_volumes(volumes, None) == tuple(volumes)


def test_all_sources_that_do_not_exist_are_named(tmp_path: Path) -> None:
    own = seen(OWN, "", (replace(BIND, destination=str(tmp_path)), TMPFS))
    volumes = [Volume(f"{tmp_path}/a", "/a"), Volume(f"{tmp_path}/b", "/b"), Volume("/scratch/c", "/c")]
    with pytest.raises(InputErrors) as caught:
        translate_volumes(volumes, own)
    assert [error.message.split()[-1] for error in caught.value.errors] == ["exist", "exist", "host"]
