"""Command-line parsing: argparse with docker's habits, and with errors that help.

Options are spelt out in full, boolean ones take `=true` or `=false`, and values stay texts: they are checked
together with everything else, so that all faults are reported at once.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NoReturn

from incubator.errors import InputError
from incubator.faults import Faults, did_you_mean
from incubator.neighbours import FALSE, TRUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incubator.neighbours import Refused


class ArgumentParser(argparse.ArgumentParser):
    """Parser of one command."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=False, **options)
        self.add_argument("-h", "--help", action="help", help="show this help and exit")

    def add_switch(self, group: argparse._ArgumentGroup, *names: str, help: str) -> None:  # noqa: A002 - argparse's
        """A boolean option: None where it is not given; `--name=false` counts too."""
        long = next(name for name in names if name.startswith("--"))
        dest = long[2:].replace("-", "_")
        group.add_argument(*names, dest=dest, action="store_const", const=True, help=help)
        for words, value in ((TRUE, True), (FALSE, False)):
            spelt = [f"{long}={word}" for word in words]
            group.add_argument(*spelt, dest=dest, action="store_const", const=value, help=argparse.SUPPRESS)

    def add_refused(self, name: str, *aliases: str, refused: Refused, takes_value: bool = True) -> None:
        """An option of `docker build` that is refused, but for values that ask for nothing."""
        self.add_argument(
            name,
            *aliases,
            action=_Refuse,
            nargs=None if takes_value else 0,
            const=refused,
            dest="refused",
            default=[],
            help=argparse.SUPPRESS,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The values of `arguments`. Raises InputError, or InputErrors with all unknown and unsupported options."""
        values, extra = self.parse_known_args(arguments)
        faults = Faults()
        names = [name for name in self._option_string_actions if name.startswith("--") and "=" not in name]
        unknown = [text for text in extra if text.startswith("-") and text != "-"]
        for text in unknown:
            name = text.partition("=")[0]
            near = did_you_mean(name, names) if name.startswith("--") else None
            faults.add(f"unknown option {name}", hint=near or f"see {self.prog} --help")
        for text in extra if not unknown else ():
            faults.add(f"unexpected argument {text!r}", hint=f"see {self.prog} --help")
        for name, refused in dict(getattr(values, "refused", ())).items():
            faults.add(f"{name} is not supported yet", hint=refused.instead)
        faults.check()
        return values

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong as an InputError."""
        message = re.sub(
            r"^argument (\S+): ignored explicit argument (.*)$", r"\1 takes true or false, not \2", message
        )
        message = re.sub(r"^argument (\S+): expected one argument$", r"\1 needs a value", message)
        raise InputError(message, hint=f"see {self.prog} --help")


class _Refuse(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        refused: Refused = self.const
        if not (values and values in refused.harmless):
            namespace.refused = [*namespace.refused, (option_string, refused)]
