"""The server's settings: one class, one precedence.

A flag of `jubako serve` wins over an environment variable (``JUBAKO_`` and the field's name in capitals), which wins over the
file named by ``--config`` or ``JUBAKO_CONFIG`` (TOML), which wins over the default. `jubako serve --show-settings` prints each
value and where it came from.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from jubako.paths import default_cache, default_repository

CONFIG_VARIABLE = "JUBAKO_CONFIG"


class Settings(BaseSettings):
    """Everything that the server can be told, besides the entries of the repository."""

    model_config = SettingsConfigDict(
        env_prefix="JUBAKO_", extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True
    )

    repository: Path = Field(default_factory=default_repository)
    """The model repository to serve. Default: ``model_repository`` here if there is one, else the one that jubako brings."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every network. Default 127.0.0.1: this machine only."""

    port: int = Field(default=3000, ge=0, le=65535)
    """Port of HTTP. Default 3000."""

    grpc_port: int = Field(default=50051, ge=0, le=65535)
    """Port of gRPC. Default 50051."""

    workers: int = Field(default=1, ge=1, le=256)
    """Gateway processes that share the port. One answers thousands of requests a second. Default 1."""

    cache_dir: Path = Field(default_factory=default_cache)
    """Where downloaded weights are kept, by their digests. Default: ``jubako`` in the user's cache folder."""

    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest request body, in bytes; a larger one is refused with status 413. Default 33554432 (32 MiB)."""

    grace_period_s: float = Field(default=30.0, ge=0)
    """How long requests in flight may take to finish after SIGTERM, in seconds. Default 30."""

    access_log: bool = True
    """Write a line for each request. Default true."""

    log_format: Literal["text", "json"] = "text"
    """The form of log lines: text for people, json (one object a line) for collectors. Default text."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines to write. Default info."""

    @field_validator("repository", "cache_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        # Server processes run in other folders than the shell that named the path.
        return path.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = [init_settings, env_settings]
        if file := os.environ.get(CONFIG_VARIABLE):
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=Path(file)))
        return tuple(sources)

    def as_environment(self) -> dict[str, str]:
        """These settings as the environment variables that make another process's the same."""
        return {f"JUBAKO_{name.upper()}": _as_text(value) for name, value in self.model_dump().items()}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
