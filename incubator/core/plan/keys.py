"""Cache keys: a digest of everything that decides what is in a layer. Pure.

The key of a group covers the key of what is below, the platform, and for each step its expanded words, its
environment, and the digest of the files it reads. Limits are not in it, nor what volumes hold.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from incubator.core.plan.model import CopyStep, RunStep, WorkdirStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incubator.core.plan.model import Group, Step
    from incubator.events import StepRef
    from incubator.oci.platform import Platform

FORMAT = 1
"""Raised whenever the same key could stand for other files than before."""


def base_key(diff_ids: Sequence[str], platform: Platform) -> str:
    """The key below a stage's first group: that of a base image, or of nothing."""
    return _digest([FORMAT, str(platform), list(diff_ids)])


def group_key(
    below: str,
    group: Group,
    *,
    files: Mapping[StepRef, Sequence[str]],
    surroundings: Mapping[str, Any],
) -> str:
    """The key of a group on top of `below`.

    `files` has the digests of what each COPY and ADD reads. `surroundings` is what else containers of the group
    see (network, volumes, times), as JSON values.
    """
    steps = [_step(step, files) for step in group.steps if step.changes_files]
    return _digest([FORMAT, below, dict(surroundings), steps])


def _step(step: Step, files: Mapping[StepRef, Sequence[str]]) -> dict[str, Any]:
    match step:
        case RunStep():
            env = {name: value for name, value in step.env if name not in step.proxies}
            return {
                "run": step.argv, "env": env, "user": step.user, "cwd": step.cwd, "files": step.files
            }  # fmt: skip
        case WorkdirStep():
            return {"workdir": step.path, "owner": step.owner}
        case CopyStep():
            return {
                "copy": files[step.ref],
                "sources": step.sources,
                "heredocs": [[doc.name, doc.content] for doc in step.heredocs],
                "destination": step.destination,
                "cwd": step.cwd,
                "chown": step.chown,
                "chmod": step.chmod,
                "exclude": step.exclude,
                "flags": [step.parents, step.link, step.unpack],
            }
        case _:
            raise AssertionError(f"no key for {step}")


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
