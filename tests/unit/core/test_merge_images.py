"""A merge that a registry refuses names what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.core.merge_images import merge_images
from incubator.errors import RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_CONFIG
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.unit.registry.serving import SHORT, Answer, serving

if TYPE_CHECKING:
    from tests.unit.registry.serving import Asked

CONFIG = b'{"os": "linux", "architecture": "amd64"}'
IMAGE = Manifest(
    config=Descriptor(media_type=OCI_CONFIG, digest=digest_of(CONFIG), size=len(CONFIG)), layers=()
)


def has_all(asked: Asked) -> Answer:
    if "/manifests/" in asked.path:
        return Answer(headers={"Content-Type": IMAGE.media_type}, body=IMAGE.to_bytes())
    return Answer(body=CONFIG)


def test_what_is_refused_is_named_by_tag_and_image() -> None:
    with (
        serving(has_all) as source,
        serving(lambda _: Answer(status=401)) as target,
        Registries(Credentials(), patience=SHORT) as registries,
    ):
        image = parse_reference(f"{source.address}/web:amd64")
        tag = parse_reference(f"{target.address}/web:1")
        with pytest.raises(RegistryError) as raised:
            merge_images(registries, [image], [tag])
    assert raised.value.message.startswith(f"cannot copy {image} to {tag.name}: cannot ask for ")
    assert raised.value.status == 401
    assert "log in" in str(raised.value.hint)
