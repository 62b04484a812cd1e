"""The module ``triton_python_backend_utils``, as the code of a model imports it in its instance."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from jubako.backends.triton_python import configuration, errors, logger, requests, responses, tensors
from jubako.backends.triton_python.calls import Calls

NAME = "triton_python_backend_utils"


def install(calls: Calls, folder: Path) -> ModuleType:
    """Make the module importable.

    Args:
        calls: How requests of the model reach other models.
        folder: The version folder.
    """
    module = ModuleType(NAME, __doc__)
    contents: dict[str, object] = {
        "Tensor": tensors.Tensor,
        "InferenceRequest": type("InferenceRequest", (requests.InferenceRequest,), {"calls": calls}),
        "InferenceResponse": responses.InferenceResponse,
        "ResponseSender": responses.ResponseSender,
        "TritonError": errors.TritonError,
        "TritonModelException": errors.TritonModelException,
        "PreferredMemory": requests.PreferredMemory,
        "ModelConfig": configuration.ModelConfig,
        "Logger": logger.Logger,
        "MetricFamily": logger.MetricFamily,
        "Metric": logger.Metric,
        "get_input_tensor_by_name": requests.get_input_tensor_by_name,
        "get_output_tensor_by_name": requests.get_output_tensor_by_name,
        "get_input_config_by_name": configuration.get_input_config_by_name,
        "get_output_config_by_name": configuration.get_output_config_by_name,
        "using_decoupled_model_transaction_policy": configuration.using_decoupled_model_transaction_policy,
        "triton_string_to_numpy": tensors.triton_string_to_numpy,
        "triton_to_numpy_type": tensors.triton_to_numpy_type,
        "numpy_to_triton_type": tensors.numpy_to_triton_type,
        "get_model_dir": lambda: str(folder),
        "TRITONSERVER_RESPONSE_COMPLETE_FINAL": responses.TRITONSERVER_RESPONSE_COMPLETE_FINAL,
        "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START": requests.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
        "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END": requests.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
        "TRITONSERVER_REQUEST_RELEASE_ALL": 1,
        "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE": 2,
        "TRITONSERVER_MEMORY_CPU": 0,
        "TRITONSERVER_MEMORY_CPU_PINNED": 1,
        "TRITONSERVER_MEMORY_GPU": 2,
    }
    contents |= {name: _refusal(name) for name in ("load_model", "unload_model", "is_model_ready")}
    vars(module).update(contents)
    sys.modules[NAME] = module
    return module


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise errors.TritonModelException(
            f"{NAME}.{name} is not available here: models are loaded and unloaded by the server's repository API."
        )

    return refuse
