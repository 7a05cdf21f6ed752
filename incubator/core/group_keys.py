"""Keys of groups: what the plan says, with the digests of the files that COPY, ADD and mounts read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incubator.core.layer import at_step
from incubator.core.plan.keys import KeyParts, key_parts, place_in
from incubator.core.plan.model import CopyStep, RunStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incubator.core.copying import SourceFiles
    from incubator.core.plan.model import Group, StagePlan
    from incubator.core.records import Records
    from incubator.events import StepRef
    from incubator.request import BuildRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKeys:
    """Makes the keys of a build's groups. `records`: where the latest results are noted, None: nowhere."""

    request: BuildRequest
    sources: SourceFiles
    epoch: int | None
    records: Records | None = None

    def parts(self, group: Group, below: str | None, stages: Mapping[int, str | None]) -> KeyParts | None:
        """The parts of a group's key on top of `below`; None where something it depends on has none.

        `stages` has the keys of the stages that are finished.
        """
        if below is None:
            return None
        files: dict[StepRef, list[str]] = {}
        for step in group.steps:
            digests: list[str] | None = []
            with at_step(step):  # what ADD fetches may not be there
                if isinstance(step, CopyStep):
                    digests = self.sources.digests(step, stages)
                elif isinstance(step, RunStep):
                    digests = self.sources.mount_digests(step, stages)
            if digests is None:
                return None
            files[step.ref] = digests
        runs = any(isinstance(step, RunStep) for step in group.steps)
        seen = self._seen_by_runs() if runs else {}
        return key_parts(below, group, files=files, surroundings=seen | {"epoch": self.epoch})

    def place(self, stage: StagePlan, group: Group) -> str:
        """Where a group is in the file, whatever it holds; builds for other platforms have places of their own."""
        position = stage.groups.index(group)
        request = self.request
        context = Path(str(request.context)).absolute()  # "." of another project is another place
        return place_in((context, request.dockerfile.name), stage.name, request.platform, position)

    def _seen_by_runs(self) -> dict[str, Any]:
        """What RUNs may notice of their container and a key therefore covers; limits are not in it."""
        request = self.request
        seen: dict[str, Any] = {
            "network": request.network,
            "volumes": [str(volume) for volume in request.volumes],
            "add_hosts": sorted(map(str, request.add_hosts)),
            "security_opts": sorted(request.security_opts),
        }
        return {name: value for name, value in seen.items() if value}
