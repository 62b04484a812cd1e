"""A Hugging Face model on LMDeploy and a GPU: ``bentoml serve services.lmdeploy:svc --arg model=my-model``."""

from __future__ import annotations

import bentoml

from jubako.packaging.arguments import http_of, settings_for
from jubako.packaging.image import image
from jubako.services import GatewayService, RunnerService

settings = settings_for("lmdeploy")


@bentoml.service(name="runner", service_class=RunnerService, workers=1, resources={"cpu": "4", "memory": "32Gi", "gpu": 1})
class Runner:
    """Keeps the instances of the model, and of those that it needs."""


@bentoml.service(
    name="lmdeploy",
    service_class=GatewayService,
    workers=settings.workers,
    http=http_of(settings),
    resources={"cpu": "1", "memory": "512Mi"},
    image=image("lmdeploy"),
)
class Gateway:
    """Answers from the instances that the runner keeps."""

    runner = bentoml.depends(Runner)


svc = Gateway
