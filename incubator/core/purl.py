"""Package URLs of images, as builders write them into attestations.

Spec: package-url, PURL-SPECIFICATION.rst and the type `docker`; BuildKit, util/purl/image.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference


def image_purl(reference: Reference, platform: Platform | None = None) -> str:
    """As in `pkg:docker/ghcr.io/acme/web@1.0?platform=linux%2Famd64`; a digest is one of the qualifiers."""
    name = quote(reference.name, safe="/:")
    version = f"@{quote(reference.tag, safe='')}" if reference.tag else ""
    qualifiers = {"digest": reference.digest, "platform": platform and str(platform)}
    query = "&".join(f"{key}={quote(value, safe=':')}" for key, value in qualifiers.items() if value)
    return f"pkg:docker/{name}{version}{'?' if query else ''}{query}"
