"""What the pages tell users to write, run as it stands there: workflows, pipelines, commands, Python.

Only names are others: registries and repositories are those of the lab, and the released action is this checkout.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import uuid
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import lab
from incubator.oci.manifest import Manifest
from incubator.oci.reference import parse_reference
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from incubator.request import Credential
from lab.ssh import HOST
from tests.conftest import need
from tests.e2e.act import run_act
from tests.e2e.checkout import ROOT, commit_all, copy_project, git
from tests.e2e.engine import docker, nothing_left
from tests.e2e.gitlab import run_pipeline
from tests.engine.forwarder import forwarded
from tests.pages import COMMANDS, PIPELINES, RUN, Snippet, snippets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e

PROJECT = ROOT / "tests/data/pages"
KEYS = ROOT / "tests/data/tls"
TIMEOUT_S = 240
ACTION = "org/incubator@v1"
COMPONENT = "$CI_SERVER_FQDN/org/incubator/build@1"
ELSEWHERE = {"actions/cache@v4", "actions/upload-artifact@v4", "docker/login-action@v3"}
"""Actions that cannot be fetched here: their steps are left out."""
PLACEHOLDERS = ("ghcr.io", "registry.example.com")
FILES = {"dockerfile": "Dockerfile", "gitignore": ".dockerignore"}
"""Blocks that are files of the project, for what follows on the page; a first line `# path` names another one."""
SECRETS = {"NPM_TOKEN": "npm_Jw2mCcWZb8", "DEPLOY_KEY": "key-8zT1mLqX\nof two lines"}


def of(kind_of: str) -> pytest.MarkDecorator:
    more = {"github": PIPELINES, "gitlab": PIPELINES, "sh": COMMANDS}
    found = [
        s
        for page in (*RUN, *more.get(kind_of, ()))
        for s in snippets_of(page)
        if s.is_run and kind(s) == kind_of
    ]
    return pytest.mark.parametrize("snippet", found, ids=[s.id for s in found])


def kind(snippet: Snippet) -> str:
    """What runs it."""
    if snippet.language != "yaml":
        return snippet.language
    document = yaml.safe_load(snippet.text)
    return "gitlab" if isinstance(document, dict) and "include" in document else "github"


def test_every_snippet_is_run_or_says_why_not() -> None:
    kinds = {kind(s) for page in RUN for s in snippets_of(page) if s.is_run}
    assert kinds <= {"github", "gitlab", "sh", "python", *FILES}
    assert kinds >= {"github", "gitlab", "sh"}


# -- surroundings -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project of a reader, an engine, and a registry that wants a login; `word` is in all names of images."""

    engine: EngineHandle
    registry: RegistryHandle
    folder: Path
    word: str

    def here(self, text: str) -> str:
        """The text with names of here in place of the placeholders."""
        for placeholder in PLACEHOLDERS:
            text = text.replace(placeholder, self.registry.address)
        return re.sub(r"\bacme(?=/)", self.word, text)

    @property
    def login(self) -> Credential:
        return Credential(
            registry=self.registry.address,
            username=str(self.registry.username),
            password=str(self.registry.password),
        )

    def digest(self, name: str) -> str:
        """Digest of what the registry has under a name: of one platform it is a manifest, and no index."""
        reference = parse_reference(name)
        with Registries(Credentials([self.login])) as registries:
            document, found = registries.repository(reference).manifest(reference.tag or "latest")
        assert isinstance(document, Manifest)
        return found.digest

    def tells_no_secret(self, log: str) -> None:
        """No value of a secret is in a log."""
        for value in (*SECRETS.values(), self.login.password):
            for line in value.splitlines():
                assert line not in log


@pytest.fixture
def place(
    snippet: Snippet,
    engine: EngineHandle,
    start_engine: Callable[[str], EngineHandle],
    registry_auth: RegistryHandle,
    tmp_path: Path,
) -> Iterator[Place]:
    """The project of the pages, with the files that the page shows above the snippet."""
    if snippet.page.endswith("podman.md"):
        engine = start_engine("podman")
    folder = shutil.copytree(PROJECT, tmp_path / "project")
    for before in snippets_of(snippet.page) if snippet.page in RUN else ():
        if before.line < snippet.line and before.language in FILES and before.is_run:
            named = re.match(r"# (\S*(?:Dockerfile|\.dockerignore))\n", before.text)
            file = folder / (named[1] if named else FILES[before.language])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(before.text)
    place = Place(engine=engine, registry=registry_auth, folder=folder, word=f"acme-{uuid.uuid4().hex[:8]}")
    with nothing_left(engine):
        yield place
    images = docker(engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    for image in images:
        if f"{place.word}/" in image:
            docker(engine, "image", "rm", image)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout, as the released action."""
    return copy_project(tmp_path_factory.mktemp("released"))


# -- pipelines ----------------------------------------------------------------------------------------------


@of("github")
def test_github(snippet: Snippet, place: Place, released: Path) -> None:
    need("act")
    text = place.here(snippet.text)
    text = text.replace("${{ github.actor }}", str(place.registry.username))
    text = re.sub(
        r"\$\{\{ (?:secrets\.GITHUB_TOKEN|github\.token) \}\}", "${{ secrets.REGISTRY_PASSWORD }}", text
    )
    workflow = workflow_of(yaml.safe_load(text))
    (place.folder / "workflow.yml").write_text(yaml.safe_dump(workflow))
    commit_all(place.folder)
    git(place.folder, "remote", "add", "origin", "https://github.example.test/acme/project.git")
    options = ["--local-repository", f"{ACTION}={released}"]
    for name, value in {**SECRETS, "REGISTRY_PASSWORD": place.login.password}.items():
        options += ["-s", f"{name}={value}"]
    run = run_act(place.engine, place.folder, place.folder / "workflow.yml", *options)
    assert run.exit_code == 0, run.text
    outputs: dict[tuple[str, str], dict[str, str]] = {}
    for record in run.commands("set-output"):
        step = outputs.setdefault((record["jobID"] + str(record.get("matrix")), str(record["stepID"])), {})
        step[record["name"]] = record["arg"]
    builds = [found for found in outputs.values() if "imageid" in found]
    assert builds, "no step has built an image"
    pushes = re.search(r"push: (true|\$\{\{)", text) is not None
    assert pushes == any(build["digest"] for build in builds)
    for build in builds:
        assert build["digest"] or not pushes
        for name in build["tags"].split() if build["digest"] else []:
            assert place.digest(name) == build["digest"]
    place.tells_no_secret(run.lines)


def workflow_of(document: dict[Any, Any] | list[Any]) -> dict[Any, Any]:
    """The workflow of a snippet, or that around the steps of one, without what cannot be fetched here."""
    if isinstance(document, list):
        steps = [{"uses": "actions/checkout@v4"}, *document]
        document = {"on": "push", "jobs": {"image": {"runs-on": "ubuntu-latest", "steps": steps}}}
    document["on"] = document.pop(True, None) or document["on"]  # YAML 1.1 takes `on` for a truth value
    for job in document["jobs"].values():
        job["runs-on"] = "ubuntu-latest"
        job["steps"] = [step for step in job["steps"] if step.get("uses") not in ELSEWHERE]
        for step in job["steps"]:
            assert step.get("uses", ACTION) in {ACTION, "actions/checkout@v4"}
    return document


@of("gitlab")
def test_gitlab(snippet: Snippet, place: Place, project_image: str) -> None:
    need("gitlab-ci-local")
    document = yaml.safe_load(place.here(snippet.text))
    for entry in document["include"]:
        assert entry["component"] == COMPONENT
        entry["component"] = "$CI_SERVER_FQDN/$CI_PROJECT_PATH/build@$CI_COMMIT_SHA"
        entry["inputs"]["image"] = project_image
    jobs = {entry["inputs"].get("job-name", "build-image") for entry in document["include"]}
    for name, job in document.items():
        if name not in {"include", "variables", "stages", *jobs}:
            job["image"] = "debian:bookworm-slim"
    pipeline = place.folder.parent / "pipeline.yml"
    pipeline.write_text(yaml.safe_dump(document))
    shutil.copytree(ROOT / "templates", place.folder / "templates")
    commit_all(place.folder)
    nothing = git(place.folder, "hash-object", "-w", "-t", "tree", "/dev/null").strip()
    before = git(place.folder, "commit-tree", "-m", "nothing", nothing).strip()
    git(place.folder, "update-ref", "refs/remotes/origin/main", before)  # what `rules: changes` compares with
    variables = {
        "CI_REGISTRY": place.registry.address,
        "CI_REGISTRY_IMAGE": f"{place.registry.address}/{place.word}/web",
        "CI_REGISTRY_USER": place.login.username,
        "CI_REGISTRY_PASSWORD": place.login.password,
        "REGISTRY_USER": place.login.username,
        "REGISTRY_PASSWORD": place.login.password,
        **SECRETS,
    }
    run = run_pipeline(place.engine, place.folder, pipeline, variables)
    assert run.exit_code == 0, run.text
    for entry in document["include"]:
        job = entry["inputs"].get("job-name", "build-image")
        outputs = json.loads(run.artifact(job, "incubator.json").read_text())
        pushed = bool(entry["inputs"].get("push") or entry["inputs"].get("merge"))
        assert bool(outputs.get("digest")) == pushed
        for name in outputs["tags"] if pushed else []:
            assert place.digest(name) == outputs["digest"]
        place.tells_no_secret(run.log(job))


# -- commands and Python ------------------------------------------------------------------------------------


def surroundings(place: Place) -> dict[str, str]:
    """The environment of a shell in which docker is there and logged in."""
    home = place.folder.parent / "home"
    home.mkdir()
    login = ["login", "--username", place.login.username, "--password-stdin", place.registry.address]
    engine = lab.default_engine()  # Podman's API would want TLS
    docker(engine, *login, input_text=place.login.password, config=home / ".docker")
    programs = f"{Path(sys.executable).parent}:{Path(lab.tool('docker')).parent}"
    return {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), **SECRETS, **place.engine.env}


@of("sh")
def test_commands(snippet: Snippet, place: Place) -> None:
    text = place.here(snippet.text)
    environ = surroundings(place)
    commit_all(place.folder)
    keys = Path(environ["HOME"], "keys")
    keys.mkdir()
    need("ssh")
    with (
        over_tls(place, Path(environ["HOME"], "certificates")) as address,
        lab.ssh_server(keys) if "DOCKER_HOST=ssh" in text else nullcontext() as server,
    ):
        if server:
            environ["PATH"] = f"{server.bin}:{environ['PATH']}"
            text = re.sub(r"DOCKER_HOST=ssh\S+", f"DOCKER_HOST=ssh://{HOST}{place.engine.socket}", text)
        text = re.sub(r"DOCKER_HOST=unix\S+", f"DOCKER_HOST={place.engine.host}", text)
        text = re.sub(r"DOCKER_HOST=tcp\S+", f"DOCKER_HOST={address}", text)
        done = subprocess.run(
            ["bash", "-euc", text],
            cwd=place.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    place.tells_no_secret(done.stdout + done.stderr)
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        tags = [value for option, value in pairwise(words) if option in {"-t", "--tag"} and "$" not in value]
        if words[:2] == ["incubator", "build"] and "--push" in words:
            assert tags
            assert all(place.digest(tag) for tag in tags)


@contextmanager
def over_tls(place: Place, certificates: Path) -> Iterator[str]:
    """The engine's address behind TLS, which wants a certificate; what a client needs is put into the folder."""
    certificates.mkdir()
    for name in ("ca.pem", "cert.pem"):
        shutil.copy(KEYS / "server.crt", certificates / name)
    shutil.copy(KEYS / "server.key", certificates / "key.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=KEYS / "server.crt")
    context.load_cert_chain(KEYS / "server.crt", KEYS / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with forwarded(str(place.engine.socket), tls=context) as address:
        yield address.replace("127.0.0.1", "0.0.0.0")  # as the certificate calls it


@of("python")
def test_python(snippet: Snippet, place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", place.here(snippet.text)],
        cwd=place.folder,
        env=surroundings(place),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
