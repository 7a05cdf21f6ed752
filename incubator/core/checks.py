"""The build checks of one build: its warnings, each once, and the faults that can be known before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incubator.core.plan.model import BaseImage
from incubator.dockerfile.lint import CHECK_ARG, check_options, examine, findings_as_errors, is_error
from incubator.errors import DockerfileErrors
from incubator.events import WarningRaised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.core.plan.model import Plan
    from incubator.dockerfile.instructions import Document, Warning_
    from incubator.events import Listener
    from incubator.oci.platform import Platform
    from incubator.request import BuildRequest


class BuildChecks:
    """Checks a document for a request. What it warns of goes to `emit`, in order of lines."""

    def __init__(
        self, document: Document, request: BuildRequest, *, platform: Platform, emit: Listener
    ) -> None:
        self._document = document
        self._request = request
        self._platform = platform
        self._emit = emit
        self._seen: set[Warning_] = set()

    def before(self) -> None:
        """Check before any base image is known. Raises DockerfileErrors as `after` does."""
        self._run({})

    def after(self, plan: Plan) -> None:
        """Check once more with what base images define, and warn of what is new.

        Raises DockerfileErrors with all faults, or with all findings where `# check=error=true` makes them errors.
        """
        self._run(base_environments(plan))

    def _run(self, base_env: Mapping[str, Mapping[str, str]]) -> None:
        request = self._request
        build_args = {name: value for name, value in request.build_args.items() if value is not None}
        options = check_options(self._document, build_args.get(CHECK_ARG))
        report = examine(
            self._document,
            build_args=build_args,
            # The last stage is built where none is named, and what only others do is never met.
            target=request.target or _last_stage(self._document),
            ignore_matcher=request.context.ignore,
            platform=str(self._platform),
            base_env=base_env,
            options=options,
        )
        new = [warning for warning in report.warnings if warning not in self._seen]
        self._seen.update(new)
        strict = findings_as_errors(self._document, new, options)
        for warning in new:
            if strict is None or not is_error(warning):
                self._emit(WarningRaised(message=warning.message, rule=warning.rule, span=warning.span))
        if report.faults:
            raise DockerfileErrors(report.faults)
        if strict is not None:
            raise strict


def _last_stage(document: Document) -> str:
    """Number of the last stage."""
    return str(sum(instruction.keyword == "FROM" for instruction in document.instructions) - 1)


def base_environments(plan: Plan) -> dict[str, dict[str, str]]:
    """Variables of base images by the images' names; without those whose triggers may define others."""
    images = [stage.base for stage in plan.stages if isinstance(stage.base, BaseImage)]
    return {
        image.reference: image.config.config.env_map() for image in images if not image.config.config.on_build
    }
