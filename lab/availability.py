"""Whether a part of the lab can be had on this machine."""

from __future__ import annotations

from . import clients, docker, emulation, images, podman, registries, ssh
from .apt import is_unpacked
from .machine import debian_reason, mirror_reason

# What each part is made of. Clients can do with the machine's own programs where these packages cannot be had.
BUNDLES = {
    "docker20": (docker.DOCKER20,),
    "docker28": (docker.DOCKER28, docker.DOCKER20),
    "containerd28": (docker.DOCKER28, docker.DOCKER20),
    podman.NAME: (podman.PODMAN, docker.DOCKER20),
    emulation.NAME: (emulation.QEMU,),
    ssh.NAME: (ssh.OPENSSH,),
    **dict.fromkeys(registries.NAMES.values(), (registries.REGISTRY,)),
}


def reason_not_here(name: str) -> str | None:
    """Why the lab cannot offer the engine, registry, image or client `name` here; None if nothing is in the way.

    Nothing is started or fetched; the mirror is asked only about what the cache lacks.
    """
    if name in clients.CLIENTS:
        reason = clients.reason_not_here(name)
    elif name in images.RECIPES:
        reason = debian_reason() or (None if images.is_made(name) else mirror_reason())
    elif name in BUNDLES:
        reason = debian_reason() or (emulation.reason_not_here() if name == emulation.NAME else None)
        if reason is None and not all(is_unpacked(bundle) for bundle in BUNDLES[name]):
            reason = mirror_reason()
    else:
        known = ", ".join([*BUNDLES, *images.RECIPES, *clients.CLIENTS])
        return f"the lab has no {name!r}; it has {known}"
    return f"{name}: {reason}" if reason else None
