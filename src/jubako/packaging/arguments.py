"""What a service is told where it is defined: which model it serves, and where it listens."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import click
from bentoml.exceptions import InvalidArgument
from pydantic import BaseModel, ConfigDict, Field

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError, JubakoError
from jubako.listening import address_of
from jubako.packaging.locks import USUAL, Variant
from jubako.repository.repository import read_repository
from jubako.repository.selection import check_names
from jubako.settings import Settings, load_settings, variable_of


class Arguments(BaseModel):
    """What ``bentoml serve --arg NAME=VALUE`` may say, and what a bento of one model says for itself.

    Attributes:
        model: The one model to serve, by any of its names, with what it needs; "" for what the setting `load` says.
        version: Its version; None for those that its entry chooses.
        packages: Python packages that the image holds besides those of the backend, such as ``numpy==2.4.6``.
        variant: Which build of PyTorch the image has, if it has one.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    version: int | None = None
    packages: list[str] = Field(default_factory=list)
    variant: Variant = USUAL

    @property
    def load(self) -> str:
        """As the setting `load` says it."""
        return self.model if self.version is None else f"{self.model}:{self.version}"


def arguments() -> Arguments:
    """What this process was told."""
    told: Arguments = bentoml.use_arguments(Arguments)
    return told


def settings_for(backend: str = "") -> Settings:
    """The settings of the server that this process belongs to, with what the arguments say.

    Services call it where they are defined: that runs in the working folder of the service, in each of its processes, before any
    of them begins.

    Args:
        backend: What the model that the arguments name must run on; "" for any.

    Raises:
        InvalidArgument: the arguments name no model, or one of another backend.
    """
    told = arguments()
    if os.environ.get("BENTOML_CONTAINERIZED") == "true":
        os.environ.setdefault(variable_of("host"), "0.0.0.0")  # noqa: S104 - the container's own network
    # BentoML would show the runner, and so each instance, no more GPUs than the service's resources say.
    os.environ.setdefault("BENTOML_DISABLE_GPU_ALLOCATION", "true")
    _follow_flags()
    if told.model:
        os.environ[variable_of("load")] = told.load
    settings = load_settings().settings
    os.environ[variable_of("repository")] = str(settings.repository)
    if told.model:
        try:
            _check_backend(settings, told.model, backend)
        except JubakoError as error:
            raise InvalidArgument(error.message) from None
    return settings


def _follow_flags() -> None:
    """``bentoml serve --host --port`` say where HTTP listens. gRPC, and what is safe on this machine alone, follow them."""
    context = click.get_current_context(silent=True)
    for name in ("host", "port"):
        if context is not None and (said := context.params.get(name)):
            os.environ[variable_of(name)] = str(said)


def on_cuda(**resources: float) -> dict[str, float]:
    """`resources` where the image is for GPUs, as in ``{"cpu": "2", **on_cuda(gpu=1)}``; nothing where it is not."""
    return resources if arguments().variant == "cuda" else {}


def http_of(settings: Settings) -> dict[str, Any]:
    """Where the gateway listens, as BentoML wants it; its own default is every network."""
    return {"host": address_of(settings.host), "port": settings.port}


def _check_backend(settings: Settings, name: str, backend: str) -> None:
    """
    Raises:
        ConfigurationError: the repository has no such model, or it runs on another backend.
    """
    repository = read_repository(settings.repository, BACKENDS)
    check_names(repository, settings.load)
    found = next((model for model in repository.models.values() if name in model.served_names), None)
    if found is not None and backend not in ("", found.config.backend):
        of = found.config.backend
        raise ConfigurationError(
            f"{found.name} runs on {of}. Serve it with: bentoml serve services.{of}:svc --arg model={found.name}"
        )
