"""A Hugging Face model on transformers: ``bentoml serve services.transformers:svc --arg model=minilm``.

Without a GPU, say ``--arg variant=cpu`` too.
"""

from __future__ import annotations

import bentoml

from jubako.packaging.arguments import http_of, on_cuda, settings_for
from jubako.packaging.image import image
from jubako.services import GatewayService, RunnerService

settings = settings_for("transformers")


@bentoml.service(
    name="runner",
    service_class=RunnerService,
    workers=1,
    resources={"cpu": "4", "memory": "16Gi", **on_cuda(gpu=1)},
)
class Runner:
    """Keeps the instances of the model, and of those that it needs."""


@bentoml.service(
    name="transformers",
    service_class=GatewayService,
    workers=settings.workers,
    http=http_of(settings),
    resources={"cpu": "1", "memory": "512Mi"},
    image=image("transformers"),
)
class Gateway:
    """Answers from the instances that the runner keeps."""

    runner = bentoml.depends(Runner)


svc = Gateway
