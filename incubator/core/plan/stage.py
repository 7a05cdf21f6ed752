"""One stage: its instructions, and its base's triggers, to groups of steps. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from incubator.core.plan import runtime, texts
from incubator.core.plan.layers import group_steps
from incubator.core.plan.model import (
    BaseImage,
    CopyStep,
    MetadataStep,
    RunStep,
    StagePlan,
    Step,
    WorkdirStep,
)
from incubator.core.plan.mounts import plan_mounts
from incubator.core.plan.scope import BuildArgs, Scope, proxies
from incubator.dockerfile import instructions as ins
from incubator.dockerfile import parse_trigger
from incubator.dockerfile.heredoc import parse_heredoc_word
from incubator.dockerfile.parser import MAX_FAULTS
from incubator.errors import DockerfileError, ExpandError, InputError
from incubator.events import StepRef
from incubator.oci.image_config import RuntimeConfig
from incubator.remote.urls import parse_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.core.plan.layers import Boundaries
    from incubator.core.plan.model import Network, Origin
    from incubator.dockerfile.expand import Budget
    from incubator.dockerfile.source import Span
    from incubator.remote.urls import Remote


_BLANKS = re.compile("[ \t]+")
_HISTORY = 8
"""Characters of a line of history that count for one: they are written once, and looked at by nobody."""
_STAGE = 1200
_INSTRUCTION = 600
"""What a stage and an instruction count for beside what they carry along."""
_TRIGGER = 64
"""What a character of a trigger counts for: it is parsed with each stage that it comes to."""
_PATH = 4
"""What a character of a path counts for that others are put onto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a stage builds on."""

    base: BaseImage | int | None
    config: RuntimeConfig
    author: str = ""
    args: Scope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A planned stage and its variables at the end, which a stage built on it starts with."""

    plan: StagePlan
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a stage needs of the file and of the options around it."""

    escape: str
    globals: Mapping[str, str]
    budget: Budget
    build_args: BuildArgs
    splits: Boundaries
    find_source: Callable[[str, Span], Origin]
    faults: list[DockerfileError]
    network: str | None = None
    allow: frozenset[str] = frozenset()


def from_scratch() -> Start:
    """An empty start; BuildKit gives it a PATH and the root as working directory."""
    return Start(base=None, config=runtime.with_path(RuntimeConfig(working_dir="/")))


def from_image(image: BaseImage) -> Start:
    """A start from an image."""
    return Start(base=image, config=runtime.with_path(image.config.config), author=image.config.author)


def from_stage(planned: Planned, index: int) -> Start:
    """A start from an earlier stage, whose arguments are inherited."""
    return Start(base=index, config=planned.plan.config, author=planned.plan.author, args=planned.scope)


def plan_stage(
    *,
    index: int,
    name: str,
    head: ins.FromInstruction,
    body: tuple[ins.Instruction, ...],
    start: Start,
    context: Surroundings,
) -> Planned:
    """Steps and groups of one stage; `context.faults` gets what is wrong, each at its line.

    Raises EngineError and RegistryError of sources that cannot be looked up.
    """
    scope = _begin(start, context, head.span)
    triggers = tuple(
        parse_trigger(text, span=head.span, number=head.number) for text in start.config.on_build
    )
    builder = _StageBuilder(name, start, context, scope, triggers + body)
    for instruction in triggers + body:
        if len(context.faults) > MAX_FAULTS or context.budget.is_spent:
            break  # it is noted why
        builder.add_checked(instruction)
    plan = StagePlan(
        index=index,
        name=name,
        base=start.base,
        groups=group_steps(builder.steps, context.splits),
        config=builder.config,
        author=builder.author,
    )
    return Planned(plan=plan, scope=builder.scope)


def _begin(start: Start, context: Surroundings, span: Span) -> Scope:
    """The variables at a stage's start. Raises DockerfileError at `span` where it carries too much along."""
    scope = Scope(
        escape=context.escape,
        values=dict(start.args.values) if start.args else start.config.env_map(),
        declared=dict(start.args.declared) if start.args else {},
        budget=context.budget,
    )
    scope.spend(_STAGE, span)
    scope.carry(len(scope.values) + len(scope.declared), span)
    # A trigger is parsed anew for each stage.
    scope.spend(_TRIGGER * sum(map(len, start.config.on_build)), span)
    if start.args is None:
        scope.spend(sum(map(len, start.config.env)), span)
    return scope


class _StageBuilder:
    """Walks over the instructions of a stage and keeps what each leaves for the next."""

    def __init__(
        self,
        name: str,
        start: Start,
        context: Surroundings,
        scope: Scope,
        instructions: tuple[ins.Instruction, ...],
    ) -> None:
        self._name = name
        self._context = context
        self._number = 1  # FROM is the first
        file_steps = (ins.RunInstruction, ins.CopyInstruction, ins.AddInstruction, ins.WorkdirInstruction)
        self._total = 1 + sum(isinstance(instruction, file_steps) for instruction in instructions)
        self._cmd_set = False
        self._is_empty = start.base is None
        self._values_lack = False
        self.steps: list[Step] = []
        self.config = replace(start.config, on_build=()) if start.config.on_build else start.config
        self._env = runtime.env_entries(self.config)  # not read anew for each ENV: there may be very many
        self.author = start.author
        self.scope = scope

    def add_checked(self, instruction: ins.Instruction) -> None:
        """Append the step of one instruction, or note why it has none."""
        try:
            self.add(instruction)
        except DockerfileError as error:
            # A variable that could not be set is missing later on: that is no fault of its own.
            follows = self._values_lack and isinstance(error, ExpandError) and error.by_value
            # One of a stage comes from each that needs it.
            known = any(error is noted for noted in self._context.faults)
            if not follows and not known:
                self._context.faults.append(error)
            self._values_lack |= isinstance(instruction, ins.EnvInstruction | ins.ArgInstruction)

    def add(self, instruction: ins.Instruction) -> None:
        """Append the step of one instruction. Raises DockerfileError at the line that is wrong."""
        self.scope.spend(_INSTRUCTION, instruction.span)
        match instruction:
            case ins.RunInstruction():
                self._run(instruction)
            case ins.CopyInstruction() | ins.AddInstruction():
                self._copy(instruction)
            case ins.WorkdirInstruction():
                self._configure(instruction)
            case ins.ArgInstruction():
                self._arg(instruction)
            case _:
                self._configure(instruction)

    def _ref(self, instruction: ins.Instruction, span: Span, *, counts: bool) -> StepRef:
        self._number += counts
        return StepRef(
            number=self._number,
            total=self._total,
            stage=self._name,
            text=texts.step_label(instruction),
            span=span,
        )

    def _arg(self, instruction: ins.ArgInstruction) -> None:
        shown = []
        for name, default in instruction.pairs:
            given = self._context.build_args.take(name)
            value = given
            if given is None and default is not None:
                value = self.scope.expand(default, instruction.span)
            inherited = value is None and name in self._context.globals
            if inherited:
                value = self._context.globals[name]
            self.scope.declare(name, value)
            shown.append(name if value is None else f"{name}={value}")
        self._metadata(instruction, f"ARG {' '.join(shown)}")

    def _configure(self, instruction: ins.Instruction) -> None:
        span = instruction.span
        self.scope.carry(runtime.carried_by(self.config, instruction), span)
        if isinstance(instruction, ins.EnvInstruction | ins.LabelInstruction):
            pairs = runtime.expand_pairs(instruction.pairs, self.scope, span)
            created_by = texts.pairs_created_by(instruction.keyword, pairs)
            if isinstance(instruction, ins.EnvInstruction):
                self._env |= runtime.new_entries(pairs)
                self.config = replace(self.config, env=tuple(self._env.values()))
                self.scope.values |= pairs
            else:
                self.config = runtime.with_labels(self.config, pairs)
        elif isinstance(instruction, ins.ExposeInstruction):
            ports = runtime.expand_ports(instruction.ports, self.scope, span)
            created_by = texts.ports_created_by(ports)
            self.config = runtime.with_ports(self.config, ports)
        else:
            self.config = runtime.apply(self.config, instruction, self.scope, cmd_set=self._cmd_set)
            created_by = texts.metadata_created_by(instruction, self.scope, self.config)
        self._cmd_set = self._cmd_set or isinstance(instruction, ins.CmdInstruction)
        if isinstance(instruction, ins.MaintainerInstruction):
            self.author = instruction.name
        if isinstance(instruction, ins.WorkdirInstruction):
            self.scope.spend(_PATH * len(self.config.working_dir), span)
            self._is_empty = False
            self.steps.append(
                WorkdirStep(
                    ref=self._ref(instruction, span, counts=True),
                    instruction=instruction,
                    span=span,
                    config=self.config,
                    created_by=created_by,
                    path=self.config.working_dir,
                    owner=self.config.user,
                )
            )
        else:
            self._metadata(instruction, created_by)

    def _metadata(self, instruction: ins.Instruction, created_by: str) -> None:
        span = instruction.span
        self.steps.append(
            MetadataStep(
                ref=self._ref(instruction, span, counts=False),
                instruction=instruction,
                span=span,
                config=self.config,
                created_by=created_by,
            )
        )

    def _run(self, instruction: ins.RunInstruction) -> None:
        if instruction.devices:
            raise DockerfileError(
                "RUN --device is not supported: it is in the labs channel of the syntax (docker/dockerfile:1-labs)",
                rule="not-supported",
                span=instruction.span,
                hint="docker build refuses it in the stable syntax as well; hand the device to the container that runs "
                "the image",
            )
        network = cast("Network", instruction.network or "default")
        insecure = instruction.security == "insecure"
        self._check_allowed(instruction, network, insecure=insecure)
        span = instruction.span
        self.scope.carry(2 * (len(self.scope.values) + len(self.scope.declared)), span)
        self.scope.spend(_PATH * len(self.config.working_dir) * len(instruction.mounts), span)
        mounts = plan_mounts(
            instruction.mounts,
            cwd=self.config.working_dir or "/",
            expand=lambda text: self.scope.expand(text, span),
            find_source=lambda text: self._context.find_source(text, span),
            fault=lambda message, word, hint: DockerfileError(
                message, rule="invalid-mount", span=instruction.place_of(word), hint=hint
            ),
        )
        command, files = _resolve_heredocs(instruction)
        argv = runtime.command_words(self.config, command)
        # A script counts as the command of the shell, though its own interpreter runs it.
        scripts = tuple(f"/dev/pipes/{name}" for name, _ in files)
        shown = (
            runtime.command_words(self.config, replace(instruction.command, words=scripts)) if files else argv
        )
        created_by = texts.run_created_by(self.scope.run_args(), shown)
        self.scope.spend(len(created_by) // _HISTORY, span)
        self._is_empty = False
        self.steps.append(
            RunStep(
                ref=self._ref(instruction, span, counts=True),
                instruction=instruction,
                span=span,
                config=self.config,
                created_by=created_by,
                argv=argv,
                env=self.scope.run_env(self._context.build_args.given),
                proxies=frozenset(proxies(self._context.build_args.given)),
                user=self.config.user,
                cwd=self.config.working_dir or "/",
                files=files,
                mounts=mounts,
                network=network,
                insecure=insecure,
            )
        )

    def _check_allowed(self, instruction: ins.RunInstruction, network: Network, *, insecure: bool) -> None:
        """Raise for what a Dockerfile gets only if the caller agrees to it."""
        if network != "host" and not insecure:
            return
        for flag, needed, right in (
            ("--network=host", network == "host" and self._context.network != "host", "network.host"),
            ("--security=insecure", insecure, "security.insecure"),
        ):
            if needed and right not in self._context.allow:
                raise DockerfileError(
                    f"RUN {flag} is not allowed in this build",
                    rule="not-allowed",
                    span=instruction.place_of(flag),
                    hint=f"if you trust this Dockerfile, build with --allow {right} (input allow: {right})",
                )

    def _copy(self, instruction: ins.CopyInstruction | ins.AddInstruction) -> None:
        span, expand = instruction.span, self.scope.expand
        copy = instruction if isinstance(instruction, ins.CopyInstruction) else None
        origin = self._context.find_source(copy.from_, span) if copy and copy.from_ else None
        sources = self.scope.expand_all(instruction.sources, span)
        remotes: dict[str, Remote] = {}
        if isinstance(instruction, ins.AddInstruction):
            checksum = expand(instruction.checksum, span) if instruction.checksum else None
            remotes = _remotes(instruction, sources, checksum)
        destination = expand(instruction.destination, span)
        heredocs = self._expand_heredocs(instruction.heredocs, span)
        chown = expand(instruction.chown, span) if instruction.chown else None
        if chown and self._is_empty and not all(part.isdigit() for part in chown.split(":") if part):
            raise DockerfileError(
                f"--chown={chown}: there is no /etc/passwd or /etc/group yet to look names up in",
                rule="chown",
                span=span,
                hint="write numbers, as in --chown=1000:1000",
            )
        chmod = expand(instruction.chmod, span) if instruction.chmod else None
        flags = [f"--{flag}={value}" for flag, value in (("chown", chown), ("chmod", chmod)) if value]
        names = (*sources, *(f"<<{heredoc.name}" for heredoc in heredocs))
        self._is_empty = False
        self.steps.append(
            CopyStep(
                ref=self._ref(instruction, span, counts=True),
                instruction=instruction,
                span=span,
                config=self.config,
                created_by=texts.copy_created_by(instruction.keyword, flags, names, destination),
                origin=origin,
                sources=sources,
                heredocs=heredocs,
                destination=destination,
                cwd=self.config.working_dir or "/",
                chown=chown or None,
                chmod=chmod or None,
                exclude=instruction.exclude,  # BuildKit expands all words but these
                parents=bool(copy and copy.parents),
                link=instruction.link,
                unpack=isinstance(instruction, ins.AddInstruction) and instruction.unpack is not False,
                unpack_downloads=isinstance(instruction, ins.AddInstruction) and instruction.unpack is True,
                remotes=tuple(remotes.items()),
            )
        )

    def _expand_heredocs(self, heredocs: tuple[ins.Heredoc, ...], span: Span) -> tuple[ins.Heredoc, ...]:
        """Inline files with their variables' values. Files of one name have one content, which is expanded once."""
        expanded: dict[str, str] = {}
        files: list[ins.Heredoc] = []
        for heredoc in heredocs:
            content = heredoc.content
            if heredoc.expand:
                if content not in expanded:
                    expanded[content] = self.scope.expand_body(content, span)
                content = expanded[content]
            files.append(replace(heredoc, content=content, strip_tabs=False, expand=False))
        return tuple(files)


def _remotes(
    instruction: ins.AddInstruction, sources: tuple[str, ...], checksum: str | None
) -> dict[str, Remote]:
    """The sources of ADD that are no paths. Raises DockerfileError for what is wrong with one, or with a flag."""
    found: dict[str, Remote] = {}
    for source in sources:
        try:
            remote = parse_remote(source, checksum=checksum, keep_git_dir=instruction.keep_git_dir)
        except InputError as error:
            raise DockerfileError(
                f"ADD: {error.message}",
                rule="remote-source",
                span=instruction.place_of(source),
                hint=error.hint,
            ) from error
        if remote is not None:
            found[source] = remote
    if checksum is not None and (not found or len(sources) + len(instruction.heredocs) > 1):
        raise DockerfileError(
            "ADD: --checksum is for one source, which is a URL or a git repository",
            rule="remote-source",
            span=instruction.place_of("--checksum"),
            hint="add other files with an ADD of their own",
        )
    return found


def _resolve_heredocs(instruction: ins.RunInstruction) -> tuple[ins.Command, tuple[tuple[str, str], ...]]:
    """The command to run and the scripts it needs.

    A lone `<<EOF` is the body itself, or with a shebang a script to execute; anything else goes back to the
    shell as it was written. Source: BuildKit, dispatchRun.
    """
    command, heredocs = instruction.command, instruction.heredocs
    if not heredocs:
        return command, ()
    text = command.words[0]
    if parse_heredoc_word(text.strip()) is None:
        bodies = "".join(f"\n{doc.content}{doc.name}" for doc in heredocs)
        return replace(command, words=(text + bodies,)), ()
    if heredocs[0].content.startswith("#!"):  # not so where `<<-` takes a tab away before it
        name, body = heredocs[0].name, heredocs[0].body
        # What the kernel would do with the script, which works too where /dev is mounted noexec (Podman).
        interpreter = _BLANKS.split(body[2:].partition("\n")[0].strip(" \t"), maxsplit=1)
        words = (*filter(None, interpreter), f"/dev/pipes/{name}")
        return replace(command, words=words, shell_form=False), ((name, body),)
    return replace(command, words=(heredocs[0].body,)), ()
