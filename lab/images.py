"""Base images, made of Debian packages: built once into archives of the cache, loaded into any engine that asks.

`python:3.12-slim` is a stand-in: Debian's Python with pip and venv, whatever its version, that trusts the machine's
certificate authorities, so that `pip install` works in a container wherever it works on the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import engine_api, rootfs
from .apt import Bundle, bundle_root
from .errors import LabError
from .machine import OWN_SUITE, mirror
from .paths import cache_dir, fresh_folder, locked, say, state_dir, step
from .standins import AUTHORITIES, PYTHON, STAND_INS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BUSYBOX = Bundle(name="busybox", suite=OWN_SUITE, packages=("busybox-static",), with_dependencies=False)
BUSYBOX_ARM64 = Bundle(
    name="busybox-arm64",
    suite=OWN_SUITE,
    packages=("busybox-static",),
    with_dependencies=False,
    architecture="arm64",
)
DEBOOTSTRAP = Bundle(name="debootstrap", suite=OWN_SUITE, packages=("debootstrap",), with_dependencies=False)
SYSTEM_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NO_CREDENTIALS = "e30="  # {}, which engines want rather than nothing
HOST_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
BUSYBOX_FOLDERS = (
    "bin",
    "dev",
    "etc",
    "home",
    "proc",
    "root",
    "sbin",
    "sys",
    "tmp",
    "usr/bin",
    "usr/sbin",
    "var/tmp",
)

HELPER_SCRIPT = """
apt-get -qq update
apt-get -qq install --no-install-recommends rsync
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one image is made: `make` writes the layer tar into the folder given and returns it."""

    make: Callable[[Path], Path]
    config: dict[str, object]
    base: str | None = None
    architecture: str = "amd64"
    public: str | None = None
    """What an engine that can reach the public registry pulls instead, where the name differs."""


def ensure_images(socket: Path, names: Iterable[str], *, may_pull: bool = False) -> None:
    """Have the engine at `socket` hold the named images; makes and loads what is missing. Raises `LabError`.

    With `may_pull` the public image is tried before: for an engine the lab did not start.
    """
    for name in names:
        if name not in RECIPES:
            raise LabError(f"the lab makes no image {name!r}; it makes {', '.join(RECIPES)}")
        with locked(state_dir(), f"load-{socket}-{name}"):
            if engine_api.image_id(socket, name) is None and not (may_pull and _pull(socket, name)):
                archive = image_archive(name)
                with step(f"load {name} into {socket}"), archive.open("rb") as content:
                    engine_api.load(socket, content)


def _pull(socket: Path, name: str) -> bool:
    """Whether the engine got the public image and has it under the lab's name."""
    public = RECIPES[name].public or name
    try:
        with step(f"pull {public}"):
            engine_api.transfer(socket, "pull", public, NO_CREDENTIALS)
            if public != name:
                engine_api.tag(socket, public, *name.split(":"))
    except LabError as error:
        say(str(error))
        return False
    return True


def image_archive(name: str) -> Path:
    """The image as a `docker save` archive in the cache; made if it is not there."""
    layers = _layers(name)
    archive = layers[-1].with_name("image.tar")
    with locked(cache_dir(), f"archive-{name}"):
        if not archive.exists():
            partial = archive.with_suffix(".partial")
            recipe = RECIPES[name]
            rootfs.write_archive(
                layers, partial, name=name, config=recipe.config, architecture=recipe.architecture
            )
            partial.rename(archive)
    return archive


def is_made(name: str) -> bool:
    """Whether the cache has the image."""
    base = RECIPES[name].base
    return (_folder(name) / "layer.tar").exists() and (base is None or is_made(base))


def _layers(name: str) -> list[Path]:
    recipe = RECIPES[name]
    below = _layers(recipe.base) if recipe.base else []
    folder = _folder(name)
    with locked(cache_dir(), f"image-{name}"):
        if not folder.exists():
            with step(f"make the image {name}"), fresh_folder(folder) as partial:
                recipe.make(partial)
    return [*below, folder / "layer.tar"]


def _folder(name: str) -> Path:
    images = cache_dir() / "images"
    images.mkdir(exist_ok=True)
    return images / name.replace("/", "_").replace(":", "_")


def _make_busybox(bundle: Bundle) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        root = folder / "root"
        for name in BUSYBOX_FOLDERS:
            (root / name).mkdir(parents=True)
        for name in ("tmp", "var/tmp"):
            (root / name).chmod(0o1777)
        (root / "root").chmod(0o700)
        shutil.copy2(_busybox(bundle), root / "bin/busybox")
        (root / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
        )
        (root / "etc/group").write_text("root:x:0:\ndaemon:x:1:\nusers:x:100:\nnogroup:x:65534:\n")
        # The machine's own program tells the names: that of another architecture has the same, and may not run here.
        listed = subprocess.run(
            [_busybox(BUSYBOX), "--list-full"], capture_output=True, text=True, check=True
        )
        for path in listed.stdout.split():
            if not (root / path).exists():
                (root / path).symlink_to("/bin/busybox")
        return _layer_of(root, folder)

    return make


def _busybox(bundle: Bundle) -> Path:
    root = bundle_root(bundle)
    return next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())


def _make_debian(folder: Path) -> Path:
    tool = bundle_root(DEBOOTSTRAP)
    root = folder / "root"
    program = [str(tool / "usr/sbin/debootstrap"), "--variant=minbase", "--include=ca-certificates"]
    done = subprocess.run(
        [*program, OWN_SUITE, str(root), mirror()],
        env={**os.environ, "DEBOOTSTRAP_DIR": str(tool / "usr/share/debootstrap")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"debootstrap ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    shutil.copy2(HOST_AUTHORITIES, root / AUTHORITIES.lstrip("/"))
    rootfs.write_layer(root, folder / "layer.tar")
    return folder / "layer.tar"  # the root stays: it is the lower folder of what builds on it


def _make_on_debian(script: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with rootfs.overlaid(_folder("debian:bookworm-slim") / "root", folder) as (merged, upper):
            rootfs.run_inside(merged, script)
            rootfs.write_layer(upper, folder / "layer.tar")
        for part in ("upper", "work", "merged"):
            shutil.rmtree(folder / part)
        return folder / "layer.tar"

    return make


def _layer_of(root: Path, folder: Path) -> Path:
    layer = folder / "layer.tar"
    rootfs.write_layer(root, layer)
    shutil.rmtree(root)
    return layer


RECIPES = {
    "busybox:latest": Recipe(make=_make_busybox(BUSYBOX), config={"Env": [SYSTEM_PATH], "Cmd": ["sh"]}),
    "arm64v8/busybox:latest": Recipe(
        make=_make_busybox(BUSYBOX_ARM64),
        config={"Env": [SYSTEM_PATH], "Cmd": ["sh"]},
        architecture="arm64",
    ),
    "debian:bookworm-slim": Recipe(make=_make_debian, config={"Env": [SYSTEM_PATH], "Cmd": ["bash"]}),
    "python:3.12-slim": Recipe(
        make=_make_on_debian(PYTHON),
        config={"Env": [SYSTEM_PATH, "LANG=C.UTF-8"], "Cmd": ["python3"]},
        base="debian:bookworm-slim",
    ),
    "gcl-helper:local": Recipe(
        make=_make_on_debian(HELPER_SCRIPT),
        config={"Env": [SYSTEM_PATH], "Cmd": ["bash"]},
        base="debian:bookworm-slim",
        public="firecow/gitlab-ci-local-util:latest",
    ),
    **{
        name: Recipe(
            make=_make_on_debian(stand_in.script),
            config={"Env": [SYSTEM_PATH, *stand_in.env], **stand_in.config},
            base="debian:bookworm-slim",
        )
        for name, stand_in in STAND_INS.items()
    },
}
