"""A PyTorch model: ``bentoml serve services.torch:svc --arg model=my-model``.

Without a GPU, say ``--arg variant=cpu`` too.
"""

from __future__ import annotations

import bentoml

from jubako.packaging.arguments import http_of, on_cuda, settings_for
from jubako.packaging.image import image
from jubako.services import GatewayService, RunnerService

settings = settings_for("torch")


@bentoml.service(
    name="runner",
    service_class=RunnerService,
    workers=1,
    resources={"cpu": "2", "memory": "8Gi", **on_cuda(gpu=1)},
)
class Runner:
    """Keeps the instances of the model, and of those that it needs."""


@bentoml.service(
    name="torch",
    service_class=GatewayService,
    workers=settings.workers,
    http=http_of(settings),
    resources={"cpu": "1", "memory": "512Mi"},
    image=image("torch"),
)
class Gateway:
    """Answers from the instances that the runner keeps."""

    runner = bentoml.depends(Runner)


svc = Gateway
