"""What is stated of a build, against files with whole predicates."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incubator.context.directory import DirectoryContext
from incubator.core.masking import MASK
from incubator.core.materials import remote_material
from incubator.core.plan.model import CopyStep
from incubator.core.provenance import BuildRecord, make_provenance, summary_of
from incubator.core.purl import image_purl
from incubator.core.result import LayerResult
from incubator.core.volume import Volume
from incubator.dockerfile import Source
from incubator.oci.attestation import to_json
from incubator.oci.descriptor import Descriptor
from incubator.oci.manifest import Manifest
from incubator.oci.media_types import OCI_CONFIG, OCI_LAYER_GZIP
from incubator.oci.reference import parse_reference
from incubator.remote.urls import Download, parse_remote
from incubator.request import (
    Attestations,
    BuildRequest,
    Credential,
    Material,
    NamedContexts,
    PipelineRun,
    Provenance,
    Secret,
)
from tests.unit.core.planning import AMD64, BUSYBOX, base, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[2] / "data" / "provenance"
TEXT = """\
FROM golang:1.24 AS build
ARG WHO=nobody
ADD https://files.example/tool.tar?key=abcd /tools/
RUN --mount=type=cache,target=/cache --mount=type=secret,id=token \\
    make WHO=$WHO
FROM busybox
COPY --from=build /app /app
COPY --from=registry.example/certs:2 /certs /certs
LABEL title=app
"""
GOLANG = replace(base("golang:1.24"), repository_digest=f"sha256:{'1' * 64}")
CERTS = replace(base("registry.example/certs:2"), repository_digest=f"sha256:{'2' * 64}")
HERMETIC = """\
FROM golang:1.24
RUN --network=none true
ADD https://files.example/tool.tar /
"""
RUN = PipelineRun(
    url="https://ci.example/acme/web/runs/7/attempts/1",
    source="https://ci.example/acme/web",
    revision="c" * 40,
    ref="refs/heads/main",
)
MANIFEST = Manifest(
    config=Descriptor(media_type=OCI_CONFIG, digest=f"sha256:{'3' * 64}", size=3),
    layers=tuple(
        Descriptor(media_type=OCI_LAYER_GZIP, digest=f"sha256:{letter * 64}", size=7) for letter in "45"
    ),
)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[DirectoryContext]:
    opened = DirectoryContext(tmp_path)
    yield opened
    opened.close()


def record_of(text: str, context: DirectoryContext, **options: Any) -> BuildRecord:
    """A build of `text` that is done, with options of the request by name."""
    options.setdefault("attestations", Attestations(provenance=Provenance(), run=RUN))
    name = options.pop("name", "docker/Dockerfile")
    planned = plan(text, GOLANG, CERTS, contexts=options.get("contexts", NamedContexts()).names)
    request = BuildRequest(dockerfile=Source(name, text), context=context, **options)
    remotes = [pair for step in planned.steps if isinstance(step, CopyStep) for pair in step.remotes]
    return BuildRecord(
        request=request,
        plan=planned,
        engine=AMD64,
        layers=[
            LayerResult(
                diff_id=f"sha256:{letter * 64}",
                size_bytes=9,
                commands=commands,
                duration_s=1.5,
                cached=cached,
                base=not commands,
            )
            for letter, commands, cached in (("6", (), False), ("7", ("COPY --from=build /app /app",), True))
        ],
        fetched={remote: f"sha256:{'8' * 64}" for _, remote in remotes},
        started=datetime(2026, 1, 2, 3, 4, 5, 600000, UTC),
        finished=datetime(2026, 1, 2, 3, 5, 6, tzinfo=UTC),
    )


def metadata_of(predicate: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = predicate["runDetails"]["metadata"]
    return found


def test_generators_of_package_lists_are_dependencies(context: DirectoryContext) -> None:
    record = replace(record_of(HERMETIC, context), generators=(CERTS, CERTS))
    dependencies = make_provenance(record, Provenance())["buildDefinition"]["resolvedDependencies"]
    assert [found["uri"].partition("?")[0] for found in dependencies] == [
        "https://files.example/tool.tar",
        "pkg:docker/golang@1.24",
        "pkg:docker/registry.example/certs@2",
    ]
    unknown = replace(record, generators=(replace(CERTS, repository_digest=""),))
    for found, complete in ((record, True), (unknown, False)):
        completeness = metadata_of(make_provenance(found, Provenance()))["incubator_completeness"]
        assert completeness["resolvedDependencies"] is complete


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_whole_predicate(mode: Any, context: DirectoryContext) -> None:
    record = record_of(
        TEXT,
        context,
        target="",
        build_args={"WHO": "me", "EMPTY": "", "UNSET": None},
        labels={"of": "ours"},
        layers=(2, "L5"),
        secrets={"token": Secret(id="token", value=b"tokens value")},
        ssh={"default": "/run/agent"},
        volumes=(Volume("/srv/cache", "/root/.cache"),),
        contexts=NamedContexts(
            files={"shared": context}, materials={"shared": Material(uri="https://git.example/a.git")}
        ),
    )
    wanted = Provenance(mode=mode)
    predicate = make_provenance(record, wanted, MANIFEST)
    assert predicate == json.loads((DATA / f"{mode}.json").read_text())
    assert to_json(predicate) == to_json(make_provenance(record, wanted, MANIFEST))


def test_the_short_form_is_for_those_who_build(context: DirectoryContext) -> None:
    full = Attestations(provenance=Provenance(mode="max", reproducible=True), run=RUN)
    summary = summary_of(record_of(TEXT, context, build_args={"WHO": "me"}, attestations=full))
    assert summary
    assert metadata_of(summary)["incubator_reproducible"] is True
    assert "buildConfig" not in to_json(summary).decode()
    assert summary_of(record_of(TEXT, context, attestations=Attestations())) is None


def test_no_secret_is_told_wherever_it_stands(context: DirectoryContext) -> None:
    secret, password, split = "p4ss-of-token", "pa55-of-login", "line-one\nline-two"
    text = (
        f"FROM busybox\nRUN echo {secret} {password}\n"
        f"RUN <<EOF\n{split}\nEOF\nCOPY --from=golang:1.24 /{password} /\n"
    )
    record = record_of(
        text,
        context,
        build_args={"A": f"x{secret}y", "B": split, f"{secret}": "name", "PROXY": "http://u:pw@proxy:1"},
        labels={"l": secret},
        secrets={"t": Secret(id="t", value=secret.encode()), "s": Secret(id="s", value=split.encode())},
        credentials=[Credential(registry="ghcr.io", username="u", password=password)],
        attestations=Attestations(
            provenance=Provenance(mode="max", builder=f"https://ci.example/{secret}"),
            run=replace(RUN, ref=f"refs/heads/{secret}"),
        ),
    )
    assert record.request.attestations.provenance
    data = to_json(make_provenance(record, record.request.attestations.provenance, MANIFEST))
    for hidden in (secret, password, "line-one", "line-two", "u:pw"):
        assert hidden.encode() not in data
    assert MASK in data


def test_digests_are_not_masked(context: DirectoryContext) -> None:
    record = record_of(
        TEXT, context, secrets={"t": Secret(id="t", value=b"1111"), "s": Secret(id="s", value=b"7777")}
    )
    predicate = make_provenance(record, Provenance(mode="max"), MANIFEST)
    assert {"sha256": "1" * 64} in [
        found["digest"] for found in predicate["buildDefinition"]["resolvedDependencies"] if "digest" in found
    ]
    layers = metadata_of(predicate)["incubator_metadata"]["layers"]
    assert layers[1]["diffId"] == f"sha256:{'7' * 64}"


@pytest.mark.parametrize(
    ("text", "options", "hermetic", "complete"),
    [
        (HERMETIC, {}, True, True),
        (HERMETIC.replace(" --network=none", ""), {}, False, False),
        (HERMETIC.replace(" --network=none", ""), {"network": "none"}, True, True),
        (HERMETIC.replace("none true", "none --mount=type=cache,target=/c true"), {}, True, False),
        (HERMETIC + "COPY a /\n", {}, True, False),
        (HERMETIC + "COPY <<EOF /a\nx\nEOF\n", {}, True, True),
        (HERMETIC + "COPY a /\n", {"context_material": Material(uri="u", digest={"gitCommit": "c"})}, True, True),
        (HERMETIC.replace("none true", "none --mount=target=/c true"), {}, True, False),
        (HERMETIC, {"volumes": (Volume("/a", "/b"),)}, True, False),
        (HERMETIC + "FROM busybox\n", {}, True, False),
    ],
)  # fmt: skip
def test_what_is_complete_and_hermetic(
    text: str, options: dict[str, Any], hermetic: bool, complete: bool, context: DirectoryContext
) -> None:
    if "FROM busybox" in text:
        text += "COPY --from=0 / /\n"  # a base image that no registry is known to have
        assert not BUSYBOX.repository_digest
    metadata = metadata_of(make_provenance(record_of(text, context, **options), Provenance()))
    assert metadata["incubator_hermetic"] is hermetic
    assert metadata["incubator_completeness"]["resolvedDependencies"] is complete


@pytest.mark.parametrize(
    ("options", "complete"),
    [({}, True), ({"build_args": {"A": None}}, True), ({"build_args": {"A": ""}}, False), ({"network": "none"}, False)],
)  # fmt: skip
def test_the_request_is_complete_where_nothing_is_left_out(
    options: dict[str, Any], complete: bool, context: DirectoryContext
) -> None:
    record = record_of(HERMETIC, context, **options)
    metadata = metadata_of(make_provenance(record, Provenance()))
    assert metadata["incubator_completeness"]["request"] is complete
    metadata = metadata_of(make_provenance(record, Provenance(mode="max")))
    assert metadata["incubator_completeness"]["request"] is True


def test_where_the_dockerfile_is_from(context: DirectoryContext) -> None:
    fetched = Material(uri="https://git.example/a.git#main", digest={"gitCommit": "d" * 40})
    record = record_of(HERMETIC, context, context_material=fetched, name="/srv/work/Dockerfile")
    definition = make_provenance(record, Provenance())["buildDefinition"]
    assert definition["externalParameters"]["configSource"] == {
        "uri": fetched.uri,
        "digest": fetched.digest,
        "path": "Dockerfile",
    }
    assert definition["resolvedDependencies"][0] == {"uri": fetched.uri, "digest": fetched.digest}


@pytest.mark.parametrize(
    ("text", "digest", "uri", "found"),
    [
        (
            "https://u:p@git.example/a.git#main",
            f"{'a' * 40} False",
            "https://xxxxx@git.example/a.git#main",
            {"gitCommit": "a" * 40},
        ),
        ("https://u:p@files.example/a?key=x#y", "sha256:b", "https://xxxxx@files.example/a", {"sha256": "b"}),
    ],
)
def test_logins_and_keys_of_urls_are_left_out(
    text: str, digest: str, uri: str, found: dict[str, str]
) -> None:
    remote = parse_remote(text)
    assert remote
    assert remote_material(remote, digest) == Material(uri=uri, digest=found)


def test_what_was_not_fetched_has_no_digest(context: DirectoryContext) -> None:
    record = replace(record_of(HERMETIC, context), fetched={})
    dependencies = make_provenance(record, Provenance())["buildDefinition"]["resolvedDependencies"]
    assert dependencies[0] == {"uri": Download(url="https://files.example/tool.tar").url}


@pytest.mark.parametrize(
    ("reference", "purl"),
    [
        ("busybox", "pkg:docker/busybox@latest?platform=linux%2Famd64"),
        ("ghcr.io/acme/web:1.0", "pkg:docker/ghcr.io/acme/web@1.0?platform=linux%2Famd64"),
        ("localhost:5000/web:1", "pkg:docker/localhost:5000/web@1?platform=linux%2Famd64"),
        (f"web@sha256:{'a' * 64}", f"pkg:docker/web?digest=sha256:{'a' * 64}&platform=linux%2Famd64"),
    ],
)
def test_package_urls(reference: str, purl: str) -> None:
    parsed = parse_reference(reference)
    assert image_purl(parsed, AMD64) == purl
    assert image_purl(replace(parsed, tag=None, digest=None)) == f"pkg:docker/{parsed.name}"
