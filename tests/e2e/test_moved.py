"""Workflows written for docker's actions, after `uses: docker/build-push-action` became `uses: org/incubator`.

docs/reference/build-push-action.md says what each of them shows, and which cannot be run here.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from incubator.oci.manifest import Index, Manifest
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.conftest import need
from tests.e2e.act import ActRun, run_act
from tests.e2e.checkout import ROOT, commit_all, git
from tests.e2e.engine import docker, nothing_left, output_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
MOVED = HERE / "workflows" / "moved"
STAND_INS = {
    f"docker/{name}@v{version}": HERE / "standins" / name
    for name, version in (
        ("setup-qemu-action", 3), ("setup-buildx-action", 3), ("login-action", 3), ("metadata-action", 5),
    )
}  # fmt: skip


@pytest.fixture(autouse=True)
def clean(engine: EngineHandle) -> Iterator[None]:
    """Nothing of a build is left, and none of the images."""
    need("act")
    with nothing_left(engine):
        yield
    listed = docker(engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    own = [name for name in listed if re.search(r"(^|/)moved/", name)]
    if own:
        docker(engine, "image", "rm", "--no-prune", *own, check=False)


@pytest.fixture
def move(
    engine: EngineHandle,
    registry: RegistryHandle,
    registry_auth: RegistryHandle,
    checkout: Path,
    tmp_path: Path,
) -> Callable[[str], ActRun]:
    """Runs a workflow in a repository of its own, as a user's."""
    consumer = tmp_path / "consumer"
    shutil.copytree(HERE / "moved", consumer)
    commit_all(consumer)
    git(consumer, "remote", "add", "origin", "https://github.example.test/acme/consumer.git")
    local = {"org/incubator@v1": checkout, **STAND_INS}

    def run(name: str, event: str = "push", password: str | None = registry_auth.password) -> ActRun:
        shutil.copy(MOVED / f"{name}.yml", consumer / "workflow.yml")
        found = run_act(
            engine,
            consumer,
            consumer / "workflow.yml",
            *(part for action, path in local.items() for part in ("--local-repository", f"{action}={path}")),
            *("--env", f"REGISTRY={registry.address}", "--env", f"LOCKED={registry_auth.address}"),
            *("--env", f"USERNAME={registry_auth.username}", "-s", f"PASSWORD={password}"),
            event=event,
        )
        assert found.exit_code == 0, found.text
        return found

    return run


def stored(registry: RegistryHandle, name: str, tag: str) -> Manifest | Index:
    """What a registry has under a tag."""
    logins = []
    if registry.username:
        login = Credential(
            registry=registry.address, username=registry.username, password=str(registry.password)
        )
        logins.append(login)
    with Registries(Credentials(logins)) as registries:
        return registries.repository(f"{registry.address}/{name}").manifest(tag)[0]


def inside(engine: EngineHandle, image: str, path: str) -> str:
    return output_of(engine, image, "cat", path)


def test_set_up_steps_left_in_place_do_no_harm(
    move: Callable[[str], ActRun], registry_auth: RegistryHandle
) -> None:
    run = move("path-context")
    assert "input builder is ignored" in run.lines
    assert stored(registry_auth, "moved/path-context", "latest").digest == run.outputs("image")["digest"]


def test_secrets_of_the_workflow(move: Callable[[str], ActRun], engine: EngineHandle) -> None:
    move("secrets")
    assert inside(engine, "moved/secrets", "/made") == "secrets are there\n"


def test_a_push_to_several_registries(
    move: Callable[[str], ActRun], registry: RegistryHandle, registry_auth: RegistryHandle
) -> None:
    run = move("several-registries")
    digests = {stored(where, "moved/several", "1.0").digest for where in (registry, registry_auth)}
    assert digests == {run.outputs("image")["digest"]}
    assert str(registry_auth.password) not in run.lines


def test_a_pull_request_of_a_fork_builds_without_the_login(
    move: Callable[..., ActRun], registry_auth: RegistryHandle
) -> None:
    run = move("pull-requests")
    assert stored(registry_auth, "moved/pull-requests", "main").digest == run.outputs("image")["digest"]
    run = move("pull-requests", "pull_request", "")
    assert run.outputs("image")["digest"] == ""
    assert run.outputs("image")["imageid"]
    assert "input password: it is missing, but username is given, so there is no login" in run.lines


def test_tags_and_labels_of_a_step_before(move: Callable[[str], ActRun], registry: RegistryHandle) -> None:
    run = move("tags-and-labels")
    digest = run.outputs("image")["digest"]
    assert {stored(registry, "moved/tags", tag).digest for tag in ("main", "latest")} == {digest}
    assert "org.opencontainers.image.title=web" in run.outputs("image")["labels"]


def test_a_cache_in_a_registry(move: Callable[[str], ActRun], registry: RegistryHandle) -> None:
    move("registry-cache")
    with Registries(Credentials()) as registries:
        tags = registries.repository(f"{registry.address}/moved/cache").tags()
    assert [tag for tag in tags if tag.startswith("buildcache-")]


def test_a_cache_in_a_folder(move: Callable[[str], ActRun], registry: RegistryHandle) -> None:
    run = move("local-cache")
    first, again = run.outputs("first"), run.outputs("again")
    digest = first["digest"]
    assert digest == again["digest"] == stored(registry, "moved/local-cache", "latest").digest
    assert not list(run.commands("warning"))


def test_a_cache_in_the_image(move: Callable[[str], ActRun], registry: RegistryHandle) -> None:
    run = move("inline-cache")
    first, again = run.outputs("first"), run.outputs("again")
    digest = first["digest"]
    assert digest == again["digest"] == stored(registry, "moved/inline-cache", "latest").digest
    assert not list(run.commands("warning"))


def test_caches_of_other_types(move: Callable[[str], ActRun], registry: RegistryHandle) -> None:
    run = move("other-caches")
    assert stored(registry, "moved/other-caches", "latest").digest == run.outputs("image")["digest"]
    warned = " ".join(found["arg"] for found in run.commands("warning"))
    assert [kind for kind in ("gha", "s3") if f"of type {kind} is not supported" in warned] == ["gha", "s3"]


def test_a_test_before_the_push(
    move: Callable[[str], ActRun], engine: EngineHandle, registry: RegistryHandle
) -> None:
    run = move("test-before-push")
    assert inside(engine, "moved/test:check", "/www/page.html") == "<p>a page</p>\n"
    assert f"<tested={run.outputs('tested')['imageid']}>" in run.lines
    assert run.outputs("image")["cached-layers"] == "2", "what was tested is what is pushed"
    assert stored(registry, "moved/test", "latest").digest == run.outputs("image")["digest"]


def test_a_check_of_the_dockerfile(move: Callable[[str], ActRun]) -> None:
    run = move("validate")
    assert "<outcome=failure>" in run.lines
    [warning] = [found for found in run.commands("warning") if "file" in found.get("kvPairs", {})]
    assert (warning["kvPairs"]["file"], warning["kvPairs"]["line"]) == ("faulty.Dockerfile", "2")
    assert "WorkdirRelativePath" in run.outputs("image")["call"]


def test_two_builds_with_one_digest(move: Callable[[str], ActRun]) -> None:
    run = move("reproducible")
    assert run.outputs("first")["digest"] == run.outputs("image")["digest"] != ""


def test_named_contexts(move: Callable[[str], ActRun], engine: EngineHandle) -> None:
    move("named-contexts")
    assert inside(engine, "moved/named", "/page.html") == "<p>a page</p>\n"


def test_a_copy_to_another_registry(
    move: Callable[[str], ActRun], registry: RegistryHandle, registry_auth: RegistryHandle
) -> None:
    run = move("copy-between-registries")
    index = stored(registry_auth, "moved/copied", "latest")
    assert isinstance(index, Index)
    assert index.digest == run.outputs("image")["digest"]
    assert [entry.digest for entry in index.manifests] == [stored(registry, "moved/copied", "latest").digest]


def test_a_stage_without_a_cache(move: Callable[[str], ActRun]) -> None:
    run = move("no-cache-filters")
    assert int(run.outputs("image")["cached-layers"]) == 1


def test_names_of_hosts(move: Callable[[str], ActRun], engine: EngineHandle) -> None:
    move("add-hosts")
    assert inside(engine, "moved/hosts", "/made") == "found\n"


def test_every_workflow_is_run_and_in_the_table() -> None:
    names = {path.stem for path in MOVED.glob("*.yml")}
    source = Path(__file__).read_text(encoding="utf-8")
    page = (ROOT / "docs/reference/build-push-action.md").read_text(encoding="utf-8")
    for name in names:
        assert f'move("{name}")' in source
        assert f"`{name}.yml`" in page
        steps = yaml.safe_load((MOVED / f"{name}.yml").read_text())["jobs"]["docker"]["steps"]
        assert any(step.get("uses") == "org/incubator@v1" for step in steps)
