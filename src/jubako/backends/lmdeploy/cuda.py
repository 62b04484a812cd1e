"""Whether there is a GPU, asked of NVIDIA's driver before anything large is imported."""

from __future__ import annotations

import ctypes

from jubako.errors import ConfigurationError

_DRIVER = "libcuda.so.1"


def need_cuda() -> None:
    """
    Raises:
        ConfigurationError: there is no CUDA device, without which LMDeploy runs nothing.
    """
    if device_count() < 1:
        raise ConfigurationError(
            "LMDeploy needs an NVIDIA GPU, and CUDA finds none on this machine. Run the model with `backend: vllm` or "
            "`backend: transformers`, which need no GPU, or on a machine that has one."
        )


def device_count() -> int:
    """CUDA devices that this process may use; 0 without a driver. CUDA's own functions, of the driver's API."""
    try:
        driver = ctypes.CDLL(_DRIVER)
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value
