"""``engine:`` of a model.yaml whose backend is ``lmdeploy``, under LMDeploy's own names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from jubako.repository.config import OPEN


@dataclass(frozen=True, kw_only=True)
class LmdeployParams:
    """Parameters of LMDeploy. Every other field of its TurbomindEngineConfig or PytorchEngineConfig may stand beside them, under
    its own name; LMDeploy checks it when the model is loaded."""

    __pydantic_config__ = OPEN

    engine: Literal["auto", "turbomind", "pytorch"] = "auto"
    """Which of LMDeploy's engines. Default auto: turbomind where it knows the model, else pytorch."""

    tp: Annotated[int, Ge(1)] | None = None
    """GPUs that share each layer. Default 1."""

    session_len: Annotated[int, Ge(8)] | None = None
    """Context of one request, prompt and answer together, in tokens. Default: what the model was trained with."""

    max_batch_size: Annotated[int, Ge(1)] | None = None
    """Slots: requests that generate at once; more wait in the queue. It was called instance_num. Default: LMDeploy's own for the
    device."""

    cache_max_entry_count: Annotated[float, Gt(0)] | None = None
    """Share of each GPU's free memory for the cache of keys and values, from 0 to 1; with turbomind a whole number above 1 is a
    number of blocks. Default 0.8."""

    quant_policy: Literal[0, 4, 8, 16, 17, 42] | None = None
    """Number format of that cache: 4 and 8 are integers of so many bits, 16 and 17 are FP8, 42 is TurboQuant. Default 0: that of
    the model."""

    model_format: str | None = None
    """How the weights are quantised, such as ``awq``, ``gptq`` or ``fp8``. Default: what the model says."""

    dtype: Literal["auto", "float16", "bfloat16"] | None = None
    """Number format of weights and activations. Default auto: what the model says."""

    enable_prefix_caching: bool | None = None
    """Compute the beginning that a prompt shares with earlier ones only once. Default false."""

    rope_scaling_factor: Annotated[float, Ge(0)] | None = None
    """Stretches the positions for contexts longer than the model was trained with; turbomind only. Default: what the model
    says."""

    trust_remote_code: bool = False
    """Run Python code that lies beside the weights. It can do all that the server may do. Default false."""
