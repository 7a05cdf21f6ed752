"""Images of an engine, over docker-py."""

from __future__ import annotations

import contextlib
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from docker.utils.json_stream import json_stream

from incubator.core.archive import (
    docker_archive,
    docker_archive_of_all,
    oci_archive,
    oci_archive_of_all,
    stored_docker_archive,
    stored_oci_archive,
)
from incubator.core.compression import GZIP
from incubator.core.docker_calls import ATTEMPTS, LIBPOD, EngineCalls
from incubator.core.docker_types import (
    auth_config,
    auth_header,
    engine_errors,
    find_config,
    find_manifest,
    followed,
    held_image,
    image_info,
    registry_errors,
    told_error,
)
from incubator.core.history import mark_layers
from incubator.core.streams import ChunkReader
from incubator.errors import EngineError, RegistryError
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import login_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence

    from docker import APIClient

    from incubator.core.blob import Blob
    from incubator.core.engine import HeldImage, ImageInfo
    from incubator.core.stored import StoredImage
    from incubator.core.together import Stacked
    from incubator.oci.image_config import HistoryEntry, ImageConfig
    from incubator.oci.platform import Platform
    from incubator.oci.reference import Reference
    from incubator.registry.credentials import Credentials, Login
    from incubator.request import Credential

_API_OF_PLATFORMS = (1, 49)
"""From which on an engine tells the platforms of one name apart."""

_QUESTIONS = 4
"""About images, that an engine is asked at the same time."""

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


def _again(doing: str, ask: Callable[[], _Answer], passing: Collection[int] = (500,)) -> _Answer:
    """The answer to a question about images; Podman fails (500) where any image goes while it looks through all.

    `passing`: statuses that are no answer yet.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            with engine_errors(doing):
                return ask()
        except EngineError as error:
            if error.status not in passing:
                raise
            time.sleep(0.05 * 2**attempt)
    with engine_errors(doing):
        return ask()


def _tags(listed: Mapping[str, Any]) -> tuple[str, ...]:
    """Tags of an image in a list. Podman writes them in full: with `docker.io/library/`, or `localhost/` if its own."""
    tags = (tag for tag in listed.get("RepoTags") or () if "<none>" not in tag)
    return tuple(str(parse_reference(tag.removeprefix("localhost/"))) for tag in tags)


def _names(listed: Mapping[str, Any]) -> tuple[str, ...]:
    """Tags of an image in a list, or else the digests by which it was pulled."""
    return _tags(listed) or tuple(name for name in listed.get("RepoDigests") or () if "<none>" not in name)


class ImageCalls(EngineCalls):
    """The part of `Engine` that is about images."""

    def __init__(self, api: APIClient, credentials: Credentials) -> None:
        super().__init__(api, credentials)
        self._descriptors: dict[str, list[dict[str, Any]]] = {}
        self._configs: dict[str, dict[str, Any]] = {}

    def image(self, reference: str, platform: Platform | None = None) -> ImageInfo | None:
        """An image by reference or id; None where the engine has none of that name.

        A name may stand for images of several platforms with the containerd store: `platform` is the one meant.
        """
        data = self._inspect(reference)
        if data is not None and platform is not None and self._is_index(data):
            data = self._part(data["Id"], platform)
        if data is None or not data.get("Os"):  # containerd has the name, but not the content
            return None
        if self.info().store == "podman":
            self._complete(data)
        return image_info(data)

    def _inspect(self, reference: str) -> dict[str, Any] | None:
        try:
            path, params = self._place(reference)
            doing = f"inspect the image {reference}"
            data: dict[str, Any] = _again(doing, partial(self._json, f"/images/{path}/json", params))
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return data

    def _is_index(self, data: Mapping[str, Any]) -> bool:
        media_type = str((data.get("Descriptor") or {}).get("mediaType"))
        return self._speaks(_API_OF_PLATFORMS) and ("index" in media_type or "manifest.list" in media_type)

    def _part(self, index: str, platform: Platform) -> dict[str, Any] | None:
        """The image for one platform in an index. Its id is a name to this client only, not to the engine."""
        parts = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
        wanted = json.dumps({key: value for key, value in parts.items() if value})
        self._parts[wanted + index] = (index, wanted)
        data = self._inspect(wanted + index)
        if data is not None:
            self._parts[data["Id"]] = (index, wanted)
        return data

    def _complete(self, data: dict[str, Any]) -> None:
        """Add what Podman leaves out of a config (OnBuild, Healthcheck, Shell), from the image's export."""
        image_id = data["Id"].removeprefix("sha256:")
        if image_id not in self._configs:
            with (
                engine_errors("read the config of an image"),
                ChunkReader(self.archive(image_id)) as reader,
                tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|") as tar,
            ):
                self._configs[image_id] = find_config(tar, image_id)
        data["Config"] = self._configs[image_id].get("config") or {}

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None,
        credential: Credential | None,
        progress: Callable[[int, int | None], None],
    ) -> ImageInfo:
        """Fetch an image from its registry. Raises RegistryError where the registry refuses."""
        parsed = parse_reference(reference)
        params = {"fromImage": parsed.name, "tag": parsed.digest or str(parsed.tag)}
        if platform:
            params["platform"] = str(platform)
        with registry_errors(f"pull {reference}"):
            for _ in self._followed(
                "/images/create", params, self._auth_header(parsed, credential), progress
            ):
                pass
        image = self.image(reference, platform or self.info().platform)
        if image is None:
            raise RegistryError(
                f"pulled {reference}, but the engine does not have it now",
                # Seen of Docker 28: it then tells no platform of the image, and has no blobs of it.
                hint="the containerd store keeps no image of which it has a layer in another compression: remove the "
                "images there that have this layer, or push with --load=false, which reads the base from its registry"
                if self.info().store == "oci"
                else None,
            )
        return image

    def commit(self, container: str, reference: str, *, comment: str = "") -> ImageInfo:
        """Make an image of a container's file system under `reference`; its config does not matter."""
        repository, _, tag = reference.rpartition(":")
        with engine_errors("commit a layer"):
            # The steps are done and the shell idles, so the freezer would only cost time.
            params = {"container": container, "repo": repository, "tag": tag, "pause": "0"}
            params["comment"] = comment
            image_id = self._call("POST", "/commit", params=params, json={}).json()["Id"]
            return image_info(self._json(f"/images/{image_id}/json"))

    def compose(self, layers_of: str, config: ImageConfig, *, top: Blob | None = None) -> str:
        """A new image with the layers of the image `layers_of` (empty: none) and exactly `config`; its id.

        `top` is one more layer, an uncompressed tar; `config` already counts it.
        """
        if self.info().store != "oci":
            data, image_id = docker_archive(config, top=top, placeholders=self.info().store == "podman")
            return self._load(data, image_id)
        layers = self._layer_descriptors(layers_of)
        with GZIP.pack(top) if top else contextlib.nullcontext() as packed:
            data, image_id, descriptors = oci_archive(config, layers=layers, top=packed)
            self._descriptors[image_id] = descriptors
            return self._load(data, image_id)

    def compose_all(self, images: Sequence[Stacked]) -> list[str]:
        """New images in one call, each with one layer more than what is below it, under their references; their ids.

        Not with Podman. Raises EngineError.
        """
        if self.info().store != "oci":
            data, ids = docker_archive_of_all(images)
            self._load(data, ids[-1])
            for image, image_id in zip(images, ids, strict=True):
                for reference in image.references[:1]:
                    self.tag(image_id, reference)  # loading is no tagging to this store, which tells its time
            return ids
        with contextlib.ExitStack() as stack:
            packed = [image.packed or stack.enter_context(GZIP.pack(image.top)) for image in images]
            data, descriptors, ids = oci_archive_of_all(images, packed, self._layer_descriptors)
            self._load(data, ids[-1])
        self._descriptors |= descriptors
        return ids

    def load(self, image: StoredImage) -> str:
        """Give the engine an image that it may not have; its id. Raises what reading the layers raises."""
        store = self.info().store
        archive = stored_oci_archive(image) if store == "oci" else stored_docker_archive(image)
        return self._load(archive, image.id_in(store))

    def _load(self, archive: Iterable[bytes], image_id: str) -> str:
        """Give the engine an archive that makes the image `image_id`, which is returned."""
        with engine_errors("load an image"):
            reply = self._call(
                "POST",
                "/images/load",
                params={"quiet": "1"},
                data=iter(archive),
                headers={"Content-Type": "application/x-tar"},
            )
        if self.image(image_id) is None:
            raise EngineError(
                f"the engine did not keep a layer or config that it was given: {told_error(reply.text)}"
            )
        return image_id

    def _layer_descriptors(self, image: str) -> list[dict[str, Any]]:
        """Descriptors of an image's layers, from the manifest in its export; read until that is found. "": none."""
        if not image:
            return []
        if image not in self._descriptors:
            with engine_errors("read the manifest of an image"):
                path, params = self._place(image)
                reply = self._call("GET", f"/images/{path}/get", params=params, stream=True)
                with contextlib.closing(reply), tarfile.open(fileobj=reply.raw, mode="r|") as tar:
                    self._descriptors[image] = find_manifest(tar)["layers"]
        return self._descriptors[image]

    def history(self, image: str) -> tuple[HistoryEntry, ...]:
        """History of an image, oldest first; as many entries that are not empty as it has layers."""
        entries = self._history(image)
        path, params = self._place(image)
        with engine_errors("read the history of an image"):
            layers = self._json(f"/images/{path}/json", params)["RootFS"].get("Layers") or []
        return mark_layers(entries, len(layers))

    def layer_sizes(self, image: str) -> list[int]:
        """Bytes of each entry of the image's history, oldest first."""
        return [int(entry["Size"]) for entry in self._history(image)]

    def _history(self, image: str) -> list[Any]:
        """Entries, oldest first. The containerd store has null instead of none."""
        path, params = self._place(image)
        with engine_errors("read the history of an image"):
            return list(reversed(self._json(f"/images/{path}/history", params) or []))

    def _listed(self, **options: Any) -> list[Any]:
        """Images as the engine lists them; the containerd store says 404 where one goes while it looks through all."""
        return list(_again("list images", partial(self._api.images, **options), passing=(404, 500)))

    def held_images(self, known: Collection[HeldImage] = ()) -> list[HeldImage]:
        """All images, those without a name too. Of the `known` ones only the names are asked."""
        names = {entry["Id"]: _names(entry) for entry in self._listed(all=True)}
        told = {image.id: image for image in known}
        found = self._each(self._held, [image_id for image_id in names if image_id not in told])
        told |= {image.id: image for image in found if image}
        return [
            replace(told[image_id], references=references)
            for image_id, references in names.items()
            if image_id in told
        ]

    def _each(self, ask: Callable[[_Asked], _Answer], images: Iterable[_Asked]) -> list[_Answer]:
        """The answers to a question about many images, in their order."""
        # Podman answers one question after the other, and fails some of those that come at once.
        with ThreadPoolExecutor(1 if self.info().store == "podman" else _QUESTIONS) as pool:
            return list(pool.map(ask, images))

    def _held(self, image_id: str) -> HeldImage | None:
        data = self._inspect(image_id)
        return None if data is None else held_image(image_id, data)

    def sized_histories(self, images: Iterable[HeldImage]) -> list[list[tuple[HistoryEntry, int]]]:
        """Of each image the entries of its history and their bytes, oldest first; empty if the image is gone."""
        return self._each(self._sized_history, images)

    def _sized_history(self, image: HeldImage) -> list[tuple[HistoryEntry, int]]:
        try:
            entries = self._history(image.id)
        except EngineError as error:
            if error.status == 404:
                return []
            raise
        marked = mark_layers(entries, len(image.layers))
        sizes = [int(entry.get("Size") or 0) for entry in entries]
        return list(zip(marked, [0] * (len(marked) - len(sizes)) + sizes, strict=True))

    def tag(self, image: str, reference: str) -> None:
        """Give an image a reference, which leaves the image that had it."""
        parsed = parse_reference(reference)
        with engine_errors(f"tag the image as {reference}"):
            self._api.tag(image, parsed.name, parsed.tag, force=True)

    def export(self, references: Sequence[str]) -> Generator[bytes]:
        """A tar that `docker load` takes, of one image under all of these references, or of one id."""
        return self._stream("/images/get", {"names": list(references)}, "export the image")

    def archive(self, image: str) -> Iterator[bytes]:
        """A tar with the blobs of an image, in whatever form the engine has for it."""
        chunks = self.export([image])
        try:
            first = next(chunks, b"")
        except EngineError:
            if self.info().store != "podman":
                raise
            # Podman writes no docker archive of an image with zstd, which it pulls and runs; its own API has another.
            url = f"{LIBPOD}/images/{image.removeprefix('sha256:')}/get"
            chunks = self._stream(url, {"format": "oci-archive"}, "export the image")
            first = next(chunks, b"")
        with contextlib.closing(chunks):
            yield first
            yield from chunks

    def remove_image(self, reference: str) -> None:
        """Take a reference (or an untagged image) away; one that is missing or in use is fine."""
        try:
            with engine_errors(f"remove the image {reference}"):
                self._api.remove_image(reference, noprune=True)
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    def references(self, repository: str, tags: str = "*") -> list[str]:
        """All `repository:tag` of a repository whose tags fit a pattern.

        The containerd store takes 10 ms to tell of an image.
        """
        pattern = f"{repository}:{tags}"
        images = self._listed(filters={"reference": pattern})
        names = (name for image in images for name in _tags(image))
        return [name for name in names if fnmatchcase(name, pattern)]  # an image may have other names too

    def push(
        self, reference: str, *, credential: Credential | None, progress: Callable[[int, int | None], None]
    ) -> str:
        """Upload a tagged image; the manifest digest that the registry confirmed. Raises RegistryError.

        Empty with Podman, which neither tells it nor can ask.
        """
        parsed = parse_reference(reference)
        digest = ""
        with registry_errors(f"push {reference}"):
            path, headers = f"/images/{parsed.name}/push", self._auth_header(parsed, credential)
            for line in self._followed(path, {"tag": str(parsed.tag)}, headers, progress):
                digest = (line.get("aux") or {}).get("Digest") or digest
        if self.info().store == "podman":
            return ""
        with registry_errors(f"ask the registry for {reference}"):
            confirmed = str(self._distribution(parsed, credential)["Descriptor"]["digest"])
        if digest and digest != confirmed:
            raise RegistryError(f"pushed {reference} as {digest}, but the registry serves {confirmed}")
        return confirmed

    def _followed(
        self,
        path: str,
        params: dict[str, str],
        headers: dict[str, str],
        progress: Callable[[int, int | None], None],
    ) -> Iterator[dict[str, Any]]:
        """Lines of a pull or push. docker-py would leave its connection open where one tells of an error."""
        reply = self._call("POST", path, params=params, headers=headers, stream=True, timeout=None)
        with contextlib.closing(reply):
            yield from followed(
                cast("Iterator[dict[str, Any]]", json_stream(reply.iter_content(1 << 14))), progress
            )

    def _distribution(self, reference: Reference, credential: Credential | None) -> Any:
        ask = cast("Any", self._api).inspect_distribution
        return ask(
            str(reference), auth_config=auth_config(reference.registry, self._login(reference, credential))
        )

    def _auth_header(self, reference: Reference, credential: Credential | None) -> dict[str, str]:
        return auth_header(reference.registry, self._login(reference, credential))

    def _login(self, reference: Reference, credential: Credential | None) -> Login | None:
        """The login that is given, else the one that docker or Podman keeps for the user."""
        if credential is not None:
            return login_of(credential)
        return self._credentials.find(reference.registry, reference.repository)
