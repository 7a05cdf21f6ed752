from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.context.chmod import parse_chmod
from incubator.errors import InputError

# For each change: what it makes of a file 4755, a file 0644 and a folder 0750, as BuildKit of Engine 28.5 did.
RECORDED = {
    "u=rwX,go=rX": (0o755, 0o644, 0o755),
    "+x": (0o4755, 0o755, 0o751),
    "-r": (0o4311, 0o200, 0o310),
    "=": (0, 0, 0),
    "u+s": (0o4755, 0o4644, 0o4750),
    "+t": (0o5755, 0o1644, 0o1750),
    "g=u": (0o4775, 0o664, 0o770),
    "a+X": (0o4755, 0o644, 0o751),
    "u=g,o=": (0o4550, 0o440, 0o550),
    "u+rw-x": (0o4655, 0o644, 0o650),
    "g+s": (0o6755, 0o2644, 0o2750),
    "4755": (0o4755, 0o4755, 0o4755),
    "0": (0, 0, 0),
    "+w": (0o4777, 0o666, 0o772),
    "o=w": (0o4752, 0o642, 0o752),
    "u=s": (0o4055, 0o4044, 0o4050),
    "=s": (0o6000, 0o6000, 0o6000),
    "o+t": (0o4755, 0o644, 0o750),
    "a=X": (0o111, 0, 0o111),
    "+rX,o-r,g+w": (0o4771, 0o660, 0o771),
    "u=rwx,g=u-w": (0o755, 0o754, 0o750),
    "=rw,+X": (0o777, 0o666, 0o777),
    "uo=t": (0o1050, 0o1040, 0o1050),
    "a=rs": (0o6444, 0o6444, 0o6444),
    "=t": (0o5755, 0o1644, 0o1750),
    "a-X": (0o4644, 0o644, 0o640),
    "u=gw": (0o255, 0o244, 0o250),
    "u=wg": (0o555, 0o444, 0o550),
    "g+u-w": (0o4755, 0o644, 0o750),
    "++x": (0o4755, 0o755, 0o751),
    "+x-x": (0o4644, 0o644, 0o640),
    "+rt": (0o5755, 0o1644, 0o1750),
    "a=rwxt": (0o1777, 0o1777, 0o1777),
    "g=s,o+s": (0o6705, 0o2604, 0o2700),
    "ug=u": (0o4775, 0o664, 0o770),
    "u-s,g-rwx": (0o705, 0o604, 0o700),
    "ug+w,o=t": (0o4770, 0o660, 0o770),
}


@pytest.mark.parametrize("text", RECORDED)
def test_as_recorded(text: str) -> None:
    change = parse_chmod(text)
    results = (
        change.apply(0o4755, folder=False),
        change.apply(0o644, folder=False),
        change.apply(0o750, folder=True),
    )
    # "%04o" reads better than the numbers where it fails
    assert tuple(f"{mode:04o}" for mode in results) == tuple(f"{mode:04o}" for mode in RECORDED[text])


@pytest.mark.parametrize(
    "text", ["rwx", "u+q", "12345", "089", "u", ",", "ugo", "u=rw,", "go=u,", "rs=u", "X", "", "٣"]
)
def test_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_chmod(text)
    assert repr(text) in str(caught.value)


@given(st.text(alphabet="ugoarwxXst+-=,07", max_size=12), st.integers(0, 0o7777), st.booleans())
def test_any_text_is_a_mode_or_refused(text: str, mode: int, folder: bool) -> None:
    try:
        change = parse_chmod(text)
    except InputError:
        return
    assert 0 <= change.apply(mode, folder=folder) <= 0o7777
