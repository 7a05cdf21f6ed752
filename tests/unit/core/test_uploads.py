"""Where layers may be sent before an image is complete, and how the wait for them ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.context.directory import DirectoryContext
from incubator.core.known_layers import KnownLayer
from incubator.core.uploads import Uploads, early_place
from incubator.dockerfile.source import Source
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import BuildRequest, Packing
from tests.unit.core.planning import plan

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.core.lazy import LazyEngine

TAGS = (parse_reference("ghcr.io/acme/web:1"), parse_reference("other.example/web:1"))
FILES = "FROM busybox\nCOPY a /\n"
RUN = "FROM busybox AS a\nRUN x\nFROM a\nCOPY a /\n"
BESIDE = "FROM busybox AS a\nRUN x\nFROM busybox\nCOPY --from=a /x /\n"


@pytest.mark.parametrize(
    ("text", "store", "options", "early"),
    [
        (FILES, "docker", {}, True),
        (FILES, "docker", {"push": False}, False),
        (FILES, "docker", {"tags": ()}, False),
        (RUN, "docker", {}, False),
        (RUN, "podman", {}, False),
        (RUN, "oci", {}, True),
        (RUN, "docker", {"packing": Packing(compression="zstd")}, True),
        (RUN, "docker", {"push_by_digest": True}, True),
        (BESIDE, "docker", {}, True),
    ],
)
def test_layers_go_early_where_they_are_of_use(
    tmp_path: Path, text: str, store: str, options: dict[str, Any], *, early: bool
) -> None:
    fields: dict[str, Any] = {"tags": TAGS, "push": True} | options
    with DirectoryContext(tmp_path) as context:
        request = BuildRequest(dockerfile=Source("Dockerfile", text), context=context, **fields)
    assert early_place(plan(text), request, store) == (TAGS[0] if early else None)


def test_a_wait_ends_with_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        arrived.set()
        assert ended.wait(20)

    def check() -> None:
        assert arrived.wait(20)
        raise InterruptedError

    monkeypatch.setattr(Uploads, "_upload", hang)
    uploads = Uploads(
        engine=cast("LazyEngine", None),
        registries=Registries(Credentials()),
        place=TAGS[0],
        packing=Packing(),
        stages=(0,),
    )
    with uploads:
        uploads._jobs.put(KnownLayer(diff_id="sha256:0"))
        try:
            with pytest.raises(InterruptedError):
                uploads.finish(check)
        finally:
            ended.set()
