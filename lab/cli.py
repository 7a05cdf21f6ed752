"""The commands of `python3 -m lab`.

Results go to stdout, progress and faults to stderr. Exit codes: 0 done, 1 failed, 2 misused.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

from . import engines, images, registries
from .availability import reason_not_here
from .clients import CLIENTS, tool
from .errors import LabError
from .parts import PARTS, running_parts, start, stop_all
from .paths import cache_dir, say, state_dir
from .selfcheck import check_all

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_ENGINE = "default"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LabError as error:
        say(str(error))
    except subprocess.CalledProcessError as error:
        say(f"{' '.join(map(str, error.cmd))} ended with {error.returncode}")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab", description="Real engines, registries and CI clients for the tests."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start engines and registries")
    up.add_argument("names", nargs="+", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="stop them, with all they run and store")
    down.add_argument("names", nargs="*", type=_part, metavar="NAME")
    down.add_argument("--all", action="store_true", help="everything the lab started")
    down.set_defaults(run=_down)

    commands.add_parser("status", help="what runs, and where").set_defaults(run=_status)

    load = commands.add_parser("images", help="load base images into an engine")
    load.add_argument("engine", choices=(*engines.ENGINES, DEFAULT_ENGINE))
    load.add_argument(
        "names", nargs="*", metavar="IMAGE", help=f"all if none is named: {', '.join(images.RECIPES)}"
    )
    load.set_defaults(run=_images)

    client = commands.add_parser("client", help="print the path of a client, fetched if need be")
    client.add_argument("name", choices=tuple(CLIENTS))
    client.set_defaults(run=_client)

    env = commands.add_parser("env", help="start an engine and print its DOCKER_HOST=...")
    env.add_argument("engine", choices=(*engines.ENGINES, DEFAULT_ENGINE))
    env.set_defaults(run=_env)

    run = commands.add_parser("run", help="run a command, then stop what it started")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    run.set_defaults(run=_run)

    commands.add_parser("check", help="start everything and use it once").set_defaults(run=_check)
    return parser


def _part(name: str) -> str:
    # argparse's own choices refuse an empty list of names.
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PARTS)}")
    return name


def _up(options: argparse.Namespace) -> int:
    for name in options.names:
        reason = reason_not_here(name)
        if reason:
            raise LabError(reason)
        _out(f"{name} {start(name)}")
    return 0


def _down(options: argparse.Namespace) -> int:
    if not options.names and not options.all:
        raise LabError("name what to stop, or give --all")
    stop_all(PARTS if options.all else options.names)
    return 0


def _status(_: argparse.Namespace) -> int:
    for name in engines.ENGINES:
        engine = engines.running(name)
        _out(f"{name:14} {f'{engine.version}  {engine.host}' if engine else 'not running'}")
    for auth, name in registries.NAMES.items():
        registry = registries.handle(auth=auth)
        login = f"  {registry.username} / {registry.password}" if registry and registry.username else ""
        _out(f"{name:14} {registry.address + login if registry else 'not running'}")
    _out(f"cache {cache_dir()}  state {state_dir()}")
    return 0


def _images(options: argparse.Namespace) -> int:
    engine = _engine(options.engine)
    may_pull = engine.name == DEFAULT_ENGINE
    images.ensure_images(engine.socket, options.names or images.RECIPES, may_pull=may_pull)
    return 0


def _client(options: argparse.Namespace) -> int:
    _out(str(tool(options.name)))
    return 0


def _env(options: argparse.Namespace) -> int:
    _out(f"DOCKER_HOST={_engine(options.engine).host}")
    return 0


def _check(_: argparse.Namespace) -> int:
    return check_all(_out)


def _run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise LabError("name the command to run, after --")
    before = running_parts()
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        stop_all(name for name in running_parts() if name not in before)


def _engine(name: str) -> engines.EngineHandle:
    return engines.default_engine() if name == DEFAULT_ENGINE else engines.up(name)


def _out(line: str) -> None:
    sys.stdout.write(line + "\n")
