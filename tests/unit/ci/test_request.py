"""Inputs and the checkout's configuration together; what a checkout may reach by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from incubator.attest_options import DEFAULT_GENERATOR
from incubator.ci.facts import read_facts
from incubator.ci.inputs import read_inputs
from incubator.ci.request import make_pipeline_request
from incubator.ci.surroundings import Surroundings
from incubator.ci.tags import compute
from incubator.core.volume import Volume
from incubator.errors import InputErrors
from incubator.faults import Faults
from incubator.oci.annotations import Annotation, select
from incubator.oci.attestation import SPDX
from incubator.request import ExtraHost, Generator, Limits, PipelineRun, Provenance, Ulimit

if TYPE_CHECKING:
    from pathlib import Path

    from incubator.request import BuildRequest


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with two Dockerfiles, and beside it something that it must not reach."""
    folder = tmp_path / "work" / "web"
    (folder / "app").mkdir(parents=True)
    (folder / "cache").mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\n")
    (folder / "app" / "Dockerfile").write_text("FROM busybox AS app\nRUN true\n")
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "secret").write_text("FROM hidden\n")
    return folder


def request_of(workspace: Path, **variables: str) -> BuildRequest:
    environ = {
        name if name.isupper() else f"INPUT_{name.upper().replace('_', '-')}": text
        for name, text in variables.items()
    }
    around = Surroundings(ci="github", workspace=workspace, environ=environ)
    faults = Faults()
    inputs = read_inputs(around, faults=faults, warn=lambda _: None)
    return make_pipeline_request(inputs, around, faults)


def faults_of(workspace: Path, **variables: str) -> str:
    with pytest.raises(InputErrors) as caught:
        request_of(workspace, **variables)
    return "\n".join(str(error) for error in caught.value.errors)


def test_nothing_given_builds_the_workspace(workspace: Path) -> None:
    request = request_of(workspace)
    assert request.dockerfile.text == "FROM busybox\n"
    assert (request.push, request.load, request.pull, request.no_cache) == (False, True, False, False)
    assert (request.tags, request.layers, request.volumes, request.limits) == ((), (), (), Limits())


def test_inputs_become_the_request(workspace: Path) -> None:
    request = request_of(
        workspace,
        context="app",
        target="app",
        build_args="A=1\nB",
        labels="l=1",
        tags="acme/web:1",
        push="true",
        load="true",
        layers="auto",
        volumes="./cache:/cache\n/srv:/srv:ro\nmaven:/m2",
        memory="512m",
        memory_swap="-1",
        cpu_shares="512",
        cpuset_cpus="0",
        cpuset_mems="0",
        cpu_period="100000",
        cpu_quota="50000",
        shm_size="1m",
        ulimit="nofile=1:2",
        cgroup_parent="/ci",
        security_opt="label=disable",
        add_hosts="a=::1",
        network="none",
        no_cache_filters="app",
        cache_from="type=registry,ref=ghcr.io/acme/web:cache\nacme/web:main\nacme/web:main",
        cache_to="type=registry,ref=ghcr.io/acme/web:cache,mode=max",
        platforms="linux/arm64",
        registry="localhost:5000",
        username="bot",
        password="x",
        no_cache="true",
        SOURCE_DATE_EPOCH="1700000000",
    )
    assert request.dockerfile.text.startswith("FROM busybox AS app")
    assert request.target == "app"
    assert request.build_args["A"] == "1"
    assert request.build_args["B"] is None
    assert request.labels == {"l": "1"}
    assert [str(tag) for tag in request.tags] == ["acme/web:1"]
    assert (request.push, request.load, request.no_cache) == (True, True, True)
    assert request.layers == "auto"
    assert list(request.volumes) == [
        Volume(f"{workspace}/cache", "/cache"),
        Volume("/srv", "/srv", "ro"),
        Volume("maven", "/m2"),
    ]
    assert request.limits == Limits(
        memory_bytes=512 * 1024**2,
        memswap_bytes=-1,
        cpu_shares=512,
        cpu_period=100000,
        cpu_quota=50000,
        cpuset_cpus="0",
        cpuset_mems="0",
        shm_size_bytes=1 << 20,
        ulimits=(Ulimit(name="nofile", soft=1, hard=2),),
        cgroup_parent="/ci",
    )
    assert (request.network, request.add_hosts) == ("none", (ExtraHost(name="a", address="::1"),))
    assert (request.security_opts, request.no_cache_filters) == (("label=disable",), ("app",))
    assert [str(source.place) for source in request.cache_from] == [
        "ghcr.io/acme/web:cache",
        "acme/web:main",
    ]
    assert [(str(target.place), target.mode) for target in request.cache_to] == [
        ("ghcr.io/acme/web:cache", "max")
    ]
    assert str(request.platform) == "linux/arm64"
    assert [login.registry for login in request.credentials] == ["localhost:5000"]
    assert request.source_date_epoch == 1700000000


@pytest.mark.parametrize(
    ("context", "file", "expected"),
    [
        (".", "", "FROM busybox\n"),
        ("app", "", "FROM busybox AS app\nRUN true\n"),
        ("app", "Dockerfile", "FROM busybox\n"),
        (".", "app/Dockerfile", "FROM busybox AS app\nRUN true\n"),
        ("{{defaultContext}}", "", "FROM busybox\n"),
        ("{{defaultContext}}", "app/Dockerfile", "FROM busybox AS app\nRUN true\n"),
        ("{{defaultContext}}:app", "", "FROM busybox AS app\nRUN true\n"),
        ("{{defaultContext}}:app", "Dockerfile", "FROM busybox AS app\nRUN true\n"),
        ("{{defaultContext}}:app", "./Dockerfile", "FROM busybox AS app\nRUN true\n"),
    ],
)
def test_paths_count_from_the_workspace(workspace: Path, context: str, file: str, expected: str) -> None:
    assert request_of(workspace, context=context, file=file).dockerfile.text == expected


def test_a_dockerfile_elsewhere_is_named_as_the_input_takes_it(workspace: Path) -> None:
    (workspace / "Dockerfile").unlink()
    assert "did you mean file: app/Dockerfile?" in faults_of(workspace, file="Dockerfile")
    (workspace / "app" / "Dockerfile").rename(workspace / "app" / "web.Dockerfile")
    found = faults_of(workspace, context="{{defaultContext}}:app", file="app/web.Dockerfile")
    assert "did you mean file: web.Dockerfile?" in found


def test_a_comment_is_no_build_argument(workspace: Path) -> None:
    found = faults_of(workspace, build_args="# the version\nVERSION=1")
    assert (
        "hint: a line with # is no comment inside a value of YAML: write the comment above the input" in found
    )


def test_the_dockerfile_is_named_for_annotations(workspace: Path) -> None:
    name = request_of(workspace, context="app").dockerfile.name
    assert name.removeprefix(f"{workspace}/").removeprefix("./") == "app/Dockerfile"


def test_a_configuration_fills_in_and_inputs_win(workspace: Path) -> None:
    (workspace / ".incubator").write_text(
        "pull: true\nlayers: [1]\nlabels: {a: '1', b: '1'}\nvolumes: ['./cache:/cache']\n"
    )
    (workspace / "ci.yml").write_text("container_limits: {memory: 1g}\nlabels: {b: '2', c: '2'}\n")
    request = request_of(workspace, config="ci.yml", layers="0", labels="c=3", memory_swap="2g")
    assert request.pull is True
    assert request.layers == (0,)
    assert request.labels == {"a": "1", "b": "2", "c": "3"}
    assert list(request.volumes) == [Volume(f"{workspace}/cache", "/cache")]
    assert request.limits.memory_bytes == 1024**3
    assert request_of(workspace, pull="false").pull is False


def test_faults_of_inputs_configuration_and_files_come_together(workspace: Path) -> None:
    (workspace / ".incubator").write_text("volume: []\n")
    text = faults_of(workspace, context="nowhere", push="yes", tags="UPPER")
    for expected in ("input push", "input tags", "unknown key 'volume'", "nowhere"):
        assert expected in text


def test_a_push_needs_a_tag(workspace: Path) -> None:
    assert "nothing to push" in faults_of(workspace, push="true")


@pytest.mark.parametrize(
    "volume",
    ["/:/x", "/etc:/x", "../../host:/x", "./link:/x", "./link/secret:/x", "postgres-data:/x", "~/.ssh:/x"],
)
@pytest.mark.parametrize("way", ["found", "named"])
def test_a_checkouts_configuration_cannot_mount_the_host(workspace: Path, volume: str, way: str) -> None:
    (workspace / "link").symlink_to(workspace.parents[1] / "host")
    name = ".incubator" if way == "found" else "ci.yml"
    (workspace / name).write_text(f"volumes: ['{volume}']\n")
    given = {} if way == "found" else {"config": "ci.yml"}
    assert faults_of(workspace, **given)
    # The pipeline itself may.
    (workspace / name).unlink()
    assert len(request_of(workspace, volumes=volume).volumes) == 1


def test_a_checkouts_configuration_cannot_take_the_hosts_network(workspace: Path) -> None:
    (workspace / ".incubator").write_text("network: host\n")
    assert "network 'host'" in faults_of(workspace)


def test_a_mount_inside_a_writable_one_could_be_swapped_for_a_link(workspace: Path) -> None:
    (workspace / ".incubator").write_text("volumes: ['.:/w', './cache:/cache']\n")
    assert "lies inside the writable volume" in faults_of(workspace)


@pytest.mark.parametrize("what", ["context", "Dockerfile", ".incubator"])
def test_links_lead_not_out_of_the_workspace(workspace: Path, what: str) -> None:
    host = workspace.parents[1] / "host"
    if what == "context":
        (workspace / "linked").symlink_to(host)
        (host / "Dockerfile").write_text("FROM hidden\n")
        text = faults_of(workspace, context="linked")
    elif what == "Dockerfile":
        (workspace / "app" / "Dockerfile").unlink()
        (workspace / "app" / "Dockerfile").symlink_to(host / "secret")
        text = faults_of(workspace, context="app")
    else:
        (workspace / ".incubator").symlink_to(host / "secret")
        text = faults_of(workspace)
    assert "hidden" not in text
    assert "workspace" in text


def test_a_checkout_may_not_choose_cgroups_and_security_options(workspace: Path) -> None:
    (workspace / ".incubator").write_text("cgroup_parent: /\nsecurity_opts: [seccomp=unconfined]\n")
    found = faults_of(workspace)
    assert "cgroup_parent '/' of ./.incubator: a file in the workspace may not set it" in found
    assert "security_opts 'seccomp=unconfined' of ./.incubator" in found
    assert "--security-opt" in found


def test_several_platforms_and_their_nodes(workspace: Path) -> None:
    node = "arm64=tcp://arm.example:2376"
    request = request_of(workspace, platforms="linux/amd64,aarch64", nodes=node, tags="acme/web", push="true")
    assert (list(map(str, request.platforms)), request.platform) == (["linux/amd64", "linux/arm64"], None)
    assert list(map(str, request.nodes)) == ["linux/arm64=tcp://arm.example:2376"]
    assert not request.load
    found = faults_of(
        workspace, platforms="linux/amd64,linux/arm64", nodes="linux/s390x=tcp://z:1", load="true"
    )
    assert "node linux/s390x=tcp://z:1: linux/s390x is not built" in found
    assert "load keeps one image under a name" in found


def test_a_file_of_the_checkout_names_no_nodes(workspace: Path) -> None:
    (workspace / ".incubator").write_text(
        "platform: linux/amd64,linux/arm64\nnodes: ['arm64=tcp://evil:1']\n"
    )
    assert "nodes" in faults_of(workspace)


def test_labels_and_arguments_of_rules_stand_below_what_is_given(workspace: Path) -> None:
    """Computed labels, then those of configuration files, then the input."""
    environ = {
        "INPUT_IMAGES": "acme/web",
        "INPUT_TAGS": "type=semver,pattern={{version}}",
        "INPUT_LABELS": "org.opencontainers.image.url={{tag}}",
        "INPUT_BUILD-ARGS": "DOCKER_METADATA_OUTPUT_VERSION",
        "GITHUB_REF": "refs/tags/v1.2.3",
        "DOCKER_METADATA_ANNOTATIONS_LEVELS": "index",
    }
    title = "org.opencontainers.image.title"
    (workspace / ".incubator").write_text(f"labels: {{{title}: Mine, org.opencontainers.image.url: x}}\n")
    around = Surroundings(ci="github", workspace=workspace, environ=environ)
    faults = Faults()
    inputs = read_inputs(around, faults=faults, warn=lambda _: None)
    assert inputs.language is not None
    metadata = compute(inputs.language, read_facts(around, now=datetime.now(UTC)))
    request = make_pipeline_request(inputs, around, faults, metadata)
    assert [str(tag) for tag in request.tags] == ["acme/web:1.2.3", "acme/web:latest"]
    assert request.labels[title] == "Mine"
    assert request.labels["org.opencontainers.image.url"] == "v1.2.3"
    assert request.labels["org.opencontainers.image.version"] == "1.2.3"
    assert request.build_args["DOCKER_METADATA_OUTPUT_VERSION"] == "1.2.3"
    assert "index:org.opencontainers.image.version=1.2.3" in metadata.annotations


def test_a_push_by_digest_names_repositories(workspace: Path) -> None:
    given = {"push_by_digest": "true", "push": "true"}
    request = request_of(workspace, **given, tags="ghcr.io/acme/web,acme/web")
    assert (request.push, request.push_by_digest, request.load) == (True, True, False)
    assert [str(tag) for tag in request.tags] == ["ghcr.io/acme/web", "acme/web"]
    assert "name the repository alone: acme/web" in faults_of(workspace, **given, tags="acme/web:1")
    exclusive = faults_of(workspace, **given, tags="acme/web", load="true")
    assert "load and push-by-digest exclude each other" in exclusive


def test_a_push_by_digest_takes_repositories_from_rules(workspace: Path) -> None:
    environ = {
        "INPUT_PUSH": "true",
        "INPUT_PUSH-BY-DIGEST": "true",
        "INPUT_IMAGES": "ghcr.io/acme/web\nacme/web",
        "INPUT_TAGS": "type=raw,value=1.2\ntype=raw,value=1",
    }
    around = Surroundings(ci="github", workspace=workspace, environ=environ)
    faults = Faults()
    inputs = read_inputs(around, faults=faults, warn=lambda _: None)
    assert inputs.language
    metadata = compute(inputs.language, read_facts(around, now=datetime.now(UTC)))
    request = make_pipeline_request(inputs, around, faults, metadata)
    assert [str(tag) for tag in request.tags] == ["ghcr.io/acme/web", "acme/web"]


def test_what_is_built_for_a_push_by_digest_and_not_pushed_has_no_tag_either(workspace: Path) -> None:
    request = request_of(workspace, push_by_digest="true", tags="acme/web")
    assert (request.push, request.push_by_digest) == (False, True)


RULES = {"images": "ghcr.io/acme/web", "tags": "type=raw,value=1.0", "labels": "of=ours"}
RUN_OF_GITHUB = {
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_REPOSITORY": "acme/web",
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SHA": "c" * 40,
    "GITHUB_REF": "refs/heads/main",
}


def ruled(workspace: Path, **variables: str) -> BuildRequest:
    """The request of a step whose tags rules make."""
    environ = {name if name.isupper() else f"INPUT_{name.upper()}": text for name, text in variables.items()}
    around = Surroundings(ci="github", workspace=workspace, environ=environ)
    faults = Faults()
    inputs = read_inputs(around, faults=faults, warn=lambda _: None)
    assert inputs.language
    metadata = compute(inputs.language, read_facts(around, now=datetime.now(UTC)))
    return make_pipeline_request(inputs, around, faults, metadata)


def test_attestations_know_the_run(workspace: Path) -> None:
    (workspace / "sbom.json").write_text('{"spdxVersion": "SPDX-2.3"}')
    request = request_of(
        workspace, provenance="mode=max", attests="type=sbom,src=sbom.json\ntype=provenance", **RUN_OF_GITHUB
    )
    assert request.attestations.provenance == Provenance(mode="max")
    assert [found.type for found in request.attestations.documents] == [SPDX]
    assert request.attestations.run == PipelineRun(
        url="https://git.example/acme/web/actions/runs/7/attempts/2",
        source="https://git.example/acme/web",
        revision="c" * 40,
        ref="refs/heads/main",
    )
    assert not request_of(workspace, provenance="false", sbom="false", **RUN_OF_GITHUB).attestations
    assert "there is no mode" in faults_of(workspace, provenance="mode=most")


def test_generators_of_inputs(workspace: Path) -> None:
    assert request_of(workspace, sbom="true").attestations.generators == (Generator(image=DEFAULT_GENERATOR),)
    request = request_of(
        workspace, attests="type=sbom,generator=acme/scan,LEVEL=all\ntype=sbom,generator=other"
    )
    assert request.attestations.generators == (
        Generator(image="acme/scan", parameters=(("LEVEL", "all"),)),
        Generator(image="other"),
    )
    assert "acme/Scan" in faults_of(workspace, sbom="generator=acme/Scan")


def test_a_list_of_packages_of_the_checkout_stays_in_it(workspace: Path) -> None:
    (workspace / "sbom.json").symlink_to("../../host/secret")
    assert "sbom 'sbom.json'" in faults_of(workspace, sbom="sbom.json")


def test_annotations_of_inputs(workspace: Path) -> None:
    request = request_of(workspace, annotations="a=b\nindex:c=d")
    assert request.annotations == (
        Annotation(key="a", value="b"),
        Annotation(key="c", value="d", level="index"),
    )
    assert "input annotations: invalid annotation 'indx:a=b'" in faults_of(workspace, annotations="indx:a=b")


def test_what_rules_say_is_on_every_index(workspace: Path) -> None:
    """A manifest, whose image has labels, gets it where that is asked for."""
    assert ruled(workspace, **RULES).annotations == ()
    attested = ruled(workspace, provenance="true", annotations="index:of=me", **RULES, **RUN_OF_GITHUB)
    on_index = dict(select(attested.annotations, "index"))
    assert on_index["of"] == "me"
    assert on_index["org.opencontainers.image.version"] == "1.0"
    assert on_index["org.opencontainers.image.revision"] == "c" * 40
    assert all(on_index.values())
    assert not select(attested.annotations, "manifest")
    levels = ruled(workspace, DOCKER_METADATA_ANNOTATIONS_LEVELS="manifest", **RULES)
    assert dict(select(levels.annotations, "manifest"))["org.opencontainers.image.version"] == "1.0"
    assert not select(levels.annotations, "index")


def test_the_default_context_stands_for_the_workspace_in_named_contexts_too(workspace: Path) -> None:
    contexts = "all={{defaultContext}}\none={{ defaultContext }}:app"
    request = request_of(workspace, build_contexts=contexts)
    try:
        found = {name: str(files) for name, files in request.contexts.files.items()}
        assert [match.path for match in request.contexts.files["one"].resolve("Dockerfile")] == ["Dockerfile"]
    finally:
        request.context.close()
    assert found.keys() == {"all", "one"}


def test_no_step_can_have_the_token_for_git(workspace: Path) -> None:
    request = request_of(workspace, github_token="t0ken")
    assert request.secrets == {}
