"""Named contexts: what `--build-context name=VALUE` stands for."""

from __future__ import annotations

import os
import re
from contextlib import closing
from typing import TYPE_CHECKING, Final

from incubator.context.directory import DirectoryContext, load_ignore
from incubator.context.tarcontext import TarContext
from incubator.core.materials import remote_material
from incubator.core.oci_layout import OciLayout
from incubator.core.trust import check_inside
from incubator.errors import InputError
from incubator.oci.layout import parse_layout_reference
from incubator.oci.reference import familiar_name, parse_reference
from incubator.remote.store import RemoteStore
from incubator.remote.urls import parse_remote, redacted
from incubator.request import NamedContexts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from incubator.context.source import Source
    from incubator.faults import Faults
    from incubator.remote.store import Fetched
    from incubator.request import ImageStore, Material

_IMAGE: Final = "docker-image://"
_LAYOUT: Final = "oci-layout://"
_BAKE_ONLY: Final = "target:"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]*")
_HINT: Final = (
    "write NAME=FOLDER, NAME=docker-image://REFERENCE, NAME=oci-layout://FOLDER[:TAG|@DIGEST], or NAME=URL of a git "
    "repository or a tar"
)


def split_pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE`. Raises InputError."""
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name.strip()) or not value.strip():
        raise InputError(f"invalid context {text!r}", hint=_HINT)
    return name.strip(), value.strip()


def read_pairs(texts: Iterable[str], faults: Faults) -> dict[str, str]:
    """All `NAME=VALUE`; what is wrong is noted in `faults`."""
    found: dict[str, str] = {}
    for text in texts:
        with faults.gather():
            name, value = split_pair(text)
            found[name] = value
    return found


def open_contexts(
    values: Mapping[str, str],
    folder: Path,
    stack: ExitStack,
    *,
    workspace: Path | None,
    secrets: Mapping[str, bytes],
    faults: Faults,
) -> NamedContexts:
    """The contexts that `values` name; folders count from `folder`. `stack` closes them.

    A folder that lies in the `workspace` by its name must not leave it through links, which are the checkout's.

    What cannot be opened is noted in `faults`. Raises DownloadFailed and GitFailed.
    """
    files: dict[str, Source] = {}
    images: dict[str, str] = {}
    layouts: dict[str, ImageStore] = {}
    materials: dict[str, Material] = {}
    store: RemoteStore | None = None
    for given, value in values.items():
        name = familiar_name(given)
        with faults.gather():
            if not _NAME.fullmatch(given):
                raise InputError(f"{given!r} is no name of a context", hint=_HINT)
            if name in files or name in images:
                raise InputError(f"the context {name!r} is given twice")
            if value.startswith(_BAKE_ONLY):
                raise InputError(
                    f"context {given}: target: names another target of docker buildx bake, and this is one build",
                    hint="build that image first and name it with docker-image://, or make it a stage of this file",
                )
            if value.startswith(_LAYOUT):
                layout = _layout(given, value.removeprefix(_LAYOUT), folder, workspace, stack)
                images[name] = f"{_LAYOUT}{given}@{layout.digest}"
                layouts[images[name]] = layout
                continue
            if value.startswith(_IMAGE):
                images[name] = str(parse_reference(value.removeprefix(_IMAGE)))
                continue
            remote = parse_remote(value)
            if remote is None:
                files[name] = stack.enter_context(closing(_folder(given, folder / value, workspace)))
                continue
            store = store or stack.enter_context(RemoteStore(secrets))
            found = store.fetch(remote, lambda: None)
            materials[name] = remote_material(remote, found.digest)
            is_folder = isinstance(found.source, DirectoryContext)
            files[name] = found.source if is_folder else _tar(found, value, stack)
    return NamedContexts(files=files, images=images, layouts=layouts, materials=materials)


def _layout(name: str, text: str, folder: Path, workspace: Path | None, stack: ExitStack) -> OciLayout:
    wanted = parse_layout_reference(text)
    path = folder / wanted.path
    if workspace is not None:
        check_inside(path, [workspace], f"context {name}")
    if not path.is_dir():
        raise InputError(f"context {name}: {os.fspath(path)!r} is no folder", hint=_HINT)
    try:
        return OciLayout(stack.enter_context(closing(DirectoryContext(path))), wanted.tag, wanted.digest)
    except InputError as error:
        raise InputError(f"context {name}: {error.message}", hint=error.hint) from error


def _folder(name: str, path: Path, workspace: Path | None) -> DirectoryContext:
    if workspace is not None:
        check_inside(path, [workspace], f"context {name}")
    if not path.is_dir():
        raise InputError(f"context {name}: {os.fspath(path)!r} is no folder", hint=_HINT)
    return DirectoryContext(path, load_ignore(path, None))


def _tar(fetched: Fetched, url: str, stack: ExitStack) -> TarContext:
    try:
        with fetched.file.open() as file:
            return stack.enter_context(closing(TarContext(file)))
    except InputError as error:
        raise InputError(f"context {redacted(url)!r}: {error.message}", hint=error.hint) from error
