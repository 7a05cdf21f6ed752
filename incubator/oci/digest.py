"""Digests of blobs, as in `sha256:` and 64 hex digits. Spec: OCI image-spec descriptor.md, "Digests"."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import _Hash

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of an algorithm that can be checked."""
    return _DIGEST.fullmatch(text) is not None


def hasher_for(digest: str) -> _Hash:
    """A hash of the algorithm that `digest` names; `digest` is one."""
    return hashlib.new(digest.partition(":")[0])


def fits(digest: str, data: bytes) -> bool:
    """Whether `digest` is that of `data`."""
    hasher = hasher_for(digest)
    hasher.update(data)
    return hasher.hexdigest() == digest.partition(":")[2]


def verified(chunks: Iterable[bytes], digest: str, size: int) -> Iterator[bytes]:
    """What `chunks` give, the last bytes only once all are known to be those of `digest` and `size`.

    Raises ValueError where they are not.
    """
    hasher, read, held = hasher_for(digest), 0, b""
    for chunk in chunks:
        hasher.update(chunk)
        read += len(chunk)
        if read > size:
            break
        if held:
            yield held
        held = chunk
    if read != size or hasher.hexdigest() != digest.partition(":")[2]:
        raise ValueError(f"what is there is not {digest}")
    if held:
        yield held
