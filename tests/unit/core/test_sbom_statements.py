"""What generators of lists of packages may leave behind."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incubator.context.entry import Entry
from incubator.context.tarread import read_tar
from incubator.context.tarstream import write_tar
from incubator.core import sbom_statements
from incubator.core.sbom_statements import MOST_FILES, read_statements
from incubator.core.streams import ChunkReader
from incubator.errors import BuilderError
from incubator.oci.attestation import CYCLONEDX, SPDX, Predicate, make_statement

if TYPE_CHECKING:
    from incubator.context.entry import Kind

STATEMENT = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": SPDX, "predicate": {"a": 1}}


def file(path: str, content: bytes | Any) -> Entry:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Entry(path=path, kind="file", mode=0o644, size=len(data), content=lambda: BytesIO(data))


def test_the_scan_of_the_image_comes_first() -> None:
    other = {**STATEMENT, "_type": "https://in-toto.io/Statement/v1", "predicateType": CYCLONEDX}
    found = read_statements([
        Entry(path="", kind="dir", mode=0o755),
        file("z.spdx.json", STATEMENT),
        file("a.json", other),
        file("sbom.spdx.json", {**STATEMENT, "predicate": {"b": [1.5, "\ud800é"], "a": 2}}),
    ])  # fmt: skip
    assert found == (
        Predicate(type=SPDX, document=b'{"b":[1.5,"\\ud800\\u00e9"],"a":2}'),
        Predicate(type=CYCLONEDX, document=b'{"a":1}'),
        Predicate(type=SPDX, document=b'{"a":1}'),
    )
    assert read_statements([]) == ()


def test_a_list_that_comes_in_small_pieces_is_read_to_its_end() -> None:
    statement = {**STATEMENT, "predicate": {"files": ["x" * 100] * 100}}
    tar = b"".join(write_tar([file("sbom.spdx.json", statement)]))
    pieces = (tar[start : start + 1000] for start in range(0, len(tar), 1000))
    with ChunkReader(pieces) as reader:
        [predicate] = read_statements(read_tar(cast("BinaryIO", reader)))
    assert json.loads(predicate.document) == statement["predicate"]


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "dir", "fifo", "char"])
def test_only_files_are_taken(kind: Kind) -> None:
    with pytest.raises(BuilderError, match=r"'sbom\.spdx\.json' of the generator is no list"):
        read_statements([Entry(path="sbom.spdx.json", kind=kind, mode=0o644, linkname="/etc/passwd")])


@pytest.mark.parametrize("path", ["sbom.spdx", "core/sbom.spdx.json", "sbom.json.tmp"])
def test_only_lists_by_their_names_are_taken(path: str) -> None:
    with pytest.raises(BuilderError, match="is no list"):
        read_statements([file(path, STATEMENT)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"\xff{}", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"9" * 10_000, "is not JSON"),
        ([STATEMENT], "no statement of in-toto"),
        ({**STATEMENT, "_type": ["https://in-toto.io/Statement/v1"]}, "no statement of in-toto"),
        ({**STATEMENT, "_type": "https://in-toto.io/Statement/v2"}, "no statement of in-toto"),
        ({**STATEMENT, "predicateType": "https://slsa.dev/provenance/v1"}, "neither SPDX nor CycloneDX"),
        ({**STATEMENT, "predicateType": {"a": "b"}}, "neither SPDX nor CycloneDX"),
        ({**STATEMENT, "predicate": "text"}, "has no predicate"),
        ({**STATEMENT, "predicate": {"a": float("nan")}}, "cannot be|can be written again"),
        (json.dumps(STATEMENT).replace("1", "1e999", 1).encode(), "no statement"),
        (json.dumps(STATEMENT).replace('"a": 1', '"a": 1e999').encode(), "can be written again"),
    ],
)
def test_what_is_no_statement(content: Any, words: str) -> None:
    with pytest.raises(BuilderError, match=words):
        read_statements([file("sbom.spdx.json", content)])


def test_number_and_size_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [file(f"{number}.json", STATEMENT) for number in range(MOST_FILES + 1)]
    assert len(read_statements(files[:-1])) == MOST_FILES
    with pytest.raises(BuilderError, match=f"more than {MOST_FILES} files"):
        read_statements(files)
    size = files[0].size
    monkeypatch.setattr(sbom_statements, "MOST_BYTES", 2 * size)
    assert len(read_statements(files[:2])) == 2
    with pytest.raises(BuilderError, match=f"more than {2 * size} bytes"):
        read_statements(files[:3])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary()
    | JSON
    | st.fixed_dictionaries(
        {
            "_type": JSON | st.just(STATEMENT["_type"]),
            "predicateType": st.sampled_from([SPDX, CYCLONEDX, "other"]) | JSON,
            "predicate": st.dictionaries(st.text(), JSON) | JSON,
            "subject": JSON,
        }
    )
)
def test_whatever_is_written_is_refused_or_becomes_a_statement_of_the_image(content: Any) -> None:
    try:
        [predicate] = read_statements([file("sbom.spdx.json", content)])
    except BuilderError:
        return
    statement = json.loads(make_statement(predicate, ["pkg:docker/web"], f"sha256:{'1' * 64}"))
    assert statement["subject"] == [{"name": "pkg:docker/web", "digest": {"sha256": "1" * 64}}]
    assert statement["predicateType"] in (SPDX, CYCLONEDX)
    assert statement["predicate"] == content["predicate"]
