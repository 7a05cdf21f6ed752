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

import pytest

from incubator.errors import BuilderError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "incubator"
PATHS = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PATHS
}

IMPORTABLE = [name for name in MODULES if not name.endswith("__main__")]

ALLOWED = {
    "incubator.oci": {"errors"},
    "incubator.dockerfile": {"errors", "oci"},
    "incubator.context": {"errors"},
    "incubator.registry": {"errors", "oci", "request"},
    "incubator.remote": {"context", "errors"},
    "incubator.core.plan": {"dockerfile", "errors", "events", "oci", "remote", "request"},
    "incubator.core": {
        "context", "core.plan", "dockerfile", "errors", "events", "faults", "oci", "registry", "remote", "request",
        "schema", "ssh_address",
    },
    "incubator.ci.tags": {"ci.lists", "errors", "faults", "oci"},
    "incubator.console": {"core", "dockerfile", "errors", "events"},
    "incubator.report": {"console", "core", "dockerfile", "errors", "events", "oci"},
}  # fmt: skip
"""What a room may use besides itself; all of them come before cli, commands, ci and api in the flow of data."""

PURE = ("incubator.oci", "incubator.dockerfile", "incubator.core.plan", "incubator.ci.tags")
IMPURE = {
    "asyncio", "docker", "http", "os", "pathlib", "requests", "shutil", "socket", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib", "urllib3",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
DOCKER = (
    "incubator.core.client",
    "incubator.core.docker_calls",
    "incubator.core.docker_containers",
    "incubator.core.docker_images",
    "incubator.core.docker_types",
    "incubator.core.streams",
)
DOORS: dict[str, tuple[str, ...]] = {
    "docker": DOCKER,
    "requests": (*DOCKER, "incubator.registry", "incubator.remote.download"),
    "socket": ("incubator.core.streams", "incubator.core.client"),
    "actions_toolkit": ("incubator.ci",),
    "subprocess": ("incubator.remote.git", "incubator.registry.credentials", "incubator.core.ssh_tunnel"),
}
"""Which modules may import what leads outside. Three kinds of programs are started: git, which no library replaces in
full, the user's ssh, which alone knows the keys and settings that it has, and the credential helpers of docker."""
TERMINAL = ("incubator.cli", "incubator.ci", "incubator.commands", "incubator.console")
ENVIRONMENT = (
    "incubator.api",
    "incubator.cli",
    "incubator.ci",
    "incubator.commands",
    "incubator.core.client",
    "incubator.remote.store",
)
EXITS = ("incubator.cli", "incubator.__main__", "incubator.ci.__main__")


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(), MODULES[name].name)


@functools.cache
def nodes(name: str) -> tuple[ast.AST, ...]:
    """What the other questions look through."""
    kinds = (ast.Import, ast.ImportFrom, ast.Attribute, ast.Call)
    return tuple(node for node in ast.walk(tree(name)) if isinstance(node, kinds))


@functools.cache
def imports(name: str) -> frozenset[str]:
    """Modules that a module imports, anywhere in it and for types too; of ours the very module a name is from."""
    found: set[str] = set()
    for node in nodes(name):
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


@functools.cache
def attributes(name: str) -> frozenset[str]:
    """`module.name` of every attribute that a module uses of a plain name, and `from` imports of the same."""
    found: set[str] = set()
    for node in nodes(name):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@functools.cache
def called(name: str) -> frozenset[str]:
    """Plain names that a module calls."""
    calls = (node.func for node in nodes(name) if isinstance(node, ast.Call))
    return frozenset(function.id for function in calls if isinstance(function, ast.Name))


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 60
    assert {room for name in MODULES if (room := room_of(name))} == set(ALLOWED)


def test_every_module_says_what_it_is() -> None:
    heads = {name: (ast.get_docstring(tree(name)) or "").partition("\n")[0] for name in MODULES}
    assert [name for name, head in heads.items() if not head.endswith(".")] == []


def test_imports_point_one_way() -> None:
    wrong = {}
    for name in MODULES:
        if room := room_of(name):
            allowed = (room, *(f"incubator.{other}" for other in ALLOWED[room]))
            ours = {found for found in imports(name) if in_room(found, "incubator")}
            wrong[name] = {found for found in ours if not in_room(found, *allowed)}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("name", ["incubator.errors", "incubator.events"])
def test_what_everybody_uses_imports_our_modules_for_types_only(name: str) -> None:
    running = {
        alias
        for node in tree(name).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert not {found for found in running if found and found.startswith("incubator")}


def test_pure_rooms_do_no_io() -> None:
    pure = [name for name in MODULES if in_room(name, *PURE)]
    assert {name: outside(name) & IMPURE for name in pure if outside(name) & IMPURE} == {}
    assert {name: called(name) & IMPURE_CALLS for name in pure if called(name) & IMPURE_CALLS} == {}


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_pull_nothing_of_the_network_in(room: str) -> None:
    names = [name for name in MODULES if in_room(name, room)]
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(*sorted(set(sys.modules) & {'docker', 'requests', 'subprocess', 'socket', 'urllib3', 'http.client'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


@pytest.mark.parametrize(("world", "doors"), DOORS.items())
def test_foreign_worlds_have_one_door(world: str, doors: tuple[str, ...]) -> None:
    users = {name for name in MODULES if world in outside(name)}
    assert {name for name in users if not in_room(name, *doors)} == set()
    assert users or not doors


@pytest.mark.parametrize(
    ("names", "edges"),
    [
        ({"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}, TERMINAL),
        ({"os.environ", "os.getenv", "os.environb"}, ENVIRONMENT),
        ({"sys.exit", "os._exit"}, EXITS),
    ],
    ids=["terminal", "environment", "exit"],
)
def test_only_the_edges(names: set[str], edges: tuple[str, ...]) -> None:
    users = {name for name in MODULES if attributes(name) & names}
    assert {name for name in users if not in_room(name, *edges)} == set()
    assert users


def test_only_the_edges_print() -> None:
    assert [name for name in MODULES if "print" in called(name) and not in_room(name, *TERMINAL)] == []


def test_public_names_exist() -> None:
    for name in IMPORTABLE:
        module = importlib.import_module(name)
        public = getattr(module, "__all__", [])
        assert [found for found in public if not hasattr(module, found)] == [], name
        assert len(set(public)) == len(public), name


def test_errors_that_leave_a_room_are_builder_errors() -> None:
    wrong = []
    for name in IMPORTABLE:
        for found, cls in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            ours = cls.__module__.startswith("incubator.") and issubclass(cls, Exception)
            if ours and not issubclass(cls, BuilderError) and room_of(name) != room_of(cls.__module__):
                wrong.append(f"{found} of {cls.__module__} in {name}")
    assert wrong == []
