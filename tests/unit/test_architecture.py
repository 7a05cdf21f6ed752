"""The rooms and the directions between them, read from the sources.

What the pure rooms import is also tested from the other side: they are imported, and nothing of the network comes
along.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from incubator.errors import BuilderError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "incubator"
PATHS = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PATHS
}

ALLOWED = {
    "incubator.oci": {"errors"},
    "incubator.dockerfile": {"errors", "oci"},
    "incubator.context": {"errors"},
    "incubator.registry": {"errors", "oci", "request"},
    "incubator.core.plan": {"dockerfile", "errors", "events", "oci", "request"},
    "incubator.core": {
        "context", "core.plan", "dockerfile", "errors", "events", "faults", "oci", "registry", "request", "schema",
    },
    "incubator.console": {"core", "dockerfile", "errors", "events"},
}  # fmt: skip
"""What a room may use besides itself; all of them come before cli, commands, ci and api in the flow of data."""

PURE = ("incubator.oci", "incubator.dockerfile", "incubator.core.plan")
IMPURE = {
    "asyncio", "docker", "http", "os", "pathlib", "requests", "shutil", "socket", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "urllib3",
}  # fmt: skip
DOCKER = {"incubator.core.client", "incubator.core.docker_types", "incubator.core.streams"}
TERMINAL = ("incubator.cli", "incubator.ci", "incubator.commands", "incubator.console")
ENVIRONMENT = ("incubator.cli", "incubator.ci", "incubator.commands", "incubator.core.client")
EXITS = ("incubator.cli", "incubator.__main__")


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(), MODULES[name].name)


@functools.cache
def imports(name: str) -> frozenset[str]:
    """Modules that a module imports, anywhere in it and for types too; of ours the very module a name is from."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            parent = node.module or ""
            submodules = {f"{parent}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= submodules or {parent}
    return frozenset(found)


def outside(name: str) -> set[str]:
    """Top-level names of what a module imports from elsewhere."""
    return {found.partition(".")[0] for found in imports(name)} - {"incubator"}


def in_room(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def room_of(name: str) -> str | None:
    """The innermost room of ALLOWED that a module is in."""
    rooms = [room for room in ALLOWED if in_room(name, room)]
    return max(rooms, key=len) if rooms else None


def attributes(name: str) -> Iterator[str]:
    """`module.name` of every attribute that a module uses of a plain name, and `from` imports of the same."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 60
    assert {room for name in MODULES if (room := room_of(name))} == set(ALLOWED)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is(name: str) -> None:
    doc = ast.get_docstring(tree(name))
    assert doc
    assert doc.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", [name for name in MODULES if room_of(name)])
def test_imports_point_one_way(name: str) -> None:
    room = room_of(name)
    assert room is not None
    allowed = (room, *(f"incubator.{other}" for other in ALLOWED[room]))
    wrong = {found for found in imports(name) if in_room(found, "incubator") and not in_room(found, *allowed)}
    assert not wrong


@pytest.mark.parametrize("name", ["incubator.errors", "incubator.events"])
def test_what_everybody_uses_imports_our_modules_for_types_only(name: str) -> None:
    running = {
        alias
        for node in tree(name).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert not {found for found in running if found and found.startswith("incubator")}


@pytest.mark.parametrize("name", [name for name in MODULES if in_room(name, *PURE)])
def test_pure_rooms_do_no_io(name: str) -> None:
    assert not outside(name) & IMPURE
    called = {
        node.func.id
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_pull_nothing_of_the_network_in(room: str) -> None:
    names = [name for name in MODULES if in_room(name, room)]
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(*sorted(set(sys.modules) & {'docker', 'requests', 'subprocess', 'socket', 'urllib3', 'http.client'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", MODULES)
def test_foreign_worlds_have_one_door(name: str) -> None:
    found = outside(name)
    assert "docker" not in found or name in DOCKER
    assert "requests" not in found or name in DOCKER or in_room(name, "incubator.registry")
    assert "socket" not in found or name == "incubator.core.streams"
    assert "actions_toolkit" not in found or in_room(name, "incubator.ci")
    assert "subprocess" not in found


@pytest.mark.parametrize("name", MODULES)
def test_only_the_edges_write_to_a_terminal_read_the_environment_or_exit(name: str) -> None:
    used = set(attributes(name))
    prints = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(tree(name))
    )
    streams = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
    assert in_room(name, *TERMINAL) or not (prints or used & streams)
    assert in_room(name, *ENVIRONMENT) or not used & {"os.environ", "os.getenv", "os.environb"}
    assert in_room(name, *EXITS) or not used & {"sys.exit", "os._exit"}


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_public_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert [found for found in public if not hasattr(module, found)] == []
    assert len(set(public)) == len(public)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_errors_that_leave_a_room_are_builder_errors(name: str) -> None:
    module = importlib.import_module(name)
    for found, cls in inspect.getmembers(module, inspect.isclass):
        if (
            not issubclass(cls, Exception)
            or issubclass(cls, BuilderError)
            or not cls.__module__.startswith("incubator")
        ):
            continue
        own = cls.__module__.split(".")[1]
        assert name.split(".")[1] == own, f"{found} of {cls.__module__} is used in {name}"
