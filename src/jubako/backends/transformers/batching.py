"""How large the batch and its cache are."""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, PreTrainedModel

from jubako.backends.transformers.params import TransformersParams
from jubako.errors import ConfigurationError

CPU_STEP = 256
GPU_STEP = 4096
LEAST_PROMPT_STEP = 16
"""Tokens of prompts that each step has room for while all slots generate."""

DEFAULT_CACHE_BYTES = 2 * 1024**3
GPU_SHARE = 0.8
"""Of the memory that the weights leave free. The rest is for logits, of which sampling makes copies."""


def batching_config(model: PreTrainedModel, params: TransformersParams, context_length: int) -> ContinuousBatchingConfig:
    """
    Raises:
        ConfigurationError: one whole context does not fit into the cache.
    """
    on_cpu = model.device.type == "cpu"
    step = params.max_num_batched_tokens or (CPU_STEP if on_cpu else GPU_STEP)
    return ContinuousBatchingConfig(
        page_size=params.page_size,
        num_blocks=_pages(model, params, context_length),
        max_batch_tokens=max(step, params.max_num_seqs + LEAST_PROMPT_STEP),
        max_requests_per_batch=params.max_num_seqs,
        max_memory_percent=GPU_SHARE,
        allow_block_sharing=params.enable_prefix_caching,
        # Tokens are chosen in Python, and a grammar must know a token before it allows the next: neither can be recorded
        # in a graph or overlap with the step after it.
        use_cuda_graph=False,
        use_async_batching=False,
    )


def _pages(model: PreTrainedModel, params: TransformersParams, context_length: int) -> int | None:
    """Pages of the cache; None leaves it to the library, which knows a GPU's memory."""
    page_bytes = params.page_size * token_bytes(model)
    one_context = ceil(context_length / params.page_size) + 1
    if params.kv_cache_gib is not None:
        pages = int(params.kv_cache_gib * 1024**3 / page_bytes)
        if pages < one_context:
            raise ConfigurationError(
                f"`kv_cache_gib` is {params.kv_cache_gib}, but one context of {context_length} tokens takes "
                f"{one_context * page_bytes / 1024**3:.3g} GiB. Raise it, or lower `max_model_len`."
            )
        return pages
    if model.device.type != "cpu":
        return None
    return max(one_context, min(one_context * params.max_num_seqs, DEFAULT_CACHE_BYTES // page_bytes))


def token_bytes(model: PreTrainedModel) -> int:
    """Bytes of keys and values for one token, in all layers."""
    config: Any = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    dtype: torch.dtype = model.dtype
    return int(2 * config.num_hidden_layers * heads * size * dtype.itemsize)
