"""Makes llama.cpp's servers out of the entry's parameters."""

from __future__ import annotations

import re
from pathlib import Path

import xllamacpp

from jubako.backends.llama_cpp.gguf import Header, NotGguf, read_header
from jubako.backends.llama_cpp.params import CacheType, LlamaCppParams
from jubako.backends.processors import spare_processors
from jubako.errors import ConfigurationError

CPU_STEP = 8
GPU_STEP = 2048
LEAST_PROMPT_STEP = 4
"""Tokens of a prompt that each step has room for while all slots generate."""

MOST_DEFAULT_CONTEXT = 8192
FALLBACK_CONTEXT = 2048
"""For a file that does not say what its model was trained with."""

_SPLIT = re.compile(r"-(\d{5})-of-\d{5}\.gguf$")

_CACHE_TYPES: dict[CacheType, object] = {
    "f32": xllamacpp.ggml_type.GGML_TYPE_F32,
    "f16": xllamacpp.ggml_type.GGML_TYPE_F16,
    "bf16": xllamacpp.ggml_type.GGML_TYPE_BF16,
    "q8_0": xllamacpp.ggml_type.GGML_TYPE_Q8_0,
    "q4_0": xllamacpp.ggml_type.GGML_TYPE_Q4_0,
    "q4_1": xllamacpp.ggml_type.GGML_TYPE_Q4_1,
    "iq4_nl": xllamacpp.ggml_type.GGML_TYPE_IQ4_NL,
    "q5_0": xllamacpp.ggml_type.GGML_TYPE_Q5_0,
    "q5_1": xllamacpp.ggml_type.GGML_TYPE_Q5_1,
}
_FLASH_ATTENTION = {
    "auto": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_POOLING = {
    "mean": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN,
    "cls": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_CLS,
    "last": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST,
}


def find_model(weights: Path) -> Path:
    """The file that llama.cpp opens: `weights` itself, or the GGUF file in the folder; the first, of a model in several files.

    Raises:
        ConfigurationError: there is none, or more than one model.
    """
    if weights.is_file():
        return weights
    files = sorted(weights.rglob("*.gguf"))
    firsts = [file for file in files if (split := _SPLIT.search(file.name)) is None or int(split[1]) == 1]
    if len(firsts) == 1:
        return firsts[0]
    found = ", ".join(file.name for file in firsts) or "none"
    raise ConfigurationError(f"The weights must be one GGUF model; in {weights} there are: {found}. Name one file in `source`.")


def context_length(model: Path, params: LlamaCppParams) -> int:
    """Tokens of context for each slot.

    Raises:
        ConfigurationError: `model` is no GGUF file.
    """
    return params.n_ctx or min(_header(model).context_length or FALLBACK_CONTEXT, MOST_DEFAULT_CONTEXT)


def step_tokens(params: LlamaCppParams) -> int:
    """Tokens that llama.cpp computes at once. Slots that generate go first, one token each; a prompt needs room beside them."""
    wanted = params.n_batch or (GPU_STEP if params.n_gpu_layers else CPU_STEP)
    return max(wanted, params.n_parallel + LEAST_PROMPT_STEP)


def generation_server(model: Path, params: LlamaCppParams, socket: Path) -> xllamacpp.Server:
    settings = _settings(model, params, socket)
    settings.n_parallel = params.n_parallel
    settings.n_ctx = context_length(model, params) * params.n_parallel
    settings.n_batch = settings.n_ubatch = step_tokens(params)
    return _start(settings, model)


def embedding_server(model: Path, params: LlamaCppParams, socket: Path) -> xllamacpp.Server:
    """A second one, as llama.cpp's can do only one of the two. A whole input must fit in one step."""
    settings = _settings(model, params, socket)
    settings.embedding = True
    settings.n_parallel = 1
    settings.n_ctx = settings.n_batch = settings.n_ubatch = context_length(model, params)
    if params.pooling is not None:
        settings.pooling_type = _POOLING[params.pooling]
    elif not _header(model).pooling_type:
        settings.pooling_type = _POOLING["mean"]
    return _start(settings, model)


def _settings(model: Path, params: LlamaCppParams, socket: Path) -> xllamacpp.CommonParams:
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    # llama.cpp insists on a server of its own: on a socket in a private folder nobody else reaches it.
    settings.hostnames = [str(socket)]
    settings.ui = False
    settings.endpoint_metrics = True
    settings.verbosity = 1
    threads = params.n_threads or spare_processors()
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.n_gpu_layers = params.n_gpu_layers
    settings.cache_type_k = _CACHE_TYPES[params.cache_type_k]
    settings.cache_type_v = _CACHE_TYPES[params.cache_type_v]
    settings.flash_attn_type = _FLASH_ATTENTION[params.flash_attn]
    modes = xllamacpp.llama_load_mode
    settings.load_mode = modes.LLAMA_LOAD_MODE_MMAP if params.use_mmap else modes.LLAMA_LOAD_MODE_NONE
    settings.kv_unified = False
    settings.fit_params = False
    # Up to 8 GiB of old prompts otherwise; what each slot did last stays cached in any case.
    settings.cache_ram_mib = 0
    return settings


def _header(model: Path) -> Header:
    try:
        return read_header(model)
    except NotGguf as error:
        raise ConfigurationError(f"The weights can't be used: {error}.") from error


def _start(settings: xllamacpp.CommonParams, model: Path) -> xllamacpp.Server:
    try:
        return xllamacpp.Server(settings)
    except Exception as error:
        raise ConfigurationError(f"llama.cpp can't load {model.name}: {error}") from error
