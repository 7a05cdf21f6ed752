"""Several platforms through the front doors: in one step, and in jobs of their own as the documentation has them."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft202012Validator

from incubator.oci.manifest import Index
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from incubator.schema import load_schema
from tests.conftest import need
from tests.e2e.act import RUNNER_IMAGE, run_act
from tests.e2e.checkout import ROOT, commit_all, git
from tests.e2e.engine import nothing_left
from tests.e2e.gitlab import run_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
DOCUMENTATION = ROOT / "docs/how-to/platforms.md"
BOTH = ["linux/386", "linux/amd64"]


@pytest.fixture(autouse=True)
def clean(engine: EngineHandle) -> Iterator[None]:
    with nothing_left(engine):
        yield


def example(heading: str) -> str:
    """The first example below a heading of the documentation."""
    text = DOCUMENTATION.read_text().partition(f"\n{heading}\n")[2]
    found = re.search(r"(?m)^    .*\n(?:    .*\n|\n(?=    ))*", text)
    assert found
    return textwrap.dedent(found[0])


def platforms_of(name: str, tag: str, handle: RegistryHandle) -> list[str]:
    """The platforms of an index; all that it names is there."""
    login = Credential(registry=handle.address, username=str(handle.username), password=str(handle.password))
    with Registries(Credentials([login] if handle.username else [])) as registries:
        repository = registries.repository(name)
        index, _ = repository.manifest(tag)
        assert isinstance(index, Index)
        for entry in index.manifests:
            manifest, _ = repository.manifest(entry.digest)
            assert not isinstance(manifest, Index)
            assert all(repository.has_blob(blob.digest) for blob in (manifest.config, *manifest.layers))
        return [str(entry.platform) for entry in index.manifests]


def test_one_step_of_a_workflow(engine: EngineHandle, registry: RegistryHandle, checkout: Path) -> None:
    need("act")
    # The engine under another address: a node of its own.
    options = (
        "--env",
        f"REGISTRY={registry.address}",
        "--env",
        "NODES=linux/386=unix:///var/run/docker.sock",
    )
    run = run_act(engine, checkout, HERE / "workflows/platforms.yml", *options)
    assert run.exit_code == 0, run.text
    name = f"{registry.address}/acme/platforms"
    outputs = run.outputs("image")
    assert outputs["digest"] == outputs["imageid"]
    assert outputs["image"] == f"{name}@{outputs['digest']}"
    assert outputs["platform"] == "linux/amd64,linux/386"
    assert outputs["tags"] == f"{name}:1\n{name}:latest"
    assert sorted(json.loads(outputs["metadata"])["incubator.platforms"]) == BOTH
    Draft202012Validator(load_schema("outputs")).validate(json.loads(outputs["json"]))
    assert platforms_of(name, "1", registry) == platforms_of(name, outputs["digest"], registry) == BOTH
    for platform in BOTH:
        assert f"[{platform} build 2/2] RUN echo" in run.text
    (summary,) = (record["content"] for record in run.commands("summary"))
    assert re.findall(r"(?m)^#### (.*)$", summary) == ["linux/386", "linux/amd64"]


def test_one_job_of_a_pipeline(
    engine: EngineHandle, registry: RegistryHandle, checkout: Path, project_image: str
) -> None:
    need("gitlab-ci-local")
    assert project_image
    run = run_pipeline(engine, checkout, HERE / "pipelines/platforms.yml", {"REGISTRY": registry.address})
    assert run.exit_code == 0, run.text
    outputs = json.loads(run.artifact("build-both", "incubator.json").read_text())
    Draft202012Validator(load_schema("outputs")).validate(outputs)
    assert outputs["platform"] == "linux/amd64,linux/386"
    dotenv = run.dotenv("build-both")
    assert dotenv
    assert f"IMAGE_DIGEST={outputs['digest']}" in dotenv.read_text().splitlines()
    assert platforms_of(f"{registry.address}/acme/gitlab-platforms", outputs["digest"], registry) == BOTH


UPLOAD = """\
name: upload
inputs: {name: {required: true}, path: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: |
        mkdir -p "$RUNNER_TOOL_CACHE/artifacts/${{ github.run_id }}-$GITHUB_SHA/${{ inputs.name }}"
        cp -r ${{ inputs.path }}/. "$RUNNER_TOOL_CACHE/artifacts/${{ github.run_id }}-$GITHUB_SHA/${{ inputs.name }}/"
"""
DOWNLOAD = """\
name: download
inputs: {pattern: {required: true}, path: {required: true}, merge-multiple: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      run: |
        mkdir -p ${{ inputs.path }}
        for folder in "$RUNNER_TOOL_CACHE/artifacts/${{ github.run_id }}-$GITHUB_SHA/"${{ inputs.pattern }}; do
          cp -r "$folder/." ${{ inputs.path }}/
        done
        rm -r "$RUNNER_TOOL_CACHE/artifacts/${{ github.run_id }}-$GITHUB_SHA"
"""


def test_the_documented_matrix_of_jobs(
    engine: EngineHandle, registry_auth: RegistryHandle, checkout: Path, tmp_path: Path
) -> None:
    """The actions for artifacts are stand-ins that use a folder which act's jobs share; all else is as written."""
    need("act")
    consumer = tmp_path / "consumer"
    shutil.copytree(HERE / "platforms", consumer)
    workflow = example("### On GitHub").replace("ghcr.io", registry_auth.address)
    (consumer / "workflow.yml").write_text(f"name: documented\non: push\n{workflow}")
    commit_all(consumer)
    git(consumer, "remote", "add", "origin", "https://github.example.test/acme/web.git")
    options = ["--local-repository", f"org/incubator@v1={checkout}"]
    for action, content in (("upload", UPLOAD), ("download", DOWNLOAD)):
        folder = tmp_path / action
        folder.mkdir()
        (folder / "action.yml").write_text(content)
        options += ["--local-repository", f"actions/{action}-artifact@v4={folder}"]
    for job in yaml.safe_load(workflow)["jobs"]["build"]["strategy"]["matrix"]["include"]:
        options += ["-P", f"{job['runner']}={RUNNER_IMAGE}"]
    event = {"ref": "refs/tags/v1.2.3", "repository": {"name": "web", "default_branch": "main"}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    options += ["--eventpath", str(tmp_path / "event.json"), "--actor", str(registry_auth.username)]
    run = run_act(
        engine, consumer, consumer / "workflow.yml", *options, "-s", f"GITHUB_TOKEN={registry_auth.password}"
    )
    assert run.exit_code == 0, run.text
    found = platforms_of(f"{registry_auth.address}/acme/web", "1.2.3", registry_auth)
    assert found == ["linux/amd64", "linux/arm64"]


def test_the_documented_jobs_of_a_pipeline(
    engine: EngineHandle, registry_auth: RegistryHandle, checkout: Path, project_image: str
) -> None:
    """The jobs run with the image of this checkout, in its folder with the Dockerfile; all else is as written."""
    need("gitlab-ci-local")
    text = example("### On GitLab")
    for name in ("build", "merge"):
        text = text.replace(f"org/incubator/{name}@1", f"$CI_PROJECT_PATH/{name}@$CI_COMMIT_SHA")
    text = text.replace("    inputs:\n", f"    inputs:\n      image: {project_image}\n")
    text = text.replace("      push: true\n", "      push: true\n      context: tests/e2e/platforms\n")
    pipeline = checkout.parent / "documented.yml"
    pipeline.write_text(text)
    image = f"{registry_auth.address}/acme/documented"
    variables = {
        "CI_REGISTRY": registry_auth.address,
        "CI_REGISTRY_IMAGE": image,
        "CI_REGISTRY_USER": str(registry_auth.username),
        "CI_REGISTRY_PASSWORD": str(registry_auth.password),
    }
    run = run_pipeline(engine, checkout, pipeline, variables)
    assert run.exit_code == 0, run.text
    outputs = json.loads(run.artifact("merge", "incubator.json").read_text())
    assert outputs["tags"] == [f"{image}:main"]
    assert platforms_of(image, "main", registry_auth) == ["linux/amd64", "linux/arm64"]
