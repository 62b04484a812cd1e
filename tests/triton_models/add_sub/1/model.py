"""Sum and difference; refuses sums that are too large, each request by itself."""

import json

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.config = json.loads(args["model_config"])
        assert self.config["parameters"]["offset"]["string_value"] == "0.5"
        assert args["model_name"] == "add_sub"
        assert args["model_version"] == "1"
        output = pb_utils.get_output_config_by_name(self.config, "OUTPUT0")
        self.dtype = pb_utils.triton_string_to_numpy(output["data_type"])

    def execute(self, requests):
        responses = []
        for request in requests:
            one = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            two = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
            total = one + two
            if total.max() > 1000:
                error = pb_utils.TritonError("The sum is too large.", pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(output_tensors=[], error=error))
                continue
            tensors = [
                pb_utils.Tensor("OUTPUT0", total.astype(self.dtype)),
                pb_utils.Tensor("OUTPUT1", (one - two).astype(self.dtype)),
            ]
            wanted = request.requested_output_names()
            responses.append(
                pb_utils.InferenceResponse(
                    output_tensors=[tensor for tensor in tensors if tensor.name() in wanted],
                    parameters={"requests_in_batch": len(requests)},
                )
            )
        return responses

    def finalize(self):
        pb_utils.Logger.log_info("add_sub is done")
