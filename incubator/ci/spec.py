"""The list of pipeline inputs, as the schema has it. Pure but for reading the schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

from incubator.schema import load_schema

if TYPE_CHECKING:
    from incubator.ci.lists import ListStyle

InputKind = Literal["string", "boolean", "integer", "list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input. `default` is what counts where nothing is given; `list_style` is None for all but lists."""

    name: str
    kind: InputKind
    list_style: ListStyle | None
    secret: bool
    description: str
    default: Any
    examples: tuple[Any, ...]
    schema: dict[str, Any]

    @property
    def github_variable(self) -> str:
        """Environment variable that GitHub's runner puts the input in: hyphens stay."""
        return f"INPUT_{self.name.upper()}"

    @property
    def plain_variable(self) -> str:
        """Environment variable of the input everywhere else."""
        return f"INCUBATOR_{self.name.upper().replace('-', '_')}"


@cache
def input_specs() -> tuple[InputSpec, ...]:
    """All inputs, in the order of the schema."""
    return tuple(_spec(name, schema) for name, schema in load_schema("inputs")["properties"].items())


def pattern_of(name: str) -> str:
    """The pattern that the text of an input has to match."""
    pattern: str = load_schema("inputs")["properties"][name]["pattern"]
    return pattern


def _spec(name: str, schema: dict[str, Any]) -> InputSpec:
    kind = "list" if schema["type"] == "array" else schema["type"]
    return InputSpec(
        name=name,
        kind=cast("InputKind", kind),
        list_style=schema.get("x-list"),
        secret=schema.get("writeOnly", False),
        description=schema["description"],
        default=schema["default"],
        examples=tuple(schema.get("examples", ())),
        schema=schema,
    )
