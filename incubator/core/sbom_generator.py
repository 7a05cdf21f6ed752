"""Lists of packages that generators write: images that look at the built one, by BuildKit's protocol.

Spec: BuildKit, docs/attestations/sbom-protocol.md. A generator sees the image's root file system in a volume that it
cannot write to, and leaves its lists in another one, which is empty. It gets no secret, volume or right of a step.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from incubator.context.entry import Entry
from incubator.context.tarread import read_tar
from incubator.context.tarstream import write_tar
from incubator.core.engine import Bind, ContainerSpec
from incubator.core.export import ROOT, files_of
from incubator.core.failures import FOREIGN, cannot_execute
from incubator.core.filling import CONTENT, FILLED_AT, Filler, inside
from incubator.core.lookup import ImageLookup
from incubator.core.masking import hidden_texts
from incubator.core.sbom_statements import MAIN, read_statements
from incubator.core.schedule import Schedule
from incubator.core.step_log import Log
from incubator.core.step_output import recorded, run_to_end
from incubator.core.streams import ChunkReader
from incubator.dockerfile.instructions import ArgInstruction
from incubator.errors import BuilderError, InputError, StepFailed
from incubator.events import StepFinished, StepRef, StepStarted, WarningRaised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from incubator.core.engine import Engine
    from incubator.core.halt import Halt
    from incubator.core.leftovers import Workshop
    from incubator.core.plan.model import BaseImage
    from incubator.dockerfile.instructions import Document
    from incubator.events import Event, Listener
    from incubator.oci.attestation import Predicate
    from incubator.oci.image_config import ImageConfig
    from incubator.request import BuildRequest, Generator

SOURCE: Final = f"/run/src/core/{MAIN}"
DESTINATION: Final = "/run/out"

_FOLDERS: Final = (Entry(path="tmp", kind="dir", mode=0o1777),)
"""What the container gets: many generators are a single program, in an image without any folder."""

_OUTPUT: Final = (Entry(path=CONTENT, kind="dir", mode=0o755),)

_MORE_SCANS: Final = {"BUILDKIT_SBOM_SCAN_CONTEXT": "the context", "BUILDKIT_SBOM_SCAN_STAGE": "stages"}
"""Arguments by which BuildKit is asked for scans of more than the image."""

_OFF: Final = {"0", "f", "false"}

_SCANNED: Final = {"dir", "file", "symlink", "hardlink"}
"""No devices and pipes: nothing is to be read from them."""


class SbomScanner:
    """Has the generators of a request look at its image. `since`: what the timeout of the build counts from."""

    def __init__(
        self,
        request: BuildRequest,
        *,
        engine: Engine,
        workshop: Workshop,
        halt: Halt,
        emit: Listener,
        since: float,
    ) -> None:
        self._request = request
        self._engine = engine
        self._workshop = workshop
        self._halt = halt
        self._listener = emit
        self._since = since
        self._images: list[tuple[Generator, BaseImage]] = []

    def resolve(self, document: Document) -> None:
        """Find the images of all generators, before the build takes its time; warn of what they will not look at.

        Raises InputError for one that cannot be run, RegistryError, EngineError.
        """
        if not self._request.push:
            return
        lookup = ImageLookup(
            engine=self._engine,
            emit=self._emit,
            credentials=self._request.credentials,
            pull=self._request.pull,
        )
        for generator in self._request.attestations.generators:
            image = lookup(generator.image, self._engine.info().platform)
            if not _command(image):
                raise InputError(
                    f"the SBOM generator {generator.image} cannot be run: it has neither ENTRYPOINT nor CMD"
                )
            self._images.append((generator, image))
        if self._images:
            for warning in not_scanned(document, self._request.build_args):
                self._emit(warning)

    @property
    def images(self) -> tuple[BaseImage, ...]:
        """Those of all generators that `resolve` has found."""
        return tuple(image for _, image in self._images)

    def scan(self, image: str, config: ImageConfig) -> tuple[Predicate, ...]:
        """What all generators write about the image. Raises StepFailed, BuilderError, EngineError, TimedOut."""
        if not self._images:
            return ()
        self._engine.tag(image, self._workshop.reference())  # should this fail, nothing is left of it
        found: list[Predicate] = []

        def execute(_: str) -> None:
            root = cache(partial(self._fill, image, config))  # the first one waits for it, all use it
            for number, (generator, of_generator) in enumerate(self._images, start=1):
                found.extend(self._run(generator, of_generator, number, root))

        # In a thread of its own: what waits for a container cannot be interrupted.
        schedule = Schedule({MAIN: ()}, execute, parallelism=1, halt=self._halt)
        schedule.run(begin=self._since, timeout_s=self._request.timeout_s)
        return tuple(dict.fromkeys(found))

    def _emit(self, event: Event) -> None:
        if not self._halt.requested:
            self._listener(event)

    def _fill(self, image: str, config: ImageConfig) -> str:
        """A volume with the root file system of the image; its path on the engine's host."""
        filler = self._filler()
        with files_of(self._engine, image, config, self._workshop) as source:
            return filler.new_volume(self._images[0][1].image_id, scanned(source.walk(ROOT)))

    def _filler(self) -> Filler:
        return Filler(engine=self._engine, workshop=self._workshop, halt=self._halt)

    def _run(
        self, generator: Generator, image: BaseImage, number: int, root: Callable[[], str]
    ) -> tuple[Predicate, ...]:
        step = StepRef(number=number, total=len(self._images), stage=MAIN, text=generator.image)
        self._emit(StepStarted(step=step))
        begin = time.monotonic()
        try:
            # What the image has in the folder itself, or in a volume there, is not the generator's word.
            filler = self._filler()
            volume, output = filler.empty_volume()
            helper = filler.helper(volume, image.image_id)
            try:
                self._engine.write_tar(helper, FILLED_AT, write_tar(_OUTPUT))
                container = self._create(generator, image, root(), output)
                try:
                    self._execute(container, generator, step)
                finally:
                    self._halt.forget(container)
                    self._workshop.discard(container)
                found = self._statements(helper, generator)
            finally:
                self._workshop.discard(helper)
        except BuilderError as error:
            error.step = step
            raise
        self._emit(StepFinished(step=step, duration_s=time.monotonic() - begin))
        return found

    def _create(self, generator: Generator, image: BaseImage, volume: str, output: str) -> str:
        """A generator's container; `volume` and `output` are paths of volumes on the engine's host."""
        command = _command(image)
        container = self._engine.create(
            ContainerSpec(
                image=image.image_id,
                entrypoint=command[:1],
                command=command[1:],
                labels=self._workshop.labels,
                working_dir=image.config.config.working_dir or "/",
                user="0",  # as with BuildKit: it has to read what root alone may
                env={
                    "BUILDKIT_SCAN_SOURCE": SOURCE,
                    "BUILDKIT_SCAN_DESTINATION": DESTINATION,
                    **{f"BUILDKIT_SCAN_{name}": value for name, value in generator.parameters},
                },
                network=self._request.network,
                binds=(
                    Bind(source=f"{volume}/{CONTENT}", target=SOURCE, read_only=True),
                    Bind(source=f"{output}/{CONTENT}", target=DESTINATION, read_only=False),
                ),
                limits=self._request.limits,
                security_opts=[text for text in self._request.security_opts if not _loosens(text)],
            )
        )
        try:
            self._halt.watch(container)
            self._engine.write_tar(container, "/", write_tar(_FOLDERS))
        except BaseException:
            self._workshop.discard(container)
            raise
        return container

    def _execute(self, container: str, generator: Generator, step: StepRef) -> None:
        log = Log(command=step.text)
        hidden = hidden_texts(secret.value for secret in self._request.secrets.values())
        with recorded(step, emit=self._emit, add=log.add, hidden=hidden) as output:
            status = run_to_end(self._engine, container, output)
        self._halt.check()
        if status == 0:
            return
        hint = FOREIGN if cannot_execute(log.tail) else None
        if self._engine.state(container).oom_killed:
            hint = "it went over the memory limit of the build, or the engine's machine had no memory left"
        raise StepFailed(
            f"the SBOM generator {generator.image} failed with exit status {status}",
            exit_status=status,
            log_tail=log.tail,
            hint=hint,
        )

    def _statements(self, helper: str, generator: Generator) -> tuple[Predicate, ...]:
        """What a generator has written, through a container that sees its output."""
        with ChunkReader(self._engine.read_volume(helper, f"{FILLED_AT}/{CONTENT}")) as reader:
            entries = read_tar(cast("BinaryIO", reader))
            try:
                statements = read_statements(
                    entry.at(entry.path.partition("/")[2]) for entry in self._halt.guard(entries)
                )
            except BuilderError as error:
                error.message = f"the SBOM generator {generator.image}: {error.message}"
                raise
        if not statements:
            raise BuilderError(
                f"the SBOM generator {generator.image} has written no list of packages",
                hint="it is one for BuildKit, which writes to $BUILDKIT_SCAN_DESTINATION",
            )
        return statements


def not_scanned(document: Document, build_args: Mapping[str, str | None]) -> Iterator[WarningRaised]:
    """Warnings of what a Dockerfile wants generators to look at besides the image."""
    for instruction in document.instructions:
        if isinstance(instruction, ArgInstruction):
            for name, default in instruction.pairs:
                value = build_args.get(name) or default
                if name in _MORE_SCANS and value and value.lower() not in _OFF:
                    yield WarningRaised(
                        message=f"{name} does nothing: generators of SBOMs look at the image alone, not at "
                        f"{_MORE_SCANS[name]}",
                        span=instruction.span,
                    )


def scanned(entries: Iterable[Entry]) -> Iterator[Entry]:
    """A root file system as the content of a volume: what a generator can read, owners and links as they are."""
    yield Entry(path=CONTENT, kind="dir", mode=0o755)
    left_out = set()
    for entry in entries:
        if not entry.path:
            continue
        if entry.kind not in _SCANNED or (entry.kind == "hardlink" and entry.linkname in left_out):
            left_out.add(entry.path)
            continue
        linkname = inside(entry.linkname) if entry.kind == "hardlink" else entry.linkname
        yield replace(entry, path=inside(entry.path), linkname=linkname)


def _loosens(security_opt: str) -> bool:
    """Whether a security option of steps gives them more than a container has by itself."""
    return security_opt.partition("=")[2] in {"unconfined", "disable", "false"}


def _command(image: BaseImage) -> tuple[str, ...]:
    config = image.config.config
    return (*(config.entrypoint or ()), *(config.cmd or ()))
