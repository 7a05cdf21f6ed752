"""Podman's service for the Docker API, from unpacked Debian packages, with storage and configuration of its own."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

from . import daemons, engine_api, network
from .apt import Bundle, bundle_root
from .docker import DOCKER20, filter_env
from .machine import OWN_SUITE
from .mounts import data_root, drop_data_root, remove_tree
from .paths import locked, state_dir, step

NAME = "podman"
BRIDGE = Path("/sys/class/net/podman0")
PODMAN = Bundle(
    name=NAME,
    suite=OWN_SUITE,
    packages=(
        *("podman", "crun", "catatonit", "conmon", "netavark", "aardvark-dns"),
        *("golang-github-containers-common", "golang-github-containers-image"),
    ),
    with_dependencies=True,
)
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
tmp_dir = "{state}/tmp"
lock_type = "file"
[network]
network_backend = "netavark"
network_config_dir = "{data}/networks"
"""
STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{data}/storage"
runroot = "{state}/run"
"""
REGISTRIES_CONF = """\
unqualified-search-registries = ["docker.io"]
short-name-mode = "permissive"
[[registry]]
prefix = "127.0.0.1"
location = "127.0.0.1"
insecure = true
"""

# Podman and the programs it starts (with an environment of its own making) look for each other, for libraries and for
# files at fixed places of the machine. So it runs in a mount namespace of its own, which ends with it: the packages
# lie over /usr there, and its fixed places are folders of the lab. Nor does it see the second cgroup hierarchy of a
# machine that has both: crun refuses such machines.
APART = """
mount -t overlay -o "lowerdir=$0:/usr" overlay /usr
mount --bind "$1" /var/lib/containers
mount --bind "$2" /run/containers
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
mount -t overlay -o "lowerdir=$3:/etc" overlay /etc
shift 3
exec "$@"
"""
FIXED_PLACES = (Path("/var/lib/containers"), Path("/run/containers"))


def socket_of() -> Path:
    """Where the service listens."""
    return state_dir() / NAME / "podman.sock"


def up() -> None:
    """Start the service if it does not run. Raises `LabError` with the end of the log if it does not come up."""
    root, runtime = bundle_root(PODMAN), bundle_root(DOCKER20)
    folder = state_dir() / NAME
    with locked(state_dir(), NAME):
        if daemons.is_running(folder, NAME) and engine_api.answers(socket_of()):
            return
        with step(f"start {NAME}"):
            folder.mkdir(exist_ok=True)
            env = _configure(folder, root, runtime)
            network.remember(folder / "network.json", filter_env(runtime))
            socket_of().unlink(missing_ok=True)
            daemons.start(
                folder,
                NAME,
                [
                    *("unshare", "--mount", "--propagation", "slave", "sh", "-ec", APART),
                    f"{root / 'usr'}:{runtime / 'usr'}",
                    *_folders_for_fixed_places(folder),
                    str(folder / "etc"),
                    *("podman", "system", "service", "--time=0", f"unix://{socket_of()}"),
                ],
                ready=lambda: engine_api.answers(socket_of()),
                env=env,
            )


def down() -> None:
    """Stop the service and its containers, and remove its data; nothing to do if it was not started."""
    folder = state_dir() / NAME
    with locked(state_dir(), NAME):
        if not folder.exists():
            return
        with step(f"stop {NAME}"):
            if daemons.is_running(folder, NAME) and engine_api.answers(socket_of()):
                engine_api.remove_containers(socket_of())
            daemons.stop(folder, NAME)
            daemons.end_leftovers(folder, data_root(NAME))
            env = filter_env(bundle_root(DOCKER20))
            network.restore(folder / "network.json", env, chains="NETAVARK", others=BRIDGE.exists())
            remove_tree(folder)
            drop_data_root(NAME)
            _remove_empty_places()


def _remove_empty_places() -> None:
    """Remove the mount points, unless another Podman runs: its mounts there would go with them."""
    if not any(
        Path(words[0]).name == "podman"
        for words in map(daemons.command_line, daemons.all_processes())
        if words
    ):
        for place in FIXED_PLACES:
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def _folders_for_fixed_places(folder: Path) -> list[str]:
    own = []
    for place in FIXED_PLACES:
        place.mkdir(parents=True, exist_ok=True)
        (folder / "places" / place.relative_to("/")).mkdir(parents=True, exist_ok=True)
        own.append(str(folder / "places" / place.relative_to("/")))
    return own


def _configure(folder: Path, root: Path, runtime: Path) -> dict[str, str]:
    """Write the configuration files; returns the environment that makes Podman read them and not the machine's."""
    values: dict[str, object] = {"root": root, "data": data_root(NAME), "state": folder}
    # Podman asks for more than the machine may allow (a root without CAP_SYS_RESOURCE), and containers fail to start.
    values["files"] = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # It lowers its own number of processes to the kernel's highest process id.
    highest = int(Path("/proc/sys/kernel/pid_max").read_text())
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    values["processes"] = highest if allowed == resource.RLIM_INFINITY else min(highest, allowed)
    settings = folder / "home/.config/containers"
    settings.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("containers.conf", CONTAINERS_CONF),
        ("storage.conf", STORAGE_CONF),
        ("registries.conf", REGISTRIES_CONF),
    ):
        (settings / name).write_text(text.format(**values))
    # A commit looks for it in /etc alone.
    (folder / "etc/containers").mkdir(parents=True, exist_ok=True)
    shutil.copy2(root / "etc/containers/policy.json", folder / "etc/containers")
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": "/tmp",
        "PATH": filter_env(runtime)["PATH"],
        "CONTAINERS_CONF": str(settings / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(settings / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(settings / "registries.conf"),
    }
