"""`incubator plan` on real engines: what it says is what a build then does, and it changes nothing."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from incubator.cli import main
from incubator.core.build import Builder
from incubator.errors import EngineError
from incubator.events import LayerCommitted
from incubator.options import make_request
from incubator.schema import load_schema
from incubator.sources import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incubator.core.preview import StagePreview
    from tests.engine.conftest import Bench

TEXT = """\
FROM busybox AS tools
ARG WORD=one
RUN echo $WORD > /tool
FROM busybox
ENV A=1
WORKDIR /w
COPY app lib/ /src/
RUN cat /src/* > /all
COPY --from=tools /tool /tool
CMD ["x"]
"""


def preview(bench: Bench, **values: Any) -> tuple[StagePreview, ...]:
    request = make_request(Place(path=bench.folder), values={"network": "none", **values})
    try:
        return Builder(request, client=bench.client).preview()
    finally:
        request.context.close()


def states(stages: tuple[StagePreview, ...]) -> list[tuple[str, str]]:
    return [(layer.state, layer.why) for stage in stages for layer in stage.layers if layer.state != "config"]


def cached(bench: Bench, **values: Any) -> list[bool]:
    """Build; whether each layer was reused, in the plan's order."""
    bench.events.clear()
    bench.build((bench.folder / "Dockerfile").read_text(), no_cache=False, **values)
    layers = [event for event in bench.events if isinstance(event, LayerCommitted)]
    return [
        layer.cached
        for layer in sorted(layers, key=lambda layer: (layer.stage != "tools", layer.steps[0].number))
    ]


CHANGES = (
    "attach", "commit", "compose", "create", "create_volume", "pull", "push", "remove_container", "remove_image",
    "remove_volume", "run", "start", "tag", "write_tar",
)  # fmt: skip
"""Calls that change something on an engine. Other tests use it as well, so what is there proves nothing."""


@contextmanager
def nothing_changes(bench: Bench) -> Iterator[None]:
    """Fail at a call that changes something on the engine."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a plan changes nothing")

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(bench.client, name, refuse)
        yield


def test_a_plan_says_what_a_build_does_and_why(bench: Bench) -> None:
    mark = secrets.token_hex(8)
    bench.write({"Dockerfile": TEXT, "app": mark, "lib/one": "1", "lib/two": "2"})
    with nothing_changes(bench):
        found = preview(bench)
    assert [stage.base for stage in found] == ["busybox", "busybox"]
    assert ("build", "not built before") in states(found)
    cached(bench)
    assert states(preview(bench)) == [("reuse", "")] * 5

    for change, expected in [
        ({"app": mark + "x"}, {2: "COPY app changed", 3: "what is below is made anew"}),
        ({"lib/two": mark}, {2: "COPY lib/ changed"}),
        ({"Dockerfile": TEXT.replace("cat", "cat -u")}, {3: "an instruction changed"}),
    ]:
        bench.write(change)
        said = states(preview(bench))
        for index, why in expected.items():
            assert said[index] == ("build", why)
        assert [state == "reuse" for state, _ in said] == cached(bench)
        assert states(preview(bench)) == [("reuse", "")] * 5


def test_a_build_says_what_changed_for_the_first_layer_it_makes_anew(docker28: Bench) -> None:
    mark = secrets.token_hex(8)
    docker28.write({"Dockerfile": TEXT, "app": mark, "lib/one": "1"})

    def why(**options: Any) -> list[str]:
        cached(docker28, **options)
        layers = [event for event in docker28.events if isinstance(event, LayerCommitted)]
        return [layer.not_cached for layer in layers if layer.not_cached]

    assert why() == [], "nothing is expected of the cache at first"
    assert why() == []
    docker28.write({"app": mark + "x"})
    assert why() == ["COPY app changed"]
    docker28.write({"Dockerfile": TEXT.replace("echo", f": {mark}; echo"), "lib/one": mark})
    assert sorted(why()) == ["COPY lib/ changed", "an instruction changed"], "in each stage the first"
    assert why(no_cache_filters=["tools"]) == [], "it was asked for"


def test_arguments_filters_and_other_options(docker28: Bench) -> None:
    docker28.write({"Dockerfile": TEXT, "app": secrets.token_hex(8), "lib/one": "1"})
    cached(docker28, buildargs={"WORD": secrets.token_hex(8)})
    [tool, *_] = states(preview(docker28, buildargs={"WORD": secrets.token_hex(8)}))
    assert tool == ("build", "the environment or a build argument changed")
    assert states(preview(docker28, no_cache=True)) == [("build", "earlier results are not to be used")] * 5
    said = states(preview(docker28, no_cache_filters=["tools"]))
    assert [state for state, _ in said] == ["build", "reuse", "reuse", "reuse", "build"]
    assert states(preview(docker28, network="host"))[0][0] == "build"


def test_a_missing_base_is_said_and_not_fetched(docker28: Bench) -> None:
    docker28.write({"Dockerfile": "FROM localhost:1/missing:1\nRUN true\n"})
    with pytest.raises(EngineError) as caught:
        preview(docker28)
    assert "does not have the base image localhost:1/missing:1" in str(caught.value)
    assert "Dockerfile:1" in str(caught.value)
    assert "--pull" in (caught.value.hint or "")


def test_the_command(
    docker28: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in docker28.handle.env.items():
        monkeypatch.setenv(name, value)
    docker28.write({"Dockerfile": TEXT, "app": secrets.token_hex(8), "lib/one": "1"})
    assert main(["plan", "--network=none", "--layers", "0", "--format", "json", str(docker28.folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema("plan")).validate(found)
    assert [len(stage["layers"]) for stage in found["stages"]] == [1, 1]
    assert main(["plan", "--network=none", str(docker28.folder)]) == 0
    table = capsys.readouterr().out
    assert "stage-1: from busybox\n" in table
    assert "  build     7  COPY app lib/ /src/  # not built before\n" in table
    assert main(["plan", "--format", "tabel", str(docker28.folder)]) == 2
    assert "did you mean table?" in capsys.readouterr().err
