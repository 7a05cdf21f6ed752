"""`--chown` to numbers; the table is what BuildKit made of the same names and files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.core.owners import Owner, find_owner

FILES = {
    "/etc/passwd": (
        "root:x:0:0::/:/bin/sh\nbob:x:7:8:Bob \x1c\u2028x:1:1:/:/bin/sh\nshort:x\nneg:x:-1:-1\nbad:x:abc:5\n"
        "# c:x:1:1\n  sp:x:3:4\r\nbig:x:5000000000:1\n:x:9:9\nbob:x:1:1\n\nnogid:x:6"
    ),
    "/etc/group": "root:x:0:\ngrp:x:77:bob\n:x:66:\nsg\n",
}


@pytest.mark.parametrize(
    ("text", "uid", "gid", "unknown"),
    [
        ("7", 7, 7, ()), ("bob", 7, 8, ()), ("bob:grp", 7, 77, ()), ("nobody1", 0, 0, ("nobody1",)), (":5", 0, 5, ()),
        ("5:", 5, 0, ()), ("bob:", 7, 0, ()), ("short", 0, 0, ("short",)), ("neg", 0, 0, ()), ("bad", 0, 5, ()),
        ("sp", 3, 4, ()), ("bob:nogrp", 7, 8, ("nogrp",)), ("007:08", 7, 8, ()), ("nouser:grp", 0, 77, ("nouser",)),
        ("7:bob", 7, 7, ("bob",)), (":grp", 0, 77, ()), ("big", 0, 1, ()), ("nogid", 6, 0, ()),
        ("a:b:c", 0, 0, ("a", "b:c")),
        ("2147483647", 2147483647, 2147483647, ()), ("2147483648", 0, 0, ("2147483648",)), ("+7", 7, 7, ()),
        ("5:+6", 5, 6, ()), ("5:2147483648", 5, 5, ("2147483648",)), (" 7", 0, 0, (" 7",)), ("7_0", 0, 0, ("7_0",)),
        ("0x5", 0, 0, ("0x5",)), ("\u0667", 0, 0, ("\u0667",)), ("# c", 0, 0, ("# c",)), ("#:1", 0, 1, ("#",)),
    ],
)  # fmt: skip
def test_owner(text: str, uid: int, gid: int, unknown: tuple[str, ...]) -> None:
    assert find_owner(text, FILES.__getitem__) == Owner(uid=uid, gid=gid, unknown=unknown)


def test_names_where_the_image_has_no_files() -> None:
    assert find_owner("bob:grp", lambda _: "") == Owner(uid=0, gid=0, unknown=("bob", "grp"))


def test_numbers_read_no_file() -> None:
    def read(path: str) -> str:
        raise AssertionError(path)

    assert find_owner("5:6", read) == Owner(uid=5, gid=6)
    assert find_owner("5", read) == Owner(uid=5, gid=5)


@given(st.text(max_size=12), st.text(max_size=60), st.text(max_size=60))
def test_any_text_and_any_files_give_an_owner(text: str, users: str, groups: str) -> None:
    owner = find_owner(text, {"/etc/passwd": users, "/etc/group": groups}.__getitem__)
    assert 0 <= owner.uid < 1 << 31
    assert 0 <= owner.gid < 1 << 31
