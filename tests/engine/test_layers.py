"""Which instructions share a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from incubator.errors import InputError

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

DOCKERFILE = """\
FROM busybox
RUN echo one > /one
ENV A=1
RUN echo two > /two
COPY file /copied
RUN rm /one && echo three > /three
RUN true
LABEL last=yes
"""


ONE, TWO, COPIED = "RUN echo one > /one", "RUN echo two > /two", "COPY file /copied"
THREE, NOTHING = "RUN rm /one && echo three > /three", "RUN true"


@pytest.mark.parametrize(
    ("layers", "commands"),
    [
        ([], [[ONE], [TWO], [COPIED], [THREE]]),
        ([0], [[ONE, TWO, COPIED, THREE, NOTHING]]),
        ([4], [[ONE, TWO], [COPIED, THREE, NOTHING]]),
        ([1, 2, 8], [[ONE], [TWO, COPIED, THREE, NOTHING]]),
        ("auto", [[ONE, TWO], [COPIED, THREE, NOTHING]]),
    ],
)
def test_layers_hold_what_was_asked(bench: Bench, layers: list[int] | str, commands: list[list[str]]) -> None:
    base = bench.client.image("busybox:latest")
    assert base
    result = bench.build(DOCKERFILE, {"file": "x"}, layers=layers)
    own = [list(layer.commands) for layer in result.layers if not layer.base and layer.commands]
    assert own == commands
    image = bench.client.image(result.id)
    assert image
    assert image.config.diff_ids == tuple(layer.diff_id for layer in result.layers)
    assert image.config.diff_ids[: len(base.config.diff_ids)] == base.config.diff_ids
    history = bench.client.history(result.id)
    assert sum(not entry.empty_layer for entry in history) == len(image.config.diff_ids)
    made_here = [entry.created_by for entry in history if entry.comment == "incubator"]
    assert [line.split()[0] for line in made_here][:8] == ["RUN", "ENV", "RUN", "COPY", "RUN", "RUN", "LABEL"]
    shown = bench.run(result.id, "sh", "-c", "cat /two /copied /three; test -e /one || echo gone")
    assert shown == "two\nxthree\ngone\n"


def test_a_deleted_file_is_in_no_layer_if_they_share_one(docker28: Bench) -> None:
    dockerfile = "FROM busybox\nRUN head -c 4000000 /dev/urandom > /big\nRUN rm /big; echo small > /small\n"
    apart = docker28.build(dockerfile)
    together = docker28.build(dockerfile, layers=[0])
    assert sum(layer.size_bytes or 0 for layer in apart.layers if not layer.base) > 4_000_000
    assert sum(layer.size_bytes or 0 for layer in together.layers if not layer.base) < 1000


def test_splits_beyond_the_end_change_nothing(docker28: Bench) -> None:
    with pytest.raises(InputError, match=r"layer split 9: the Dockerfile has 8 instructions") as raised:
        docker28.build(DOCKERFILE, {"file": "x"}, layers=[2, 9], tag="never:made")
    assert "1 to 8" in str(raised.value)
    assert docker28.client.image("never:made") is None


def test_stages_are_cut_by_number_too(docker28: Bench) -> None:
    dockerfile = """\
FROM busybox AS one
RUN echo 1 > /1
RUN echo 2 > /2
FROM one
RUN echo 3 > /3
RUN echo 4 > /4
"""
    result = docker28.build(dockerfile, layers=[2])
    own = [list(layer.commands) for layer in result.layers if not layer.base]
    assert own == [["RUN echo 1 > /1"], ["RUN echo 2 > /2"], ["RUN echo 3 > /3", "RUN echo 4 > /4"]]
