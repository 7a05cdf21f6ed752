"""Every input of the schema does what it should: see input_cases.py. An input without a case fails here."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from incubator.ci.spec import input_specs
from tests.e2e.engine import docker, nothing_left
from tests.e2e.input_cases import World, find_case

if TYPE_CHECKING:
    from pathlib import Path

    from lab import EngineHandle, RegistryHandle

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", [spec.name for spec in input_specs()])
def test_every_input_has_an_effect(
    name: str, engine: EngineHandle, registry: RegistryHandle, registry_auth: RegistryHandle, tmp_path: Path
) -> None:
    make_case = find_case(name)
    assert make_case, (
        f"show what the input {name} does: write a case {name.replace('-', '_')} in input_cases.py"
    )
    image = f"e2e-{name}-{tmp_path.parent.name[-8:]}".lower().replace("_", "-").strip("-")
    with nothing_left(engine), ExitStack() as stack:
        stack.callback(remove_images, engine, image)
        world = World(
            engine=engine,
            registry=registry,
            registry_auth=registry_auth,
            folder=tmp_path,
            stack=stack,
            name=image,
        )
        case = make_case(world)
        common = {"tags": image, **case.others}
        if case.earlier is not None:
            earlier = world.run(case, common | dict(case.earlier))
            assert earlier.code == 0, earlier.log
            case.after_earlier(earlier)
        without = world.run(case, common)
        assert not case.shows(without), f"it shows without the input, too:\n{without.log}"
        case.before_second()
        given = world.run(case, common | {name: case.value})
        assert case.shows(given), given.log


def remove_images(engine: EngineHandle, name: str) -> None:
    """Take away all references of a case."""
    listed = docker(engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    own = [reference for reference in listed if name in reference]
    if own:
        docker(engine, "image", "rm", "--no-prune", *own, check=False)
