"""What generators of lists of packages are shown of an image, and what they are not."""

from __future__ import annotations

import pytest

from incubator.context.entry import Entry
from incubator.core.sbom_generator import not_scanned, scanned
from incubator.dockerfile import parse
from incubator.dockerfile.source import Source


def test_a_generator_sees_files_folders_and_links() -> None:
    entries = [
        Entry(path="", kind="dir", mode=0o700, uid=5),
        Entry(path="a", kind="file", mode=0o600, uid=1, gid=2),
        Entry(path="b", kind="hardlink", mode=0o600, linkname="a"),
        Entry(path="c", kind="symlink", mode=0o777, linkname="/a"),
        Entry(path="pipe", kind="fifo", mode=0o600),
        Entry(path="pipe2", kind="hardlink", mode=0o600, linkname="pipe"),
        Entry(path="pipe3", kind="hardlink", mode=0o600, linkname="pipe2"),
        Entry(path="null", kind="char", mode=0o600),
    ]
    assert list(scanned(entries)) == [
        Entry(path="content", kind="dir", mode=0o755),
        Entry(path="content/a", kind="file", mode=0o600, uid=1, gid=2),
        Entry(path="content/b", kind="hardlink", mode=0o600, linkname="content/a"),
        Entry(path="content/c", kind="symlink", mode=0o777, linkname="/a"),
    ]


@pytest.mark.parametrize(
    ("arguments", "build_args", "lines"),
    [
        ("ARG BUILDKIT_SBOM_SCAN_STAGE=true", {}, [2]),
        ("ARG OTHER=1 BUILDKIT_SBOM_SCAN_CONTEXT=1", {}, [2]),
        ("ARG BUILDKIT_SBOM_SCAN_STAGE", {"BUILDKIT_SBOM_SCAN_STAGE": "base,build"}, [2]),
        ("ARG BUILDKIT_SBOM_SCAN_STAGE=true", {"BUILDKIT_SBOM_SCAN_STAGE": "false"}, []),
        ("ARG BUILDKIT_SBOM_SCAN_STAGE", {"BUILDKIT_SBOM_SCAN_STAGE": None}, []),
        ("ARG OTHER=true", {"BUILDKIT_SBOM_SCAN_STAGE": "true"}, []),
    ],
)
def test_what_generators_do_not_look_at(
    arguments: str, build_args: dict[str, str | None], lines: list[int]
) -> None:
    document = parse(Source(name="Dockerfile", text=f"FROM busybox\n{arguments}\n"))
    warnings = list(not_scanned(document, build_args))
    assert [warning.span.first_line for warning in warnings if warning.span] == lines
    assert all("does nothing" in warning.message for warning in warnings)
