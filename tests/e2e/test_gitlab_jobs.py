"""What the GitLab components let a pipeline say about their jobs, and how they reach an engine."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from incubator.oci.manifest import Index
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.e2e.gitlab import run_pipeline
from tests.e2e.step import make_step
from tests.engine.forwarder import forwarded

if TYPE_CHECKING:
    from lab import EngineHandle, RegistryHandle

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("component_jobs")]

PIPELINES = Path(__file__).with_name("pipelines")


def test_jobs_are_built_merged_and_left_out_as_the_inputs_say(
    engine: EngineHandle, registry: RegistryHandle, checkout: Path
) -> None:
    variables = {"REGISTRY": registry.address}
    run = run_pipeline(
        engine, checkout, PIPELINES / "jobs.yml", variables, path=str(Path(sys.executable).parent)
    )
    assert run.exit_code == 0, run.text

    name = f"{registry.address}/acme/gitlab-jobs"
    outputs = json.loads(run.artifact("merge", "incubator.json").read_text())
    assert outputs["platform"] == "linux/amd64,linux/arm64"
    with Registries(Credentials()) as registries:
        index, descriptor = registries.repository(name).manifest("latest")
        assert registries.repository(name).resolve("shell"), "the job in a shell has pushed"
    assert isinstance(index, Index)
    assert re.findall(r"<image=([^>]+)>", run.log("after-merge"))[-1] == f"{name}@{descriptor.digest}"

    # Artifacts can be switched off; jobs are left out by their rules, wait for a hand, or may fail.
    assert run.artifact("build-amd64", "incubator.json").is_file()
    assert not run.artifact("build-arm64", "incubator.json").exists()
    ran = {path.stem for path in (checkout / ".gitlab-ci-local/output").glob("*.log")}
    assert ran == {"build-amd64", "build-arm64", "merge", "may-fail", "in-a-shell", "after-merge"}
    assert "tests/e2e/failing/Dockerfile:5" in run.log("may-fail")


@pytest.mark.parametrize("component", ["build", "merge"])
def test_a_job_with_an_engine_of_its_own_reaches_it_over_tls(
    engine: EngineHandle, checkout: Path, component: str
) -> None:
    """Only what the component makes of its inputs: no image of a `docker:dind` service can be had here."""
    pipeline = checkout.parent / "dind.yml"
    inputs = "{engine: dind, use-runner-tags: true, runner-tags: [privileged], interruptible: true}"
    pipeline.write_text(f"include:\n  - local: /templates/{component}.yml\n    inputs: {inputs}\n")
    run = run_pipeline(engine, checkout, pipeline, {}, "--preview")
    assert run.exit_code == 0, run.text
    [job] = [
        job for name, job in yaml.safe_load(run.stdout).items() if name in {"build-image", "merge-images"}
    ]
    assert [service["alias"] for service in job["services"]] == ["docker"]
    assert job["tags"] == ["privileged"]
    assert job["interruptible"] is True
    assert "needs" not in job
    assert job["variables"]["DOCKER_HOST"] == "tcp://docker:2376"
    assert job["variables"]["DOCKER_CERT_PATH"] == "/certs/client"
    assert "INCUBATOR_TAGS" in job["variables"]


def make_certificates(folder: Path) -> ssl.SSLContext:
    """Certificates of client and server by an authority of their own, as a `docker:dind` service makes them."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *new, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=authority")
    signed = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-addext", "subjectAltName=IP:127.0.0.1"]
    for name, key, certificate in (
        ("server", "server-key.pem", "server.pem"),
        ("client", "key.pem", "cert.pem"),
    ):
        openssl("req", "-x509", *new, *signed, "-keyout", key, "-out", certificate, "-subj", f"/CN={name}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    return context


def test_a_job_builds_with_an_engine_behind_tls(
    engine: EngineHandle, registry: RegistryHandle, tmp_path: Path
) -> None:
    certificates = tmp_path / "certs"
    certificates.mkdir()
    tag = f"{registry.address}/acme/behind-tls"
    dockerfile = f"FROM busybox\nRUN echo {tmp_path.name} > /made\nCOPY Dockerfile /\n"
    step = make_step(tmp_path, engine, dockerfile, tags=tag, push="true")
    with forwarded(str(engine.socket), make_certificates(certificates)) as address:
        environ = {"DOCKER_HOST": address, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
        step.environ.update(environ)
        done = step.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tag}@sha256:" in step.output
