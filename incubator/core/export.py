"""The result of a build to files: the image as an archive, or its files as a tar or in a folder."""

from __future__ import annotations

import os
import secrets
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from incubator.context.source import Match
from incubator.context.tarstream import write_tar
from incubator.core.container_files import ContainerSource
from incubator.core.engine import ContainerSpec
from incubator.core.local_output import write_tree
from incubator.core.ownership import give
from incubator.core.script import SHELL
from incubator.errors import BuilderError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from incubator.context.entry import Entry
    from incubator.core.engine import Engine
    from incubator.core.leftovers import Workshop
    from incubator.oci.image_config import ImageConfig
    from incubator.request import FileOutput

ROOT: Final = Match(path="", name="", kind="dir")


def write_image(engine: Engine, image: str, references: Sequence[str], dest: str) -> None:
    """The image as the engine exports it, under all of its references. Raises EngineError, BuilderError."""
    write_file(engine.export(references or [image]), dest)


def write_files(
    engine: Engine,
    image: str,
    config: ImageConfig,
    outputs: Sequence[FileOutput],
    workshop: Workshop,
    *,
    epoch: int | None,
) -> None:
    """The files of the image to `outputs` of type `tar` and `local`. Raises EngineError, BuilderError."""
    with files_of(engine, image, config, workshop) as source:
        for output in outputs:
            # Closed before the container is removed: engines answer nothing about one that is read from.
            with closing(_entries(source, epoch)) as entries:
                if output.kind == "local":
                    write_tree(entries, Path(output.dest))
                else:
                    write_file(write_tar(entries), output.dest)


@contextmanager
def files_of(
    engine: Engine, image: str, config: ImageConfig, workshop: Workshop
) -> Iterator[ContainerSource]:
    """The root file system of the image, which the engine gets if need be. Raises EngineError."""
    if config.config.volumes:
        # Else the engine would mount a volume where the image has files.
        image = engine.compose(image, replace(config, config=replace(config.config, volumes=())))
        engine.tag(image, workshop.reference())
    container = engine.create(
        ContainerSpec(image=image, entrypoint=(SHELL,), command=(), labels=workshop.labels, network="none")
    )
    try:
        yield ContainerSource(engine, container, engine.container_info(container).created_s)
    finally:
        engine.remove_container(container)


def _entries(source: ContainerSource, epoch: int | None) -> Generator[Entry]:
    latest = None if epoch is None else epoch * 10**9
    for entry in source.walk(ROOT):
        if entry.path:
            yield entry if latest is None else replace(entry, mtime_ns=min(entry.mtime_ns, latest))


def write_file(chunks: Iterable[bytes], dest: str) -> None:
    """Write a file completely or not at all, or to standard output. Raises BuilderError, BrokenPipeError."""
    try:
        with _descriptor(dest) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as file:
            for chunk in chunks:
                file.write(chunk)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BuilderError(f"cannot write the output {dest!r}: {error.strerror or error}") from error


@contextmanager
def _descriptor(dest: str) -> Iterator[int]:
    """Where a file goes that is there completely or not at all; standard output, pipes and devices are written to."""
    target = Path(dest)
    if dest == "-" or (target.exists() and not target.is_file()):
        descriptor = os.dup(1) if dest == "-" else os.open(target, os.O_WRONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            give(descriptor, target.parent.stat())
            yield descriptor
        finally:
            os.close(descriptor)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
