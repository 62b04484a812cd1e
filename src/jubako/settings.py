"""The server's settings: one class, one precedence.

A flag of `jubako serve` wins over an environment variable (``JUBAKO_`` and the field's name in capitals), which wins over the
file named by ``--config`` or ``JUBAKO_CONFIG`` (TOML), which wins over the default. `jubako serve --show-settings` prints each
value and where it came from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from jubako.errors import ConfigurationError
from jubako.paths import default_cache, default_repository

PREFIX = "JUBAKO_"
CONFIG_VARIABLE = "JUBAKO_CONFIG"
KEY_VARIABLE = "JUBAKO_API_KEY"
"""The key that commands send to a server; no setting of the server's."""

Origin = Literal["flag", "environment", "file", "default"]
FlagValue = str | bool


class Settings(BaseModel):
    """Everything that the server can be told, besides the entries of the repository. :func:`load_settings` makes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    repository: Path = Field(default_factory=default_repository)
    """The model repository to serve. Default: ``model_repository`` here if there is one, else the one that jubako brings."""

    load: str = ""
    """Models that are loaded when the server starts, with commas between them, and what they need; any other waits for ``jubako
    load``. ``*`` is every model; ``NAME:2`` is served in that version, whatever its entry says. Default nothing: each entry says
    itself, with `autoload`."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every network. Default 127.0.0.1: this machine only."""

    port: int = Field(default=3000, ge=0, le=65535)
    """Port of HTTP. Default 3000."""

    grpc_port: int = Field(default=50051, ge=0, le=65535)
    """Port of gRPC; 0 is any free one. Default 50051."""

    grpc_max_message_bytes: int = Field(default=128 * 1024 * 1024, ge=1024, le=2**31 - 1)
    """Largest gRPC message taken, in bytes; a larger one is refused with RESOURCE_EXHAUSTED. Default 134217728 (128 MiB)."""

    grpc_max_concurrent_streams: int = Field(default=1000, ge=1, le=2**31 - 1)
    """Most gRPC calls at once on one connection; a client lets further ones wait. Default 1000."""

    grpc_keepalive_s: float = Field(default=60.0, gt=0)
    """A gRPC connection that is silent for so long is asked for a sign of life, in seconds. Default 60."""

    grpc_keepalive_timeout_s: float = Field(default=20.0, gt=0)
    """A gRPC connection that gives no sign of life for so long when asked is closed, in seconds. Default 20."""

    grpc_tls_cert: Path | None = None
    """PEM file of the certificate that the gRPC port shows, with those that lead to its authority behind it; a renewed file is
    taken without a restart. Default none: gRPC without TLS."""

    grpc_tls_key: Path | None = None
    """PEM file of that certificate's key, without a passphrase. Default none."""

    grpc_tls_client_ca: Path | None = None
    """PEM file of authorities: clients of the gRPC port must show a certificate that one of them signed. Default none: clients
    show nothing."""

    api_keys: Path | None = None
    """TOML file of the keys that callers must have, which ``jubako key create`` makes; a changed file is taken without a restart.
    Default none: nobody is asked for a key."""

    workers: int = Field(default=1, ge=1, le=256)
    """Gateway processes that share the port. One answers thousands of requests a second. Default 1."""

    cache_dir: Path = Field(default_factory=default_cache)
    """Where downloaded weights are kept, by their digests. Default: ``jubako`` in the user's cache folder."""

    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest request body, in bytes; a larger one is refused with status 413. Default 33554432 (32 MiB)."""

    grace_period_s: float = Field(default=30.0, ge=0)
    """How long requests in flight may take to finish after SIGTERM, in seconds. Default 30."""

    shared_memory: Literal["auto", "on", "off"] = "auto"
    """Whether callers may register shared memory of this machine for their tensors: auto is on only where `host` is this machine
    alone, because whoever may register it may read and write all of it. Default auto."""

    access_log: bool = True
    """Write a line for each request. Default true."""

    log_format: Literal["text", "json"] = "text"
    """The form of log lines: text for people, json (one object a line) for collectors. Default text."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines to write. Default info."""

    @field_validator("api_keys", "grpc_tls_cert", "grpc_tls_key", "grpc_tls_client_ca", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("repository", "cache_dir", "api_keys", "grpc_tls_cert", "grpc_tls_key", "grpc_tls_client_ca")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Server processes run in other folders than the shell that named the path.
        return path.expanduser().absolute() if path is not None else None

    def as_environment(self) -> dict[str, str]:
        """These settings as the environment variables that make another process's the same."""
        return {variable_of(name): as_text(value) for name, value in self.model_dump().items()}


@dataclass(frozen=True)
class LoadedSettings:
    """Settings, and where each came from.

    Attributes:
        origins: For each field, the kind of place that won.
        file: The settings file, if there was one.
        notes: What looks like a mistake and was left alone, as sentences.
    """

    settings: Settings
    origins: dict[str, Origin]
    file: Path | None
    notes: list[str]

    def place_of(self, name: str) -> str:
        """Where a setting's value came from, such as ``flag --port``."""
        origin = self.origins[name]
        where = {"flag": flag_of(name), "environment": variable_of(name), "file": str(self.file), "default": ""}[origin]
        return f"{origin} {where}".strip()


def load_settings(flags: Mapping[str, FlagValue] | None = None, config: Path | None = None) -> LoadedSettings:
    """The settings that these flags, this process's environment and the file named by either make.

    Args:
        flags: Values of the flags that were given, by the names of their fields.
        config: The file that ``--config`` named; default: the one that ``JUBAKO_CONFIG`` names, if any.

    Raises:
        ConfigurationError: a value is wrong, or the file is; the message names the flag, variable or file, every one of them.
    """
    given = dict(flags or {})
    variables = {
        name: os.environ[variable_of(name)] for name in Settings.model_fields if os.environ.get(variable_of(name)) is not None
    }
    file = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    from_file = _read(file) if file else {}
    layers: list[tuple[Origin, Mapping[str, Any]]] = [("flag", given), ("environment", variables), ("file", from_file)]
    origins: dict[str, Origin] = {
        name: next((origin for origin, layer in layers if name in layer), "default") for name in Settings.model_fields
    }
    unknown = [name for name in from_file if name not in Settings.model_fields]
    problems = [f"In {file}, `{name}` is not a setting{_nearest(name)}" for name in unknown]
    try:
        settings = Settings(**{**_known(from_file), **variables, **given})
    except ValidationError as error:
        problems += [_sentence(detail, origins, file) for detail in error.errors()]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return LoadedSettings(settings, origins, file, _notes())


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def flag_of(name: str) -> str:
    """The flag of a setting, or what stands for it on the command line."""
    return "REPOSITORY" if name == "repository" else "--" + name.replace("_", "-")


def as_text(value: object) -> str:
    """A setting's value as an environment variable writes it; nothing is empty."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"There is no settings file {file}.") from None
    except OSError as error:
        raise ConfigurationError(f"The settings file {file} can't be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The settings file {file} is not TOML: {error}.") from None


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in Settings.model_fields}


def _nearest(name: str) -> str:
    close = get_close_matches(name.lower(), Settings.model_fields, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; the settings are {', '.join(Settings.model_fields)}."


def _notes() -> list[str]:
    # Not an error: others may own variables with our prefix, as Kubernetes does for a service that is named jubako.
    known = {variable_of(name) for name in Settings.model_fields}
    return [
        f"The environment variable {variable} is not a setting; did you mean {close[0]}?"
        for variable in sorted(set(os.environ) - known - {CONFIG_VARIABLE, KEY_VARIABLE})
        if variable.startswith(PREFIX) and (close := get_close_matches(variable, known, n=1, cutoff=0.85))
    ]


def _sentence(detail: ErrorDetails, origins: Mapping[str, Origin], file: Path | None) -> str:
    name = str(detail["loc"][0])
    origin = origins[name]
    where = {
        "flag": flag_of(name),
        "environment": f"The environment variable {variable_of(name)}",
        "file": f"In {file}, {name}",
        "default": f"The setting {name}",
    }[origin]
    sentence = f"{where} is {as_text(detail['input'])!r}; it must be {_rule(detail)}."
    if origin == "environment" and name == "port" and str(detail["input"]).startswith("tcp://"):
        sentence += " Kubernetes sets it for a service named jubako: put `enableServiceLinks: false` into the pod."
    return sentence


def _rule(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "greater_than":
            return f"more than {context['gt']:g}"
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "int_parsing" | "int_type" | "int_from_float":
            return "a whole number"
        case "float_parsing" | "float_type":
            return "a number"
        case "bool_parsing" | "bool_type":
            return "true or false"
        case "literal_error":
            return str(context["expected"])
        case _:
            return detail["msg"].removeprefix("Input should be ")
