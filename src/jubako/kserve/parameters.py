"""The parameters of a request: those that say how it waits, and those that are for the model."""

from __future__ import annotations

from collections.abc import Mapping

from jubako.errors import InvalidRequest
from jubako.messages import InferRequest, Parameter, RequestedOutput
from jubako.tensors import Tensor

MAX_PRIORITY = 2**31 - 1
MAX_TIMEOUT_US = 2**62


def infer_request(
    model: str, inputs: list[Tensor], outputs: list[RequestedOutput], parameters: Mapping[str, Parameter]
) -> InferRequest:
    """The request that these tensors and parameters make.

    Raises:
        InvalidRequest: `priority`, `timeout` or a number for the model is none that could be.
    """
    for name, value in parameters.items():
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise InvalidRequest(f"The parameter {name!r} is {value}, which does not fit in 64 bits.", param=name)
    rest = dict(parameters)
    rest.pop("binary_data_output", None)
    return InferRequest(
        model=model,
        inputs=inputs,
        outputs=outputs,
        priority=_whole(rest.pop("priority", 0), "priority", MAX_PRIORITY),
        timeout_us=_whole(rest.pop("timeout", 0), "timeout", MAX_TIMEOUT_US),
        parameters=rest,
    )


def _whole(value: Parameter, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidRequest(f"The parameter {name!r} is {value!r}; it must be a whole number from 0 to {most}.", param=name)
    return value
