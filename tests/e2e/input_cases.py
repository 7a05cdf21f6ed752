"""What each input of a pipeline step does, shown on a real engine: one function an input, of its name.

A case is run twice, without the input and with it. `shows` tells whether the effect is there: not without, but with.
So no case can say that it is about an input and be about something else. `{once}` in a Dockerfile is another word for
each case, `{run}` for each run: what holds it is not taken from what an earlier build left.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incubator.core.constants import LABEL_BUILD
from incubator.oci.manifest import Index
from incubator.registry.credentials import Credentials
from incubator.registry.repository import Registries
from tests.e2e.checkout import commit_all
from tests.e2e.engine import docker
from tests.e2e.step import make_step
from tests.engine.web import serve
from tests.unit.ci.test_outputs import read_github_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.oci.manifest import Manifest
    from lab import EngineHandle, RegistryHandle

FROM = "FROM busybox\n"


@dataclass(slots=True, kw_only=True)
class World:
    """Where a case runs. `name` is an image name of its own; `stack` ends what a case begins."""

    engine: EngineHandle
    registry: RegistryHandle
    registry_auth: RegistryHandle
    folder: Path
    stack: ExitStack
    name: str
    runs: int = 0

    @property
    def remote(self) -> str:
        """The name in the open registry."""
        return f"{self.registry.address}/{self.name}"

    @property
    def locked(self) -> str:
        """The name in the registry that wants a login."""
        return f"{self.registry_auth.address}/{self.name}"

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run the docker client."""
        return docker(self.engine, *arguments, check=check)

    def run(self, case: Case, inputs: Mapping[str, str]) -> Outcome:
        """One step with these inputs."""
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        folder.mkdir()
        dockerfile = case.dockerfile.replace("{once}", self.name).replace("{run}", secrets.token_hex(8))
        step = make_step(folder, self.engine, dockerfile)
        for name, text in case.files.items():
            path = step.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        environ = step.environ | dict(case.environ) | {"RUNNER_DEBUG": "1"}
        environ |= {f"INPUT_{name.upper()}": text for name, text in inputs.items()}
        command = [*step.command]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)
        return Outcome(
            world=self,
            code=done.returncode,
            log=done.stdout + done.stderr,
            written=step.output,
            workspace=step.workspace,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run."""

    world: World
    code: int
    log: str
    written: str
    workspace: Path

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Outputs of the step; none where it failed."""
        return read_github_file(self.written) if self.written else {}

    @cached_property
    def image(self) -> dict[str, Any]:
        """The config of the image that the step's id names."""
        found = json.loads(self.world.docker("image", "inspect", self.outputs["imageid"]))
        config: dict[str, Any] = found[0]
        return config

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the image; none where the step failed."""
        return self.image["Config"]["Labels"] or {} if self.code == 0 else {}

    @cached_property
    def host_config(self) -> dict[str, Any]:
        """What the engine was told of a build's container; the case has to keep it by its configuration."""
        [build] = set(re.findall(r'"build_id": "([0-9a-f]+)"', self.log))
        label = f"label={LABEL_BUILD}={build}"
        containers = self.world.docker("ps", "--all", "--quiet", "--filter", label).split()
        self.world.stack.callback(self.world.docker, "rm", "--force", "--volumes", *containers)
        config: dict[str, Any] = json.loads(self.world.docker("inspect", *containers))[0]["HostConfig"]
        return config

    def printed(self, line: str) -> bool:
        """Whether a build step printed this line."""
        return any(found.strip() == line for found in self.log.splitlines())

    def has(self, reference: str) -> bool:
        """Whether the engine has a reference."""
        return bool(self.world.docker("image", "ls", "--quiet", reference).strip())


@dataclass(frozen=True, kw_only=True)
class Case:
    """How an input is shown: its `value`, all else that both runs have, and what is to be seen."""

    value: str
    shows: Callable[[Outcome], object]
    dockerfile: str = FROM
    files: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    earlier: Mapping[str, str] | None = None
    """Inputs of a build before the two."""
    after_earlier: Callable[[Outcome], None] = lambda _: None
    before_second: Callable[[], None] = lambda: None


def limit(value: str, key: str, expected: object, others: Mapping[str, str] | None = None) -> Case:
    """An input that the engine is told with each container."""
    return Case(
        value=value,
        dockerfile=f"{FROM}RUN : {{run}}\n",
        files={".incubator": "rm: false\n"},
        others=others or {},
        shows=lambda outcome: outcome.host_config[key] == expected,
    )


def label_case(value: str, dockerfile: str, **options: Any) -> Case:
    """An input that leads to the label `shown=yes`."""
    return Case(
        value=value,
        dockerfile=dockerfile,
        shows=lambda outcome: outcome.labels.get("shown") == "yes",
        **options,
    )


def context(_: World) -> Case:
    return label_case("sub", FROM, files={"sub/Dockerfile": f"{FROM}LABEL shown=yes\n"})


def file(_: World) -> Case:
    return label_case("docker/other", FROM, files={"docker/other": f"{FROM}LABEL shown=yes\n"})


def target(_: World) -> Case:
    return label_case("one", f"FROM busybox AS one\nLABEL shown=yes\n{FROM}")


def build_args(_: World) -> Case:
    return label_case("A=yes\nB=a,b", f"{FROM}ARG A=no\nLABEL shown=$A\n")


def build_contexts(_: World) -> Case:
    return Case(
        value="extra={{defaultContext}}:libs",
        dockerfile=f"FROM scratch AS extra\nCOPY no /said\n{FROM}COPY --from=extra said /\nRUN cat /said # {{run}}\n",
        files={"no": "from the stage\n", "libs/said": "from the context\n"},
        shows=lambda outcome: outcome.printed("from the context"),
    )


def secret_case(value: str, **options: Any) -> Case:
    check = "test -e /run/secrets/token && echo has it; wc -c < /run/secrets/token || true"
    return Case(
        value=value,
        dockerfile=f"{FROM}RUN --mount=type=secret,id=token : {{run}}; {check}\n",
        shows=lambda outcome: outcome.printed("has it") and outcome.printed("12"),
        **options,
    )


def secrets_(_: World) -> Case:
    return secret_case("token=twelve bytes")


def secret_envs(_: World) -> Case:
    return secret_case("token=HELD", environ={"HELD": "twelve bytes"})


def secret_files(_: World) -> Case:
    return secret_case("token=held", files={"held": "twelve bytes"})


def ssh(world: World) -> Case:
    path = world.folder / "a"
    listening = world.stack.enter_context(socket.socket(socket.AF_UNIX))
    listening.bind(str(path))
    return Case(
        value=f"default={path}",
        dockerfile=f'{FROM}RUN --mount=type=ssh : {{run}}; test -S "$SSH_AUTH_SOCK" && echo has it || true\n',
        shows=lambda outcome: outcome.printed("has it"),
    )


def github_token(world: World) -> Case:
    repository = world.folder / "web"
    repository.mkdir()
    (repository / "Dockerfile").write_text(FROM)
    commit_all(repository)
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", str(repository), str(world.folder / "web.git")], check=True
    )
    address, log = world.stack.enter_context(serve(world.folder))
    told = "basic " + base64.b64encode(b"x-access-token:a-token").decode()
    return Case(
        value="a-token",
        others={"context": f"{address}/web.git"},
        environ={"GITHUB_SERVER_URL": address},
        shows=lambda outcome: (
            outcome.code == 0 and any((sent or "").lower() == told.lower() for _, sent in log)
        ),
    )


def allow(_: World) -> Case:
    return Case(
        value="network.host",
        dockerfile=f"{FROM}RUN --network=host : {{run}}\n",
        shows=lambda outcome: outcome.code == 0,
    )


def labels(_: World) -> Case:
    return label_case("shown=yes\nother=a, b", FROM)


def pushed(world: World, tag: str) -> Manifest | Index:
    """What the open registry has under a tag."""
    with Registries(Credentials()) as registries:
        return registries.repository(world.remote).manifest(tag)[0]


def annotations_(world: World) -> Case:
    return Case(
        value="manifest:shown=yes",
        others={"tags": world.remote, "push": "true"},
        shows=lambda _: b'"shown":"yes"' in pushed(world, "latest").to_bytes().replace(b": ", b":"),
    )


def attested(world: World, value: str, kind: str, **options: Any) -> Case:
    """An input because of which the tag names an index, with a statement of `kind` beside the image."""

    def shows(_: Outcome) -> bool:
        found = pushed(world, "latest")
        if not isinstance(found, Index):
            return False
        with Registries(Credentials()) as registries:
            repository = registries.repository(world.remote)
            beside = [repository.manifest(entry.digest)[0].to_bytes() for entry in found.manifests]
        return any(kind.encode() in text for text in beside)

    return Case(value=value, others={"tags": world.remote, "push": "true"}, shows=shows, **options)


SPDX = {"sbom.json": '{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "web"}'}


def provenance(world: World) -> Case:
    return attested(world, "mode=max", "slsa.dev/provenance")


def sbom(world: World) -> Case:
    return attested(world, "sbom.json", "spdx.dev/Document", files=SPDX)


def attests(world: World) -> Case:
    return attested(world, f"type=sbom,generator={generator_of(world)}", "spdx.dev/Document")


def generator_of(world: World) -> str:
    """An image on the engine that writes a list of packages as generators do."""
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://spdx.dev/Document",
        "predicate": json.loads(SPDX["sbom.json"]),
    }
    script = f"echo '{json.dumps(statement)}' > $BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
    container = world.docker("create", "busybox", "sh", "-c", script).strip()
    try:
        image = f"{world.name}-generator:1"
        world.docker("commit", container, image)
    finally:
        world.docker("rm", container)
    return image


def tags(world: World) -> Case:
    name = f"{world.name}:given"
    return Case(value=name, others={"tags": ""}, shows=lambda outcome: outcome.has(name))


def images(world: World) -> Case:
    return Case(
        value=f"{world.name}/one\n{world.name}/two",
        others={"tags": "1.0"},
        shows=lambda outcome: (
            outcome.outputs.get("tags", "").split() == [f"{world.name}/one:1.0", f"{world.name}/two:1.0"]
        ),
    )


def flavor(world: World) -> Case:
    return Case(
        value="suffix=-alpine",
        others={"images": world.name, "tags": "type=raw,value=1.0"},
        shows=lambda outcome: outcome.outputs["tag-names"] == "1.0-alpine",
    )


def push(world: World) -> Case:
    return Case(
        value="true",
        others={"tags": world.remote},
        shows=lambda outcome: outcome.outputs["digest"].startswith("sha256:"),
    )


def push_by_digest(world: World) -> Case:
    return Case(
        value="true",
        others={"tags": world.remote, "push": "true"},
        shows=lambda outcome: outcome.outputs["digest"] and not outcome.outputs["tags"],
    )


def merge(world: World) -> Case:
    return Case(
        value=f"{world.remote}:one",
        others={"tags": f"{world.remote}:joined"},
        earlier={"tags": f"{world.remote}:one", "push": "true"},
        shows=lambda outcome: outcome.outputs["layers"] == "0" and outcome.outputs["digest"],
    )


def load(world: World) -> Case:
    return Case(
        value="true",
        others={"tags": world.remote, "push": "true"},
        shows=lambda outcome: outcome.has(world.remote),
    )


def pull(world: World) -> Case:
    base = f"{world.remote}-base:1"

    def replace_local(_: Outcome) -> None:
        world.docker("tag", "busybox", base)

    return Case(
        value="true",
        dockerfile=f"ARG BASE={base}\nFROM $BASE\n",
        earlier={"tags": base, "push": "true", "labels": "newer=yes", "build-args": "BASE=busybox"},
        after_earlier=replace_local,
        shows=lambda outcome: outcome.labels.get("newer") == "yes",
    )


def cached(value: str, others: Mapping[str, str] | None = None, **options: Any) -> Case:
    """An input because of which a layer is made that an earlier build left."""
    return Case(
        value=value,
        dockerfile=f"{FROM}RUN echo {{once}} > /file\n",
        earlier={},
        others=others or {},
        shows=lambda outcome: outcome.outputs["cached-layers"] == "0",
        **options,
    )


def no_cache(_: World) -> Case:
    return cached("true")


def no_cache_filters(_: World) -> Case:
    return cached("0")


def cache_to(world: World) -> Case:
    def kept(outcome: Outcome) -> bool:
        with Registries(Credentials()) as registries:
            found = registries.repository(world.remote).tags()
        return outcome.code == 0 and any(tag.startswith("cache-") for tag in found)

    return Case(
        value=f"type=registry,ref={world.remote}:cache,mode=max",
        dockerfile=f"{FROM}RUN echo {{once}} > /file\n",
        shows=kept,
    )


def outputs(_: World) -> Case:
    def shown(outcome: Outcome) -> bool:
        file, workspace = outcome.workspace / "dist/said", outcome.workspace.stat()
        return file.exists() and (file.stat().st_uid, file.stat().st_gid) == (
            workspace.st_uid,
            workspace.st_gid,
        )

    return Case(
        value="type=local,dest=dist",
        dockerfile="FROM scratch\nCOPY said /\n",
        files={"said": "{once}"},
        shows=shown,
    )


def cache_from(world: World) -> Case:
    return Case(
        value=f"type=registry,ref={world.remote}:cache",
        dockerfile=f"{FROM}RUN echo {{once}} > /file\n",
        earlier={"cache-to": f"type=registry,ref={world.remote}:cache"},
        after_earlier=lambda outcome: forget(world, outcome),
        before_second=lambda: forget(world, None),
        shows=lambda outcome: outcome.outputs.get("cached-layers") == "1",
    )


def forget(world: World, outcome: Outcome | None) -> None:
    """Let the engine forget the layer of the case, and nothing of anybody else."""
    reference = outcome.outputs["imageid"] if outcome else world.name
    wanted = json.loads(world.docker("image", "inspect", reference))[0]["RootFS"]["Layers"][-1]
    kept = world.docker("image", "ls", "--quiet", "--no-trunc", "incubator-cache").split()
    for image in json.loads(world.docker("image", "inspect", *set(kept), check=False)):
        if wanted in (image["RootFS"].get("Layers") or []):
            own = [tag for tag in image["RepoTags"] if tag.startswith("incubator-cache:")]
            world.docker("image", "rm", "--no-prune", *own, check=False)


def platforms(_: World) -> Case:
    return Case(
        value="linux/arm64",
        dockerfile="FROM scratch\nCOPY Dockerfile /\n",
        shows=lambda outcome: outcome.outputs["platform"] == "linux/arm64",
    )


def nodes(world: World) -> Case:
    return Case(
        value=f"linux/arm64={world.engine.host}",
        others={"platforms": "linux/arm64"},
        environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"},
        dockerfile="FROM scratch\nCOPY Dockerfile /\n",
        shows=lambda outcome: outcome.outputs.get("platform") == "linux/arm64",
    )


def layers(_: World) -> Case:
    return Case(
        value="0",
        dockerfile=f"{FROM}RUN echo {{run}} > /one\nRUN echo > /two\n",
        shows=lambda outcome: outcome.outputs["layers"] == "2",
    )


def squash(_: World) -> Case:
    return Case(
        value="true",
        dockerfile=f"{FROM}RUN echo {{run}} > /one\nRUN echo > /two\n",
        shows=lambda outcome: outcome.outputs["layers"] == "2",
    )


def volumes(_: World) -> Case:
    return Case(
        value="./cache:/cache:ro",
        dockerfile=f"{FROM}RUN : {{run}}; cat /cache/file || true\n",
        files={"cache/file": "mounted\n"},
        shows=lambda outcome: outcome.printed("mounted"),
    )


def network(_: World) -> Case:
    return limit("none", "NetworkMode", "none")


def add_hosts(_: World) -> Case:
    return Case(
        value="db.example=10.9.8.7",
        dockerfile=f"{FROM}RUN : {{run}}; cat /etc/hosts\n",
        shows=lambda outcome: re.search(r"10\.9\.8\.7\s+db\.example", outcome.log),
    )


def memory(_: World) -> Case:
    return limit("64m", "Memory", 64 << 20)


def memory_swap(_: World) -> Case:
    return limit("96m", "MemorySwap", 96 << 20, {"memory": "64m"})


def cpu_shares(_: World) -> Case:
    return limit("512", "CpuShares", 512)


def cpu_period(_: World) -> Case:
    return limit("50000", "CpuPeriod", 50_000, {"cpu-quota": "25000"})


def cpu_quota(_: World) -> Case:
    return limit("50000", "CpuQuota", 50_000)


def cpuset_cpus(_: World) -> Case:
    return limit("0", "CpusetCpus", "0")


def cpuset_mems(_: World) -> Case:
    return limit("0", "CpusetMems", "0")


def shm_size(_: World) -> Case:
    return limit("32m", "ShmSize", 32 << 20)


def ulimit(_: World) -> Case:
    return limit("nofile=123:456", "Ulimits", [{"Name": "nofile", "Hard": 456, "Soft": 123}])


def cgroup_parent(_: World) -> Case:
    return limit("/incubator-e2e", "CgroupParent", "/incubator-e2e")


def security_opt(_: World) -> Case:
    return limit("no-new-privileges", "SecurityOpt", ["no-new-privileges"])


def max_parallelism(_: World) -> Case:
    """Two stages wait for each other; where one runs after the other, the first waits in vain."""

    def stage(own: str, other: str) -> str:
        wait = f"for i in $(seq 12); do test -e /meet/{other} && exit; sleep 1; done; echo alone"
        return f"FROM busybox AS {own}\nRUN : {{run}}; echo > /meet/{own}; {wait}\n"

    return Case(
        value="1",
        dockerfile=f"{stage('a', 'b')}{stage('b', 'a')}FROM scratch\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n",
        files={"meet/.keep": ""},
        others={"volumes": "./meet:/meet:rw"},
        shows=lambda outcome: outcome.printed("alone"),
    )


def timeout(_: World) -> Case:
    return Case(
        value="1s",
        dockerfile=f"{FROM}RUN : {{run}}; sleep 3\n",
        shows=lambda outcome: outcome.code == 1 and "took longer than its timeout" in outcome.log,
    )


def keep_failed(world: World) -> Case:
    def kept(outcome: Outcome) -> bool:
        found = re.search(r"incubator-failed:[0-9a-f]+", outcome.log)
        if found:
            world.stack.callback(world.docker, "image", "rm", found[0])
        return found is not None and outcome.has(found[0])

    return Case(value="true", dockerfile=f"{FROM}RUN : {{run}}; false\n", shows=kept)


def config(_: World) -> Case:
    return label_case("ci/build.yml", FROM, files={"ci/build.yml": "labels: {shown: 'yes'}\n"})


def report(_: World) -> Case:
    return Case(
        value="reports/image.html", shows=lambda outcome: (outcome.workspace / "reports/image.html").is_file()
    )


def call(_: World) -> Case:
    return Case(
        value="targets",
        dockerfile="FROM busybox AS one\n",
        shows=lambda outcome: '"name": "one"' in outcome.outputs["call"],
    )


def login(world: World, name: str) -> Case:
    values = {
        "registry": world.registry_auth.address,
        "username": str(world.registry_auth.username),
        "password": str(world.registry_auth.password),
    }
    value = values.pop(name)
    return Case(
        value=value,
        others={"tags": world.locked, "push": "true", **values},
        shows=lambda outcome: outcome.outputs.get("digest"),
    )


def registry(world: World) -> Case:
    return login(world, "registry")


def username(world: World) -> Case:
    return login(world, "username")


def password(world: World) -> Case:
    return login(world, "password")


def registry_auth(world: World) -> Case:
    entries = [
        {"registry": "registry.invalid", "username": "nobody", "password": "nothing"},
        {
            "registry": world.registry_auth.address,
            "username": world.registry_auth.username,
            "password": world.registry_auth.password,
        },
    ]
    return Case(
        value=json.dumps(entries[1:]),
        others={"tags": world.locked, "push": "true"},
        shows=lambda outcome: outcome.outputs.get("digest"),
    )


def find_case(name: str) -> Callable[[World], Case] | None:
    """The function of an input, by its name; with `_` behind it where something imported has that name."""
    own = name.replace("-", "_")
    found: Callable[[World], Case] | None = globals().get(f"{own}_") or globals().get(own)
    return found if found and getattr(found, "__module__", "") == __name__ else None
