"""Names of a merge: the tags of the index, and the images that it is made of. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.oci.digest import is_digest
from incubator.oci.reference import parse_reference, parse_tag_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.faults import Faults
    from incubator.oci.reference import Reference

_ALGORITHMS = ("sha256:", "sha512:")
"""What is cut off a digest is no tag of a repository `sha256`."""


def read_names(
    tags: Sequence[str], images: Sequence[str], faults: Faults
) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
    """Tags and images; a digest alone is an image in the repository of the first tag.

    Raises InputErrors with `faults` and all that is wrong with the names.
    """
    places: dict[Reference, None] = {}
    for text in tags:
        with faults.gather():
            places[parse_tag_reference(text)] = None
    if not tags:
        faults.add("there is no tag for the index", hint="name it, as in registry.example/app:1.0")
    first = next(iter(places), None)
    sources: dict[Reference, None] = {}
    for text in images:
        if text.startswith(_ALGORITHMS) and not is_digest(text):
            faults.add(f"{text!r} is not a digest", hint="a digest looks like sha256:<64 hex digits>")
        elif not is_digest(text):
            with faults.gather():
                sources[parse_reference(text)] = None
        elif first is not None:
            sources[replace(first, tag=None, digest=text)] = None
    if not images:
        faults.add("there is no image to merge", hint="name one for each platform, as in app@sha256:...")
    faults.check()
    return tuple(places), tuple(sources)
