"""What computes a model: onnxruntime's execution providers."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import onnxruntime

from jubako.backends.onnx.params import OnnxParams
from jubako.errors import ConfigurationError
from jubako.repository.problem import nearest

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

Options: TypeAlias = dict[str, bool | int | float | str]

_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""One of them exists where NVIDIA's driver is: on Linux, and in Windows' Linux subsystem."""


def choose(params: OnnxParams, device_index: int | None) -> list[tuple[str, Options]]:
    """The providers for a session, each with its options.

    Raises:
        ConfigurationError: this onnxruntime lacks one that the entry names.
    """
    available = onnxruntime.get_available_providers()
    names = [_full_name(name, available) for name in params.providers] if params.providers else _default(available)
    given = {_full_name(name, available): options for name, options in params.provider_options.items()}
    if CUDA in names:
        # From NVIDIA's own packages, where the system has no CUDA.
        onnxruntime.preload_dlls()
    return [(name, {**_device(name, device_index), **given.get(name, {})}) for name in names]


def _default(available: list[str]) -> list[str]:
    return [CUDA, CPU] if CUDA in available and any(path.exists() for path in _GPU_DEVICES) else [CPU]


def _full_name(name: str, available: list[str]) -> str:
    short = {full.removesuffix("ExecutionProvider").lower(): full for full in available}
    found = name if name in available else short.get(name.lower())
    if found is None:
        hint = nearest(name, short) if name.islower() else nearest(name, available)
        gpu = " For a GPU install onnxruntime-gpu in place of onnxruntime." if "cuda" in name.lower() else ""
        raise ConfigurationError(f"The onnxruntime that is installed has no provider {name!r}. {hint}{gpu}")
    return found


def _device(name: str, device_index: int | None) -> Options:
    return {"device_id": device_index} if device_index is not None and name in (CUDA, TENSORRT) else {}
