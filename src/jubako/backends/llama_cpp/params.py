"""``engine:`` of a model.yaml whose backend is ``llama_cpp``, under llama.cpp's own names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from jubako.repository.config import CLOSED

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]


@dataclass(frozen=True, kw_only=True)
class LlamaCppParams:
    """Parameters of llama.cpp."""

    __pydantic_config__ = CLOSED

    n_ctx: Annotated[int, Ge(8)] | None = None
    """Context of one request, prompt and answer together, in tokens. llama.cpp splits its own ``n_ctx`` over the slots;
    this one is for each slot. Default: what the model was trained with, at most 8192."""

    n_parallel: Annotated[int, Ge(1)] = 4
    """Slots: requests that generate at once; more wait in the queue. Each costs its context's memory. Default 4."""

    n_threads: Annotated[int, Ge(1)] | None = None
    """Threads that compute. Default: the processors minus one, at least one, so that the gateway has one to itself."""

    n_batch: Annotated[int, Ge(1)] | None = None
    """Tokens computed in one step, at least `n_parallel` and four. A departing client frees its slot within one step.
    Default: 8 on the CPU, where larger steps are hardly faster; 2048 with `n_gpu_layers`."""

    n_gpu_layers: Annotated[int, Ge(-1)] = 0
    """Layers computed on the GPU; -1 is all of them. Default 0."""

    cache_type_k: CacheType = "f16"
    """Number format of the keys in the KV cache. Default f16."""

    cache_type_v: CacheType = "f16"
    """Number format of the values in the KV cache. Default f16."""

    flash_attn: Literal["auto", "on", "off"] = "auto"
    """Flash attention. Default auto."""

    use_mmap: bool = True
    """Map the weights from disk instead of reading them, so that instances share them. Default true."""

    pooling: Literal["mean", "cls", "last"] | None = None
    """How token vectors become one embedding, for the task ``embedding``. Default: what the model says, else mean."""
