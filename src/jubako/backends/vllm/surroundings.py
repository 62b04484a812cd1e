"""The environment variables that vLLM, and what it stands on, read while they are imported."""

from __future__ import annotations

import logging
import os

DEFAULT_KVCACHE_GIB = "4"

_QUIET = {
    # Nothing of this leaves the machine: the weights are on disk already.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_DO_NOT_TRACK": "1",
    # Only what an operator should know; whoever wants more sets the variable for the server.
    "VLLM_LOGGING_LEVEL": "WARNING",
    "TQDM_DISABLE": "1",
    "PROMETHEUS_DISABLE_CREATED_SERIES": "True",
    "VLLM_CPU_KVCACHE_SPACE": DEFAULT_KVCACHE_GIB,
}


def prepare(cpu_kvcache_space_gib: int | None, device_index: int | None) -> None:
    """Set the variables, before vLLM is imported. What the server's environment says of them stays."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # What it says before it has set up its own logging goes to the instance's.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"].upper())
    if cpu_kvcache_space_gib is not None:
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(cpu_kvcache_space_gib)
    if device_index is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = _visible(device_index)


def _visible(index: int) -> str:
    """Device `index` of those that this process may see."""
    seen = [device for device in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    return seen[index] if index < len(seen) else str(index)
