"""No secret in what is shown, however the output is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from incubator.core.masking import MASK, Masker, hidden_texts

LETTERS = st.binary(max_size=12).map(lambda data: bytes(b"ab"[byte % 2] for byte in data))


def masked(hidden: tuple[bytes, ...], *pieces: bytes) -> bytes:
    masker = Masker(hidden)
    return b"".join(map(masker.feed, pieces)) + masker.rest()


@given(st.lists(st.one_of(LETTERS, st.just(b"abba"), st.just(b"ababab"))))
def test_it_does_not_matter_how_the_output_is_cut(pieces: list[bytes]) -> None:
    hidden = (b"ababab", b"abba")
    text = masked(hidden, *pieces)
    assert not any(secret in text.replace(MASK, b"|") for secret in hidden)
    assert text == masked(hidden, b"".join(pieces))


@given(st.lists(st.binary()))
def test_without_secrets_everything_is_shown_at_once(pieces: list[bytes]) -> None:
    masker = Masker(())
    assert [masker.feed(piece) for piece in pieces] == pieces


def test_what_cannot_begin_a_secret_is_not_held_back() -> None:
    masker = Masker((b"secret",))
    assert masker.feed(b"a line\n") == b"a line\n"
    assert masker.feed(b"a sec") == b"a "
    assert masker.feed(b"ond") == b"second"
    assert masker.feed(b"secre") == b""
    assert masker.feed(b"t!") == b"***!"


def test_lines_of_a_value_are_masked_one_by_one() -> None:
    key = b"-----BEGIN-----\r\nabcdef\n  ghijkl \nab\n\n"
    assert hidden_texts([key, b"other"]) == (b"-----BEGIN-----", b"abcdef", b"ghijkl", b"other")
