"""Asks the model that the request names."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        name = pb_utils.get_input_tensor_by_name(request, "MODEL_NAME").as_numpy()[0].decode()
        inputs = [
            pb_utils.Tensor(each, pb_utils.get_input_tensor_by_name(request, each).as_numpy().reshape(1, 4))
            for each in ("INPUT0", "INPUT1")
        ]
        asked = pb_utils.InferenceRequest(
            model_name=name, requested_output_names=["OUTPUT0", "OUTPUT1"], inputs=inputs, preferred_memory=None
        )
        response = asked.exec()
        if response.has_error():
            return pb_utils.InferenceResponse(error=response.error())
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, pb_utils.get_output_tensor_by_name(response, name).as_numpy().reshape(4))
                for name in ("OUTPUT0", "OUTPUT1")
            ]
        )
