"""Names of a merge, and those of a push without a tag."""

from __future__ import annotations

import pytest

from incubator.errors import InputError, InputErrors
from incubator.faults import Faults
from incubator.merge_names import read_names
from incubator.oci.reference import parse_repository_name

DIGEST = f"sha256:{'a' * 64}"


def test_a_digest_alone_is_in_the_repository_of_the_first_tag() -> None:
    images = [DIGEST, "acme/web:arm64", f"ghcr.io/acme/web@{DIGEST}", DIGEST]
    tags, sources = read_names(["ghcr.io/acme/web:1", "acme/web"], images, Faults())
    assert [str(tag) for tag in tags] == ["ghcr.io/acme/web:1", "acme/web:latest"]
    assert [str(source) for source in sources] == [f"ghcr.io/acme/web@{DIGEST}", "acme/web:arm64"]


def test_all_faults_come_at_once() -> None:
    with pytest.raises(InputErrors) as raised:
        read_names([f"acme/web@{DIGEST}", "Acme/Web"], ["sha256:12", DIGEST, "a b"], Faults())
    assert [len(error.message) > 0 for error in raised.value.errors] == [True] * 4
    with pytest.raises(InputErrors, match="no tag") as nothing:
        read_names([], [], Faults())
    assert "no image" in str(nothing.value)


@pytest.mark.parametrize("text", ["acme/web", "localhost:5000/acme/web", "ghcr.io/acme/web"])
def test_a_repository_has_no_tag(text: str) -> None:
    reference = parse_repository_name(text)
    assert (str(reference), reference.tag) == (text, None)


@pytest.mark.parametrize("text", ["acme/web:1", "localhost:5000/web:latest", f"acme/web@{DIGEST}"])
def test_a_tag_is_no_repository(text: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_repository_name(text)
    assert "name the repository alone" in (raised.value.hint or "")
