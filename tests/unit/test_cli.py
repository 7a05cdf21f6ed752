import contextlib
import io
import itertools
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import incubator.commands.build
from incubator import __version__
from incubator.cli import error_lines, main
from incubator.commands import COMMANDS
from incubator.commands.build_options import make_parser
from incubator.errors import (
    BuilderError,
    Cancelled,
    EngineError,
    EngineUnreachable,
    InputError,
    PushFailed,
    RegistryError,
    StepFailed,
)
from incubator.neighbours import OPTIONS, SWITCHES
from incubator.request import BuildRequest
from tests.unit.test_metadata import ID, result


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def clean_logging() -> Iterator[None]:
    logger = logging.getLogger("incubator")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate, logger.level = before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; it is a context. The home folder is another, empty one."""
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    (work / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("SOURCE_DATE_EPOCH", "INCUBATOR_DEBUG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return work


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    assert Path.cwd() == folder

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[BuildRequest]:
    """What would be built: the builder is taken out here, its own tests and the end-to-end tests have it."""
    made: list[BuildRequest] = []

    def take(request: BuildRequest, **_: Any) -> Any:
        made.append(request)
        request.context.close()
        return result(tags=tuple(map(str, request.tags)))

    monkeypatch.setattr(incubator.commands.build, "run_request", take)
    return made


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    def fail_with(error: BaseException) -> None:
        def fail(request: BuildRequest, **_: Any) -> Any:
            request.context.close()
            raise error

        monkeypatch.setattr(incubator.commands.build, "run_request", fail)

    return fail_with


def test_version(run: Any) -> None:
    for arguments in (["version"], ["--version"], ["-V"]):
        outcome = run(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith(f"incubator {__version__} (CPython 3.")


def test_help(run: Any) -> None:
    for arguments in (["--help"], ["-h"], ["help"]):
        outcome = run(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert all(name in outcome.out for name in COMMANDS)
    assert run().code == 2
    outcome = run("build", "--help")
    assert outcome.code == 0
    assert "--split-layer" in outcome.out
    assert "--cache-to" in outcome.out
    assert "--provenance" in outcome.out
    assert "--builder" not in outcome.out
    assert run("version", "-h").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bild"], ["unknown command 'bild'", "did you mean build?"]),
        (["--vresion"], ["unknown option '--vresion'", "did you mean --version?"]),
        (["build", ".", "--buildarg", "A=1"], ["unknown option --buildarg", "did you mean --build-arg?"]),
        (["build", ".", "--cache-form=x"], ["unknown option --cache-form", "did you mean --cache-from?"]),
        (["build", ".", "--tags=x"], ["did you mean --tag?"]),
        (["build", ".", "-x"], ["unknown option -x", "incubator build --help"]),
        (["build", ".", "--buil", "x"], ["unknown option --buil"]),
        (["build", ".", "other"], ["unexpected argument 'other'"]),
        (["build", "-t"], ["-t/--tag needs a value"]),
        (["build", ".", "--pull=maybe"], ["--pull takes true or false, not 'maybe'"]),
        (["build"], ["no context is given", "incubator build ."]),
        (["build", "-", "-f", "-"], ["cannot both come from standard input"]),
        (["build", ".", "--progress", "plane"], ["unknown --progress 'plane'", "did you mean plain?"]),
        (["build", ".", "--progress", "tty"], ["needs a terminal"]),
        (["build", ".", "--squash", "-s", "1"], ["--split-layer and --squash exclude each other"]),
        (
            ["build", ".", "--squash", "--layers", "auto", "-s", "1"],
            ["--split-layer and --layers and --squash"],
        ),
        (["build", ".", "--layers", "3,x"], ["invalid layer split 'x'"]),
        (
            ["build", ".", "--cache-from=type=gha", "--cache-to=type=registry,ref=x:c,mode=mux"],
            ["cache source of type gha is not supported", "cache target 'x:c': there is no mode 'mux'"],
        ),
        (["build", ".", "-s", "-1"], ["invalid layer split '-1'"]),
        (["build", ".", "-v", "/a"], ["invalid volume '/a'"]),
        (["build", ".", "-m", "lots"], ["memory", "'lots'"]),
        (["build", ".", "--memory-swap", "1g"], ["memswap '1g' needs a limit memory"]),
        (["build", ".", "-t", "A:b"], ["invalid reference 'A:b'"]),
        (["build", ".", "--platform", "vax"], ["invalid platform 'vax'"]),
        (["build", ".", "--build-arg", "=x"], ["--build-arg '=x' has no name"]),
        (["build", ".", "--label", "=x"], ["--label '=x' has no name"]),
        (["build", ".", "--context-file-limit", "x"], ["invalid size 'x'"]),
        (["build", ".", "--push"], ["nothing to push"]),
        (["build", ".", "--push-by-digest"], ["nothing to push"]),
        (
            ["build", ".", "--push-by-digest", "-t", "a:1"],
            ["'a:1' has a tag", "name the repository alone: a"],
        ),
        (["build", ".", "--push-by-digest", "--load", "-t", "a"], ["--load and --push-by-digest exclude"]),
        (["merge"], ["there is no tag for the index", "there is no image to merge"]),
        (["merge", "-t", "a", "sha256:12", "--annotation", "=x"], ["invalid annotation '=x': '' is no key"]),
        (
            ["merge", "-t", "a", "sha256:12", "--annotation", "manifest:a=x"],
            ["a merge leaves manifests as they are"],
        ),
        (["build", ".", "--annotation", "indx:a=b"], ["there is no level 'indx'", "did you mean index?"]),
        (["build", ".", "--provenance", "mode=mx"], ["there is no mode 'mx'"]),
        (["build", ".", "--sbom", "generator=acme/Scan"], ["acme/Scan"]),
        (["build", ".", "--attest", "type=sbom,src=no.json"], ["sbom 'no.json' cannot be read"]),
        (["build", ".", "--sbom", "tru"], ["sbom 'tru' cannot be read", "did you mean true?"]),
        (["merge", "-t", "a", "sha256:12"], ["'sha256:12' is not a digest"]),
        (
            ["merge", "-t", "a", "--digests-file", "nope"],
            ["--digests-file 'nope' cannot be read: No such file"],
        ),
        (["build", ".", "-g", "nope.yml"], ["configuration nope.yml does not exist"]),
        (["build", ".", "--iidfile", "no/file"], ["--iidfile 'no/file': there is no folder 'no'"]),
        (["build", ".", "--metadata-file", "/"], ["--metadata-file '/' is a folder"]),
        (["build", "nowhere"], ["context 'nowhere' does not exist"]),
        (
            ["build", ".", "-f", "Dockrfile"],
            ["Dockerfile 'Dockrfile' does not exist", "did you mean -f Dockerfile?"],
        ),
        (["build", "Dockerfile"], ["context 'Dockerfile' is not a folder", "-f Dockerfile"]),
        (["build", "https://github.com/a/b.git?x=1"], ["x is not known"]),
    ],
)
def test_bad_input(run: Any, requests: list[BuildRequest], arguments: list[str], words: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out, requests) == (2, "", [])
    assert outcome.err.startswith("error: ")
    for word in words:
        assert word in outcome.err


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_docker_that_are_not_supported(run: Any, name: str) -> None:
    instead = OPTIONS[name].instead
    for spelt in ([name, "value"], [f"{name}=value"] if name.startswith("--") else [f"{name}value"]):
        outcome = run("build", *spelt, ".")
        assert (outcome.code, outcome.err) == (2, f"error: {name} is not supported yet\nhint: {instead}\n")


@pytest.mark.parametrize("name", SWITCHES)
def test_switches_of_docker_that_are_not_supported(run: Any, name: str) -> None:
    assert run("build", name, ".").err.startswith(f"error: {name} is not supported yet\nhint: leave it out")


def test_what_asks_for_nothing_is_fine(run: Any, requests: list[BuildRequest]) -> None:
    assert run("build", "--provenance=false", "--sbom", "false", "--isolation", "default", ".").code == 0
    assert not requests[0].attestations
    assert run("build", "--isolation=process", ".").err.startswith(
        "error: --isolation is not supported yet\n"
    )
    assert len(requests) == 1


def test_sbom_true_means_the_generator_of_buildx(run: Any, requests: list[BuildRequest]) -> None:
    assert run("build", "--sbom", "true", ".").code == 0
    [generator] = requests[0].attestations.generators
    assert generator.image == "docker/buildkit-syft-scanner:stable-1"


@pytest.mark.parametrize("option", ["--check", "--call=check", "--call=lint"])
def test_a_build_can_be_checked_without_building(run: Any, requests: list[BuildRequest], option: str) -> None:
    Path("Dockerfile").write_text("FROM busybox AS one\nARG A\nRUN $A\nFROM busybox AS two\nWORKDIR w\n")
    outcome = run("build", option, ".")
    assert (outcome.code, requests) == (1, [])
    assert "WorkdirRelativePath" in outcome.out
    assert run("build", option, "--target", "one", "--build-arg", "A=1", ".").code == 0
    assert requests == []


def test_stages_and_what_one_takes_are_told_without_building(run: Any, requests: list[BuildRequest]) -> None:
    Path("Dockerfile").write_text(
        "# deps what is needed\nFROM busybox AS deps\nARG A=1\n"
        "FROM deps\nRUN --mount=type=secret,id=t,required=true x\n"
    )
    assert run("build", "--call=targets", ".").out == (
        "TARGET      DESCRIPTION\ndeps        what is needed\n(default)\n"
    )
    outline = run("build", "--call=outline", "--build-arg", "A=2", ".").out
    assert outline == (
        "TARGET: (default)\n\nBUILD ARG   VALUE   DESCRIPTION\nA           2\n\nSECRET   REQUIRED\nt        true\n"
    )
    found = json.loads(run("build", "--call", "outline,format=json", "--target", "deps", ".").out)
    assert (found["name"], found["description"], found["args"][0]["value"]) == ("deps", "what is needed", "1")
    assert "secrets" not in found
    assert run("build", "--call=outline", "--target", "dps", ".").code == 2
    assert requests == []


def test_a_merged_configuration_as_json(run: Any, requests: list[BuildRequest]) -> None:
    Path(".incubator").write_text("labels:\n  a: '1'\ntags: [one]\nvolumes: [./:/x]\n")
    outcome = run("build", "--test-config=json", "--label", "b=2", "--tag", "two", "--pull")
    assert (outcome.code, requests) == (0, [])
    found = json.loads(outcome.out)
    assert found["labels"]["a"] == {
        "value": "1", "origin": "./.incubator", "line": 2, "column": 3, "trusted": False
    }  # fmt: skip
    assert found["labels"]["b"] == {
        "value": "2", "origin": "command line", "line": None, "column": None, "trusted": True
    }  # fmt: skip
    assert [tag["value"] for tag in found["tags"]] == ["one", "two"]
    assert found["volumes"][0]["value"].endswith(":/x:rw")
    assert found["pull"]["value"] is True


def test_forms_and_faults_of_a_check(run: Any) -> None:
    Path("Dockerfile").write_text("FROM busybox\nMAINTAINER me\n")
    outcome = run("build", "--call", "check,format=json", ".")
    assert '"rule": "MaintainerDeprecated"' in outcome.out
    outcome = run("build", "--call", "outlin,x=1", ".")
    assert outcome.code == 2
    assert "--call: 'outlin' is no method\nhint: did you mean outline?" in outcome.err
    assert "--call: unknown attribute 'x=1'" in outcome.err
    assert "unknown format 'sarif'" in run("build", "--call", "targets,format=sarif", ".").err
    assert "unknown --format 'xml'" in run("build", "--call", "check,format=xml", ".").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no action is given"]),
        (["prun"], ["did you mean prune?"]),
        (["prune"], ["prune needs a limit, or --all"]),
        (["prune", "--all", "--older-than", "1d"], ["exclude each other"]),
        (
            ["prune", "--older-than", "soon", "--keep-storage", "x"],
            ["invalid --older-than", "invalid size 'x'"],
        ),
        (["ls", "--all"], ["ls lists everything"]),
        (["ls", "--format", "xml"], ["unknown --format 'xml'"]),
    ],
)
def test_bad_input_of_cache(run: Any, arguments: list[str], words: list[str]) -> None:
    outcome = run("cache", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    for word in words:
        assert word in outcome.err


def test_all_faults_of_a_command_line_come_together(run: Any) -> None:
    outcome = run("build", "--builder", "x", "--lable", "a", "--policy=y", ".")
    assert outcome.err.count("error: ") == 3
    outcome = run(
        "build", "-t", "A", "-m", "1", "--label", "=", "--layers", "x", "-v", "x", "-f", "nope", "."
    )
    assert outcome.err.count("error: ") == 6


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), (True, True, False)), (("--push",), (True, True, False)), (("--push=false",), (False, True, True))],
)
def test_a_push_by_digest(
    run: Any, requests: list[BuildRequest], options: Sequence[str], expected: tuple[bool, bool, bool]
) -> None:
    outcome = run("build", ".", "-t", "localhost:5000/a", "--push-by-digest", *options)
    assert outcome.code == 0, outcome.err
    [made] = requests
    assert (made.push, made.push_by_digest, made.load) == expected
    assert [str(tag) for tag in made.tags] == ["localhost:5000/a"]


def test_every_option_arrives(run: Any, requests: list[BuildRequest], folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("FROM_ENVIRONMENT", "e")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "11")
    outcome = run(
        "build", ".", "-t", "a", "--tag=b:1", "--build-arg", "X=1=2", "--build-arg", "FROM_ENVIRONMENT",
        "--build-arg=NOT_SET", "--build-arg", "EMPTY=", "--label", "l=v=w", "--label", "bare", "--target", "t",
        "--platform", "linux/arm64", "--pull", "--no-cache", "--network", "none", "--rm=false", "--force-rm=0",
        "--push", "--load=false", "-m", "1g", "--memory-swap", "-1", "-c", "7", "--cpuset-cpus", "0,1", "-s", "3",
        "--split-layer=1", "-v", "./x:/y:ro", "-v", "cache:/z",
        "--cache-from", "a:c", "--cache-from=type=registry,ref=ghcr.io/b:d",
        "--cache-to", "type=registry,ref=a:c,mode=max", "-o", "out", "--output=type=docker,dest=x.tar",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    [made] = requests
    assert list(map(str, made.tags)) == ["a:latest", "b:1"]
    assert made.build_args == {
        "X": "1=2", "FROM_ENVIRONMENT": "e", "NOT_SET": None, "EMPTY": "", "SOURCE_DATE_EPOCH": "11",
    }  # fmt: skip
    assert made.labels == {"l": "v=w", "bare": ""}
    assert (made.target, str(made.platform), made.network) == ("t", "linux/arm64", "none")
    assert (made.pull, made.no_cache, made.rm, made.force_rm, made.push, made.load) == (
        True,
        True,
        False,
        False,
        True,
        False,
    )
    assert (made.limits.memory_bytes, made.limits.memswap_bytes) == (1 << 30, -1)
    assert (made.limits.cpu_shares, made.limits.cpuset_cpus) == (7, "0,1")
    assert made.layers == (1, 3)
    assert list(map(str, made.volumes)) == [f"{folder}/x:/y:ro", "cache:/z:rw"]
    assert made.source_date_epoch == 11
    assert [(output.kind, output.dest) for output in made.outputs] == [("local", "out"), ("docker", "x.tar")]
    assert [str(source.place) for source in made.cache_from] == ["a:c", "ghcr.io/b:d"]
    assert [(str(target.place), target.mode) for target in made.cache_to] == [("a:c", "max")]


@pytest.mark.parametrize(
    ("arguments", "load"),
    [
        (["-o", "out"], False),
        (["-o", "out", "--load"], True),
        (["-o", "out", "-o", "type=image,name=b:2"], True),
        ([], True),
    ],
)
def test_files_alone_leave_no_image(
    run: Any, requests: list[BuildRequest], arguments: list[str], *, load: bool
) -> None:
    assert run("build", *arguments, ".").code == 0
    assert requests[0].load is load


def test_outputs_that_cannot_be_written(run: Any, folder: Path) -> None:
    (folder / "file").write_text("")
    for dest, words in (("file", "is no folder"), ("type=tar,dest=no/x.tar", "there is no folder")):
        outcome = run("build", "-o", dest, ".")
        assert outcome.code == 2
        assert words in outcome.err
    assert "--iidfile" in run("build", "-q", "-o", "-", ".").err


@pytest.mark.parametrize(
    ("arguments", "layers"),
    [
        ([], ()), (["--squash"], (0,)), (["--squash=false"], ()), (["--layers", "auto"], "auto"),
        (["--layers", "4,2"], (2, 4)), (["--layers="], ()), (["-s", "0"], (0,)), (["-s2", "-s1"], (1, 2)),
    ],
)  # fmt: skip
def test_layers(run: Any, requests: list[BuildRequest], arguments: list[str], layers: Any) -> None:
    assert run("build", *arguments, ".").code == 0
    assert requests[0].layers == layers


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "true", "True"])
def test_switches_take_words(run: Any, requests: list[BuildRequest], word: str) -> None:
    assert run("build", f"--pull={word}", "--pull=false", f"--no-cache={word}", ".").code == 0
    assert (requests[0].pull, requests[0].no_cache) == (False, True)


def test_a_dockerfile_counts_from_the_current_folder(
    run: Any, requests: list[BuildRequest], folder: Path
) -> None:
    (folder / "ctx").mkdir()
    (folder / "other").write_text("FROM scratch\nLABEL a=b\n")
    assert run("build", "-f", "other", "ctx").code == 0
    assert requests[0].dockerfile.name == "other"


def test_standard_input(run: Any, requests: list[BuildRequest]) -> None:
    from tests.unit.test_sources import tar

    dockerfile = b"FROM scratch\nLABEL from=stdin\n"
    assert run("build", "-", stdin=dockerfile).code == 0
    assert run("build", "-f", "-", ".", stdin=dockerfile).code == 0
    assert run("build", "-f", "sub/Dockerfile", "-", stdin=tar({"sub/Dockerfile": dockerfile})).code == 0
    assert [made.dockerfile.name for made in requests] == ["stdin", "stdin", "sub/Dockerfile"]
    assert all(made.dockerfile.text == dockerfile.decode() for made in requests)
    assert "leave one of them out" in run("build", "-f", "x", "-", stdin=dockerfile).err
    assert "is empty" in run("build", "-").err


@pytest.mark.usefixtures("requests")
def test_what_is_printed(run: Any) -> None:
    outcome = run("build", "-q", ".")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{ID}\n", "")
    outcome = run("build", "--progress=quiet", ".")
    assert (outcome.out, outcome.err) == (f"{ID}\n", "")
    outcome = run("build", ".")
    assert outcome.out == ""
    assert f"image     {ID}" in outcome.err
    outcome = run("build", "--progress=rawjson", ".")
    assert (outcome.out, outcome.err) == ("", "")


@pytest.mark.usefixtures("requests")
def test_files_of_the_result(run: Any, folder: Path) -> None:
    (folder / "iid").write_text("old")
    assert run("build", "-q", "--iidfile", "iid", "--metadata-file", "meta.json", "-t", "x", ".").code == 0
    assert (folder / "iid").read_text() == ID
    assert '"image.name": "docker.io/library/x:latest"' in (folder / "meta.json").read_text()


def test_an_old_id_does_not_outlive_a_failure_but_bad_input(run: Any, failing: Any, folder: Path) -> None:
    (folder / "iid").write_text("old")
    assert run("build", "--iidfile", "iid", "-t", "A", ".").code == 2
    assert (folder / "iid").read_text() == "old"
    failing(StepFailed("x", exit_status=1))
    assert run("build", "--iidfile", "iid", "--metadata-file", "meta.json", ".").code == 1
    assert not (folder / "iid").exists()
    assert not (folder / "meta.json").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BuilderError("m"), 1), (StepFailed("m", exit_status=9), 1), (EngineError("m"), 1), (InputError("m"), 2),
        (EngineUnreachable("m"), 3), (RegistryError("m"), 4), (PushFailed("m", pushed=[], failed=["m"]), 4),
        (Cancelled(2), 130), (Cancelled(15), 143),
    ],
)  # fmt: skip
def test_exit_codes(run: Any, failing: Any, error: BuilderError, code: int) -> None:
    failing(error)
    outcome = run("build", ".")
    assert (outcome.code, outcome.out) == (code, "")
    assert str(error) in outcome.err
    assert "Traceback" not in outcome.err
    assert "Traceback" in run("build", "--debug", ".").err
    assert run("build", "--progress=rawjson", ".").code == code


def test_a_crash_asks_for_a_report(run: Any, failing: Any, monkeypatch: Any) -> None:
    failing(TypeError("no\x1b[2J such\nthing"))
    outcome = run("build", ".")
    assert outcome.code == 1
    assert outcome.err.splitlines()[0] == "error: incubator crashed: TypeError: no such thing"
    assert "report it with incubator" in outcome.err
    assert "INCUBATOR_DEBUG" in outcome.err
    assert "Traceback" not in outcome.err
    assert "Traceback" in run("build", "-D", ".").err
    monkeypatch.setenv("INCUBATOR_DEBUG", "1")
    assert "Traceback" in run("build", ".").err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(run: Any, monkeypatch: Any, number: int, code: int) -> None:
    before = signal.getsignal(number)

    def build(request: BuildRequest, **_: Any) -> None:
        with contextlib.closing(request.context):
            signal.raise_signal(number)

    monkeypatch.setattr(incubator.commands.build, "run_request", build)
    assert run("build", ".").code == code

    def swallow(request: BuildRequest, **_: Any) -> None:
        request.context.close()
        try:
            signal.raise_signal(number)
        except Exception as error:
            raise ValueError("a library's own") from error

    monkeypatch.setattr(incubator.commands.build, "run_request", swallow)
    assert run("build", ".").code == code
    assert signal.getsignal(number) is before


def test_errors_in_words() -> None:
    assert list(error_lines(InputError("a\x1b[31m", hint="b"))) == ["error: a", "hint: b"]
    assert next(iter(error_lines(Cancelled(2)))).startswith("cancelled")


def test_failures_as_json(run: Any) -> None:
    outcome = run("build", "--progress=rawjson", "-t", "A", ".")
    [record] = map(json.loads, outcome.err.splitlines())
    assert (outcome.code, record["event"], record["error"]["exit_code"]) == (2, "build-failed", 2)
    assert "invalid reference 'A'" in record["error"]["message"]


def test_configuration_files(run: Any, requests: list[BuildRequest], folder: Path) -> None:
    (folder.parent / "home/.incubator.rc").write_text("labels: {a: home, b: home}\npull: true\n")
    (folder / ".incubator").write_text("labels: {b: here}\ntags: [x]\nlayers: auto\n")
    (folder / "more.json").write_text('{"container_limits": {"memory": "1g"}, "layers": [3]}')
    assert run("build", "-g", "more.json", "--label", "c=flag", "-t", "y", "--pull=false", ".").code == 0
    [made] = requests
    assert made.labels == {"a": "home", "b": "here", "c": "flag"}
    assert list(map(str, made.tags)) == ["x:latest", "y:latest"]
    assert (made.layers, made.limits.memory_bytes, made.pull) == ((3,), 1 << 30, False)


def test_showing_the_configuration(run: Any, requests: list[BuildRequest], folder: Path) -> None:
    (folder / ".incubator").write_text("labels: {b: here, 'yes': x}\nvolumes: ['./d:/d']\nlayers: [1, 2]\n")
    outcome = run("build", "--test-config", "-m", "1g", "-t", "x")
    assert (outcome.code, outcome.err, requests) == (0, "", [])
    assert outcome.out.splitlines() == [
        "container_limits:",
        '  memory: "1g"                            # command line',
        "labels:",
        '  b: "here"                               # ./.incubator:1 (not trusted)',
        '  "yes": "x"                              # ./.incubator:1 (not trusted)',
        "layers:",
        "  - 1                                     # ./.incubator:3 (not trusted)",
        "  - 2                                     # ./.incubator:3 (not trusted)",
        "tags:",
        '  - "x"                                   # command line',
        "volumes:",
        f'  - "{folder}/d:/d:rw"  # ./.incubator:2 (not trusted)',
    ]
    (folder / "again.yml").write_text(outcome.out)
    (folder / ".incubator").unlink()
    again = run("build", "--test-config", "-g", "again.yml")
    assert [line.partition(" #")[0] for line in again.out.splitlines()] == [
        line.partition(" #")[0] for line in outcome.out.splitlines()
    ]
    assert run("build", "--test-config", "--layers", "auto", "--pull").out.splitlines() == [
        "layers: auto                              # command line",
        "pull: true                                # command line",
    ]
    assert run("build", "--test-config").out == "# nothing is configured\n"
    (folder / ".incubator").write_text("labelz: {}\ncontainer_limits: {memory: 1}\n")
    outcome = run("build", "--test-config")
    assert outcome.code == 2
    assert "did you mean labels?" in outcome.err
    assert "./.incubator:2:20: container limit memory 1 is too small" in outcome.err


@pytest.mark.usefixtures("folder")
def test_a_broken_pipe_is_no_crash() -> None:
    command = f"set -o pipefail; {sys.executable} -m incubator build --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=20)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_docs_name_every_option() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text()
    for action in make_parser()._actions:
        if action.help == "==SUPPRESS==":
            continue
        for option in action.option_strings:
            assert f"`{option}" in text, option
    for option in itertools.chain(OPTIONS, SWITCHES):
        assert f"`{option}`" in text, option


def test_docs_name_every_key() -> None:
    from incubator.schema import load_schema

    text = (Path(__file__).parents[2] / "docs/reference/config.md").read_text()
    for key in load_schema("config")["properties"]:
        assert f"`{key}`" in text, key
