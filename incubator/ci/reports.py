"""The reports of a pipeline step: GitHub's job summary, and the HTML file that the input `report` names.

Neither is worth failing a build: what cannot be written is a warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from incubator.ci.outputs import remove_from, write_into
from incubator.core.merge_images import MergedImage
from incubator.errors import BuilderError
from incubator.events import WarningRaised, broadcast
from incubator.report.html import to_html
from incubator.report.markdown import merge_markdown, to_markdown
from incubator.report.recording import BuildRecorder

if TYPE_CHECKING:
    from incubator.ci.surroundings import Surroundings
    from incubator.core.result import ResultImage
    from incubator.events import Listener


class Reports:
    """Listens with `emit`, which hands every event on to `log`, and writes at the end."""

    def __init__(self, around: Surroundings, log: Listener) -> None:
        self._around = around
        self._log = log
        self._recorder = BuildRecorder()
        self._html: str | None = None
        self.emit = broadcast(self._recorder, log)

    def expect_html(self, name: str | None) -> None:
        """Write HTML to the file `name` of the workspace, which is taken away first.

        Raises BuilderError where that cannot be done.
        """
        if name is not None:
            remove_from(self._around.workspace, name)
        self._html = name

    def write(self, outcome: ResultImage | MergedImage | BuilderError) -> None:
        """Write all reports of a step that ended with `outcome`; a merge has the job summary alone."""
        if isinstance(outcome, MergedImage):
            self._write_summary(merge_markdown(outcome))
            return
        report = self._recorder.report(outcome)
        if self._html is not None:
            try:
                write_into(self._around.workspace, self._html, to_html(report))
            except BuilderError as error:
                self._log(WarningRaised(message=error.message))
        self._write_summary(to_markdown(report))

    def _write_summary(self, text: str) -> None:
        path = self._around.environ.get("GITHUB_STEP_SUMMARY")
        if self._around.ci == "github" and path:
            try:
                with Path(path).open("a", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                self._log(WarningRaised(message=f"cannot write the job summary to {path}: {error.strerror}"))
