"""What is said of shared caches in which a build finds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from incubator.core.shared_cache import SharedCache
from incubator.errors import RegistryError
from incubator.events import CacheUnused, Event, WarningRaised
from incubator.oci.layout import MARKER, MARKER_BYTES
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.patience import Patience
from incubator.registry.repository import Registries
from incubator.request import CacheSource, CacheTarget
from tests.unit.core.planning import AMD64
from tests.unit.registry.serving import Answer, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.oci.reference import Reference

KEY = "a" * 64


def look(places: Sequence[Reference | Path], *, asked: bool = True) -> list[Event]:
    """The events of a build that looks for one layer, and makes it by itself."""
    events: list[Event] = []
    with Registries(Credentials(), patience=Patience(attempts=1)) as registries:
        shared = SharedCache(
            cast("Any", None),
            registries,
            sources=[CacheSource(place=place) for place in places],
            targets=(),
            platform=AMD64,
            credentials=(),
            emit=events.append,
        )
        if asked:
            assert shared.find(KEY, ()) is None
        shared.export(stages=(), facts={})
    return events


@pytest.mark.parametrize("names", [(), ("a file",)])
def test_a_folder_that_is_no_cache_is_told_of(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert look([tmp_path, tmp_path / "none"]) == [
        CacheUnused(cache=str(tmp_path)),
        CacheUnused(cache=str(tmp_path / "none")),
    ]


def test_a_registry_that_has_none_is_told_of() -> None:
    with serving(lambda _: Answer(status=404)) as server:
        place = parse_reference(f"{server.address}/no/cache:main")
        assert look([place]) == [CacheUnused(cache=str(place))]


def test_nothing_is_said_of_what_nobody_has_asked(tmp_path: Path) -> None:
    assert look([tmp_path], asked=False) == []


def test_what_is_wrong_with_a_cache_comes_with_a_hint_and_once(tmp_path: Path) -> None:
    with serving(lambda _: Answer(status=401)) as server:
        place = parse_reference(f"{server.address}/secret/cache:main")
        [told] = look([place])
    assert isinstance(told, WarningRaised)
    assert told.message.startswith(f"the cache {place} is not used: cannot ")
    assert told.message.endswith("; hint: log in: there is no user name and password for this registry")
    (tmp_path / MARKER).write_bytes(MARKER_BYTES)
    (tmp_path / "index.json").write_text("no index")
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    [told] = look([tmp_path])
    assert isinstance(told, WarningRaised)
    assert "hint" not in told.message


def test_a_cache_that_may_not_be_written_is_left_alone() -> None:
    events: list[Event] = []
    place = parse_reference("127.0.0.1:9/no/cache:main")
    with Registries(Credentials(), patience=Patience(attempts=1)) as registries:
        shared = SharedCache(
            cast("Any", None),
            registries,
            sources=(),
            targets=[CacheTarget(place=place, mode="max")],
            platform=AMD64,
            credentials=(),
            emit=events.append,
        )
        assert shared.writes
        shared.leave_out({place: RegistryError("no", hint="log in")})
        assert not shared.writes
        shared.export(stages=(), facts={})
    assert events == [WarningRaised(message=f"the cache {place} is not written: no; hint: log in")]
