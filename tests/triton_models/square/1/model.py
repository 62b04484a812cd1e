"""IN answers of IN each, sent from execute itself; forgets to say that the last was the last."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            times = int(pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0])
            if times < 0:
                raise pb_utils.TritonModelException("It can't be squared.")
            for _ in range(times):
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.array([times], np.int32))]))
