"""Loads a Hugging Face folder: the model, its tokenizer, and what they say of themselves."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

# Read when the hub's client is imported: whatever is missing from the folder is an error, and nobody is asked for it.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from msgspec import Struct
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from jubako.backends.processors import spare_processors
from jubako.backends.transformers.params import TransformersParams
from jubako.errors import ConfigurationError

MOST_DEFAULT_CONTEXT = 8192
FALLBACK_CONTEXT = 2048
"""For a model that does not say what it was trained with."""


class Loaded(Struct, frozen=True):
    """A model that writes text, ready to compute.

    Attributes:
        context_length: Most tokens of a prompt and its answer together.
        end_tokens: The tokens that end an answer.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    context_length: int
    end_tokens: frozenset[int]


def load(folder: Path, params: TransformersParams) -> Loaded:
    """Read the weights and set up the threads.

    Raises:
        ConfigurationError: the folder or the parameters can't be used.
    """
    if not (folder / "config.json").is_file():
        raise ConfigurationError(
            f"{folder} is no model for transformers: it has no config.json. Give a Hugging Face folder as `source`; "
            "of a GGUF file one is made with `convert: gguf-to-hf`."
        )
    disable_progress_bar()
    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.WARNING)
    torch.set_num_threads(params.num_threads or spare_processors())
    device = choose_device(params.device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=params.trust_remote_code, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=params.trust_remote_code, **_how(params, device)
        )
    except (ValueError, OSError, ImportError, KeyError) as error:
        # What the library says begins with what is wrong, and goes on about its hub.
        raise ConfigurationError(f"transformers can't load {folder.name}: {' '.join(str(error).split())}") from error
    if params.device_map is None:
        model.to(device)
    model.eval().requires_grad_(requires_grad=False)
    return Loaded(model, tokenizer, _context_length(model, params), frozenset(_end_tokens(model, tokenizer)))


def choose_device(wanted: str) -> torch.device:
    """
    Raises:
        ConfigurationError: PyTorch has no such device here.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigurationError(f"`device` is {wanted!r}; it must be auto, cpu, cuda, or cuda: and a number.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(f"`device` is {wanted!r}, but PyTorch sees {torch.cuda.device_count()} GPUs here.")
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype | str:
    """What transformers is to load the weights as."""
    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.float32
    return "auto"


def _how(params: TransformersParams, device: torch.device) -> dict[str, Any]:
    how: dict[str, Any] = {"dtype": choose_dtype(params.dtype, device)}
    if params.device_map is not None:
        how["device_map"] = params.device_map
    attention = params.attn_implementation or ("eager" if device.type == "cpu" else None)
    if attention is not None:
        how["attn_implementation"] = attention
    return how


def _context_length(model: PreTrainedModel, params: TransformersParams) -> int:
    config = model.config.get_text_config()
    trained: int = getattr(config, "max_position_embeddings", None) or FALLBACK_CONTEXT
    if params.max_model_len is not None and params.max_model_len > trained:
        raise ConfigurationError(
            f"`max_model_len` is {params.max_model_len}, but the model was made for {trained} tokens at most."
        )
    return params.max_model_len or min(trained, MOST_DEFAULT_CONTEXT)


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """What the folder's generation settings say and what the tokenizer says; chat models often name it only in one of them."""
    ends: set[int] = set()
    for named in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        if named is not None:
            ends.update(named if isinstance(named, list) else [named])
    return ends
