"""A tag that is taken away after a push: of the registries that allow it none is at hand, so a small one is made."""

from __future__ import annotations

from incubator.core.publish import take_tag_away
from incubator.oci.descriptor import Descriptor
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_CONFIG
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from tests.unit.registry.serving import Answer, Asked, serving

MANIFEST = Manifest(config=Descriptor(media_type=OCI_CONFIG, digest=f"sha256:{'c' * 64}", size=2))


def test_a_manifest_survives_its_last_tag() -> None:
    data = MANIFEST.to_bytes()
    kept = {"temporary": data, MANIFEST.digest: data}

    def answer(asked: Asked) -> Answer:
        name = asked.path.rpartition("/")[2]
        if asked.method == "DELETE":
            kept.clear()
            return Answer(status=202)
        if asked.method == "PUT":
            kept[name] = asked.body
            return Answer(status=201)
        return Answer(headers={"Content-Type": MANIFEST.media_type}, body=kept[name])

    with serving(answer) as server:
        take_tag_away(parse_reference(f"{server.address}/acme/web:temporary"), MANIFEST.digest, Credentials())
        deleted = [asked.path for asked in server.asked if asked.method == "DELETE"]
    assert deleted == ["/v2/acme/web/manifests/temporary"]
    assert kept == {MANIFEST.digest: data}
