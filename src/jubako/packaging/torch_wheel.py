"""The build of PyTorch without CUDA for an image, found on the machine that makes the image.

Where such builds lie is a matter of that machine (:mod:`jubako.environments.torch_build`), so that no lock can say it. The image
gets the file itself, and does not learn where it came from.
"""

from __future__ import annotations

import platform
from pathlib import Path

from jubako.environments.torch_build import fetch_torch_without_cuda
from jubako.environments.uv import Say
from jubako.packaging.lock import TORCH
from jubako.packaging.locks import PYTHON
from jubako.packaging.system import package_name

_LINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "linux")
"""What wheels for an image may be for, without the processor, which is that of the machine that makes it."""

_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64"}
"""Linux's names of processors for those of other systems."""


def fetch_torch(requirements: Path, folder: Path, index: str, say: Say) -> None:
    """Put the wheel for the pin of torch in the file `requirements` into `folder`.

    Args:
        index: Where to look; "" for where pip's configuration says.

    Raises:
        ConfigurationError: pip finds none, or only one for CUDA.
    """
    pins = requirements.read_text(encoding="utf-8").splitlines()
    [pin] = [pin for pin in pins if package_name(pin) == TORCH]
    say(f"looking for a build of {pin} without CUDA")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    folder.mkdir()
    wheel = fetch_torch_without_cuda(pin, PYTHON, [f"{kind}_{machine}" for kind in _LINUX], folder, index, say=say)
    say(f"taking {wheel.name}")
