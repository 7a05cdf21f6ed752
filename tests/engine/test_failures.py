"""What a failed step leaves, and what is said about one that was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incubator.core.failures import FAILED_REPOSITORY
from incubator.errors import StepFailed
from incubator.events import BuildStarted, StepFinished, StepOutput

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

BROKEN = """\
FROM busybox
ARG WHO=nobody
ENV STAYS=yes
WORKDIR /work/here
RUN echo below > /below && chmod 777 /work/here
USER 1000:1000
RUN echo half > done; exit 3
"""


def fail(bench: Bench, dockerfile: str, **options: Any) -> StepFailed:
    with pytest.raises(StepFailed) as raised:
        bench.build(dockerfile, **options)
    return raised.value


@pytest.mark.parametrize("layers", [None, [0]])
def test_a_failed_step_can_be_looked_into(bench: Bench, layers: list[int] | None) -> None:
    error = fail(bench, BROKEN, keep_failed=True, layers=layers, buildargs={"HTTP_PROXY": "http://u:p@proxy"})
    assert error.kept_image
    assert error.kept_image.startswith(f"{FAILED_REPOSITORY}:")
    assert f"docker run --rm -it {error.kept_image} sh" in str(error)
    try:
        shown = bench.run(
            error.kept_image, "sh", "-c", "pwd; id -u; cat done /below; echo $STAYS $WHO $HTTP_PROXY"
        )
        assert shown == "/work/here\n1000\nhalf\nbelow\nyes nobody\n"
    finally:
        bench.client.remove_image(error.kept_image)


def test_nothing_is_kept_unless_asked(bench: Bench) -> None:
    assert fail(bench, BROKEN).kept_image is None
    [build_id] = [event.build_id for event in bench.events if isinstance(event, BuildStarted)]
    assert [name for name in bench.client.references(FAILED_REPOSITORY) if build_id in name] == []


def test_what_was_mounted_is_not_kept(docker28: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    host = tmp_path_factory.mktemp("host")
    (host / "token").write_text("not to be kept")
    error = fail(
        docker28, "FROM busybox\nRUN cat /mnt/token; false\n", keep_failed=True, volumes=[f"{host}:/mnt"]
    )
    assert error.kept_image
    try:
        assert docker28.run(error.kept_image, "sh", "-c", "ls -A /mnt") == ""
    finally:
        docker28.client.remove_image(error.kept_image)


def test_no_secret_is_kept(docker28: Bench) -> None:
    token = "t0ken-of-a-failed-step"
    mounts = "--mount=type=secret,id=tok --mount=type=secret,id=tok,env=TOK"
    command = 'test "$(cat /run/secrets/tok)" = "$TOK" && false'
    error = fail(
        docker28, f"FROM busybox\nRUN {mounts} {command}\n", keep_failed=True, secrets={"tok": token}
    )
    assert error.kept_image
    assert token not in str(error)
    try:
        api: Any = docker28.api
        image = api.inspect_image(error.kept_image)
        assert token not in str(image) + str(docker28.client.history(error.kept_image))
        assert "TOK=" not in str(image["Config"]["Env"])
        assert all(token.encode() not in chunk for chunk in api.get_image(error.kept_image))
        shown = docker28.run(error.kept_image, "sh", "-c", "cat /run/secrets/tok 2>/dev/null; echo [$TOK]")
        assert shown == "[]\n"
    finally:
        docker28.client.remove_image(error.kept_image)


def test_a_step_over_its_limit_says_so(bench: Bench) -> None:
    error = fail(
        bench,
        "FROM busybox\nRUN echo fine\nRUN head -c 200000000 /dev/zero | tail > /dev/null; exit $?\n",
        container_limits={"memory": "32m", "memswap": "32m"},
    )
    assert error.exit_status == 137
    told = f"{error.message} {error.hint}"  # Podman tells neither peak nor, at all times, the reason
    assert "went over the memory limit of 32 MiB" in told
    assert "SIGKILL" in error.message
    assert error.span
    assert error.span.first_line == 3
    if error.peak_memory_bytes is not None:
        assert 24 << 20 < error.peak_memory_bytes <= 32 << 20


def test_another_signal_is_named(docker28: Bench) -> None:
    error = fail(docker28, "FROM busybox\nRUN kill -TERM $$\n")
    assert error.message == "RUN failed with exit status 143, killed by SIGTERM"


def test_peak_memory_is_told_for_each_run(docker28: Bench) -> None:
    dockerfile = "FROM busybox\nRUN true\nRUN head -c 40000000 /dev/zero | tail -c 30000000 > /dev/null\n"
    result = docker28.build(dockerfile)
    small, large = (log.peak_memory_bytes for log in result.logs)
    assert small is not None
    assert large is not None
    assert small < 16 << 20 < large
    told = [event.peak_memory_bytes for event in docker28.events if isinstance(event, StepFinished)]
    assert told == [small, large]


def test_a_flood_is_shown_within_its_limit(bench: Bench) -> None:
    dockerfile = "FROM busybox\nRUN yes 'one line of many' | head -c 30000000; echo; echo the end\n"
    result = bench.build(dockerfile)
    outputs = [event for event in bench.events if isinstance(event, StepOutput)]
    assert sum(len(event.data) + event.skipped_bytes for event in outputs) == 30_000_009
    assert sum(len(event.data) for event in outputs) < 3 << 20
    assert b"".join(event.data for event in outputs).endswith(b"\nthe end\n")
    assert len(result.logs[0].logs) == 1 << 20
