"""A recorder of a whole build, for one platform or several: each of several has a report of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incubator.core.result import ResultIndex
from incubator.events import BuildFailed
from incubator.report.model import Recorder

if TYPE_CHECKING:
    from incubator.core.result import ResultImage
    from incubator.errors import BuilderError
    from incubator.events import Event
    from incubator.report.model import BuildReport


class BuildRecorder:
    """A listener that remembers what a report needs."""

    def __init__(self) -> None:
        self._whole = Recorder()
        self._parts: dict[str, Recorder] = {}

    def __call__(self, event: Event) -> None:
        """Remember `event`."""
        if event.platform:
            self._parts.setdefault(event.platform, Recorder())(event)
            return
        self._whole(event)
        if isinstance(event, BuildFailed):
            for part in self._parts.values():
                part(event)

    def report(self, outcome: ResultImage | BuilderError) -> BuildReport:
        """The report of a build that ended with `outcome`; `parts` has those of several platforms."""
        whole = self._whole.report(outcome)
        if not self._parts:
            return whole
        images = outcome.images if isinstance(outcome, ResultIndex) else ()
        outcomes = {str(image.platform): image for image in images}
        parts = tuple(
            replace(part.report(outcomes.get(platform, outcome)), platform=platform, failures=())
            for platform, part in sorted(self._parts.items())
        )
        first = parts[0]
        return replace(whole, dockerfile=first.dockerfile, context=first.context, layers=(), parts=parts)
