"""Each element of IN as an answer of its own, after its delay in milliseconds; sent by threads after execute has returned."""

import json
import threading
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        if not pb_utils.using_decoupled_model_transaction_policy(config):
            raise pb_utils.TritonModelException("this model must be decoupled")

    def execute(self, requests):
        for request in requests:
            threading.Thread(
                target=self.answer,
                args=(
                    request.get_response_sender(),
                    pb_utils.get_input_tensor_by_name(request, "IN").as_numpy(),
                    pb_utils.get_input_tensor_by_name(request, "DELAY").as_numpy(),
                ),
                daemon=True,
            ).start()

    def answer(self, sender, values, delays):
        for index, (value, delay) in enumerate(zip(values, delays, strict=True)):
            time.sleep(delay / 1000)
            if sender.is_cancelled():
                break
            if value < 0:
                sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError("A value is negative.")))
                break
            out = pb_utils.Tensor("OUT", np.array([value], np.int32))
            idx = pb_utils.Tensor("IDX", np.array([index], np.uint32))
            sender.send(pb_utils.InferenceResponse([out, idx]))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
