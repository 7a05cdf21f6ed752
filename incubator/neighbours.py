"""What `docker build` and docker's actions have and incubator has not: refused by name, with a way out. Pure.

A value that asks for nothing (`call: build`) is no reason to refuse. Options that merely have other names on the two
sides (`--builder`, `builder`) share what is said about them.
"""

from __future__ import annotations

from dataclasses import dataclass

TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")
"""Go's spellings of booleans, which docker's options take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that is refused: `instead` is the way out, `harmless` are values that ask for nothing.

    `of` is whose input it is.
    """

    instead: str
    harmless: tuple[str, ...] = ()
    of: str = "docker/build-push-action"


_LOGIN = "docker/login-action"
_METADATA = "docker/metadata-action"


_BUILDER = Refused(
    instead="leave it out: the engine that DOCKER_HOST names does the work, no builder is set up"
)
OPTIONS = {
    "--builder": _BUILDER,
    "--isolation": Refused(instead="leave it out: it is about containers of Windows", harmless=("default",)),
    "--policy": Refused(instead="check Dockerfiles with incubator lint, before the build"),
    "--resource": Refused(instead="limit build steps with --memory, --cpu-quota and --ulimit"),
}
"""Options of `docker build` that take a value."""

SWITCHES = {
    "--compress": Refused(
        instead="leave it out: the context is not sent as a whole, so it need not be small"
    ),
    "--disable-content-trust": Refused(instead="leave it out: pin base images, as in FROM image@sha256:..."),
    "--stream": Refused(instead="leave it out: only files that COPY and ADD name are read anyway"),
}
"""Options of `docker build` that take none."""

INPUTS = {
    "bake-target": Refused(
        instead="leave it out: no file for bake is written, tags and labels go straight into the build",
        of=_METADATA,
    ),
    "ecr": Refused(
        instead="get the token in a step before (aws ecr get-login-password), and give it as password of the user AWS",
        harmless=("auto", "false", "False", "FALSE"),
        of=_LOGIN,
    ),
    "scope": Refused(
        instead="leave it out: a login is used for what the step pulls and pushes, and is gone with it",
        of=_LOGIN,
    ),
    **{
        f"sep-{name}": Refused(
            instead=f"the output {name} has one entry a line: split it there, or read the output json",
            of=_METADATA,
        )
        for name in ("annotations", "labels", "tags")
    },
}
"""Inputs of docker's actions that a workflow may bring along, and that would be missed."""

IGNORED = {
    "builder": "the engine that DOCKER_HOST names does the work, no builder is set up or needed",
    "logout": "a login is never written anywhere, so there is nothing to log out from",
}
"""Inputs of docker's actions that make no difference here, and why."""

ELSEWHERE = {"dockerfile": "file"}
"""What other actions call an input that is here, too."""

BUILD_PUSH_ACTION = (
    "add-hosts", "allow", "annotations", "attests", "build-args", "build-contexts", "builder", "cache-from",
    "cache-to", "call", "cgroup-parent", "context", "file", "github-token", "labels", "load", "network", "no-cache",
    "no-cache-filters", "outputs", "platforms", "provenance", "pull", "push", "sbom", "secret-envs", "secret-files",
    "secrets", "shm-size", "ssh", "tags", "target", "ulimit",
)  # fmt: skip
"""All inputs of docker/build-push-action."""

DIFFERENT = {
    "attests": "`type=provenance`, and `type=sbom` by a generator or a file; nothing is attested unasked",
    "cache-from": "of types `registry` (images too) and `local`; others are warned of and not used",
    "cache-to": "of types `registry`, `local` and `inline`; others are warned of and not used",
    "context": "the checkout where it is left out, and not the repository's URL",
    "outputs": "paths count from the workspace",
    "provenance": "off where it is left out; SLSA version 1",
    "sbom": "`true`, a generator of BuildKit's protocol, or a file",
}
"""Inputs of docker/build-push-action that are taken and mean something else here."""
