"""Repositories of real registries, open and with a login."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest

from incubator.errors import RegistryError
from incubator.oci.descriptor import Descriptor
from incubator.oci.manifest import Index, Manifest
from incubator.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
)
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incubator.registry.repository import Repository
    from lab import RegistryHandle


@pytest.fixture(params=["registry", "registry_auth"])
def handle(request: pytest.FixtureRequest) -> RegistryHandle:
    """The open registry, then the one that wants a login."""
    found: RegistryHandle = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def registries(handle: RegistryHandle) -> Iterator[Registries]:
    """With the login that the registry wants."""
    logins = []
    if handle.username and handle.password:
        logins.append(Credential(registry=handle.address, username=handle.username, password=handle.password))
    with Registries(Credentials(logins)) as found:
        yield found


@pytest.fixture
def repository(registries: Registries, handle: RegistryHandle) -> Repository:
    """One that nobody else uses."""
    return registries.repository(f"{handle.address}/distribution/{secrets.token_hex(8)}")


def upload(repository: Repository, data: bytes, media_type: str) -> Descriptor:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    repository.upload_blob(
        digest, len(data), lambda: (data[at : at + 65_536] for at in range(0, len(data), 65_536))
    )
    return Descriptor(media_type=media_type, digest=digest, size=len(data))


def image(repository: Repository, *, size: int = 1_000_000) -> Manifest:
    layer = upload(repository, secrets.token_bytes(size), OCI_LAYER)
    return Manifest(config=upload(repository, secrets.token_bytes(20), OCI_CONFIG), layers=(layer,))


def test_an_image_goes_there_and_back(repository: Repository) -> None:
    assert repository.resolve("1") is None
    assert repository.tags() == []
    data = secrets.token_bytes(3_000_000)
    layer = upload(repository, data, OCI_LAYER)
    config = upload(repository, b"{}", OCI_CONFIG)
    manifest = Manifest(config=config, layers=(layer,), annotations=(("key", "välue"),))
    stored = repository.put_manifest(manifest, tag_or_digest="1")
    assert stored == manifest.descriptor == repository.resolve("1") == repository.resolve(manifest.digest)
    found, descriptor = repository.manifest("1")
    assert (found, descriptor) == (manifest, stored)
    assert found.to_bytes() == manifest.to_bytes()
    assert b"".join(repository.read_blob(layer)) == data
    assert repository.small_blob(config, 100) == b"{}"
    index = Index(manifests=(manifest.descriptor,))
    assert repository.put_manifest(index, tag_or_digest="2") == index.descriptor
    assert repository.manifest("2")[0] == index
    assert sorted(repository.tags()) == ["1", "2"]


def test_the_docker_family_is_kept_too(repository: Repository) -> None:
    config = upload(repository, secrets.token_bytes(20), DOCKER_CONFIG)
    layer = upload(repository, secrets.token_bytes(20), DOCKER_LAYER_GZIP)
    manifest = Manifest(media_type=DOCKER_MANIFEST, config=config, layers=(layer,))
    stored = repository.put_manifest(manifest)
    assert stored.media_type == DOCKER_MANIFEST
    assert repository.resolve(stored.digest) == stored
    assert repository.manifest(stored.digest) == (manifest, stored)


def test_an_empty_blob_is_a_blob(repository: Repository) -> None:
    empty = upload(repository, b"", OCI_LAYER)
    assert repository.has_blob(empty.digest)
    assert b"".join(repository.read_blob(empty)) == b""


def test_a_blob_is_mounted_from_where_it_is(
    registries: Registries, repository: Repository, handle: RegistryHandle
) -> None:
    layer = image(repository).layers[0]
    other = registries.repository(f"{handle.address}/{repository.path}/other")
    assert not other.has_blob(layer.digest)
    assert not other.mount_blob(layer, "distribution/not-there")
    assert not other.has_blob(layer.digest)
    assert other.mount_blob(layer, repository.path)
    assert other.has_blob(layer.digest)


def test_what_is_deleted_is_gone(repository: Repository) -> None:
    stored = repository.put_manifest(image(repository), tag_or_digest="1")
    assert repository.delete_manifest(stored.digest)
    assert repository.resolve("1") is None
    assert not repository.delete_manifest(stored.digest)
    with pytest.raises(RegistryError) as missing:
        repository.manifest("1")
    assert missing.value.status == 404
    assert f"{repository.name}:1" in str(missing.value)


def test_a_blob_that_is_not_what_its_digest_says_is_refused(repository: Repository) -> None:
    wrong = f"sha256:{hashlib.sha256(b'other').hexdigest()}"
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        repository.upload_blob(wrong, 5, lambda: iter([b"thing"]))
    assert not repository.has_blob(wrong)


def test_a_manifest_is_refused_whose_blobs_are_not_there(repository: Repository) -> None:
    nowhere = Descriptor(media_type=OCI_CONFIG, digest=f"sha256:{'0' * 64}", size=1)
    with pytest.raises(RegistryError, match=r"400.*unknown") as refused:
        repository.put_manifest(Manifest(config=nowhere), tag_or_digest="1")
    assert refused.value.status in {400, 404}
    assert repository.resolve("1") is None


def test_a_wrong_login_is_told_without_the_password(registry_auth: RegistryHandle) -> None:
    wrong = Credential(registry=registry_auth.address, username="lab", password="wrong horse")
    with Registries(Credentials([wrong])) as registries:
        repository = registries.repository(f"{registry_auth.address}/a")
        attempts: list[Callable[[], object]] = [
            lambda: registries.check_login(registry_auth.address),
            lambda: repository.resolve("1"),
            lambda: upload(repository, b"x", OCI_LAYER),
        ]
        for attempt in attempts:
            with pytest.raises(RegistryError, match="401") as refused:
                attempt()
            assert "wrong horse" not in str(refused.value)
            assert "password" in (refused.value.hint or "")
