from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.context.digest import content_digest
from incubator.context.directory import DirectoryContext
from incubator.context.patterns import PatternMatcher
from incubator.context.source import ContextError
from incubator.context.tarcontext import TarContext
from incubator.context.tarread import TarError
from incubator.context.tarstream import write_tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tar(**files: str) -> bytes:
    """A tar; `__` in a name is a slash, `L:` starts a link's target, `H:` that of a hard link, `D` is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.uid, info.mode = 5, 0o640
            if content[:2] in ("L:", "H:"):
                info.type = tarfile.SYMTYPE if content[0] == "L" else tarfile.LNKTYPE
                info.linkname = content[2:]
                content = ""  # noqa: PLW2901
            elif content == "D":
                info.type, info.mode = tarfile.DIRTYPE, 0o700
                content = ""  # noqa: PLW2901
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


def walked(context: TarContext, pattern: str = "/") -> dict[str, str]:
    result = {}
    for match in context.resolve(pattern):
        for entry in context.walk(match):
            with entry.open() as stream:
                content = stream.read().decode() if entry.kind == "file" else entry.linkname
            result[entry.path] = f"{entry.kind} {content}".strip()
    return result


SAMPLE = tar(b="1", a__x__f="22", link="L:a/x", d="D", a__h="H:b", z__h="H:a/x/f")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_everything_in_it(pack: Callable[[bytes], bytes], limit: int) -> None:
    with TarContext(io.BytesIO(pack(SAMPLE)), memory_limit=limit) as context:
        assert walked(context) == {
            "": "dir",
            "a": "dir",
            "a/h": "file 1",
            "a/x": "dir",
            "a/x/f": "file 22",
            "b": "hardlink a/h",
            "d": "dir",
            "link": "symlink a/x",
            "z": "dir",
            "z/h": "hardlink a/x/f",
        }
        assert walked(context, "z") == {"": "dir", "h": "file 22"}
        assert walked(context, "link/*") == {"": "file 22"}
        assert [match.name for match in context.resolve("*")] == ["a", "b", "d", "link", "z"]
        assert context.resolve("q*") == []
        assert context.resolve("b/*") == []
        entries = {entry.path: entry for entry in context.walk(context.resolve("/")[0])}
        assert (entries["b"].uid, entries["b"].mode, entries["d"].mode, entries["a"].mode) == (
            5,
            0o640,
            0o700,
            0o755,
        )


def test_owners_and_the_file_given() -> None:
    stream = io.BytesIO(SAMPLE)
    with TarContext(stream, owners_to_root=True) as context:
        assert {entry.uid for entry in context.walk(context.resolve("/")[0])} == {0}
    assert not stream.closed


def test_ignore_rules() -> None:
    with TarContext(io.BytesIO(SAMPLE), PatternMatcher(["*", "!a/x/f"])) as context:
        assert list(walked(context)) == ["", "a", "a/x", "a/x/f"]
        with pytest.raises(ContextError, match="excluded"):
            context.resolve("d")
        with pytest.raises(ContextError):
            context.resolve("link/f")
        assert [match.path for match in context.resolve("*")] == ["a"]


def test_missing_and_suggested() -> None:
    with TarContext(io.BytesIO(SAMPLE)) as context, pytest.raises(ContextError, match="did you mean a/x"):
        context.resolve("a/X")


def test_later_entries_win() -> None:
    with TarContext(
        io.BytesIO(tar(a="1")[:1024] + tar(a="2", b="D")[:1536] + tar(b__c="3", a__x="4"))
    ) as context:
        assert walked(context) == {"": "dir", "a": "dir", "a/x": "file 4", "b": "dir", "b/c": "file 3"}


def test_prune_and_depth() -> None:
    deep = "/".join("d" * 2000)
    with TarContext(io.BytesIO(tar(**{deep: "x", "e": "1"}))) as context:
        assert len(walked(context)) == 2002
        root = context.resolve("")[0]
        assert [entry.path for entry in context.walk(root, prune=lambda path: path == "d")] == ["", "d", "e"]
        assert walked(context, deep) == {"": "file x"}


@pytest.mark.parametrize(
    "data",
    [
        SAMPLE[:700],
        gzip.compress(SAMPLE)[:60],
        bz2.compress(SAMPLE)[:60],
        lzma.compress(SAMPLE)[:60],
        b"no tar" * 99,
    ],
    ids=["plain", "gzip", "bzip2", "xz", "no tar"],
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(TarError):
        TarContext(io.BytesIO(data))


def test_a_compressed_tar_is_checked_to_its_end() -> None:
    data = bytearray(gzip.compress(SAMPLE))
    data[-5] ^= 1
    with pytest.raises(TarError):
        TarContext(io.BytesIO(bytes(data)))


def test_hard_links_to_nowhere() -> None:
    with pytest.raises(ContextError, match="not there"):
        TarContext(io.BytesIO(tar(a="H:b")))


NAME = st.sampled_from(["a", "b", "c", ".x"])


@given(
    files=st.dictionaries(
        st.lists(NAME, min_size=1, max_size=3).map("/".join), st.binary(max_size=3), max_size=6
    )
)
@settings(max_examples=40)
def test_a_folder_and_its_tar_are_the_same_context(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    root: Path = tmp_path_factory.mktemp("root")
    for name, content in files.items():
        path = root / name
        if not path.is_dir() and not any(parent.is_file() for parent in path.parents if parent != root):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    with DirectoryContext(root) as folder:
        data = b"".join(write_tar(folder.walk(folder.resolve("")[0])))
        with TarContext(io.BytesIO(data)) as packed:
            for pattern in ("/", "*", "*/*", "a*/[bc]"):
                pairs = list(zip(folder.resolve(pattern), packed.resolve(pattern), strict=True))
                for ours, theirs in pairs:
                    assert ours == theirs
                    assert content_digest(folder.walk(ours)) == content_digest(packed.walk(theirs))
