"""What is stored beside an image, and in which order: a registry that is strict about it is made here."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from incubator.context.directory import DirectoryContext
from incubator.core.attach import Attacher, Extras, annotated, for_others, idle_extras
from incubator.core.provenance import BuildRecord
from incubator.dockerfile import Source
from incubator.errors import RegistryError
from incubator.oci.annotations import Annotation
from incubator.oci.attestation import SPDX, Predicate
from incubator.oci.descriptor import Descriptor
from incubator.oci.image_config import digest_of
from incubator.oci.manifest import Index, Manifest, parse_document
from incubator.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Attestations, BuildRequest, CacheTarget, Provenance
from tests.unit.core.planning import AMD64, ARM64, plan
from tests.unit.registry.serving import Answer, Asked, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incubator.oci.reference import Reference

HEX = "a" * 64
CONFIG, LAYER = b"config", b"layer"
PACKAGES = Predicate(type=SPDX, document=b'{"spdxVersion":"SPDX-2.3"}')


def described(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))


PUSHED = Manifest(
    media_type=DOCKER_MANIFEST,
    config=described(DOCKER_CONFIG, CONFIG),
    layers=(described(DOCKER_LAYER_GZIP, LAYER),),
)


class StrictRegistry:
    """Keeps what it is given, and refuses a manifest that names something that is not there."""

    def __init__(self) -> None:
        self.blobs = {digest_of(data): data for data in (CONFIG, LAYER)}
        self.manifests = {PUSHED.digest: PUSHED.to_bytes()}
        self.types = {PUSHED.digest: PUSHED.media_type}
        self.order: list[str] = []
        self.refused: str | None = None

    def answer(self, asked: Asked) -> Answer:
        kind, name = asked.path.rsplit("/", 2)[1:]
        if kind == "manifests":
            return self._manifest(asked, name)
        if asked.method == "POST":
            return Answer(status=202, headers={"Location": f"{asked.path}upload"})
        if asked.method == "PUT":
            [name] = asked.query["digest"]
            self.order.append("blob")
            self.blobs[name] = asked.body
            return Answer(status=201)
        return Answer(status=200 if name in self.blobs else 404)

    def _manifest(self, asked: Asked, name: str) -> Answer:
        if asked.method != "PUT":
            if name not in self.manifests:
                return Answer(status=404)
            return Answer(headers={"Content-Type": self.types[name]}, body=self.manifests[name])
        document = parse_document(asked.body, asked.headers["content-type"])
        if isinstance(document, Index):
            missing = {entry.digest for entry in document.manifests} - self.manifests.keys()
        else:
            missing = {blob.digest for blob in (document.config, *document.layers)} - self.blobs.keys()
        if missing or name == self.refused:
            return Answer(status=403 if name == self.refused else 404)
        self.order.append(name if not name.startswith("sha256:") else type(document).__name__)
        for key in (name, digest_of(asked.body)):
            self.manifests[key], self.types[key] = asked.body, document.media_type
        return Answer(status=201)

    def document(self, name: str) -> Manifest | Index:
        return parse_document(self.manifests[name], self.types[name])


@pytest.fixture
def context(tmp_path: Path) -> Iterator[DirectoryContext]:
    opened = DirectoryContext(tmp_path)
    yield opened
    opened.close()


def request_of(context: DirectoryContext, **options: Any) -> BuildRequest:
    return BuildRequest(dockerfile=Source("Dockerfile", "FROM scratch\n"), context=context, **options)


def extras_of(context: DirectoryContext, *annotations: Annotation) -> Extras:
    attestations = Attestations(provenance=Provenance(), documents=(PACKAGES,))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    record = BuildRecord(
        request=request_of(context, attestations=attestations),
        plan=plan("FROM busybox\n"),
        engine=AMD64,
        layers=(),
        fetched={},
        started=now,
        finished=now,
    )
    return Extras(annotations=annotations, platform=AMD64, record=record)


def put_all(server: str, tags: list[str], extras: Extras) -> tuple[list[str], list[str]]:
    """Put the image under tags; the digests, and the references that the image was uploaded for."""
    uploaded: list[str] = []

    def upload(name: Reference) -> str:
        uploaded.append(str(name))
        return PUSHED.digest

    names = [parse_reference(f"{server}/{tag}") for tag in tags]
    with Registries(Credentials()) as registries:
        attacher = Attacher(registries, names, extras, upload)
        return [attacher.put(name) for name in names], [name.partition("/")[2] for name in uploaded]


def test_tags_come_last_and_everything_after_what_it_names(context: DirectoryContext) -> None:
    registry = StrictRegistry()
    extras = extras_of(context, Annotation(key="a", value="b", level="index"))
    with serving(registry.answer) as server:
        digests, uploaded = put_all(server.address, ["acme/web:1", "acme/web:2"], extras)
    assert registry.order == ["blob", "blob", "blob", "Manifest", "Index", "1", "2"]
    assert uploaded == ["acme/web:1"]
    index = registry.document("1")
    assert isinstance(index, Index)
    assert digests == [index.digest, index.digest]
    assert index.annotations == (("a", "b"),)
    assert index.manifests[0].digest == PUSHED.digest
    assert index.manifests[0].media_type == DOCKER_MANIFEST
    attestation = registry.document(index.manifests[1].digest)
    assert isinstance(attestation, Manifest)
    statement = json.loads(registry.blobs[attestation.layers[0].digest])
    assert statement["predicate"] == {"spdxVersion": "SPDX-2.3"}
    assert [subject["name"] for subject in statement["subject"]] == [
        f"pkg:docker/{server.address}/acme/web@{tag}?platform=linux%2Famd64" for tag in "12"
    ]


def test_no_tag_is_set_where_another_repository_fails(context: DirectoryContext) -> None:
    registry = StrictRegistry()

    def answer(asked: Asked) -> Answer:
        return Answer(status=403) if "/private/" in asked.path else registry.answer(asked)

    with serving(answer) as server, pytest.raises(RegistryError):
        put_all(server.address, ["acme/web:1", "private/web:1"], extras_of(context))
    assert registry.order[-1] == "Index"


def test_annotations_alone_make_no_index() -> None:
    registry = StrictRegistry()
    annotation = Annotation(key="a", value="b")
    extras = Extras(annotations=(annotation,), platform=AMD64)
    with serving(registry.answer) as server:
        [digest], _ = put_all(server.address, ["acme/web:1"], extras)
    assert registry.order == ["Manifest", "1"]
    manifest = registry.document("1")
    assert (manifest.digest, manifest.annotations) == (digest, (("a", "b"),))
    assert not Extras(annotations=(replace(annotation, platform=ARM64),), platform=AMD64)
    assert not Extras(annotations=(replace(annotation, level="index"),), platform=AMD64)


def test_an_annotated_manifest_is_one_of_oci() -> None:
    assert annotated(PUSHED, ()) is PUSHED
    new = annotated(PUSHED, (("a", "b"),))
    assert new == Manifest(
        config=described(OCI_CONFIG, CONFIG),
        layers=(described(OCI_LAYER_GZIP, LAYER),),
        annotations=(("a", "b"),),
    )
    own = replace(new, layers=(replace(new.layers[0], annotations=(("x", "y"),)),))
    more = annotated(own, (("a", "c"), ("d", "e")))
    assert more == replace(own, annotations=(("a", "c"), ("d", "e")))
    assert more.media_type == OCI_MANIFEST


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, []),
        ({"push": True, "annotations": (Annotation(key="k", value=""),)}, []),
        ({"annotations": (Annotation(key="k", value=""),)}, ["no annotations"]),
        ({"attestations": Attestations(documents=(PACKAGES,))}, ["no attestations"]),
        ({"cache_to": (CacheTarget(place=None),)}, ["no image becomes a cache"]),
        ({"push": True, "cache_to": (CacheTarget(place=None),)}, []),
        (
            {"push": True, "annotations": (Annotation(key="k", value="", level="index"),)},
            ["annotation k goes nowhere: there is no index"],
        ),
        (
            {
                "push": True,
                "annotations": (
                    Annotation(key="k", value="", level="index"),
                    Annotation(key="l", value="", level="index-descriptor"),
                ),
                "attestations": Attestations(provenance=Provenance()),
            },
            ["annotation l goes nowhere: there is no index-descriptor in a registry"],
        ),
    ],
)
def test_what_goes_nowhere_is_told(
    options: dict[str, Any], words: list[str], context: DirectoryContext
) -> None:
    found = list(idle_extras(request_of(context, **options)))
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_what_is_for_other_platforms_is_told() -> None:
    given = [
        Annotation(key="k", value=""),
        Annotation(key="l", value="", platform=ARM64),
        Annotation(key="m", value="", level="manifest-descriptor", platform=ARM64),
        Annotation(key="n", value="", platform=AMD64),
    ]
    [told] = for_others(given, [AMD64], attested=False)
    assert told == (
        "the annotation l goes nowhere: it is for linux/arm64, and what is built is for linux/amd64"
    )
    told, more = for_others(given, [AMD64], attested=True)
    assert "annotation l " in told
    assert "annotation m " in more
    assert not list(for_others(given, [AMD64, ARM64], attested=True))
