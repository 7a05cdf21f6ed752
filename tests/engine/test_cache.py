"""Results of earlier builds are used where nothing changed that matters, and never else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.assemble import Clock
from incubator.events import StepFinished

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Bench

DOCKERFILE = """\
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
ARG USED=1 UNUSED
RUN echo "$USED" > /used
COPY a.txt dir* /files/
COPY --from=tools /tool /tool
WORKDIR /w
RUN cat /files/* > all 2>/dev/null; true
"""
FILES = {"a.txt": "a", "dir/b.txt": "b", "other.txt": "not copied"}
STEPS = ["tool", "used", "files", "from", "workdir", "all"]


class Memory:
    """A cache of a caller's own: a dict."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked: list[str] = []

    def find(self, key: str) -> str | None:
        self.asked.append(key)
        return self.known.get(key)

    def store(self, key: str, image: str) -> None:
        self.known[key] = image


def build(bench: Bench, cache: Memory, dockerfile: str = DOCKERFILE, **options: Any) -> list[str]:
    """Build, and the names of the steps that really ran."""
    bench.events.clear()
    bench.build(dockerfile, cache=cache, **{"no_cache": False, **options})
    finished = [event for event in bench.events if isinstance(event, StepFinished)]
    ran = {event.step.text for event in finished if not event.cached}
    # Stages run at the same time; the names are in the order of the file.
    in_order = sorted(finished, key=lambda event: event.step.span.first_line if event.step.span else 0)
    return [name for name, event in zip(STEPS, in_order, strict=True) if event.step.text in ran]


@pytest.fixture
def warm(docker28: Bench) -> tuple[Bench, Memory]:
    """A context built once; what a build of it keeps is kept by a reference, as a cache has to."""
    cache = Memory()
    docker28.write(FILES)
    keep = docker28.client.tag
    repository = f"cache-of-the-tests-{os.urandom(4).hex()}"

    def store(key: str, image: str) -> None:
        reference = f"{repository}:{key}"
        keep(image, reference)
        cache.known[key] = reference

    cache.store = store  # type: ignore[method-assign]
    assert build(docker28, cache) == STEPS
    return docker28, cache


def test_nothing_changed(warm: tuple[Bench, Memory]) -> None:
    bench, cache = warm
    assert build(bench, cache) == []


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        (lambda folder: (folder / "a.txt").write_text("A"), ["files", "from", "workdir", "all"]),
        (lambda folder: (folder / "a.txt").chmod(0o755), ["files", "from", "workdir", "all"]),
        (
            lambda folder: (folder / "dir/b.txt").rename(folder / "dir/c.txt"),
            ["files", "from", "workdir", "all"],
        ),
        (lambda folder: (folder / "dir2").mkdir(), ["files", "from", "workdir", "all"]),
        (lambda folder: (folder / "dir/link").symlink_to("b.txt"), ["files", "from", "workdir", "all"]),
        (
            lambda folder: (folder / ".dockerignore").write_text("dir/b.txt"),
            ["files", "from", "workdir", "all"],
        ),
        (lambda folder: (folder / "other.txt").write_text("changed"), []),
        (lambda folder: os.utime(folder / "a.txt", (1, 1)), []),
    ],
    ids=["content", "mode", "name", "wildcard", "link", "ignored", "not copied", "time"],
)
def test_a_change_of_the_context(
    warm: tuple[Bench, Memory], change: Callable[[Any], None], ran: list[str]
) -> None:
    bench, cache = warm
    change(bench.folder)
    assert build(bench, cache) == ran


@pytest.mark.parametrize(
    ("dockerfile", "options", "ran"),
    [
        (DOCKERFILE, {"buildargs": {"USED": "2"}}, ["used", "files", "from", "workdir", "all"]),
        (DOCKERFILE, {"buildargs": {"HTTP_PROXY": "http://proxy.test"}}, []),
        (DOCKERFILE, {"container_limits": {"memory": "64m"}}, []),
        (DOCKERFILE, {"labels": {"a": "b"}}, []),
        (DOCKERFILE, {"no_cache": True}, STEPS),
        (DOCKERFILE.replace("echo tool", "echo other"), {}, ["tool", "from", "workdir", "all"]),
        (DOCKERFILE.replace("COPY a.txt", "COPY --chown=1 a.txt"), {}, ["files", "from", "workdir", "all"]),
        (DOCKERFILE.replace("COPY a.txt", "LABEL x=y\nCOPY a.txt"), {}, []),
        (DOCKERFILE.replace("WORKDIR /w", "ENV X=y\nWORKDIR /w"), {}, ["all"]),
    ],
    ids=["used arg", "proxy", "limit", "label", "no cache", "stage", "owner", "metadata", "environment"],
)  # fmt: skip
def test_a_change_of_the_request(
    warm: tuple[Bench, Memory], dockerfile: str, options: dict[str, Any], ran: list[str]
) -> None:
    bench, cache = warm
    assert build(bench, cache, dockerfile, **options) == ran


def test_a_cache_that_lies_is_not_believed(warm: tuple[Bench, Memory]) -> None:
    bench, cache = warm
    expected = bench.snapshot(bench.build(DOCKERFILE).id).files
    foreign = bench.build("FROM scratch\nCOPY other.txt /\n")
    cache.known = dict.fromkeys(cache.known, foreign.id)
    result = bench.build(DOCKERFILE, cache=cache, no_cache=False)
    assert bench.snapshot(result.id).files.keys() == expected.keys()


def test_the_engine_is_a_cache_by_itself(bench: Bench) -> None:
    dockerfile = f"FROM busybox\nRUN echo {os.urandom(8).hex()} > /x\nCOPY a.txt /\nRUN true\n"
    first = bench.build(dockerfile, FILES, no_cache=False)
    bench.events.clear()
    second = bench.build(dockerfile, FILES, no_cache=False)
    assert all(event.cached for event in bench.events if isinstance(event, StepFinished))
    assert [layer.diff_id for layer in second.layers if layer.commands] == [
        layer.diff_id for layer in first.layers if layer.commands
    ]
    assert all(layer.cached for layer in second.layers if layer.commands)
    assert bench.snapshot(second.id).differences(bench.snapshot(first.id)) == []


def test_an_image_of_which_nothing_changed_is_the_same(bench: Bench) -> None:
    text = "FROM busybox\nENV A=1\nRUN echo $A >/same\nCOPY a.txt /\nWORKDIR /same.d\nLABEL b=c\n"
    first = bench.build(text, FILES, no_cache=True)
    again = bench.build(text, FILES, no_cache=False)
    assert again.id == first.id
    assert bench.build(text, FILES, no_cache=True).id != first.id


def test_so_is_one_that_was_made_without_the_engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "now", lambda _: "2026-01-01T00:00:00.120000Z")
    text = "FROM scratch\nCOPY a.txt /\nCOPY a.txt /b.txt\n"
    first, again = (
        bench.build(
            text,
            FILES | {"a.txt": str(bench.folder)},
            no_cache=False,
            outputs=[f"type=oci,dest={bench.folder.parent / name}.tar"],
        )
        for name in ("first", "again")
    )
    assert (first.layers[0].cached, again.layers[0].cached) == (False, True)
    assert again.config_digest == first.config_digest


def test_layers_of_files_are_the_same_bytes_again(bench: Bench) -> None:
    text = "FROM busybox\nCOPY a.txt /copied/\nWORKDIR /copied\nENV A=1\n"
    first = bench.build(text, FILES, source_date_epoch=1700000000)
    os.utime(bench.folder / "a.txt", (1800000000, 1800000000))
    again = bench.build(text, source_date_epoch=1700000000)
    assert [layer.diff_id for layer in again.layers] == [layer.diff_id for layer in first.layers]
    assert again.config_digest == first.config_digest
