"""Lists of packages as a generator leaves them in its output folder: statements of in-toto, a file each.

Spec: BuildKit, docs/attestations/sbom-protocol.md. What a generator writes is hostile, as is the image that it has
read: of a statement only type and predicate are taken, for who is its subject is for the builder to say.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from incubator.errors import BuilderError
from incubator.oci.attestation import CYCLONEDX, SPDX, Predicate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incubator.context.entry import Entry

MOST_FILES: Final = 64
MOST_BYTES: Final = 64 << 20
"""Of all files of one generator; they are held in memory, as they have to be read as a whole to be checked."""

MAIN: Final = "sbom"
"""Name of the scan of the image itself, which comes first, as tools show the first one."""

_TYPES: Final = ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1")


def read_statements(entries: Iterable[Entry]) -> tuple[Predicate, ...]:
    """What the files of a tree say; the tree is the output folder. Raises BuilderError."""
    found: dict[str, Predicate] = {}
    left = MOST_BYTES
    for entry in entries:
        if not entry.path:
            continue
        name = f"the file {entry.path!r} of the generator"
        if entry.kind != "file" or "/" in entry.path or not entry.path.endswith(".json"):
            raise BuilderError(
                f"{name} is no list of packages",
                hint="a generator writes files NAME.spdx.json into $BUILDKIT_SCAN_DESTINATION, and no links or folders",
            )
        if len(found) == MOST_FILES:
            raise BuilderError(f"the generator has written more than {MOST_FILES} files")
        left -= entry.size
        if left < 0:
            raise BuilderError(f"the generator has written more than {MOST_BYTES} bytes")
        with entry.open() as file:
            found[entry.path] = _read(file.read(), name)
    names = sorted(found, key=lambda name: (name.partition(".")[0] != MAIN, name))
    return tuple(found[name] for name in names)


def _read(data: bytes, name: str) -> Predicate:
    try:
        statement: Any = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BuilderError(f"{name} is not JSON") from None
    if not isinstance(statement, dict) or statement.get("_type") not in _TYPES:
        raise BuilderError(
            f"{name} is no statement of in-toto", hint=f"its _type is one of {', '.join(_TYPES)}"
        )
    kind, predicate = statement.get("predicateType"), statement.get("predicate")
    if kind not in (SPDX, CYCLONEDX):
        raise BuilderError(
            f"{name} is neither SPDX nor CycloneDX", hint=f"its predicateType is {SPDX} or {CYCLONEDX}"
        )
    if not isinstance(predicate, dict):
        raise BuilderError(f"{name} has no predicate")
    try:  # numbers that JSON has none for would be written as words
        document = json.dumps(predicate, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise BuilderError(f"{name} is not JSON that can be written again") from None
    return Predicate(type=kind, document=document)
