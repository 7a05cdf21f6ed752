from __future__ import annotations

import pytest

from incubator.commands.cache import parse_age, show_age
from incubator.core.kept import KeptResult, choose
from incubator.errors import InputError

RESULTS = [
    KeptResult(reference=f"incubator-cache:{number}", made_s=1000.0 * number, size_bytes=10)
    for number in range(1, 6)
]


@pytest.mark.parametrize(
    ("older_than_s", "keep_bytes", "gone"),
    [
        (None, None, [1, 2, 3, 4, 5]),
        (3500, None, [1, 2]),
        (0, None, [1, 2, 3, 4, 5]),
        (99999, None, []),
        (None, 50, []),
        (None, 49, [1]),
        (None, 20, [1, 2, 3]),
        (None, 0, [1, 2, 3, 4, 5]),
        (3500, 20, [1, 2, 3]),
        (1500, 40, [1, 2, 3, 4]),
    ],
)
def test_what_may_go(older_than_s: float | None, keep_bytes: int | None, gone: list[int]) -> None:
    chosen = choose(RESULTS, now_s=6000.0, older_than_s=older_than_s, keep_bytes=keep_bytes)
    assert [int(result.reference[-1]) for result in chosen] == gone


def test_ages() -> None:
    assert [parse_age(text) for text in ("5s", "2m", "12h", "7d", " 2w ")] == [5, 120, 43200, 604800, 1209600]
    assert [show_age(age) for age in (-1, 5, 119, 7200, 200000, 1300000)] == [
        "0s",
        "5s",
        "1m",
        "2h",
        "2d",
        "2w",
    ]
    for text in ("", "5", "d", "1.5h", "1h30m", "٣d"):
        with pytest.raises(InputError, match="invalid --older-than"):
            parse_age(text)
