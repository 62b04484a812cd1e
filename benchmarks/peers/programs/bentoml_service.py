"""The model named by $MODEL as a BentoML service, with $COPIES workers."""

import os
from typing import Annotated

import bentoml
import numpy as np
import workload_models
from bentoml.validators import DType, Shape

NAME = os.environ["MODEL"]
Rows16 = Annotated[np.ndarray, DType("float32"), Shape((-1, 16))]
Rows256 = Annotated[np.ndarray, DType("float32"), Shape((-1, 256))]
model = workload_models.load(NAME)


@bentoml.service(workers=int(os.environ["COPIES"]), traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Peer:
    if NAME == "echo":

        @bentoml.api
        def echo(self, x: Rows16) -> Rows16:
            return model(x)

    if NAME == "mlp":

        @bentoml.api(batchable=True, max_batch_size=32)
        def mlp(self, x: Rows256) -> Rows16:
            return model(x)

    if NAME == "sleep":

        @bentoml.api(batchable=True, max_batch_size=32)
        def sleep(self, x: Rows16) -> Rows16:
            return model(x)
