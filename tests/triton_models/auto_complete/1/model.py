"""Says itself what it takes and gives: the entry has no configuration."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(auto_complete_model_config):
        auto_complete_model_config.set_max_batch_size(4)
        auto_complete_model_config.add_input({"name": "text", "data_type": "TYPE_STRING", "dims": [1]})
        auto_complete_model_config.add_output({"name": "upper", "data_type": "TYPE_STRING", "dims": [1]})
        auto_complete_model_config.set_dynamic_batching()
        return auto_complete_model_config

    def execute(self, requests):
        responses = []
        for request in requests:
            text = pb_utils.get_input_tensor_by_name(request, "text").as_numpy()
            for index, element in enumerate(text[:, 0]):
                text[index, 0] = element.upper()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("upper", text)]))
        return responses
