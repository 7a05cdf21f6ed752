"""One group of steps in one container: files put in, commands run, the result committed."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Self

from incubator.core.engine import ContainerSpec
from incubator.core.failures import FOREIGN, cannot_execute, explain, keep
from incubator.core.halt import Halted
from incubator.core.mountpoints import view_of
from incubator.core.mounts import NOTHING
from incubator.core.plan.model import CopyStep, RunStep, WorkdirStep
from incubator.core.script import (
    CANNOT_ENTER,
    SHELL,
    MarkFinder,
    fits_shell,
    quote,
    step_script,
    without_engine_variables,
)
from incubator.core.step_output import recorded, run_to_end
from incubator.errors import BuilderError, EngineError, StepFailed
from incubator.events import StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from incubator.core.carried import BuildVolumes
    from incubator.core.copying import Copier
    from incubator.core.engine import Changes, Engine, ImageInfo, StreamName
    from incubator.core.halt import Halt
    from incubator.core.mounts import Mounts
    from incubator.core.plan.model import Group, Step
    from incubator.core.step_log import Log, Logs
    from incubator.core.step_output import Output
    from incubator.core.volume import Volume
    from incubator.events import Listener, StepRef
    from incubator.oci.platform import Platform
    from incubator.request import ExtraHost, Limits

_ROOT = "0"
_PIECE = 24 * 1024
"""Characters of a script in one argument, for which kernels have 128 KiB; one character may be four bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all containers of a build share. `keep_failed`: tag of the image to make of a failed step's files."""

    engine: Engine
    copier: Copier
    emit: Listener
    labels: dict[str, str]
    network: str | None
    volumes: BuildVolumes
    limits: Limits
    platform: Platform | None
    discard: Callable[[str], None]
    halt: Halt
    add_hosts: Sequence[ExtraHost] = ()
    security_opts: Sequence[str] = ()
    mounts: Mounts
    logs: Logs
    hidden: tuple[bytes, ...] = ()
    keep_containers: bool = False
    keep_after_failure: bool = False
    keep_failed: str = ""


class LayerContainer:
    """The container in which one group becomes a layer. A context manager: it is gone afterwards."""

    def __init__(
        self, surroundings: Surroundings, parent: str, group: Group, started: Container[StepRef] = ()
    ) -> None:
        """`started`: steps that were announced already."""
        self._around = surroundings
        self._started = started
        self._engine = surroundings.engine
        self._parent = parent
        self._steps = [step for step in group.steps if step.changes_files]
        self._runs = [step for step in self._steps if isinstance(step, RunStep)]
        # Podman writes a user it does not find into the /etc/passwd of the layer, but not for an `exec`.
        as_root = not self._runs or self._engine.info().store == "podman"
        self._user = _ROOT if as_root else self._runs[0].user or _ROOT
        self._shell: _Shell | None = None
        self._mounted = NOTHING
        self._volumes: Sequence[Volume] = ()
        self._stack = contextlib.ExitStack()
        self.id = ""
        """The container."""
        self.discard = surroundings.discard
        """What removes it at the end."""
        self.logs: dict[StepRef, Log] = {}

    def __enter__(self) -> Self:
        self._around.halt.check()
        with contextlib.ExitStack() as stack:
            if self._runs and self._runs[0].mounts:
                with at_step(self._runs[0]):
                    self._mounted = stack.enter_context(self._around.mounts.of(self._runs[0], self._parent))
            self._resolve_targets()
            self.id = self._create(entrypoint=(SHELL,), command=("-s",), stdin=bool(self._runs))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._shell:
            self._shell.close()
        self._around.halt.forget(self.id)
        keep = self._around.keep_after_failure if kind else self._around.keep_containers
        if not keep:
            self.discard(self.id)
        self._stack.close()

    def execute(self) -> None:
        """Do all steps in order. Raises StepFailed, or what the step's part raises, at the step's line."""
        for step in self._steps:
            self._around.halt.check()
            if step.ref not in self._started:
                self._around.emit(StepStarted(step=step.ref))
            begin = time.monotonic()
            with at_step(step):
                self._execute(step)
            peak = self.logs[step.ref].peak_bytes if step.ref in self.logs else None
            took = time.monotonic() - begin
            self._around.emit(StepFinished(step=step.ref, duration_s=took, peak_memory_bytes=peak))

    def changes(self) -> Changes:
        """What the steps have changed."""
        return self._engine.changes(self.id)

    def commit(self, reference: str, comment: str) -> ImageInfo:
        """The image of the parent's layers and this one, or as many as the parent's if nothing changed."""
        return self._engine.commit(self.id, reference, comment=comment)

    def _resolve_targets(self) -> None:
        """Mount where links of the image lead: engines stumble over a mount below an absolute link."""
        volumes = self._around.volumes.mounted() if self._runs else []
        if not (volumes or self._mounted.targets):
            return
        view = view_of(self._around, self._parent)
        self._volumes = [
            replace(volume, destination=f"/{view.follow(volume.destination)}") for volume in volumes
        ]
        self._mounted = replace(
            self._mounted,
            binds=tuple(replace(bind, target=f"/{view.follow(bind.target)}") for bind in self._mounted.binds),
            tmpfs=tuple((f"/{view.follow(target)}", options) for target, options in self._mounted.tmpfs),
        )

    @property
    def _network(self) -> str | None:
        own = self._runs[0].network if self._runs else "default"
        return self._around.network if own == "default" else own

    def _execute(self, step: Step) -> None:
        match step:
            case RunStep():
                self._run(step)
            case WorkdirStep():
                self._around.copier.make_folder(self.id, step)
            case CopyStep():
                mounted = [volume.destination for volume in self._volumes]
                untouched = self._parent if step is self._steps[0] else None
                self._around.copier.copy(self.id, step, mounted, untouched)
            case _:
                raise AssertionError(f"no way to execute {step}")

    def _create(
        self, *, entrypoint: Sequence[str], command: Sequence[str], stdin: bool, step: RunStep | None = None
    ) -> str:
        container = self._engine.create(
            ContainerSpec(
                image=self._parent,
                entrypoint=entrypoint,
                command=command,
                labels=self._around.labels,
                # An empty user would be that of the image's config, which is not ours.
                user=step.user or _ROOT if step else self._user,
                env=dict(step.env) if step else {},
                working_dir=step.cwd if step else "/",
                stdin=stdin,
                network=self._network,
                volumes=self._volumes,
                binds=self._mounted.binds,
                tmpfs=self._mounted.tmpfs,
                privileged=bool(self._runs) and self._runs[0].insecure,
                limits=self._around.limits,
                add_hosts=self._around.add_hosts,
                security_opts=self._around.security_opts,
                platform=self._around.platform,
            )
        )
        try:
            self._around.halt.watch(container)
        except Halted:
            self._around.discard(container)
            raise
        return container

    # -- commands -----------------------------------------------------------------------------------------

    def _run(self, step: RunStep) -> None:
        log = self.logs[step.ref] = self._around.logs.begin(step.ref.text)
        add = partial(self._around.logs.add, log)
        with recorded(step.ref, emit=self._around.emit, add=add, hidden=self._around.hidden) as output:
            status = self._execute_run(step, output)
        if status is None:
            self._raise_ended(step, log)
        elif status != 0:
            raise self._failure(step, status, log)

    def _execute_run(self, step: RunStep, output: Output) -> int | None:
        """Exit status of a RUN; None when the container ended under it."""
        if self._shell is None and not self._has(SHELL):
            return self._run_without_shell(step, output)
        if self._shell is None:
            self._shell = _Shell(self._engine, self.id)
        self._put_scripts(step)
        env = dict(step.env) | dict(self._mounted.env)
        status: int | None = CANNOT_ENTER
        if (step.user or _ROOT) == self._user and fits_shell(env):
            status, self.logs[step.ref].peak_bytes = self._shell.run(step, env, output)
        if status == CANNOT_ENTER:  # an engine enters the folder before it becomes the user
            status = self._run_beside(step, env, output)
        return status

    def _run_beside(self, step: RunStep, env: Mapping[str, str], output: Output) -> int:
        """A command the shell cannot start as it should be: another user, or variables no shell can export."""
        command = without_engine_variables(step.argv, env) if fits_shell(env) else step.argv
        running = self._engine.run(self.id, command, env=env, user=step.user or _ROOT, working_dir=step.cwd)
        for stream, data in running.frames():
            output(stream, data)
        return running.exit_code()

    def _run_without_shell(self, step: RunStep, output: Output) -> int:
        """The image has no shell: the command is a container's own, and there can be only one in a layer."""
        if len(self._runs) > 1:
            raise StepFailed(
                f"{len(self._runs)} RUN instructions share this layer, which needs {SHELL}, and the image has none",
                exit_status=127,
                span=step.span,
                hint="let the layer end between them with a layer split",
            )
        if self._mounted.env:
            raise StepFailed(
                f"a secret in a variable needs {SHELL}, and the image has none",
                exit_status=127,
                span=step.span,
                hint="mount the secret as a file: leave env= out",
            )
        self._around.halt.forget(self.id)
        self._engine.remove_container(self.id)
        self.id = self._create(entrypoint=step.argv[:1], command=step.argv[1:], stdin=False, step=step)
        for earlier in self._steps[: self._steps.index(step)]:
            self._execute(earlier)
        return run_to_end(self._engine, self.id, output)

    def _put_scripts(self, step: RunStep) -> None:
        """Scripts of heredocs, in the container's /dev, which is in no layer."""
        for name, content in step.files:
            path = quote(f"/dev/pipes/{name}")
            texts = [f"mkdir -p /dev/pipes && : >{path} && chmod 755 {path}"]
            texts += [
                f"printf %s {quote(content[start : start + _PIECE])} >>{path}"
                for start in range(0, len(content), _PIECE)
            ]
            for text in texts:
                self._put(text, name)

    def _put(self, text: str, name: str) -> None:
        running = self._engine.run(self.id, (SHELL, "-c", text), env={}, user=_ROOT, working_dir="/")
        said = b"".join(data for _, data in running.frames())
        if running.exit_code():
            raise EngineError(
                f"cannot put the heredoc {name} into the container: {said.decode(errors='replace')}"
            )

    def _has(self, path: str) -> bool:
        found = self._engine.stat(self.id, path)
        if found and found.kind == "symlink":
            found = self._engine.stat(self.id, found.link_target)
        return found is not None

    # -- failures -----------------------------------------------------------------------------------------

    def _raise_ended(self, step: RunStep, log: Log) -> NoReturn:
        """The container ended under the step."""
        raise self._failure(step, self._engine.wait(self.id), log)

    def _failure(self, step: RunStep, status: int, log: Log) -> StepFailed:
        limit = self._around.limits.memory_bytes
        oom_killed = self._engine.state(self.id).oom_killed
        message, hint = explain(status, limit_bytes=limit, peak_bytes=log.peak_bytes, oom_killed=oom_killed)
        if cannot_execute(log.tail):
            hint = FOREIGN
        error = StepFailed(message, exit_status=status, log_tail=log.tail, span=step.span, hint=hint)
        error.peak_memory_bytes = log.peak_bytes
        if self._around.keep_failed:
            self._around.halt.check()  # another one has failed before, and this container is not what it was
            error.kept_image = keep(self._engine, self.id, step, self._around.keep_failed)
        return error


class _Shell:
    """The shell of a layer, running in its container."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._attached = engine.attach(container)
        try:
            engine.start(container)
        except BaseException:
            self._attached.close()
            raise
        self._frames = self._attached.frames()

    def run(self, step: RunStep, env: Mapping[str, str], output: Output) -> tuple[int | None, int | None]:
        """Exit status of a step's command, None when the container ended under it; the most memory used so far."""
        mark = f"\x1e{secrets.token_hex(16)}:"
        self._attached.send(step_script(step.argv, env=env.items(), cwd=step.cwd, mark=mark))
        finders: dict[StreamName, MarkFinder]
        finders = {"stdout": MarkFinder(mark.encode()), "stderr": MarkFinder(mark.encode())}
        for stream, data in self._frames:
            plain = finders[stream].feed(data)
            if plain:
                output(stream, plain)
            if all(finder.status is not None for finder in finders.values()):
                return finders["stdout"].status, finders["stdout"].peak_bytes
        for stream, finder in finders.items():
            if rest := finder.rest():
                output(stream, rest)
        return None, None

    def close(self) -> None:
        """Let the shell end."""
        self._attached.close()


@contextlib.contextmanager
def at_step(step: Step) -> Iterator[None]:
    """Give errors that do not know their place the step's."""
    try:
        yield
    except BuilderError as error:
        error.span = error.span or step.span
        error.step = step.ref
        raise
