import pytest

from incubator.errors import EngineError, InputError, InputErrors
from incubator.faults import Faults, did_you_mean


def test_gathering() -> None:
    faults = Faults()
    faults.check()
    faults.add("one", hint="h")
    with faults.gather():
        raise InputError("two")
    with faults.gather():
        raise InputErrors([InputError("three"), InputError("four")])
    with pytest.raises(InputErrors) as caught:
        faults.check()
    assert [error.message for error in caught.value.errors] == ["one", "two", "three", "four"]
    assert str(caught.value) == "one\nhint: h\ntwo\nthree\nfour"


def test_other_errors_go_through() -> None:
    faults = Faults()
    with pytest.raises(EngineError), faults.gather():
        raise EngineError("x")
    faults.check()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("labelz", "did you mean labels?"), ("build-args", "did you mean buildargs?"),
        ("BUILDARGS", "did you mean buildargs?"),
        ("zzz", None), ("", None),
    ],
)  # fmt: skip
def test_did_you_mean(word: str, hint: str | None) -> None:
    assert did_you_mean(word, ["labels", "buildargs", "tags"]) == hint
