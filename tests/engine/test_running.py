"""RUN: its surroundings, limits, volumes, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.core.plan.runtime import DEFAULT_PATH
from incubator.errors import BuilderError, DockerfileError, EngineError, InputErrors, StepFailed
from incubator.events import StepOutput

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Bench


def test_a_failing_step_tells_place_status_and_output(bench: Bench) -> None:
    dockerfile = "FROM busybox\nRUN echo before; echo to stderr >&2; exit 3\nRUN echo never\n"
    with pytest.raises(StepFailed) as raised:
        bench.build(dockerfile, tag="never:made")
    error = raised.value
    assert (error.exit_status, error.exit_code) == (3, 1)
    assert set(error.log_tail) == {"before", "to stderr"}
    assert error.span
    assert error.span.first_line == 2
    assert bench.client.image("never:made") is None
    assert not any(isinstance(event, StepOutput) and b"never" in event.data for event in bench.events)


def test_output_comes_whole_and_in_order(bench: Bench) -> None:
    dockerfile = (
        "FROM busybox\nRUN i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; printf 'no newline'\n"
        "RUN printf '\\x1e\\377'; echo last\n"
    )
    result = bench.build(dockerfile, layers=[0])
    assert result.logs[0].logs == "".join(f"line {number}\n" for number in range(3000)) + "no newline"
    assert result.logs[1].logs == "\x1e\N{REPLACEMENT CHARACTER}last\n"


def test_a_missing_command_has_a_hint(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="in PATH") as raised:
        bench.build('FROM busybox\nRUN ["no-such-command"]\n')
    assert raised.value.exit_status == 127


def test_an_image_without_a_shell(bench: Bench) -> None:
    dockerfile = """\
FROM busybox AS tools
FROM scratch
COPY --from=tools /bin/busybox /bin/busybox
RUN ["/bin/busybox", "touch", "/made"]
RUN ["/bin/busybox", "sh", "-c", "echo $PATH > /path"]
"""
    result = bench.build(dockerfile)
    assert set(bench.snapshot(result.id).files) >= {"bin/busybox", "made", "path"}
    assert bench.run(result.id, "/bin/busybox", "cat", "/path") == f"{DEFAULT_PATH}\n"
    with pytest.raises(StepFailed, match="share this layer"):
        bench.build(dockerfile, layers=[0])
    with pytest.raises(BuilderError):
        bench.build("FROM scratch\nRUN echo there is no shell\n")


def test_a_step_without_a_shell_has_nothing_to_read(bench: Bench) -> None:
    dockerfile = """\
FROM busybox AS tools
FROM scratch
COPY --from=tools /bin/busybox /bin/busybox
RUN ["/bin/busybox", "cat"]
"""
    bench.build(dockerfile, timeout=60)


def test_limits_hold(bench: Bench) -> None:
    files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    result = bench.build(
        f"FROM busybox\nRUN cat {files} 2>/dev/null; true\n",
        container_limits={"memory": "64m", "cpushares": 512, "cpusetcpus": "0"},
    )
    assert str(64 << 20) in result.logs[0].logs
    with pytest.raises(StepFailed, match="memory limit"):
        bench.build(
            "FROM busybox\nRUN head -c 200000000 /dev/zero | tail > /dev/null; exit 137\n",
            container_limits={"memory": "32m", "memswap": "32m"},
        )


def test_volumes_are_there_only_while_building(bench: Bench, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "input").write_text("from the host\n")
    dockerfile = """\
FROM busybox
RUN cat /mnt/deep/vol/input > /seen && echo written > /mnt/deep/vol/output && mkdir -p /keep && echo k > /keep/k
RUN test -e /mnt/deep/vol/output && mkdir -p /keep/also
"""
    result = bench.build(dockerfile, volumes=[f"{host}:/mnt/deep/vol", f"{host}:/keep/vol:ro"])
    assert (host / "output").read_text() == "written\n"
    files = bench.snapshot(result.id).files
    assert {"seen", "keep", "keep/k", "keep/also"} <= set(files)
    assert not [path for path in files if path.startswith("mnt") or "vol" in path]
    with pytest.raises(StepFailed, match=r"[Rr]ead-only"):
        bench.build("FROM busybox\nRUN touch /vol/x\n", volumes=[f"{host}:/vol:ro"])
    if bench.handle.name != "podman":  # which makes the folder, whatever it is asked
        with pytest.raises(EngineError):
            bench.build("FROM busybox\nRUN true\n", volumes=[f"{tmp_path}/missing:/vol"])
        assert not (tmp_path / "missing").exists()


def test_a_folder_that_the_file_makes_stays_though_a_volume_was_there(
    docker28: Bench, tmp_path: Path
) -> None:
    dockerfile = "FROM busybox\nWORKDIR /x/y\nRUN true\n"
    result = docker28.build(dockerfile, layers=[0], volumes=[f"{tmp_path}:/x/y", f"{tmp_path}:/other"])
    files = docker28.snapshot(result.id).files
    assert {"x", "x/y"} <= set(files)
    assert "other" not in files


def test_copy_into_a_volume_is_refused(docker28: Bench, tmp_path: Path) -> None:
    dockerfile = "FROM busybox\nCOPY file /vol/file\nRUN true\n"
    with pytest.raises(BuilderError, match="build-time volume"):
        docker28.build(dockerfile, {"file": "x"}, layers=[0], volumes=[f"{tmp_path}:/vol"])
    docker28.build(dockerfile, {"file": "x"}, volumes=[f"{tmp_path}:/vol"])
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("RUN --device=vendor.example/gpu=0 true", "labs channel"),
        ("RUN --network=host true", "not allowed in this build"),
        ("ADD https://example.test/file?x=1 /file", "cannot fetch"),
        ("ADD --checksum=sha256:" + "0" * 64 + " file /file", "--checksum is for one source"),
        ("RUNN true", "RUN"),
        ("COPY missing /x", "missing"),
        ("COPY --from=127.0.0.1:1/nowhere /x /x", "nowhere"),
        ("STOPSIGNAL SIGNOPE", "not a signal"),
        ("EXPOSE eighty", "not a port"),
    ],
)
def test_faults_are_told_at_their_line(docker28: Bench, line: str, message: str) -> None:
    with pytest.raises(BuilderError, match=message) as raised:
        docker28.build(f"FROM busybox\nRUN true\n{line}\n", {"file": "x"})
    assert "Dockerfile:3:" in str(raised.value)


def test_all_missing_files_are_told_before_anything_runs(docker28: Bench) -> None:
    dockerfile = "FROM busybox\nRUN echo ran\nCOPY fil /x\nADD file other /y/\n"
    with pytest.raises(InputErrors) as raised:
        docker28.build(dockerfile, {"file": "x"})
    assert [str(error).partition(" ")[0].rpartition("/")[2] for error in raised.value.errors] == [
        "Dockerfile:3:1:",
        "Dockerfile:4:1:",
    ]
    assert "did you mean file?" in str(raised.value)
    assert docker28.events == [] or not any(isinstance(event, StepOutput) for event in docker28.events)


def test_an_unknown_stage_is_suggested(docker28: Bench) -> None:
    with pytest.raises(BuilderError, match="did you mean tools"):
        docker28.build("FROM busybox AS tools\n", target="tolls")


def test_a_fault_of_the_file_is_found_before_anything_runs(docker28: Bench) -> None:
    with pytest.raises(DockerfileError):
        docker28.build("FROM busybox\nRUN echo ran\nSTOPSIGNAL nope\n")
    assert not any(isinstance(event, StepOutput) for event in docker28.events)


def test_owners_of_files_copied_from_a_stage(bench: Bench) -> None:
    result = bench.build(
        "FROM busybox AS a\nRUN mkdir -p /d/e && echo hi >/d/e/f && ln /d/e/f /d/g && chown -R 5:6 /d\n"
        "FROM busybox\nCOPY --from=a /d /d\nCOPY --from=a /d/g /single\n"
    )
    seen = bench.run(result.id, "stat", "-c", "%u:%g %h", "/d/e", "/d/e/f", "/d/g", "/single").split("\n")
    assert seen[:4] == ["5:6 2", "5:6 2", "5:6 2", "5:6 1"]
