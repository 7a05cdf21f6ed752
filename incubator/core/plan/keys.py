"""Cache keys: a digest of everything that decides what is in a layer, kept by parts so that a miss can be told. Pure.

The key of a group covers the key of what is below, the platform, and for each step its expanded words, its
environment, and the digest of the files it reads. Limits are not in it, nor what volumes hold.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incubator.core.plan.model import CopyStep, RunStep, WorkdirStep
from incubator.core.plan.mounts import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incubator.core.plan.model import Group, Step
    from incubator.events import StepRef
    from incubator.oci.platform import Platform

FORMAT = 2
"""Raised whenever the same key could stand for other files than before."""

_MOST_FILES = 7
_SHORT = 8
_PARTS = {
    "below": "what is below changed",
    "words": "an instruction changed",
    "around": "network, hosts, volumes, security options or the time stamp changed",
    "env": "the environment or a build argument changed",
    "user": "the user or the working folder changed",
}
"""Parts of a key, in the order in which they are told, and what is said where one changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """What a group's key is made of: a digest of each part. `files` are named by the instruction's words.

    Only digests: no value of an argument and no text of an instruction can be read from it.
    """

    below: str
    words: str
    around: str
    env: str
    user: str
    files: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The key of the group."""
        parts = [getattr(self, name) for name in _PARTS]
        return _digest([FORMAT, *parts, [digest for _, digest in self.files]])

    @property
    def short(self) -> str:
        """A text of all parts, cut so short that it fits a tag; of many files the last ones share a place."""
        names = [getattr(self, name)[:_SHORT] for name in _PARTS]
        return ".".join(names + [digest[:_SHORT] for _, digest in self._places()])

    def _places(self) -> list[tuple[str, str]]:
        if len(self.files) <= _MOST_FILES:
            return list(self.files)
        rest = self.files[_MOST_FILES - 1 :]
        shared = ", ".join(name for name, _ in rest), _digest([digest for _, digest in rest])
        return [*self.files[: _MOST_FILES - 1], shared]

    def changed_since(self, earlier: str) -> str | None:
        """The first part that differs from those of `earlier`, an earlier result's `short`; None where none does."""
        before, now = earlier.split("."), self.short.split(".")
        said = [*_PARTS.values(), *(f"{name} changed" for name, _ in self._places())]
        if len(before) != len(now):
            return _PARTS["words"]
        return next((text for text, old, new in zip(said, before, now, strict=True) if old != new), None)


def base_key(diff_ids: Sequence[str], platform: Platform) -> str:
    """The key below a stage's first group: that of a base image, or of nothing."""
    return _digest([FORMAT, str(platform), list(diff_ids)])


FILE_LENGTH: Final = 8
"""Digits that the places of a file have in common at their start."""


def place_in(file: Sequence[object], *names: object) -> str:
    """A short name of a place in a file, such as a group's, under which its latest result is noted."""
    return "".join(_digest([str(name) for name in part])[:FILE_LENGTH] for part in (file, names))


def key_parts(
    below: str,
    group: Group,
    *,
    files: Mapping[StepRef, Sequence[str]],
    surroundings: Mapping[str, Any],
) -> KeyParts:
    """The parts of the key of a group on top of `below`.

    `files` has the digests of what each COPY, ADD and mount reads. `surroundings` is what else containers of the group
    see (network, volumes, times), as JSON values.
    """
    steps = [step for step in group.steps if step.changes_files]
    return KeyParts(
        below=below,
        words=_digest([_words(step) for step in steps]),
        around=_digest(dict(surroundings)),
        env=_digest([_env(step) for step in steps]),
        user=_digest([_user(step) for step in steps]),
        files=tuple(pair for step in steps for pair in _files(step, files.get(step.ref, ()))),
    )


def _words(step: Step) -> dict[str, Any]:
    match step:
        case RunStep():
            key: dict[str, Any] = {"run": step.argv, "files": step.files}
            if step.mounts:
                key["mounts"] = [words_of(mount) for mount in step.mounts]
            if step.network != "default" or step.insecure:
                key["surroundings"] = [step.network, step.insecure]
            return key
        case WorkdirStep():
            return {"workdir": step.path}
        case CopyStep():
            return {
                "sources": step.sources,
                "heredocs": [[doc.name, doc.content] for doc in step.heredocs],
                "destination": step.destination,
                "chown": step.chown,
                "chmod": step.chmod,
                "exclude": step.exclude,
                "flags": [step.parents, step.link, step.unpack, step.unpack_downloads],
            }
        case _:
            raise AssertionError(f"no key for {step}")


def _env(step: Step) -> dict[str, str]:
    if not isinstance(step, RunStep):
        return {}
    return {name: value for name, value in step.env if name not in step.proxies}


def _user(step: Step) -> list[str]:
    match step:
        case RunStep():
            return [step.user, step.cwd]
        case WorkdirStep():
            return [step.owner]
        case CopyStep():
            return [step.cwd]
        case _:
            return []


def _files(step: Step, digests: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and digest of each source; one digest for all where a stage or an image is read as a whole."""
    keyword = step.ref.text.partition(" ")[0].upper()
    if not isinstance(step, CopyStep):
        if digests:
            yield "what --mount shows", _digest(list(digests))
    elif step.origin is None and len(digests) == len(step.sources):
        names = (*step.paths, *(name for name, _ in step.remotes))
        for name, digest in zip(names, digests, strict=True):
            yield f"{keyword} {name}", _digest([digest])
    else:
        yield "what --from names", _digest(list(digests))


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
