"""Files into a build container."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from incubator.core.context import BuildContext
    from incubator.core.engine import Engine
    from incubator.core.plan.model import CopyStep
    from incubator.core.volume import Volume


class SourceFiles:
    """Where COPY and ADD read from: the build context, earlier stages, images. A context manager."""

    def __init__(self, engine: Engine, context: BuildContext, labels: Mapping[str, str]) -> None:
        self._engine = engine
        self._context = context
        self._labels = labels
        self.stages: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def make_folder(engine: Engine, container: str, path: str) -> None:
    pass


def copy_files(
    engine: Engine, container: str, step: CopyStep, sources: SourceFiles, *, volumes: Sequence[Volume]
) -> None:
    pass
