"""What sources of ADD are by their text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.errors import InputError
from incubator.remote.urls import UNNAMED, Download, GitRepository, parse_remote, redacted


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://host/a/b.txt", "b.txt"),
        ("http://host:81/a%20b?x=/y#z", "a b"),
        ("https://host/folder/", "folder"),
        ("https://host/", UNNAMED),
        ("https://host", UNNAMED),
    ],
)
def test_downloads_are_named_by_the_path(text: str, name: str) -> None:
    found = parse_remote(text)
    assert found == Download(url=text)
    assert isinstance(found, Download)
    assert found.name == name


def repo(url: str, **fields: Any) -> GitRepository:
    return GitRepository(url=url, **fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/r.git", repo("https://host/r.git")),
        ("https://host/r.git#main", repo("https://host/r.git", ref="main")),
        ("https://host/r.git#v1:sub/dir/", repo("https://host/r.git", ref="v1", subdir="sub/dir")),
        ("https://host/r.git#:../../up", repo("https://host/r.git", subdir="up")),
        ("git@host:me/r.git#v1", repo("git@host:me/r.git", ref="v1")),
        ("git@host:me/r", repo("git@host:me/r")),
        ("ssh://git@host/r", repo("ssh://git@host/r")),
        ("git://host/r#x", repo("git://host/r", ref="x")),
        ("github.com/me/r", repo("https://github.com/me/r")),
        ("https://h/r.git?tag=v1&subdir=d", repo("https://h/r.git", ref="refs/tags/v1", subdir="d")),
        ("https://h/r.git?branch=a/b&submodules=0", repo("https://h/r.git", ref="refs/heads/a/b", submodules=False)),
        ("https://h/r.git?keep-git-dir&commit=abcd", repo("https://h/r.git", keep_git_dir=True, checksum="abcd")),
    ],
)  # fmt: skip
def test_git(text: str, expected: GitRepository) -> None:
    assert parse_remote(text) == expected


@pytest.mark.parametrize(
    "text", ["a", "./r.git", "a@b", "file:///x", "ftp://host/x", "C:/x", "dir:x/y", "https:/x"]
)
def test_paths(text: str) -> None:
    assert parse_remote(text) is None


def test_flags() -> None:
    checksum = f"sha256:{'a' * 64}"
    assert parse_remote("https://h/x", checksum=checksum) == Download(url="https://h/x", checksum=checksum)
    found = parse_remote("https://h/x.git", checksum="abcdef0", keep_git_dir=True)
    assert found == GitRepository(url="https://h/x.git", checksum="abcdef0", keep_git_dir=True)


@pytest.mark.parametrize(
    ("text", "checksum", "words"),
    [
        ("https://h/x", "sha256:aa", "no checksum of a download"),
        ("https://h/x", "md5:aa", "no checksum of a download"),
        ("https://h/x.git", "sha256:aa", "no checksum of a commit"),
        ("https:///x", None, "names no host"),
        ("https://h/x.git#-uoption", None, "no name of a branch"),
        ("https://h/x.git#a..b", None, "no name of a branch"),
        ("https://h/x.git?reff=x", None, "reff is not known"),
        ("https://h/x.git?ref=x&ref=y", None, "ref is given twice"),
        ("https://h/x.git?ref=x#y", None, "more than one ref"),
        ("https://h/x.git?tag=x&branch=y", None, "more than one ref"),
        ("https://h/x.git?checksum=abcd&commit=abcd", None, "the same thing"),
        ("https://h/x.git?submodules=maybe", None, "neither true nor false"),
        ("https://h/x.git?mtime=commit", None, "not supported"),
    ],
)
def test_faults(text: str, checksum: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_remote(text, checksum=checksum)


def test_passwords_are_not_shown() -> None:
    assert redacted("https://me:s3cret@host/x") == "https://xxxxx@host/x"
    assert redacted("git@host:x") == "git@host:x"
    with pytest.raises(InputError) as caught:
        parse_remote("https://me:s3cret@host/x.git?what=1")
    assert "s3cret" not in str(caught.value)


@given(st.text())
def test_any_text_is_something_or_a_fault(text: str) -> None:
    for prefix in ("", "https://", "https://h/r.git?", "https://h/r.git#", "git@h:"):
        try:
            parse_remote(prefix + text)
        except InputError as error:
            assert error.message  # noqa: PT017
