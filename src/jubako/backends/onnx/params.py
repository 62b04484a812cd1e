"""``engine:`` of a model.yaml whose backend is ``onnx``, close to onnxruntime's own names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class OnnxParams:
    """Parameters of onnxruntime."""

    __pydantic_config__ = CLOSED

    providers: Annotated[list[str], MinLen(1)] | None = None
    """What computes, the preferred one first, by onnxruntime's names or the short ones: ``cuda``, ``tensorrt``, ``cpu``.
    Default: CUDA where onnxruntime has it and there is a GPU, else the CPU."""

    provider_options: dict[str, dict[str, bool | int | float | str]] = field(default_factory=dict)
    """Options of a provider, by the provider's name. Default: onnxruntime's own."""

    intra_op_threads: Annotated[int, Ge(1)] | None = None
    """Threads that compute one operator. Default: the processors minus one, at least one, which leaves one to
    the gateway."""

    inter_op_threads: Annotated[int, Ge(1)] = 1
    """Operators computed at once, where `execution_mode` is ``parallel``. Default 1."""

    execution_mode: Literal["sequential", "parallel"] = "sequential"
    """Whether branches of the model are computed one after the other. Default ``sequential``."""

    graph_optimization: Literal["all", "extended", "basic", "none"] = "all"
    """How much the model is rewritten when it is loaded. Default ``all``."""

    session_config: dict[str, str] = field(default_factory=dict)
    """Further settings of the session, such as ``session.intra_op.allow_spinning: "0"``. Default: onnxruntime's own."""
