"""Pages of tags."""

from __future__ import annotations

import pytest

from incubator.errors import RegistryError
from incubator.registry.tags import next_page, parse_tags

URL = "https://registry.example/v2/a/tags/list?n=2"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", None),
        ('</v2/a/tags/list?last=b&n=2>; rel="next"', "https://registry.example/v2/a/tags/list?last=b&n=2"),
        ("<?last=b>; rel=next", "https://registry.example/v2/a/tags/list?last=b"),
        ('</first>; rel="first", </next>; rel="next"', "https://registry.example/next"),
        ('</next>; title="x"; rel="next"', "https://registry.example/next"),
        ('</first>; rel="first"', None),
        ("nonsense", None),
    ],
)
def test_the_next_page_is_the_one_of_that_relation(link: str, expected: str | None) -> None:
    assert next_page(URL, link) == expected


@pytest.mark.parametrize(
    "target", ["https://other.example/", "http://registry.example/", "//other.example/x", "https://["]
)
def test_a_page_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(RegistryError, match="another address"):
        next_page(URL, f"<{target}>; rel=next")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"tags": 1}', b'{"tags": [1]}', b'{"tags": ["a b"]}', b'{"tags": ["a\\n"]}']
)
def test_a_list_of_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(RegistryError, match="list of tags"):
        parse_tags(body)
