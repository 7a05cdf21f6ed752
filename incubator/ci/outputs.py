"""The result of a build to the outputs of a pipeline step, and the forms that outputs are written in."""

from __future__ import annotations

import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actions_toolkit.file_command import prepare_key_value_message

from incubator.ci.lists import write_list
from incubator.errors import BuilderError
from incubator.metadata import make_merge_metadata, make_metadata
from incubator.oci.reference import parse_reference
from incubator.schema import load_schema

if TYPE_CHECKING:
    from incubator.ci.tags import Metadata
    from incubator.core.merge_images import MergedImage
    from incubator.core.result import ResultImage

DOTENV_FILE = "incubator.env"
JSON_FILE = "incubator.json"

DOTENV_BYTES = 5120
"""GitLab refuses a dotenv report of this size or more."""

# Not `INCUBATOR_...`: a later job gets these as variables, and may build an image itself.
_DOTENV = {"IMAGE": "image", "IMAGE_DIGEST": "digest", "IMAGE_ID": "imageid", "IMAGE_VERSION": "version"}

Outputs = dict[str, Any]
"""By name, typed as `schemas/outputs.schema.json` has it; without `json`, which is all the others."""


def make_outputs(result: ResultImage, *, metadata: Metadata | None = None) -> Outputs:
    """Outputs of a finished build; `metadata` is what rules made."""
    image = ""
    if result.digests:
        reference, digest = next(iter(result.digests.items()))
        image = f"{parse_reference(reference).name}@{digest}"
    return {
        "imageid": result.id,
        "digest": result.digest or "",
        "metadata": make_metadata(result),
        "image": image,
        "tags": list(result.tags),
        "labels": dict(result.config.labels),
        "version": metadata.version if metadata else "",
        "tag-names": list(metadata.tag_names) if metadata else [],
        "annotations": list(metadata.annotations) if metadata else [],
        "platform": ",".join(result.platforms),
        "image-size-bytes": result.size_bytes,
        "layers": len(result.layers),
        "cached-layers": sum(layer.cached and not layer.base for layer in result.layers),
        "duration-seconds": round(result.duration_s, 3),
        "call": None,
    }


def make_merge_outputs(
    merged: MergedImage, *, duration_s: float, metadata: Metadata | None = None
) -> Outputs:
    """Outputs of a finished merge, under the same names; what only a build has is empty."""
    return {
        "imageid": merged.digest,
        "digest": merged.digest,
        "metadata": make_merge_metadata(merged),
        "image": f"{parse_reference(merged.tags[0]).name}@{merged.digest}",
        "tags": list(merged.tags),
        "labels": {},
        "version": metadata.version if metadata else "",
        "tag-names": list(metadata.tag_names) if metadata else [],
        "annotations": list(metadata.annotations) if metadata else [],
        "platform": ",".join(merged.platforms),
        "image-size-bytes": None,
        "layers": 0,
        "cached-layers": 0,
        "duration-seconds": round(duration_s, 3),
        "call": None,
    }


def make_call_outputs(value: dict[str, Any]) -> Outputs:
    """Outputs of what was asked of a Dockerfile: the answer, and nothing else."""
    empty = {"string": "", "array": [], "object": {}, "number": 0, "integer": 0}
    outputs = {
        name: empty[schema["type"]] if isinstance(schema["type"], str) else None
        for name, schema in load_schema("outputs")["properties"].items()
        if name != "json"
    }
    return outputs | {"call": value}


def as_texts(outputs: Outputs) -> dict[str, str]:
    """Every output of the schema as the text that a later step gets."""
    values = outputs | {"json": json.dumps(outputs, sort_keys=True)}
    return {name: _text(name, values[name]) for name in load_schema("outputs")["properties"]}


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return write_list(value)
    if name == "labels":
        return write_list([f"{key}={entry}" for key, entry in value.items()])
    return json.dumps(value, sort_keys=True)


def write_github_outputs(outputs: Outputs, path: Path) -> None:
    """Append to the file that `GITHUB_OUTPUT` names, each value behind a random delimiter."""
    messages = [prepare_key_value_message(name, text) for name, text in as_texts(outputs).items()]
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write("".join(f"{message}\n" for message in messages))


def dotenv_text(outputs: Outputs) -> str:
    """The dotenv report: `KEY=VALUE` lines for GitLab, which knows no quotes, comments or values of several lines.

    Empty values are left out. GitLab expands `$NAME` when a later job uses the value, so `$` is doubled. Raises
    BuilderError where a value cannot be written.
    """
    values = {key: str(outputs[name]) for key, name in _DOTENV.items()}
    values["IMAGE_TAG"] = outputs["tags"][0] if outputs["tags"] else ""
    lines = [_dotenv_line(key, value) for key, value in values.items() if value]
    text = "".join(lines)
    if len(text.encode()) >= DOTENV_BYTES:
        raise BuilderError(
            f"the dotenv report has {len(text.encode())} bytes, but GitLab takes less than {DOTENV_BYTES}",
            hint=f"use {JSON_FILE}, which has all outputs and no limit",
        )
    return text


def _dotenv_line(key: str, value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise BuilderError(
            f"{key} cannot be handed on in a dotenv report: {value!r} is not one plain line",
            hint=f"use {JSON_FILE}, which has all outputs",
        )
    return f"{key}={value.replace('$', '$$')}\n"


def write_gitlab_outputs(outputs: Outputs, workspace: Path) -> None:
    """Write the dotenv report and the JSON artifact into the workspace."""
    dotenv = dotenv_text(outputs)
    write_into(workspace, JSON_FILE, json.dumps(outputs, indent=2, sort_keys=True) + "\n")
    write_into(workspace, DOTENV_FILE, dotenv)


def remove_gitlab_outputs(workspace: Path) -> None:
    """Take away what is there under the names of the outputs: a checkout must not bring its own.

    Raises BuilderError where something cannot be removed.
    """
    for name in (DOTENV_FILE, JSON_FILE):
        remove_from(workspace, name)


def remove_from(workspace: Path, name: str) -> None:
    """Take a file of the workspace away, if it is there. Raises BuilderError where that cannot be done."""
    try:
        (_inside(workspace, name) / Path(name).name).unlink(missing_ok=True)
    except OSError as error:
        raise BuilderError(
            f"cannot remove {name}, where an output goes: {error.strerror}",
            hint=f"take {name} out of the repository",
        ) from error


def write_into(workspace: Path, name: str, text: str) -> None:
    """Write a file of the workspace at once, replacing what is there (a link too), owned as the workspace is.

    Folders on the way are made. Raises BuilderError where it cannot be written.
    """
    folder = _inside(workspace, name)
    partial = folder / f".{Path(name).name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        _make_folders(folder, workspace)
        with os.fdopen(os.open(partial, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
            give_to_owner(file.fileno(), workspace)
        partial.replace(folder / Path(name).name)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise BuilderError(f"cannot write {name} into {workspace}: {error.strerror}") from error


def _inside(workspace: Path, name: str) -> Path:
    """The folder of a file of the workspace. Raises BuilderError where links of the checkout lead out of it."""
    folder = (workspace / name).parent.resolve()
    if not folder.is_relative_to(workspace.resolve()):
        raise BuilderError(f"{name} leads out of the workspace", hint="a folder on the way is a link")
    return folder


def _make_folders(folder: Path, workspace: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    owner = workspace.stat()
    for path in reversed(missing):
        path.mkdir()
        with suppress(PermissionError):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def give_to_owner(descriptor: int, workspace: Path) -> None:
    """Let an open file belong to whom the workspace belongs to, where this process may do that."""
    owner = workspace.stat()
    mine = os.fstat(descriptor)
    if (owner.st_uid, owner.st_gid) != (mine.st_uid, mine.st_gid) and stat.S_ISREG(mine.st_mode):
        with suppress(PermissionError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
