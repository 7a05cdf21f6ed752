from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incubator.core.limits import (
    make_limits,
    parse_layer_splits,
    parse_parallelism,
    parse_size,
    parse_timeout,
)
from incubator.errors import InputError, InputErrors
from incubator.request import Limits


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0), (7, 7), ("0", 0), ("32", 32), ("32b", 32), ("32B", 32), ("32k", 32768), ("32K", 32768),
        ("32kb", 32768), ("32Kb", 32768), ("32KiB", 32768), ("32Mb", 32 << 20), ("32MiB", 32 << 20),
        ("32Gb", 32 << 30), ("32Tb", 32 << 40), ("32Pb", 32 << 50), ("32.5kB", int(32.5 * 1024)), ("32. b", 32),
        ("32.3", 32), (".3kB", 307), ("512m", 512 << 20), ("2g", 2 << 30), (" 2g ", 2 << 30), ("1.5g", 3 << 29),
        ("9223372036854775807", 2**63 - 1),
    ],
)  # fmt: skip
def test_sizes_follow_go_units(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", ".", "-32", " - 32", "32m m", "32  k", "1e3", "32q", "32bb", "32mbb", "32 mib extra", "0x10",
        "٣m", "512M i", "9223372036854775808", "8192p", True, None, 1.5, -1, 2**63,
    ],
)  # fmt: skip
def test_bad_sizes_name_the_value(text: Any) -> None:
    with pytest.raises(InputError) as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


@settings(max_examples=80)
@given(st.integers(0, 2**20), st.sampled_from(["", "b", "k", "KB", "MiB", "m", "G", "gib"]))
def test_a_suffix_multiplies(number: int, suffix: str) -> None:
    factor = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3}[suffix[:1].lower()]
    assert parse_size(f"{number}{suffix}") == number * 1024**factor


def test_no_limits() -> None:
    assert (
        make_limits(None) == make_limits({}) == make_limits({"memory": None, "cpushares": None}) == Limits()
    )
    assert make_limits({"memory": 0, "memswap": 0, "cpushares": 0, "cpusetcpus": ""}) == Limits()


def test_all_limits() -> None:
    assert make_limits(
        {"memory": "64m", "memswap": "1g", "cpushares": "512", "cpusetcpus": "0-3, 5"}
    ) == Limits(memory_bytes=64 << 20, memswap_bytes=1 << 30, cpu_shares=512, cpuset_cpus="0-3,5")


@pytest.mark.parametrize("swap", [-1, "-1", " -1 "])
def test_unlimited_swap_needs_no_memory(swap: str | int) -> None:
    assert make_limits({"memswap": swap}).memswap_bytes == -1
    assert make_limits({"memory": "6m", "memswap": swap}).memswap_bytes == -1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"memory": "5m"}, ["memory '5m'", "6m"]),
        ({"memory": "lots"}, ["memory", "'lots'", "512m"]),
        ({"memory": True}, ["memory", "True"]),
        ({"memory": -1}, ["memory", "-1"]),
        ({"memswap": "1g"}, ["memswap '1g'", "memory beside it"]),
        ({"memory": "2g", "memswap": "1g"}, ["memswap '1g'", "smaller than memory", "-1"]),
        ({"memory": "2g", "memswap": "much"}, ["memswap", "'much'", "-1 means unlimited"]),
        ({"cpushares": -1}, ["cpushares -1", "262144"]),
        ({"cpushares": 262145}, ["cpushares 262145"]),
        ({"cpushares": "1.5"}, ["cpushares '1.5'"]),
        ({"cpushares": True}, ["cpushares True"]),
        ({"cpusetcpus": "a"}, ["cpusetcpus 'a'", "0-3,5"]),
        ({"cpusetcpus": "0,"}, ["cpusetcpus '0,'", "''"]),
        ({"cpusetcpus": "3-1"}, ["cpusetcpus '3-1'", "backwards", "1-3"]),
        ({"cpusetcpus": "0-8192"}, ["cpusetcpus '0-8192'", "8191"]),
        ({"cpusetcpus": True}, ["cpusetcpus True"]),
        ({"cpusetcpus": [0]}, ["cpusetcpus [0]"]),
        ({"memoryy": "1g"}, ["'memoryy'", "did you mean memory?"]),
        ({"cpuperiod": 999}, ["cpuperiod 999: out of range", "from 1000 to 1000000"]),
        ({"cpuquota": "half"}, ["cpuquota 'half': no whole number", "of at least 1000"]),
        ({"cpusetmems": "x"}, ["cpusetmems 'x'", "list memory nodes"]),
        ({"disk": "1g"}, ["'disk'", "memory, memswap, cpushares, cpuperiod, cpuquota, cpusetcpus"]),
    ],
)
def test_bad_limits_name_key_value_and_what_is_allowed(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputErrors) as caught:
        make_limits(values)
    assert len(caught.value.errors) == 1
    for word in words:
        assert word in str(caught.value)


def test_all_bad_limits_are_reported_together() -> None:
    with pytest.raises(InputErrors) as caught:
        make_limits({"memory": "x", "memswap": "1g", "cpushares": "y", "cpusetcpus": "z", "other": 1})
    # memswap cannot be judged without memory, whose own fault is reported
    assert len(caught.value.errors) == 4


def test_cpuset_of_one_number() -> None:
    assert make_limits({"cpusetcpus": 0}).cpuset_cpus == "0"


@pytest.mark.parametrize(
    ("values", "splits"),
    [
        (None, ()), ([], ()), ("", ()), ("auto", "auto"), (" Auto ", "auto"), (["auto"], "auto"), ([0], (0,)),
        ("0", (0,)), ([3, 1, 3], (1, 3)), (["3", 1], (1, 3)), ("1,3", (1, 3)), ("1, 3", (1, 3)), ("[1, 3]", (1, 3)),
        ("L12", ("L12",)), ("line:7, 3,l2", (3, "L2", "L7")), (["L2", 0], ("L2",)),
        ("[]", ()), ("2\n4\n", (2, 4)), ([0, 2], (2,)), ((5,), (5,)),
    ],
)  # fmt: skip
def test_layer_splits(values: Any, splits: Any) -> None:
    assert parse_layer_splits(values) == splits


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ([True], ["True"]), ([-1], ["-1"]), (["-1"], ["'-1'"]), (["x", 1, 2.0], ["'x'", "2.0"]), ("1;2", ["'1;2'"]),
        ([None], ["None"]), (["auto", 3], ["'auto'"]), ("1.5", ["'1.5'"]), (7, ["7"]), ([[1]], ["[1]"]),
        (["٣"], ["'٣'"]), ("L", ["'L'"]), ("line:x", ["'line:x'"]), ("Lx2", ["'Lx2'"]),
    ],
)  # fmt: skip
def test_bad_layer_splits_name_the_value(values: Any, bad: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_layer_splits(values)
    for text in bad:
        assert text in str(caught.value)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 500)))
def test_splits_are_ascending_and_unique(numbers: list[int]) -> None:
    splits = parse_layer_splits(numbers)
    assert isinstance(splits, tuple)
    assert list(splits) == sorted(set(splits))
    assert set(splits) - {0} == set(numbers) - {0}
    assert parse_layer_splits(",".join(map(str, numbers))) == splits


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(90, 90), (1.5, 1.5), ("90", 90), (" 90s ", 90), ("1h30m", 5400), ("1.5m", 90), ("200ms", 0.2)],
)
def test_timeouts(value: float | str, seconds: float) -> None:
    assert parse_timeout(value) == seconds


@pytest.mark.parametrize("value", [0, -1, "", "0s", "-5s", "5 minutes", "5x", True, "1e3", 10**9, "inf"])
def test_no_timeouts(value: float | str) -> None:
    with pytest.raises(InputError, match="invalid timeout"):
        parse_timeout(value)


def test_parallelism() -> None:
    assert [parse_parallelism(value) for value in (1, "8", " 1024 ")] == [1, 8, 1024]
    for value in (0, "0", -1, "", "many", True, 1025, "1.5"):
        with pytest.raises(InputError, match="invalid max_parallelism"):
            parse_parallelism(value)
