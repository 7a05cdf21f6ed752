"""Facts of a result for other programs, under the names that docker's `--metadata-file` has."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incubator.core.ownership import why_not_writable
from incubator.core.result import ResultIndex
from incubator.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.core.merge_images import MergedImage
    from incubator.core.result import ResultImage
    from incubator.request import FileOutput


def make_metadata(result: ResultImage) -> dict[str, Any]:
    """`containerimage.digest` is the manifest's digest in the registry or, where nothing was pushed, the image id.

    For several platforms it is that of the index, which `containerimage.descriptor` describes, and where nothing was
    pushed there is neither; `incubator.platforms` has what there is to say of each platform's image.

    `image.name` has every tag in full (`docker.io/library/app:1`), separated by commas; after a
    push by digest the repositories, and without both it is absent. `incubator.provenance` is the predicate that is
    attested, as `mode=min` has it.
    """
    metadata: dict[str, Any] = {}
    if isinstance(result, ResultIndex):
        if result.descriptor:
            metadata["containerimage.descriptor"] = result.descriptor.to_json()
            metadata["containerimage.digest"] = result.digest
        metadata["incubator.platforms"] = {str(image.platform): _of_image(image) for image in result.images}
    else:
        metadata |= _of_image(result)
    names = result.tags or tuple(result.digests)
    if names:
        metadata["image.name"] = ",".join(map(full_name, names))
    return metadata


def _of_image(image: ResultImage) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "containerimage.config.digest": image.config_digest,
        "containerimage.digest": image.digest or image.id,
    }
    if image.provenance is not None:
        metadata["incubator.provenance"] = image.provenance
    return metadata


def make_merge_metadata(merged: MergedImage) -> dict[str, Any]:
    """The same for an index, with its descriptor."""
    return {
        "containerimage.descriptor": merged.descriptor.to_json(),
        "containerimage.digest": merged.digest,
        "image.name": ",".join(map(full_name, merged.tags)),
    }


def full_name(tag: str) -> str:
    """A name with its registry, as in `docker.io/library/busybox:latest`, with the tag that it has."""
    from incubator.oci.reference import parse_reference

    reference = parse_reference(tag)
    _, colon, given = tag.rpartition("/")[2].partition(":")
    return f"{reference.registry}/{reference.repository}{colon}{given}"


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """Metadata as JSON, as docker writes it: sorted, two blanks a level."""
    return json.dumps(metadata, indent=2, sort_keys=True)


def check_writable(path: str, option: str) -> None:
    """Raise InputError where no file can be written to `path`."""
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise InputError(f"{option} {path!r} is a folder", hint="name a file")
    if not folder.is_dir():
        raise InputError(f"{option} {path!r}: there is no folder {str(folder)!r}")
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"{option} {path!r} cannot be written")
    if _is_replaced(target) and (why := why_not_writable(folder)):
        raise InputError(
            f"{option} {path!r} cannot be written: {why}", hint="name a file in a folder that takes files"
        )


def check_dest(output: FileOutput) -> None:
    """Raise InputError where an output cannot go to its `dest`."""
    if not output.is_folder:
        check_writable(output.dest, "output")
    elif Path(output.dest).exists() and not Path(output.dest).is_dir():
        raise InputError(
            f"output {output.dest!r} is no folder",
            hint="leave tar=false out to have an archive"
            if output.unpacked
            else "write type=tar to have a file",
        )
    elif why := why_not_writable(Path(output.dest)):
        raise InputError(f"output {output.dest!r} cannot be written: {why}", hint="name another folder")


def _is_replaced(target: Path) -> bool:
    """Whether a file is made anew beside its place, as it cannot be of what is no regular file."""
    return target.parts[:2] != ("/", "dev") and (target.is_file() or not target.exists())


def write_atomically(path: str, text: str) -> None:
    """Write a file that is there completely or not at all. What is no regular file (`/dev/stdout`) is written to."""
    target = Path(path)
    if not _is_replaced(target):
        with target.open("w", encoding="utf-8") as file:
            file.write(text)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
