"""The latest results by their places."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, cast

from incubator.core.plan.keys import KeyParts
from incubator.core.records import RECORD_REPOSITORY, Records

if TYPE_CHECKING:
    from incubator.core.engine import Engine


class References:
    """Of an engine, its references alone."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def references(self, repository: str, tags: str) -> list[str]:
        return fnmatch.filter(self.held, f"{repository}:{tags}")

    def tag(self, image: str, reference: str) -> None:
        self.held[reference] = image

    def remove_image(self, reference: str) -> None:
        self.held.pop(reference, None)


def made_of(**parts: str) -> KeyParts:
    below, words, around, env, user = (
        parts.get(name, "0") * 64 for name in ("below", "words", "around", "env", "user")
    )
    return KeyParts(below=below, words=words, around=around, env=env, user=user)


def test_the_latest_result_of_a_place_says_what_changed() -> None:
    engine = References()
    records = Records(cast("Engine", engine))
    assert records.why_missed("place", made_of()) is None
    records.note("place", made_of(env="1"), "image", made=True)
    records.forget_earlier("place", made_of(env="1"))
    for again in (records, Records(cast("Engine", engine))):
        assert again.why_missed("other", made_of()) is None
        assert again.why_missed("place", made_of()) == "the environment or a build argument changed"
        assert again.why_missed("place", made_of(env="1")) == "the earlier result is gone"
    records.note("place", made_of(), "later", made=False)
    records.forget_earlier("place", made_of())
    assert engine.held == {f"{RECORD_REPOSITORY}:place.{made_of().short}": "later"}
