"""Pages of a list of tags. Spec: OCI distribution-spec, "Listing Tags"; RFC 8288 for `Link`."""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import urljoin, urlsplit

from incubator.errors import RegistryError
from incubator.oci.reference import is_tag

_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel\s*=\s*"?next\b"?', re.IGNORECASE)


def parse_tags(body: bytes) -> list[str]:
    """The tags of one page. Raises RegistryError where it is none."""
    try:
        tags = json.loads(body)["tags"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise RegistryError("the registry's list of tags is none") from None
    tags = [] if tags is None else tags  # of a repository whose tags are all deleted
    if not isinstance(tags, list) or not all(isinstance(tag, str) and is_tag(tag) for tag in tags):
        raise RegistryError("the registry's list of tags holds what is no tag")
    return tags


def next_page(url: str, link: str) -> str | None:
    """The address of the page after the one at `url`; None where its `Link` names none.

    Raises RegistryError where it is not on the same host: the login is for that one.
    """
    found = _NEXT.search(link)
    if found is None:
        return None
    try:
        target = urljoin(url, str(found[1]))
        same = urlsplit(target)[:2] == urlsplit(url)[:2]
    except ValueError:
        same, target = False, ""
    if not same:
        raise RegistryError("the registry's list of tags goes on at another address")
    return target
