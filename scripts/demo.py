"""Shows the main job: a pipeline step builds the example, pushes it, and hands on what it made.

Everything is real: an engine (this machine's own, or one that the lab starts), a registry, and the very program that
the GitHub Action runs, in the environment that GitHub gives it. All of it is gone afterwards.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import lab  # noqa: E402
import lab.engines  # noqa: E402
import lab.paths  # noqa: E402
from incubator.core.caching import CACHE_REPOSITORY  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lab import EngineHandle

EXAMPLE = "examples/hello"
VERSION = "1.0.0"
BASE = "python:3.12-slim"
REGISTRY_IMAGE = "registry:2"
REGISTRY_PORT = "5000/tcp"
PATIENCE_S = 30
SHORT = len("sha256:") + 12
NO_ENGINE = """\
no engine answers at DOCKER_HOST or /var/run/docker.sock, and none can be started here: {reason}
hint: start Docker or Podman and let DOCKER_HOST name its socket, or run the demo as root on Debian 12 (x86_64)"""
CHECKOUT_INPUTS = {
    "context": EXAMPLE,
    "build-args": f"VERSION={VERSION}",
    "layers": "auto",
    "push": "true",
}


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a pipeline step left: its exit code, the layers its log tells of (`sha256:` and 12 digits), its outputs."""

    exit_code: int
    layers: frozenset[str]
    outputs: Mapping[str, str]


def main() -> int:
    """Run the demo; the exit code, which is the step's own where that fails."""
    signal.signal(signal.SIGTERM, _terminated)
    begin = time.monotonic()
    try:
        with own_lab(), ExitStack() as tidy:
            try:
                return show(begin, tidy)
            finally:  # what is being cleaned up is cleaned up to the end
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except (DemoError, lab.LabError, docker.errors.DockerException) as error:
        say(f"\ndemo: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ndemo: cancelled, and cleaned up")
        return 130


def show(begin: float, tidy: ExitStack) -> int:
    """The demo itself; what it starts is put on `tidy`. Returns the exit code."""
    heading(1, "An engine to build with, and a registry to push to")
    engine = find_engine()
    client = docker.DockerClient(base_url=engine.host)
    tidy.callback(client.close)
    where = "this machine's own" if engine.name == "default" else "started for this demo"
    say(f"engine    {engine.version}, {where}: {engine.host}")
    ensure_base(engine, client, tidy)
    registry = start_registry(client, tidy)
    say(f"registry  {registry}, plain HTTP on this machine only, started for this demo")
    ready = time.monotonic()

    tags = [f"{registry}/demo/hello:{VERSION}", f"{registry}/demo/hello:latest"]
    heading(2, "A pipeline step builds the example and pushes it")
    show_step(tags)
    tidy.callback(remove_image, client, *tags)
    kept = set(cached_images(client))
    result = run_step(engine, CHECKOUT_INPUTS | {"tags": "\n".join(tags)})
    tidy.callback(forget_layers, client, result.layers, kept)
    if result.exit_code:
        say(f"\ndemo: the step failed with exit code {result.exit_code}")
        return result.exit_code
    built = time.monotonic()

    heading(3, "What later steps get: the outputs of the step")
    show_outputs(result.outputs)

    heading(4, "The proof: pull by digest, and run")
    image = result.outputs["image"]
    greeting = pull_and_run(client, image, tidy)
    done = time.monotonic()

    heading(5, "Summary")
    say(f"{EXAMPLE}/Dockerfile is in the registry as {image}")
    say(
        f"under {len(tags)} tags: {', '.join(tag.rpartition(':')[2] for tag in tags)}. Run, it said: {greeting}"
    )
    say(
        f"Times: {ready - begin:.1f} s to get ready, {built - ready:.1f} s to build and push, "
        f"{done - built:.1f} s to pull and run, {done - begin:.1f} s in all."
    )
    say("No Docker builder was involved. Cleaning up now: all that the demo made or started goes away.\n")
    return 0


# -- surroundings ---------------------------------------------------------------------------------------------


@contextmanager
def own_lab() -> Iterator[None]:
    """A lab of the demo's own, beside that of the tests; whatever runs in it at the end is stopped.

    One demo at a time: another one waits.
    """
    state = lab.paths.state_dir()
    os.environ["INCUBATOR_LAB_STATE"] = str(state.with_name(f"{state.name}-demo"))
    locks = lab.paths.cache_dir() / "locks"
    locks.mkdir(exist_ok=True)
    with (locks / "demo").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another demo is running; waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lab.down()  # what a killed demo left
        try:
            yield
        finally:
            lab.down()
            shutil.rmtree(lab.paths.state_dir())


def find_engine() -> EngineHandle:
    """This machine's engine, or one that the lab starts. Raises `DemoError` where neither is to be had."""
    own = lab.engines.own_engine()
    if own:
        return own
    reason = lab.reason_not_here(lab.engines.DEFAULT)
    if reason:
        raise DemoError(NO_ENGINE.format(reason=reason))
    return lab.default_engine()


def ensure_base(engine: EngineHandle, client: docker.DockerClient, tidy: ExitStack) -> None:
    """Have the engine hold the example's base image; one that was not there before goes again."""
    if not has_image(client, BASE):
        tidy.callback(remove_image, client, BASE)
    lab.ensure_images(engine, [BASE])


def start_registry(client: docker.DockerClient, tidy: ExitStack) -> str:
    """Address of a new registry: the lab's, or where that cannot run, the public image in a container."""
    if lab.reason_not_here("registry") is None:
        return lab.registry().address
    if not has_image(client, REGISTRY_IMAGE):
        client.images.pull(REGISTRY_IMAGE)
        tidy.callback(remove_image, client, REGISTRY_IMAGE)
    container = client.containers.run(REGISTRY_IMAGE, detach=True, ports={REGISTRY_PORT: ("127.0.0.1", 0)})
    tidy.callback(container.remove, force=True, v=True)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        container.reload()
        published = container.ports.get(REGISTRY_PORT)
        if published and b"listening on" in container.logs():
            return f"127.0.0.1:{published[0]['HostPort']}"
        time.sleep(0.2)
    raise DemoError(f"the registry did not come up:\n{container.logs().decode(errors='replace')}")


def has_image(client: docker.DockerClient, reference: str) -> bool:
    """Whether the engine has an image of that name."""
    try:
        client.images.get(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def remove_image(client: docker.DockerClient, *references: str) -> None:
    """Take names away from the engine, and images with their last one."""
    for reference in references:
        with suppress(docker.errors.ImageNotFound):
            client.images.remove(reference)


def cached_images(client: docker.DockerClient) -> dict[str, str]:
    """The layer that each image of the builds' cache on the engine ends with, by the reference that keeps it."""
    found: dict[str, str] = {}
    for image in client.images.list(CACHE_REPOSITORY):
        layers = image.attrs["RootFS"].get("Layers") or [""]
        found |= {reference: layers[-1] for reference in image.tags if reference.startswith(CACHE_REPOSITORY)}
    return found


def forget_layers(client: docker.DockerClient, layers: frozenset[str], kept: set[str]) -> None:
    """Remove what the cache on the engine keeps of this build; not what it had before, or others put there."""
    for reference, layer in cached_images(client).items():
        if reference not in kept and layer[:SHORT] in layers:
            remove_image(client, reference)


# -- the step -------------------------------------------------------------------------------------------------


def show_step(tags: Sequence[str]) -> None:
    """Print the step as a workflow has it."""
    lines = [f"    {name}: {value}" for name, value in CHECKOUT_INPUTS.items()]
    lines += ["    tags: |", *(f"      {tag}" for tag in tags)]
    say("In a workflow this step reads:\n")
    say("\n".join(["- id: image", "  uses: org/incubator@v1", "  with:", *lines]))
    say("\nHere, entrypoint.py gets the same from the environment, as on a GitHub runner. Its log:\n")


def run_step(engine: EngineHandle, inputs: Mapping[str, str]) -> StepResult:
    """Run what the action's container runs, with the environment of a GitHub runner; its log is shown meanwhile."""
    with tempfile.TemporaryDirectory(prefix="incubator-demo-") as folder:
        output, summary = Path(folder, "output"), Path(folder, "summary")
        layers: set[str] = set()
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
            **engine.env,
        }
        command = [sys.executable, str(ROOT / "entrypoint.py")]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                for line in as_runner_shows(process.stdout):
                    say(f"  | {line}")
                    layers.update(re.findall(r"\bsha256:[0-9a-f]{12}\b", line))
            except BaseException:
                process.terminate()
                process.communicate()  # it says how it ends, and removes its containers before it does
                raise
        text = output.read_text(encoding="utf-8") if output.exists() else ""
        return StepResult(exit_code=process.returncode, layers=frozenset(layers), outputs=parse_outputs(text))


def as_runner_shows(lines: Iterator[str]) -> Iterator[str]:
    """The lines of a log as GitHub shows them: workflow commands turned into headings, or hidden."""
    fence = None
    for line in (raw.rstrip("\n") for raw in lines):
        if fence:
            if line == f"::{fence}::":
                fence = None
            else:
                yield line
        elif line.startswith("::stop-commands::"):
            fence = line.removeprefix("::stop-commands::")
        elif line.startswith("::group::"):
            yield f"> {line.removeprefix('::group::')}"
        elif not line.startswith(("::endgroup::", "::add-mask::")):
            yield line


def parse_outputs(text: str) -> dict[str, str]:
    """The file behind `GITHUB_OUTPUT`, where each value stands between two lines with a delimiter."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for head in lines:
        name, _, delimiter = head.partition("<<")
        value: list[str] = []
        for line in lines:
            if line == delimiter:
                break
            value.append(line)
        found[name] = "\n".join(value)
    return found


def show_outputs(outputs: Mapping[str, str]) -> None:
    """Print what a reader wants to know of the image."""
    size = int(outputs["image-size-bytes"]) / 1e6
    own = json.loads(outputs["json"])
    for tag in outputs["tags"].splitlines():
        say(f"tag       {tag}")
    say(f"digest    {outputs['digest']}, as the registry confirmed it")
    say(f"image id  {outputs['imageid']}")
    say(f"layers    {outputs['layers']}, those of the base included; {size:.0f} MB on {own['platform']}")
    say(f"labels    {', '.join(f'{key}={value}' for key, value in own['labels'].items())}")
    say(f"time      {outputs['duration-seconds']} s for build and push")


def pull_and_run(client: docker.DockerClient, image: str, tidy: ExitStack) -> str:
    """Pull `name@digest`, which the engine does not have any more, and run it; what it prints."""
    if has_image(client, image):
        raise DemoError(f"the engine still has {image}, so that pulling it would prove nothing")
    tidy.callback(remove_image, client, image)
    say(f"pull      {image}")
    pulled = client.images.pull(image)
    output = client.containers.run(image, ["--greet"], remove=True, network_mode="none").decode().strip()
    say(f"run       {pulled.short_id} --greet")
    say(f"it says   {output}")
    if output != f"hello {VERSION}":
        raise DemoError(f"the image greets with {output!r}, expected 'hello {VERSION}'")
    return output


# -- talking --------------------------------------------------------------------------------------------------


def heading(number: int, text: str) -> None:
    """Print a numbered heading."""
    say(f"\n== {number}. {text} ==\n")


def say(text: str) -> None:
    """Print at once, so that lines stand in order with those of other programs."""
    print(text, flush=True)


def _terminated(*_: object) -> None:
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
