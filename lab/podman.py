"""Podman's service for the Docker API, from unpacked Debian packages, with storage and configuration of its own."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

from . import daemons, engine_api
from .apt import OWN_SUITE, Bundle, bundle_root, library_path
from .docker import DOCKER20, iptables_folder
from .mounts import data_root, drop_data_root, remove_tree
from .paths import locked, state_dir, step
from .wrappers import write_wrapper

NAME = "podman"
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
seccomp_profile = "{root}/usr/share/containers/seccomp.json"
init_path = "{root}/usr/libexec/podman/catatonit"
[engine]
cgroup_manager = "cgroupfs"
conmon_path = ["{root}/usr/bin/conmon"]
events_logger = "file"
helper_binaries_dir = ["{root}/usr/lib/podman"]
runtime = "crun"
static_dir = "{data}/libpod"
tmp_dir = "{state}/tmp"
volume_path = "{data}/volumes"
lock_type = "file"
[engine.runtimes]
crun = ["{state}/crun"]
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

# Podman keeps a few files at fixed places of the machine whatever its configuration says. In a mount namespace of its
# own it finds folders of the lab there, and its mounts end with it. Nor does it see the second cgroup hierarchy of a
# machine that has both: crun refuses such machines.
APART = """
mount --bind "$0" /var/lib/containers
mount --bind "$1" /run/containers
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
shift
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
            socket_of().unlink(missing_ok=True)
            daemons.start(
                folder,
                NAME,
                [
                    *("unshare", "--mount", "--propagation", "slave", "sh", "-ec", APART),
                    *_folders_for_fixed_places(folder),
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
            daemons.end_processes(daemons.processes_mentioning(str(folder)), patience_s=2.0)
            remove_tree(folder)
            drop_data_root(NAME)
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
    # Podman starts the runtime with an environment of its own making.
    write_wrapper(folder / "crun", [str(root / "usr/bin/crun")], env={"LD_LIBRARY_PATH": library_path(root)})
    shutil.copy2(root / "etc/containers/policy.json", settings)
    programs = [root / "usr/bin", iptables_folder(runtime), root / "usr/lib/podman"]
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": "/tmp",
        "PATH": ":".join([*map(str, programs), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
        "LD_LIBRARY_PATH": f"{library_path(root)}:{library_path(runtime)}",
        "XTABLES_LIBDIR": str(runtime / "usr/lib/x86_64-linux-gnu/xtables"),
        "CONTAINERS_CONF": str(settings / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(settings / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(settings / "registries.conf"),
    }
