"""The whole repository behind one HTTP front end: ``bentoml serve services.gateway:Gateway``."""

from __future__ import annotations

import bentoml

from jubako.listening import address_of
from jubako.services import GatewayService, RunnerService
from jubako.settings import load_settings

settings = load_settings().settings


@bentoml.service(name="runner", service_class=RunnerService, workers=1)
class Runner:
    """Starts, watches and replaces the instances of every model in the repository."""


@bentoml.service(
    name="gateway",
    service_class=GatewayService,
    workers=settings.workers,
    http={"host": address_of(settings.host), "port": settings.port},  # BentoML's own default is every network
)
class Gateway:
    """Answers OpenAI's API from the instances that the runner keeps."""

    runner = bentoml.depends(Runner)
