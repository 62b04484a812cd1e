"""The flags of `jubako serve`, made from :class:`jubako.settings.Settings`: a setting is written once, there."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from jubako.settings import Settings, flag_of, variable_of

P = ParamSpec("P")
R = TypeVar("R")


def with_settings(command: Callable[P, R]) -> Callable[P, R]:
    """Give `command`, which takes ``**flags``, an option for each setting.

    A flag that is absent is None. Flags that are present are text, or bool for the switches: settings are checked in one place,
    with one wording, wherever they come from.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    made = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    # An argument comes before the options, as on the command line.
    parameters = sorted(own + made, key=lambda parameter: parameter.name != "repository")
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def reference_table() -> str:
    """The settings as the Markdown table of docs/configuration.md."""
    lines = ["| setting | flag | variable | what it does |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        words = (field.description or "").replace("``", "`").replace("\n", " ")
        lines.append(f"| `{name}` | `{flag_of(name)}` | `{variable_of(name)}` | {words} |")
    return "\n".join(lines) + "\n"


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    help_text = (field.description or "").replace("``", "`").replace("\n", " ")
    annotation: Any
    if name == "repository":
        annotation = Annotated[str | None, typer.Argument(metavar="REPOSITORY", show_default=False, help=help_text)]
    elif field.annotation is bool:
        switch = f"{flag_of(name)}/--no-{flag_of(name).removeprefix('--')}"
        annotation = Annotated[bool | None, typer.Option(switch, show_default=False, help=help_text)]
    else:
        annotation = Annotated[
            str | None, typer.Option(flag_of(name), metavar=_metavar(field.annotation), show_default=False, help=help_text)
        ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _metavar(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(str(choice) for choice in get_args(annotation))
    return {int: "INTEGER", float: "NUMBER", Path: "FOLDER", Path | None: "FILE"}.get(annotation, "TEXT")  # type: ignore[call-overload, no-any-return]
