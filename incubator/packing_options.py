"""How an output's layers are to be packed: the attributes that BuildKit has for it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incubator.attributes import read_boolean
from incubator.errors import InputError
from incubator.faults import did_you_mean
from incubator.request import Packing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.oci.media_types import Compression

PACKING: Final = ("compression", "compression-level", "force-compression", "oci-mediatypes")
"""Attributes that say how an image is packed."""

_COMPRESSIONS: Final[dict[str, Compression]] = {"gzip": "gzip", "zstd": "zstd", "uncompressed": "none"}
_HIGHEST: Final[dict[Compression, int]] = {"gzip": 9, "zstd": 22}


def read_packing(values: Mapping[str, str]) -> Packing | None:
    """What the attributes among `values` ask for; None where there are none. Raises InputError."""
    if not any(key in values for key in PACKING):
        return None
    force = read_boolean(values, "force-compression", what="output")
    oci_types = read_boolean(values, "oci-mediatypes", what="output", default=True)
    compression = _compression(values.get("compression"))
    level = _level(values.get("compression-level"), compression or "gzip")
    if force or level is not None:
        compression = compression or "gzip"
    if compression == "zstd" and not oci_types:
        raise InputError(
            "output: compression=zstd and oci-mediatypes=false exclude each other",
            hint="Docker's own media types know no zstd",
        )
    return Packing(compression=compression, level=level, force=force, oci_types=oci_types)


def _compression(text: str | None) -> Compression | None:
    if text is None:
        return None
    if text not in _COMPRESSIONS:
        raise InputError(
            f"output: there is no compression {text!r} here",
            hint=did_you_mean(text, _COMPRESSIONS) or f"write one of {', '.join(_COMPRESSIONS)}",
        )
    return _COMPRESSIONS[text]


def _level(text: str | None, compression: Compression) -> int | None:
    if text is None:
        return None
    highest = _HIGHEST.get(compression)
    if highest is None:
        raise InputError("output: compression-level is given, and nothing is compressed")
    if not text.isascii() or not text.isdecimal() or int(text[:9]) > highest:
        raise InputError(
            f"output: compression-level={text} is none of {compression}",
            hint=f"write a number from 0 to {highest}",
        )
    return int(text)
