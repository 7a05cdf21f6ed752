"""The release: the image that jobs run in is built by itself, and the prebuilt action runs in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from incubator.oci.manifest import Manifest
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from tests.conftest import need
from tests.e2e.act import RUNNER_IMAGE, run_act
from tests.e2e.checkout import ROOT, commit_all
from tests.e2e.engine import docker

if TYPE_CHECKING:
    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02"
RELEASE = ROOT / ".github/workflows/release.yml"


def test_the_release_builds_and_pushes_the_image_by_itself(
    engine: EngineHandle, registry_auth: RegistryHandle, checkout: Path
) -> None:
    """The job of one platform. Merging needs artifacts of the other, which has no base image here."""
    need("act")
    run = run_act(
        engine,
        checkout,
        RELEASE,
        *("--job", "build", "--matrix", "arch:amd64", "--input", "version=7.8.9"),
        *("--var", f"RELEASE_REGISTRY={registry_auth.address}", "--var", "RELEASE_REPOSITORY=acme/release"),
        *("--actor", str(registry_auth.username), "-s", f"GITHUB_TOKEN={registry_auth.password}"),
        *("-P", f"ubuntu-24.04={RUNNER_IMAGE}"),
        *("--local-repository", f"{UPLOAD}={Path(__file__).parent / 'standins/upload-artifact'}"),
        event="workflow_dispatch",
    )
    assert run.exit_code == 0, run.text
    outputs = run.outputs("image")
    assert outputs["version"] == "7.8.9"
    assert outputs["digest"].removeprefix("sha256:") in run.lines, "the digest is kept for the merge"
    login = Credential(
        registry=registry_auth.address,
        username=str(registry_auth.username),
        password=str(registry_auth.password),
    )
    with Registries(Credentials([login])) as registries:
        repository = registries.repository(f"{registry_auth.address}/acme/release")
        manifest, _ = repository.manifest(outputs["digest"])
        assert "7.8.9" not in repository.tags(), "tags come with the merge"
    assert isinstance(manifest, Manifest)


def test_the_prebuilt_action_is_pinned_by_a_release_and_builds(
    engine: EngineHandle, registry: RegistryHandle, checkout: Path, project_image: str
) -> None:
    """As the release does it: the image is in a registry, `generate.py --image` pins it, and a workflow uses that."""
    need("act")
    name = f"{registry.address}/acme/prebuilt"
    docker(engine, "tag", project_image, f"{name}:1.2.3")
    docker(engine, "push", "--quiet", f"{name}:1.2.3")
    with Registries(Credentials()) as registries:
        found = registries.repository(name).resolve("1.2.3")
    assert found
    pinned = f"{name}:1.2.3@{found.digest}"
    generate = [sys.executable, "scripts/generate.py", "--image", pinned]
    subprocess.run(generate, cwd=checkout, check=True, capture_output=True)
    action = yaml.safe_load((checkout / "prebuilt/action.yml").read_text())
    assert action["runs"] == {"using": "docker", "image": f"docker://{pinned}"}
    component = next(yaml.safe_load_all((checkout / "templates/build.yml").read_text()))
    assert component["spec"]["inputs"]["image"]["default"] == pinned

    workflow = yaml.safe_load((Path(__file__).with_name("workflows") / "prebuilt.yml").read_text())
    assert workflow["jobs"]["build"]["steps"][1]["uses"] == "./prebuilt"
    docker(engine, "pull", "--quiet", pinned.replace(":1.2.3@", "@"))
    commit_all(checkout)
    run = run_act(engine, checkout, Path(__file__).with_name("workflows") / "prebuilt.yml")
    assert run.exit_code == 0, run.text
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", run.outputs("image")["imageid"])
    assert "act-dockeraction" not in run.text, "no image is built for the action"
    docker(engine, "image", "rm", "--no-prune", "acme/prebuilt-result", f"{name}:1.2.3")
