"""The environment to raw inputs: what was given for each input, as text or as a list, before any meaning.

Three ways lead here. GitHub's runner gives `INPUT_<NAME>` with hyphens kept. Elsewhere it is `INCUBATOR_<NAME>`
with underscores, a text just the same. The GitLab component writes the same variables in a form of its own, behind
the mark `component:`, because lists arrive there as JSON, and because GitLab must not expand variables inside that
JSON: it would let a variable's value (say, a commit message) end an entry and begin another. So the component
switches expansion off, and `$NAME` is expanded here, entry by entry, once.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from incubator.ci.lists import Entry, parse_entries
from incubator.ci.registry_auth import passwords_in
from incubator.ci.spec import InputSpec, input_specs
from incubator.errors import InputError
from incubator.faults import Faults, did_you_mean
from incubator.neighbours import ELSEWHERE, IGNORED, INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incubator.ci.surroundings import Ci

COMPONENT_MARK = "component:"

RawValue = str | tuple[Entry, ...]
"""A tuple for lists, a text for all else; never empty."""

_VARIABLE = re.compile(
    r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)[^A-Za-z0-9_}])"
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def secret_values(environ: Mapping[str, str], ci: Ci) -> tuple[str, ...]:
    """Values of all inputs that are a secret, as given and as they will be used.

    They are to be masked before anything is printed. Lists of secrets have to be taken apart first.
    """
    found = []
    for spec in input_specs():
        if spec.secret and spec.kind != "list":
            text = environ.get(_variable(spec, ci), "").removeprefix(COMPONENT_MARK).strip()
            texts = [text, _expand(text, environ, lambda _name: None)]
            if (
                spec.name == "registry-auth"
            ):  # of a list only the passwords: the rest is words like `registry`
                texts = [password for text in texts for password in passwords_in(text)]
            found += texts
    return tuple(dict.fromkeys(text for text in found if text))


def given_names(environ: Mapping[str, str], ci: Ci) -> tuple[str, ...]:
    """Names of the inputs that are not empty."""
    return tuple(spec.name for spec in input_specs() if environ.get(_variable(spec, ci), "").strip())


def read_raw(
    environ: Mapping[str, str],
    ci: Ci,
    *,
    faults: Faults,
    warn: Callable[[str], None],
    note: Callable[[str], None],
) -> dict[str, RawValue]:
    """What was given, by input name. Notes misspelt names and unreadable lists in `faults`.

    `warn` takes other names that nobody knows, `note` those that make no difference here.
    """
    _check_names(environ, ci, faults, warn, note)
    found: dict[str, RawValue] = {}
    for spec in input_specs():
        with faults.gather():
            value = _read(spec, environ.get(_variable(spec, ci), "").strip(), environ, warn)
            if value:
                found[spec.name] = value
    return found


def _variable(spec: InputSpec, ci: Ci) -> str:
    return spec.github_variable if ci == "github" else spec.plain_variable


def _check_names(
    environ: Mapping[str, str],
    ci: Ci,
    faults: Faults,
    warn: Callable[[str], None],
    note: Callable[[str], None],
) -> None:
    prefix = "INPUT_" if ci == "github" else "INCUBATOR_"
    known = {_variable(spec, ci): spec.name for spec in input_specs()}
    for variable in sorted(environ):
        if not variable.startswith(prefix) or variable in known or not environ[variable].strip():
            continue
        name = variable.removeprefix(prefix).lower().replace("_", "-")
        shown = f"input {name}" if ci == "github" else f"variable {variable}"
        if reason := IGNORED.get(name):
            note(f"{shown} is ignored: {reason}")
        elif refused := INPUTS.get(name):
            if environ[variable].strip() not in refused.harmless:
                faults.add(
                    f"{shown}: {refused.of} has it, but it is not supported here yet", hint=refused.instead
                )
        elif meant := did_you_mean(ELSEWHERE.get(name, name), known.values()):
            if ci != "github":
                meant = f"did you mean {_variable_of(meant, known)}?"
            faults.add(f"unknown {shown}", hint=meant)
        else:
            warn(f"unknown {shown} is ignored: no input has a name like it")


def _variable_of(meant: str, known: Mapping[str, str]) -> str:
    name = meant.removeprefix("did you mean ").removesuffix("?")
    return next(variable for variable, known_name in known.items() if known_name == name)


def _read(
    spec: InputSpec, text: str, environ: Mapping[str, str], warn: Callable[[str], None]
) -> RawValue | None:
    def missing(name: str) -> None:
        warn(f"input {spec.name}: the variable {name} is not set in this job, so it counts as empty")

    def of_shell(text: str) -> None:
        name = text[2:-1]
        warn(
            f"input {spec.name}: {text} is an expansion of the shell, which is not done here: "
            f"write ${name}, or $$ for a dollar"
        )

    if not text.startswith(COMPONENT_MARK):
        if spec.list_style is None:
            return text
        try:
            return parse_entries(text, spec.list_style)
        except InputError as error:
            raise InputError(f"input {spec.name}: {error.message}", hint=error.hint) from error
    text = text.removeprefix(COMPONENT_MARK)
    if spec.kind == "list":
        texts = (_expand(entry, environ, missing, of_shell) for entry in _json_list(spec, text))
        if spec.list_style != "verbatim":
            texts = (entry.strip() for entry in texts)
        entries = (Entry(text=entry, place=f"entry {number}") for number, entry in enumerate(texts, start=1))
        return tuple(entry for entry in entries if entry.text)
    if spec.kind == "string":
        return _expand(text, environ, missing, of_shell).strip()
    # A component's input cannot be absent, so one with the default's value counts as not given.
    return None if text == json.dumps(spec.default) else text


def _expand(
    text: str,
    environ: Mapping[str, str],
    missing: Callable[[str], None],
    of_shell: Callable[[str], None] = lambda _: None,
) -> str:
    """Replace `$NAME` and `${NAME}` by the environment's values, which are not expanded again; `$$` is a `$`.

    `of_shell` is told of the beginning of `${NAME:-value}` and its like, which stay.
    """

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if match[4]:
            of_shell(match[0])
            return match[0]
        name = match[2] or match[3]
        if name not in environ:
            missing(name)
        return environ.get(name, "")

    return _VARIABLE.sub(value, text)


def _json_list(spec: InputSpec, text: str) -> list[str]:
    """Entries of a list as GitLab writes it into a text: JSON, or what Ruby's `inspect` makes of it."""
    try:
        entries = json.loads(_ESCAPE.sub(_json_escape, text))
    except ValueError as error:
        raise InputError(f"input {spec.name}: {text!r} is not a list in JSON") from error
    if not isinstance(entries, list) or not all(isinstance(entry, str | int | float) for entry in entries):
        raise InputError(f"input {spec.name}: expected a list of texts, got {text!r}")
    return [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]


def _json_escape(match: re.Match[str]) -> str:
    """Ruby escapes more than JSON knows: `#` before `{`, `$` and `@`, and the escape character."""
    if match[1][0] in '"\\/bfnrtu':
        return match[0]
    return {"e": "\\u001b", "a": "\\u0007", "v": "\\u000b"}.get(match[1], match[1])
