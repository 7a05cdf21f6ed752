"""Docker engines of the lab: containerd and dockerd from unpacked Debian packages, each with folders of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import daemons, engine_api, network
from .apt import NEXT_SUITE, Bundle, bundle_root, library_path
from .machine import OWN_SUITE
from .mounts import data_root, drop_data_root, remove_tree
from .paths import locked, state_dir, step

DOCKER20 = Bundle(
    name="docker20",
    suite=OWN_SUITE,
    packages=("docker.io", "containerd", "runc", "tini", "iptables"),
    with_dependencies=True,
)
DOCKER28 = Bundle(
    name="docker28",
    suite=NEXT_SUITE,
    packages=("docker.io", "docker-cli", "docker-buildx", "containerd", "tini-static"),
    with_dependencies=False,
)
CONTAINERD_CONFIG = """\
version = 2
root = "{data}/containerd"
state = "{state}/containerd"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri",
]
[grpc]
address = "{socket}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerEngine:
    """How one engine is started."""

    name: str
    bundle: Bundle
    options: tuple[str, ...]
    owns_bridge: bool


ENGINES = {
    engine.name: engine
    for engine in (
        DockerEngine(name="docker20", bundle=DOCKER20, options=(), owns_bridge=True),
        DockerEngine(name="docker28", bundle=DOCKER28, options=("--iptables=false",), owns_bridge=False),
        DockerEngine(
            name="containerd28",
            bundle=DOCKER28,
            options=("--iptables=false", "--feature", "containerd-snapshotter=true"),
            owns_bridge=False,
        ),
    )
}


def socket_of(name: str) -> Path:
    """Where the engine listens."""
    return state_dir() / name / "docker.sock"


def up(name: str) -> None:
    """Start the engine if it does not run. Raises `LabError` with the end of the log if it does not come up."""
    engine = ENGINES[name]
    root, runtime = bundle_root(engine.bundle), bundle_root(DOCKER20)
    with locked(state_dir(), name):
        if daemons.is_running(state_dir() / name, "dockerd") and engine_api.answers(socket_of(name)):
            return
        with step(f"start {name}"):
            _start(engine, root, runtime)


def down(name: str) -> None:
    """Stop the engine and its containers, and remove its data; nothing to do if it was not started."""
    folder = state_dir() / name
    with locked(state_dir(), name):
        if not folder.exists():
            return
        with step(f"stop {name}"):
            if daemons.is_running(folder, "dockerd") and engine_api.answers(socket_of(name)):
                engine_api.kill_containers(socket_of(name))
            daemons.stop(folder, "dockerd")
            daemons.stop(folder, "containerd")
            daemons.end_leftovers(folder, data_root(name))
            if ENGINES[name].owns_bridge:
                network.delete_interface(network.bridge_name())
                env = filter_env(bundle_root(DOCKER20))
                network.restore(folder / "network.json", env, chains="DOCKER", others=_other_engine_filters())
            remove_tree(folder)
            drop_data_root(name)


def _other_engine_filters() -> bool:
    """Whether another dockerd runs that keeps chains of its own in the packet filter."""
    for pid in daemons.all_processes():
        command = daemons.command_line(pid)
        if command and Path(command[0]).name == "dockerd" and "--iptables=false" not in command:
            return True
    return False


def _start(engine: DockerEngine, root: Path, runtime: Path) -> None:
    folder, data = state_dir() / engine.name, data_root(engine.name)
    folder.mkdir(exist_ok=True)
    env = _env(root, runtime)
    containerd_socket = folder / "containerd.sock"
    config = folder / "containerd.toml"
    config.write_text(CONTAINERD_CONFIG.format(data=data, state=folder, socket=containerd_socket))
    daemon_config = folder / "daemon.json"
    daemon_config.write_text("{}")  # the machine's own /etc/docker/daemon.json is not for this engine
    if engine.owns_bridge:
        network.remember(folder / "network.json", env)
        network.make_bridge()
    daemons.start(
        folder,
        "containerd",
        ["containerd", "--config", str(config)],
        ready=containerd_socket.is_socket,
        env=env,
    )
    # A stale pid file or socket of an engine that was killed would stop the next one.
    for stale in ("dockerd-own.pid", "docker.sock"):
        (folder / stale).unlink(missing_ok=True)
    daemons.start(
        folder,
        "dockerd",
        [
            *("dockerd", "--config-file", str(daemon_config), "--host", f"unix://{socket_of(engine.name)}"),
            *("--data-root", str(data / "docker"), "--exec-root", str(folder / "exec")),
            *("--pidfile", str(folder / "dockerd-own.pid"), "--containerd", str(containerd_socket)),
            *("--init-path", str(root / "usr/bin/tini-static"), *engine.options),
            *(("--bridge", network.bridge_name()) if engine.owns_bridge else ("--bridge", "none")),
        ],
        ready=lambda: engine_api.answers(socket_of(engine.name)),
        env=env,
    )


def _env(root: Path, runtime: Path) -> dict[str, str]:
    """Environment of the daemons: programs of `root`, then `runc` and iptables of `runtime`, then the machine's."""
    env = filter_env(runtime)
    return {**env, "PATH": f"{root / 'usr/sbin'}:{root / 'usr/bin'}:{runtime / 'usr/sbin'}:{env['PATH']}"}


def filter_env(runtime: Path) -> dict[str, str]:
    """Environment in which `iptables` is the one of `runtime` (the unpacked `DOCKER20`)."""
    return {
        "PATH": f"{_iptables_folder(runtime)}:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": library_path(runtime),
        "XTABLES_LIBDIR": str(runtime / "usr/lib/x86_64-linux-gnu/xtables"),
    }


def _iptables_folder(runtime: Path) -> Path:
    """Folder with the names an installed package would get by Debian's alternatives (nft, as Debian chooses)."""
    folder = runtime / "alternatives"
    folder.mkdir(exist_ok=True)
    for name in ("iptables", "ip6tables"):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"../usr/sbin/{name}-nft")
    return folder
