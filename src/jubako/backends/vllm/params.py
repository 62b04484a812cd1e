"""``engine:`` of a model.yaml whose backend is ``vllm``, under vLLM's own names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from jubako.repository.config import OPEN


@dataclass(frozen=True, kw_only=True)
class VllmParams:
    """Parameters of vLLM. Every other engine argument of vLLM may stand beside them, under its own name, with hyphens or
    underscores; vLLM checks it when the model is loaded."""

    __pydantic_config__ = OPEN

    max_model_len: Annotated[int, Ge(8)] | None = None
    """Context of one request, prompt and answer together, in tokens. Default: what the model was trained with."""

    max_num_seqs: Annotated[int, Ge(1)] | None = None
    """Slots: requests that generate at once; more wait in the queue. Default: vLLM's own for the device."""

    max_num_batched_tokens: Annotated[int, Ge(1)] | None = None
    """Tokens computed in one step. Default: vLLM's own for the device."""

    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    """Number format of weights and activations; auto is what the model says. Default auto, but float32 on a CPU without
    instructions for bfloat16."""

    gpu_memory_utilization: Annotated[float, Gt(0), Le(1)] | None = None
    """Share of each GPU's memory that vLLM may use, from 0 to 1. Default: vLLM's own, about 0.9."""

    cpu_kvcache_space_gib: Annotated[int, Ge(1)] | None = None
    """Memory for keys and values on the CPU, in GiB: vLLM's variable VLLM_CPU_KVCACHE_SPACE. Default: that variable of the
    server's environment, else 4. Without effect on a GPU."""

    tensor_parallel_size: Annotated[int, Ge(1)] | None = None
    """GPUs that share each layer. Default 1."""

    pipeline_parallel_size: Annotated[int, Ge(1)] | None = None
    """GPUs that take turns, each with some of the layers. Default 1."""

    quantization: str | None = None
    """How the weights are quantised, such as ``awq``, ``gptq`` or ``fp8``. Default: what the model says."""

    kv_cache_dtype: str | None = None
    """Number format of the KV cache, such as ``fp8``. Default auto: that of the model."""

    enable_prefix_caching: bool | None = None
    """Compute the beginning that a prompt shares with earlier ones only once. Default: vLLM's own, which is true where the model
    allows it."""

    enable_chunked_prefill: bool | None = None
    """Cut long prompts into parts, so that others go on generating. Default: vLLM's own, which is true where the model allows
    it."""

    enforce_eager: bool | None = None
    """Skip compilation: the model loads sooner and generates more slowly. Default false."""

    max_lora_rank: Annotated[int, Ge(1)] | None = None
    """Highest rank of the entry's `adapters`. Default: the highest that their files name."""

    seed: int | None = None
    """Seed of the engine. Requests have seeds of their own. Default 0."""

    trust_remote_code: bool = False
    """Run Python code that lies beside the weights. It can do all that the server may do. Default false."""
