"""The whole repository: ``bentoml serve services.gateway:svc``."""

from __future__ import annotations

import bentoml

from jubako.packaging.arguments import http_of, settings_for
from jubako.packaging.image import image
from jubako.services import GatewayService, RunnerService

settings = settings_for()


@bentoml.service(name="runner", service_class=RunnerService, workers=1, resources={"cpu": "4", "memory": "8Gi"})
class Runner:
    """Starts, watches and replaces the instances of every model in the repository."""


@bentoml.service(
    name="gateway",
    service_class=GatewayService,
    workers=settings.workers,
    http=http_of(settings),
    resources={"cpu": "1", "memory": "512Mi"},
    image=image("gateway"),
)
class Gateway:
    """Answers from the instances that the runner keeps."""

    runner = bentoml.depends(Runner)


svc = Gateway
