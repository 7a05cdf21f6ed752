"""Caches as options name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from incubator.cache_options import asked_by, parse_cache_from, parse_cache_to, read_caches
from incubator.core.cache_store import LONGEST_TAG
from incubator.errors import InputError, OtherCache
from incubator.faults import Faults
from incubator.oci.reference import parse_reference
from incubator.request import CacheSource, CacheTarget

REF = "type=registry,ref=ghcr.io/acme/web:cache"
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (REF, "ghcr.io/acme/web:cache"),
        ("ghcr.io/acme/web:cache", "ghcr.io/acme/web:cache"),
        (" localhost:5000/web ", "localhost:5000/web:latest"),
        ("ref=web,type=registry", "web:latest"),
        ("TYPE=registry, Ref = web:x", "web:x"),
        ('type=registry,"ref=web:x"', "web:x"),
        (f"type=registry,ref=web:{'t' * LONGEST_TAG}", f"web:{'t' * LONGEST_TAG}"),
        (f"{REF},registry.insecure=false", "ghcr.io/acme/web:cache"),
    ],
)
def test_both_take(text: str, reference: str) -> None:
    assert parse_cache_from(text) == CacheSource(place=parse_reference(reference))
    assert parse_cache_to(text) == CacheTarget(place=parse_reference(reference), mode="min")


def test_the_longest_tag_leaves_room_for_that_of_an_entry() -> None:
    tag = "t" * LONGEST_TAG
    assert parse_reference(f"web:{tag}-{'0' * 64}").tag == f"{tag}-{'0' * 64}"
    with pytest.raises(InputError, match="is not a tag"):
        parse_reference(f"web:{tag}t-{'0' * 64}")


@pytest.mark.parametrize(("attributes", "mode"), [("", "min"), (",mode=min", "min"), (",MODE=max", "max")])
def test_modes(attributes: str, mode: str) -> None:
    assert parse_cache_to(REF + attributes).mode == mode


@pytest.mark.parametrize(
    "attribute",
    [
        "oci-mediatypes=true", "image-manifest=true", "image-manifest=1", "compression=gzip",
        "force-compression=false", "ignore-error=true", "registry.insecure=0",
    ],
)  # fmt: skip
def test_what_asks_for_nothing_else_is_taken(attribute: str) -> None:
    assert parse_cache_to(f"{REF},mode=max,{attribute}") == parse_cache_to(f"{REF},mode=max")


@pytest.mark.parametrize(
    ("attribute", "hint"),
    [
        ("oci-mediatypes=false", "OCI's media types"),
        ("image-manifest=false", "not an index"),
        ("compression=zstd", "with gzip"),
        ("compression=estargz", "with gzip"),
        ("compression-level=9", "as the engine compresses them"),
        ("force-compression=true", "as the engine compresses them"),
        ("ignore-error=false", "a warning and fails no build"),
        ("ignore-error=", "a warning and fails no build"),
        ("registry.insecure=true", "localhost:5000"),
    ],
)
def test_what_would_make_a_difference_is_refused(attribute: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_cache_to(f"{REF},{attribute}")
    assert caught.value.message == f"cache target 'ghcr.io/acme/web:cache': {attribute} is not supported"
    assert hint in str(caught.value.hint)
    assert str(caught.value.hint).startswith("leave it out: ")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "invalid WHAT: it is empty", "type=registry,ref="),
        (" , ", "invalid WHAT: it is empty", "type=registry,ref="),
        ("a,b", "invalid WHAT: it has 2 references", "an entry of its own"),
        ("ref=web", "invalid WHAT: it has no type", "type=registry,ref="),
        ("type=registry", "invalid WHAT: it has no ref", "$CI_REGISTRY_IMAGE:cache"),
        ("type=registry,ref=", "invalid WHAT: it has no ref", "ghcr.io/acme/web:cache"),
        ("type=regestry,ref=web", "invalid WHAT: there is no type 'regestry'", "did you mean registry?"),
        ("type=disk", "invalid WHAT: there is no type 'disk'", "type=registry,ref="),
        ("type=gha,scope=x", "WHAT of type gha is not supported", "GitHub's service"),
        ("type=local", "invalid WHAT: it has no SIDE", "write type=local,SIDE=FOLDER"),
        ("type=local,SIDE=", "invalid WHAT: it has no SIDE", "write type=local,SIDE=FOLDER"),
        ("type=local,ref=web", "invalid WHAT: it has no SIDE", "write type=local,SIDE=FOLDER"),
        ("type=local,SIDE=x,ref=web", "WHAT 'x': there is no attribute 'ref'", "attributes are type, SIDE"),
        ("type=local,SIDE=x,tag=y", "WHAT 'x': tag=y is not supported", "a folder is one cache"),
        ("type=registry,ref=web,SIDE=x", "WHAT 'web:latest': there is no attribute 'SIDE'", "attributes are type, ref"),
        ("type=lokal,SIDE=x", "invalid WHAT: there is no type 'lokal'", "did you mean local?"),
        ("type=azblob,name=x", "WHAT of type azblob is not supported", "type=registry,ref="),
        ("type=registry,ref=a,ref=b", "invalid WHAT: ref is given twice", None),
        ("type=registry,ref=a,max", "invalid WHAT: 'max' has no value", "type=registry,ref="),
        ("type=registry,rf=a", "invalid WHAT: it has no ref", "did you mean ref?"),
        ("type=registry,tag=a", "invalid WHAT: it has no ref", "type=registry,ref="),
        ("type=local,SIDEE=a", "invalid WHAT: it has no SIDE", "did you mean SIDE?"),
        ("type=registry,ref=a,scope=b", "WHAT 'a:latest': there is no attribute 'scope'", "attributes are type, ref"),
        ("type=registry,ref=a,tipe=b", "WHAT 'a:latest': there is no attribute 'tipe'", "did you mean type?"),
        ("type=registry,ref=A", "WHAT: invalid reference 'A': 'library/A' is not a repository name", "lower case"),
        ("A", "WHAT: invalid reference 'A': 'library/A' is not a repository name", "lower case"),
        ('type=registry,"ref=a', "invalid WHAT: its quotes or lines are not those of one record of CSV", None),
        ("a\nb", "invalid WHAT: its quotes or lines are not those of one record of CSV", None),
    ],
)  # fmt: skip
def test_faults_of_both(text: str, message: str, hint: str | None) -> None:
    for parse, what, side in (
        (parse_cache_from, "cache source", "src"),
        (parse_cache_to, "cache target", "dest"),
    ):
        with pytest.raises(InputError) as caught:
            parse(text.replace("SIDE", side))
        assert caught.value.message == message.replace("WHAT", what).replace("SIDE", side)
        assert (hint or "").replace("SIDE", side) in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (f"a@{DIGEST}", f"cache target 'a@{DIGEST}': a cache cannot be a digest", "name a tag"),
        (f"a:b@{DIGEST}", f"cache target 'a:b@{DIGEST}': a cache cannot be a digest", "name a tag"),
        (
            f"a:{'t' * 64}",
            f"cache target 'a:{'t' * 64}': its tag is longer than 63 characters",
            "65 characters more",
        ),
    ],
)
def test_an_image_to_read_may_have_a_name_that_no_cache_has(text: str, message: str, hint: str) -> None:
    assert parse_cache_from(text) == CacheSource(place=parse_reference(text))
    with pytest.raises(InputError) as caught:
        parse_cache_to(text)
    assert caught.value.message == message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("more", ["", ",mode=min", ",compression=gzip,ignore-error=true"])
def test_the_image_itself(more: str) -> None:
    assert parse_cache_to(f"type=inline{more}") == CacheTarget(place=None, mode="min")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("type=inline,mode=max", "cache target 'inline': mode=max is not supported", "its own layers alone"),
        ("type=inline,mode=all", "cache target 'inline': there is no mode 'all'", "min keeps"),
        (
            "type=inline,ref=a",
            "cache target 'inline': there is no attribute 'ref'",
            "attributes are type, mode",
        ),
        (
            "type=inline,dest=a",
            "cache target 'inline': there is no attribute 'dest'",
            "attributes are type, mode",
        ),
        ("type=inlin", "invalid cache target: there is no type 'inlin'", "did you mean inline?"),
    ],
)
def test_faults_of_the_image_itself(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_cache_to(text)
    assert caught.value.message == message
    assert hint in str(caught.value.hint)


def test_an_image_is_read_by_its_name() -> None:
    with pytest.raises(OtherCache, match="cache source of type inline is not supported") as caught:
        parse_cache_from("type=inline")
    assert "name the image" in str(caught.value.hint)


def test_the_older_spelling_of_buildkit() -> None:
    for yes in ("1", "true", "T"):
        assert asked_by({"BUILDKIT_INLINE_CACHE": yes}) == (CacheTarget(place=None),)
    for no in ("0", "false", "", "yes", None):
        assert asked_by({"BUILDKIT_INLINE_CACHE": no}) == ()
    assert asked_by({"A": "1"}) == ()


def test_folders(tmp_path: Path) -> None:
    assert parse_cache_from("type=local,src=../x") == CacheSource(place=Path("../x"))
    assert parse_cache_to('type=local,"dest=a,b",mode=max') == CacheTarget(place=Path("a,b"), mode="max")
    assert parse_cache_from("type=local,src=x", tmp_path) == CacheSource(place=tmp_path / "x")
    assert parse_cache_to("type=local,dest=/x", tmp_path) == CacheTarget(place=Path("/x"))
    assert (
        parse_cache_to("type=local,dest=x,oci-mediatypes=true,ignore-error=true,compression=gzip").mode
        == "min"
    )


def test_a_link_of_the_checkout_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout/cache").symlink_to(tmp_path)
    for parse, side in ((parse_cache_from, "src"), (parse_cache_to, "dest")):
        with pytest.raises(InputError, match="leads out of the workspace"):
            parse(f"type=local,{side}=cache/below", tmp_path / "checkout")


@pytest.mark.parametrize(
    "names",
    [(), ("blobs",), ("index.json",), (".gitignore", "lost+found"), ("index.json", "oci-layout", "mine.txt")],
)
def test_a_cache_goes_into_a_folder_of_its_own(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert parse_cache_to(f"type=local,dest={tmp_path}") == CacheTarget(place=tmp_path)


@pytest.mark.parametrize("names", [(".git", "Dockerfile"), ("app.js", "index.json")])
def test_a_cache_does_not_go_between_files_of_something_else(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        parse_cache_to("type=local,dest=.", tmp_path)
    assert caught.value.message == (
        f"cache target: the folder {str(tmp_path)!r} is no OCI layout, and has {names[0]!r} in it"
    )
    assert "a folder of its own" in str(caught.value.hint)
    assert parse_cache_from("type=local,src=.", tmp_path) == CacheSource(place=tmp_path)


def test_a_cache_does_not_go_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used as a folder: Not a directory"):
        parse_cache_to("type=local,dest=file", tmp_path)


def test_a_mode_that_is_none() -> None:
    with pytest.raises(InputError, match="cache target 'web:x': there is no mode 'maxx'") as caught:
        parse_cache_to("type=registry,ref=web:x,mode=maxx")
    assert caught.value.hint == "did you mean max?"
    with pytest.raises(InputError) as caught:
        parse_cache_to("type=registry,ref=web:x,mode=")
    assert "those of all stages" in str(caught.value.hint)


def test_sources_have_no_attributes_of_targets() -> None:
    with pytest.raises(InputError) as caught:
        parse_cache_from(f"{REF},mode=max")
    assert caught.value.message == "cache source 'ghcr.io/acme/web:cache': mode=max is not supported"
    assert "cache-to says what is kept" in str(caught.value.hint)
    with pytest.raises(InputError, match="there is no attribute 'compression'"):
        parse_cache_from(f"{REF},compression=gzip")


@pytest.mark.parametrize(
    "text",
    [
        "type=s3,bucket=b,access_key_id=i,secret_access_key=hunter2",
        "type=registry,ref=web,secret_access_key=hunter2",
        "type=registry,ref=web,token=hunter2,token=hunter2",
        "bot:hunter2@ghcr.io/acme/web",
        "type=registry,ref=bot:hunter2@ghcr.io/acme/web",
        "bot:hunter2@ghcr.io/acme/web,other",
    ],
)
def test_logins_are_in_no_message(text: str) -> None:
    for parse in (parse_cache_from, parse_cache_to):
        with pytest.raises(InputError) as caught:
            parse(text)
        assert "hunter2" not in str(caught.value)


def test_lists_gather_faults_and_hold_each_entry_once() -> None:
    faults = Faults()
    found = read_caches(["a", "type=gha", REF, "a:latest", "B"], parse_cache_from, faults)
    assert [str(source.place) for source in found] == ["a:latest", "ghcr.io/acme/web:cache"]
    assert len(faults.errors) == 2
    assert read_caches("a,b", parse_cache_from, faults) == ()
    assert read_caches(REF, parse_cache_to, faults) == (parse_cache_to(REF),)
    assert read_caches((), parse_cache_to, faults) == ()
