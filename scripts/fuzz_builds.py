"""Builds random Dockerfiles twice, with incubator and with the engine's own builder, and compares the images.

    python scripts/fuzz_builds.py [--cases N] [--minutes N] [--seed N] [--engine NAME] [--keep FOLDER]

A case is a small context and a Dockerfile of several stages, drawn from a grammar over what is supported, together
with layer splits, build arguments and a target. It comes from its seed alone: `--seed N --cases 1` builds case N
again. Both builders must give the same config and the same files (as `tests/engine/snapshot.py` sees them), or both
must fail; then the instruction at fault is taken out and the rest built again, so that most cases come to an image in
the end. What differs is made smaller by leaving out lines as long as it differs, printed, and written to --keep.
The engine is one of the lab's, with BuildKit. Nothing of a case stays on it. Exits 1 if there are differences.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import docker  # noqa: E402

import lab  # noqa: E402
from incubator.api import build  # noqa: E402
from incubator.core.client import DockerClient  # noqa: E402
from incubator.errors import BuilderError  # noqa: E402
from tests.engine.snapshot import Snapshot, take_snapshot  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TAG = f"fuzz-builds:{os.getpid()}"
NAMES = (
    "a.txt",
    "b.txt",
    "c.md",
    ".hidden",
    "with blank",
    "ünïcode",
    "x",
    "y",
    "[odd]",
    "a-b_c.tar",
    "sub",
    "deep",
)
FOLDERS = ("", "d", "d/sub", "d/sub/deep", "e", ".dot")
MODES = (0o644, 0o600, 0o755, 0o444, 0o4755, 0o1777, 0o700, 0o2750)
PLACES = (
    "/", "/t", "/t/", "/t/sub", "/t/sub/", "/new/deep/", "/new/file", "rel", "rel/", ".", "./", "..", "/link",
    "/link/", "/link/in", "/made/link", "/etc", "/tmp/", "/t/../u/", "/u/x", "/abs/with blank/", "$DIR", "${DIR}/v",
    "/dev/x", "/run/x/", "/home",
)  # fmt: skip
OWNERS = (
    "1",
    "1:2",
    "daemon",
    "nobody:daemon",
    "app",
    "app:root",
    ":7",
    "0",
    "nosuch",
    "4000000:5",
    "mail:nosuch",
)
CHMODS = ("600", "0755", "u=rwX,go=rX", "a+x", "4711", "1777", "go-rwx", "u+s,g-w", "$MODE")
USERS = ("root", "nobody", "daemon", "1234", "5:6", "app", "root:daemon", "0", "mail:users")
VALUES = (
    "1", '"two words"', "'single $A'", "$A", "${A}", "${A:-default}", "${A:+set}", "${MISSING-none}", "x$A-$B", '""',
    '"a\\"b"', "a\\ b", "ünï", '"multi\\\nline"', "${A#x}", "${A%%-*}", "${A/x/y}", "\\$A", '"\'"', "/p:$PATH", "$DIR",
)  # fmt: skip
WORDS = ("A", "B", "DIR", "MODE", "UID", "VERSION", "HOME", "WITH_UNDER", "lower", "dash-ed", "FOO", "PWD")
SHELL_LINES = (
    "echo hello > {p}", "echo $A $B > {p}", "mkdir -p {p}/sub && echo x > {p}/sub/x", "rm -rf {p}", "chmod 1777 {p}",
    "chmod 0640 {p}", "ln -sfn {q} {p}", "ln -f {q} {p}", "mkfifo {p}", "chown 3:4 {p}", "chown -R app {p}",
    "mv {p} {q}", "cp -r {p} {q}", "rm -rf {p} && mkdir -p {p} && echo again > {p}/y", "rmdir {p}", "id > {p}",
    "pwd > {p}", "umask 077; mkdir -p {p}; touch {p}/z", "env | grep -v HOSTNAME | sort > {p}", "cd /t && pwd -P > {p}",
    "printf 'no newline' > {p}; printf out; printf err >&2", "touch -t 200001010000 {p}", "sleep 60 & echo left",
    "chmod -R go-rwx {p}", "cat > {p}", "ulimit -n > {p}", "echo \"quotes ' and \\\" $0\" > {p}", "(exec true)",
    "echo $UID:$HOME:$PWD > {p}", "mknod {p} p", "find {p} -type f -exec rm -f {{}} +", "(set -e; false; touch {p})",
    "rm -rf {p}; ln -s {q} {p}; echo through > {p}", "dd if=/dev/zero of={p} bs=1k count=3 2>&1", "(kill -9 -1 &)",
    "test -e {p} && echo there > {q}", "trap 'echo bye > {p}' EXIT", "chmod a-x {p}; : >> {q}", "readlink -f {p} > {q}",
)  # fmt: skip
SHELL_PATHS = (
    "/t/f", "/t", "/t/sub", "/link", "/made", "/made/link", "/u/x", "/new", "rel", "rel/x", "/home/f", "/tmp/t",
    "/etc/own", "./here", "/opt/x", "/var/e", "/link/in", "/t/sub/x", "$DIR",
)  # fmt: skip
SPLITS: tuple[list[int] | str, ...] = ([], [0], "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that makes a build. `stages` are lists of instructions, each with its FROM."""

    seed: int
    heads: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...]
    ignore: tuple[str, ...]
    layers: list[int] | str
    build_args: dict[str, str]
    target: str | None

    @property
    def dockerfile(self) -> str:
        """The text."""
        lines = [*self.heads, *(line for stage in self.stages for line in (*stage, ""))]
        return "\n".join(lines) + "\n"

    def without(self, number: int) -> Case | None:
        """The case without the instruction at a line of the Dockerfile; None where that is no step of a stage."""
        line = len(self.heads)
        for s, stage in enumerate(self.stages):
            for i, text in enumerate(stage):
                first, line = line + 1, line + 1 + text.count("\n")
                if first <= number <= line:
                    less = (*self.stages[:s], (*stage[:i], *stage[i + 1 :]), *self.stages[s + 1 :])
                    return replace(self, stages=less) if i else None
            line += 1
        return None


@dataclass(slots=True)
class Grammar:
    """Draws a case. `stages` are those so far; `link`: whether the builder knows COPY --link."""

    rng: random.Random
    stages: list[tuple[str, ...]] = field(default_factory=list)
    link: bool = False

    def case(self, seed: int) -> Case:
        """The case of a seed."""
        rng = self.rng
        heads = ["ARG BASE=busybox", "ARG VERSION=1 GLOBAL=g"] if rng.random() < 0.5 else ["ARG BASE=busybox"]
        for index in range(rng.randint(1, 4)):
            self.stages.append(self.stage(index))
        count = len(heads) + sum(len(stage) for stage in self.stages)
        layers = rng.choice([*SPLITS, sorted(rng.sample(range(1, count + 1), min(count, rng.randint(1, 4))))])
        return Case(
            seed=seed,
            heads=tuple(heads),
            stages=tuple(self.stages),
            ignore=tuple(rng.sample(IGNORES, rng.randint(1, 4))) if rng.random() < 0.4 else (),
            layers=layers,
            build_args={"VERSION": "given"} if rng.random() < 0.3 else {},
            target=f"s{rng.randrange(len(self.stages))}" if rng.random() < 0.1 else None,
        )

    def stage(self, index: int) -> tuple[str, ...]:
        """A stage with its FROM."""
        rng = self.rng
        bases = ["$BASE"] * 4 + [f"s{earlier}" for earlier in range(index)] * 2 + ["scratch"]
        base = rng.choice(bases)
        empty = base == "scratch"
        lines = [f"FROM {base} AS s{index}"]
        if not empty and rng.random() < 0.7:
            lines += [PREPARATION, "ENV A=x-1 DIR=/t/sub MODE=640"]
        makers = self.makers(index, runs=not empty)
        lines += [rng.choice(makers)() for _ in range(rng.randint(1, 9))]
        if rng.random() < 0.2:
            lines += [
                f"ONBUILD {rng.choice(self.makers(index, runs=not empty))()}"
                for _ in range(rng.randint(1, 2))
            ]
        return tuple(line.replace("ONBUILD ONBUILD", "ONBUILD") for line in lines)

    def makers(self, index: int, *, runs: bool) -> list[Callable[[], str]]:
        """Ways to make an instruction, as many times as they shall come."""
        copies: list[Callable[[], str]] = (
            [self.copy] * 5 + [self.add] * 3 + [self.inline, self.workdir, self.workdir]
        )
        if index:
            copies += [lambda: self.copy_from(index)] * 5
        if runs:
            copies += [self.run] * 8 + [self.heredoc, self.exec_form, self.user, self.user]
        return [*copies, self.env, self.env, self.arg, self.metadata, self.metadata, self.volume]

    def pick(self, *values: str) -> str:
        """One of them."""
        return self.rng.choice(values)

    def shell(self) -> str:
        """A command line."""
        lines = [
            self.rng.choice(SHELL_LINES).format(p=self.pick(*SHELL_PATHS), q=self.pick(*SHELL_PATHS))
            for _ in range(self.rng.randint(1, 3))
        ]
        return self.pick("; ", "; ", " && ").join(lines) + self.pick("; true", "; true", "; true", " || true")

    def run(self) -> str:
        """RUN in shell form."""
        return f"RUN {self.shell()}"

    def exec_form(self) -> str:
        """RUN in exec form, or another shell."""
        path = self.pick(*SHELL_PATHS[:12])
        return self.pick(
            f'RUN ["sh", "-c", "echo $0 $A > {path}; true", "zero"]',  'RUN ["/bin/true"]',
            'SHELL ["/bin/ash", "-e", "-c"]', 'SHELL ["/bin/sh", "-xc"]', 'RUN ["mkdir", "-p", "/made/$A"]',
        )  # fmt: skip

    def heredoc(self) -> str:
        """RUN with a heredoc."""
        path = self.pick(*SHELL_PATHS[:12])
        return self.pick(
            f'RUN <<EOF\nmkdir -p /here\necho "$A" > /here/$A\n{self.shell()}\ntrue\nEOF',
            f"RUN <<'EOF' cat > {path}; true\nliteral $A\n\ttab\nEOF",
            f"RUN <<-EOF\n\techo a > {path}\n\ttrue\nEOF",
            "RUN cat <<ONE <<TWO > /both\n1\nONE\n2 $B\nTWO",
            f"RUN <<EOF\n#!/bin/sh\necho script $0 > {path}\ntrue\nEOF",
        )

    def inline(self) -> str:
        """COPY of a heredoc."""
        flags = self.pick("", "--chmod=750 ", "--chown=8:9 ")
        word, name = self.rng.choice((("one", "one"), ('"two"', "two"), ("-three", "three")))
        return f"COPY {flags}<<{word} {self.destination()}\n\tbody $A ${{B:-none}}\n{name}"

    def flags(self) -> str:
        """Flags of COPY or ADD."""
        rng = self.rng
        flags = []
        if rng.random() < 0.3:
            flags.append(f"--chown={self.pick(*OWNERS)}")
        if rng.random() < 0.25:
            flags.append(f"--chmod={self.pick(*CHMODS)}")
        if rng.random() < 0.2:
            flags.append(f"--exclude={self.pick('*.txt', 'sub', '**/x', 'd/*', '.hidden')}")
        if self.link and rng.random() < 0.15:
            flags.append("--link")
        return "".join(f"{flag} " for flag in flags)

    def sources(self) -> str:
        """One or two paths of the context."""
        return " ".join(self.pick(*SOURCES) for _ in range(self.pick("1", "1", "2").count("2") + 1))

    def copy(self) -> str:
        """COPY from the context."""
        return f"COPY {self.flags()}{self.sources()} {self.destination()}"

    def add(self) -> str:
        """ADD of files and archives."""
        return f"ADD {self.flags()}{self.pick(*ARCHIVES, *SOURCES[:8])} {self.destination()}"

    def copy_from(self, index: int) -> str:
        """COPY from an earlier stage or from an image."""
        stage = self.rng.randrange(index)
        origin = self.pick(f"s{stage}", f"s{stage}", str(stage), "busybox")
        path = self.pick("/t", "/t/", "/etc/passwd", "/t/sub", "/u", "/bin/busybox", "/made", "/t/*", "/link", "/e*c",
                         "/new", "/", "/home", "/bin/l*", "/here", "/rel", "/tmp")  # fmt: skip
        return f"COPY --from={origin} {self.flags()}{path} {self.destination()}"

    def destination(self) -> str:
        """Where to; paths with blanks come in JSON only, so here without."""
        return self.pick(*PLACES).replace(" ", "_")

    def workdir(self) -> str:
        """WORKDIR."""
        return f"WORKDIR {self.pick('/t', 'rel', '../up', '/new/deep', '/link', '$DIR', '/made/link/in', '/', './x/.')}"

    def user(self) -> str:
        """USER."""
        return f"USER {self.pick(*USERS)}"

    def env(self) -> str:
        """ENV, in both forms."""
        if self.rng.random() < 0.1:
            return f"ENV {self.pick(*WORDS)} some  words $A"
        pairs = [f"{self.pick(*WORDS)}={self.pick(*VALUES)}" for _ in range(self.rng.randint(1, 3))]
        return "ENV " + " ".join(pairs)

    def arg(self) -> str:
        """ARG, with and without a default."""
        return self.pick("ARG VERSION", "ARG GLOBAL=own", f"ARG {self.pick(*WORDS)}={self.pick(*VALUES)}", "ARG BASE",
                         "ARG TARGETARCH UID=5", "ARG HTTP_PROXY")  # fmt: skip

    def metadata(self) -> str:
        """What changes the config alone."""
        return self.pick(
            f'LABEL "a b"={self.pick(*VALUES)} c={self.pick(*VALUES)}', "EXPOSE 80 53/udp 90-92", "STOPSIGNAL SIGINT",
            "HEALTHCHECK --interval=5s --retries=2 CMD true || exit 1", "HEALTHCHECK NONE", 'CMD ["a", "$A"]',
            "CMD echo $A", 'ENTRYPOINT ["/bin/sh"]', "ENTRYPOINT exec x", "MAINTAINER Some Body", "STOPSIGNAL 9",
            'LABEL x="1"', "EXPOSE $VERSION", "CMD []", "ENTRYPOINT []",
        )  # fmt: skip

    def volume(self) -> str:
        """VOLUME."""
        return self.pick("VOLUME /t", 'VOLUME ["/v", "/w x"]', "VOLUME $DIR /made", "VOLUME rel")


PREPARATION = (
    "RUN echo 'app:x:1234:4321::/home/app:/bin/sh' >> /etc/passwd; mkdir -p /t/sub /made /u; "
    "ln -s /t /link; ln -s ../u /made/link; chmod 1777 /t; chmod 700 /t/sub; echo f > /t/f; ln /t/f /u/hard; true"
)
SOURCES = (
    "d", "a.txt", ".", "e/", "d/sub", "x", "*", "d/*", "d/*/x", "link", "dlink", "*.txt", "[a-b].txt", "d/./sub",
    ".hidden", ".dot", "../../d", "/d", "hard", "e", "d?", "*/deep", "\\[odd\\]", "**/x", "no-*",
)  # fmt: skip
ARCHIVES = ("plain.tar", "packed.tar.gz", "packed.tar.xz", "packed.tar.bz2", "fake.tar", "*.tar", "empty.tar")
IGNORES = ("*.txt", "d", "!d/sub", "**/x", "e/*", "!*.txt", "#", "/a.txt", "d/sub/..", "*", "!d", "link", ".dot/",
           "[a-c]*", "**/sub", "!**/deep", "*.tar*", "Dockerfile", ".dockerignore")  # fmt: skip


def write_context(rng: random.Random, folder: Path) -> None:
    """Random files below `folder`, and the links and archives that the grammar names."""
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)
        for file in rng.sample(NAMES[:9], rng.randint(1, 5)):
            path = folder / name / file
            path.write_text(f"{name}/{file} {rng.random()}\n")
            path.chmod(rng.choice(MODES))
            os.chown(path, rng.choice((0, 0, 7)), rng.choice((0, 0, 8)))
        if name:
            (folder / name).chmod(rng.choice((0o755, 0o755, 0o700, 0o1777, 0o2755)))
    for name in ("a.txt", "x", ".hidden"):
        (folder / name).write_text(name)
    for name, target in (("link", "a.txt"), ("dlink", "d"), ("d/up", "../a.txt"),
                         ("e/loop", "loop"), ("e/out", "../../../etc/passwd"), ("e/abs", "/d")):  # fmt: skip
        (folder / name).symlink_to(target)
    os.link(folder / "a.txt", folder / "hard")
    os.link(folder / "x", folder / "d/hardx")
    os.mkfifo(folder / "e/fifo")
    (folder / "fake.tar").write_text("no archive")
    for name, mode in (("plain.tar", "w:"), ("packed.tar.gz", "w:gz"), ("packed.tar.xz", "w:xz"),
                       ("packed.tar.bz2", "w:bz2"), ("empty.tar", "w:")):  # fmt: skip
        with tarfile.open(folder / name, mode) as tar:  # type: ignore[call-overload]
            if name != "empty.tar":
                _fill(tar, rng)


def _fill(tar: tarfile.TarFile, rng: random.Random) -> None:
    for name in rng.sample(
        ("f", "dir/f", "t/f", "./dot", "sub/deep/f", "link/f", "ünï", "x" * 120, "made/link"), 4
    ):
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.uid, info.gid = (
            3,
            rng.choice(MODES),
            rng.choice((0, 11)),
            rng.choice((0, 12)),
        )
        tar.addfile(info, io.BytesIO(b"abc"))
    for name, kind, link in (("sl", tarfile.SYMTYPE, "f"), ("dd", tarfile.DIRTYPE, ""), ("abs", tarfile.SYMTYPE, "/t"),
                             ("ff", tarfile.FIFOTYPE, ""), ("dir", tarfile.DIRTYPE, ""), ("sub", tarfile.SYMTYPE, "dd"),
                             ("abs/in", tarfile.REGTYPE, "")):  # fmt: skip
        if rng.random() < 0.5:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, rng.choice((0o755, 0o700, 0o1777))
            tar.addfile(info)


@dataclass(slots=True, kw_only=True)
class Bench:
    """The engine and both builders."""

    handle: lab.EngineHandle
    client: DockerClient
    api: docker.APIClient
    failed_at: int = 0
    """Line at which both builders failed; 0 where they did not, or at no line."""
    timings: dict[str, float] = field(default_factory=lambda: {"ours": 0.0, "theirs": 0.0})

    def differences(self, case: Case) -> list[str]:
        """What differs between the two builders; empty where nothing does."""
        with tempfile.TemporaryDirectory(prefix="fuzz-builds-") as name:
            folder = Path(name)
            prepare(case, folder)
            ours, our_words = self._ours(case, folder)
            theirs, their_words = self._theirs(case, folder)
        if ours is not None or theirs is not None:
            self.failed_at = 0
        if ours is None and theirs is None:
            return [] if not our_words.startswith("crash") else [our_words]
        if ours is None or theirs is None:
            return [f"ours: {our_words or 'an image'}", f"theirs: {their_words or 'an image'}"]
        return ours.differences(theirs)

    def _ours(self, case: Case, folder: Path) -> tuple[Snapshot | None, str]:
        begin = time.monotonic()
        try:
            result = build(
                path=folder, container_client=self.client, network="none", no_cache=True, layers=case.layers,
                cache=_NoCache(), target=case.target, buildargs=case.build_args,
            )  # fmt: skip
        except BuilderError as error:
            first = next(iter(getattr(error, "errors", ())), error)
            self.failed_at = first.span.first_line if first.span else 0
            return None, f"{type(error).__name__}: {error}"
        except Exception:  # noqa: BLE001 - that is what is looked for
            return None, f"crash: {traceback.format_exc()}"
        finally:
            self.timings["ours"] += time.monotonic() - begin
        return self._look(result.id), ""

    def _theirs(self, case: Case, folder: Path) -> tuple[Snapshot | None, str]:
        begin = time.monotonic()
        given = [f"--build-arg={name}={value}" for name, value in case.build_args.items()]
        target = [f"--target={case.target}"] if case.target else []
        done = subprocess.run(
            [str(lab.tool("docker")), "build", "--no-cache", "--network", "none", "-t", TAG, *given, *target, "."],
            env={**os.environ, **self.handle.env, "DOCKER_BUILDKIT": "1"}, cwd=folder, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        self.timings["theirs"] += time.monotonic() - begin
        if done.returncode:
            return None, "\n".join(done.stderr.splitlines()[-8:])
        return self._look(TAG), ""

    def _look(self, image: str) -> Snapshot:
        try:
            return take_snapshot(self.api, image)
        finally:
            self.api.remove_image(image, force=True)

    def mended(self, case: Case) -> tuple[Case, list[str]]:
        """The case, or as much of it as builds, and what differs."""
        while True:
            self.failed_at = 0
            found = self.differences(case)
            less = case.without(self.failed_at) if not found and self.failed_at else None
            if less is None:
                return case, found
            case = less

    def smaller(self, case: Case) -> Case:
        """The case with as few instructions as still differ; layer splits by number become none if they can."""
        if not isinstance(case.layers, str) and case.layers:
            for layers in SPLITS:
                if self.differences(simpler := replace(case, layers=layers)):
                    case = simpler
                    break
            else:
                return case
        shrunk = True
        while shrunk:
            shrunk = False
            for s, stage in enumerate(case.stages):
                for i in range(len(stage) - 1, 0, -1):
                    less = (
                        *case.stages[:s],
                        case.stages[s][:i] + case.stages[s][i + 1 :],
                        *case.stages[s + 1 :],
                    )
                    if self.differences(simpler := replace(case, stages=less)):
                        case, shrunk = simpler, True
        return case


class _NoCache:
    """A cache that keeps nothing, so that nothing stays on the engine."""

    def find(self, key: str) -> None:
        """Nothing."""
        del key

    def store(self, key: str, image: str) -> None:
        """Forget it."""


def prepare(case: Case, folder: Path) -> None:
    """Write a case's context and Dockerfile."""
    write_context(random.Random(case.seed), folder)
    (folder / "Dockerfile").write_text(case.dockerfile)
    if case.ignore:
        (folder / ".dockerignore").write_text("\n".join(case.ignore) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases; 1 if any differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--engine", default="docker28")
    parser.add_argument("--keep", type=Path, help="folder for what differs")
    options = parser.parse_args(arguments)
    handle = lab.engine(options.engine)
    lab.ensure_images(handle, ["busybox:latest"])
    api = docker.APIClient(base_url=handle.host, version="auto", timeout=300)
    bench = Bench(handle=handle, client=DockerClient.from_env(handle.env), api=api)
    end = time.monotonic() + options.minutes * 60
    logging.disable()
    differing = seen = failed = 0
    for seed in range(options.seed, options.seed + options.cases):
        if time.monotonic() > end:
            break
        case = Grammar(random.Random(seed), link=handle.name == "containerd28").case(seed)
        seen += 1
        case, found = bench.mended(case)
        failed += bench.failed_at > 0
        if not found:
            continue
        differing += 1
        case = bench.smaller(case)
        words = "\n".join(bench.differences(case))
        print(
            f"--- case {seed}, layers {case.layers}, ignore {case.ignore}\n{case.dockerfile}\n{words}\n",
            flush=True,
        )
        if options.keep:
            folder = options.keep / str(seed)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            prepare(case, folder)
            (folder / "differences").write_text(words)
    print(f"{seen} cases, {differing} differ, {failed} had no part that builds; seconds: {bench.timings}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
