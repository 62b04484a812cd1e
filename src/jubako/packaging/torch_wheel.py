"""The build of PyTorch without CUDA for an image, found on the machine that makes the image.

Where such builds lie is a matter of that machine (:mod:`jubako.environments.torch_build`), so that no lock can say it. The image
gets the file itself, and does not learn where it came from.
"""

from __future__ import annotations

import platform
from pathlib import Path

from jubako.environments.torch_build import fetch_torch_without_cuda
from jubako.environments.uv import Say
from jubako.packaging.locks import PYTHON
from jubako.packaging.system import package_name

_LINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "linux")
"""What wheels for an image may be for, without the processor, which is that of the machine that makes it."""

_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64"}
"""Linux's names of processors for those of other systems."""


_BUILT_TOGETHER = {"torch", "torchaudio", "torchvision"}
"""PyTorch, and packages that go with the same build of it only."""


def fetch_torch(requirements: Path, folder: Path, index: str, say: Say) -> None:
    """Put the wheels for the pins of PyTorch in the file `requirements` into `folder`, which is made.

    Args:
        index: Where to look; "" for where pip's configuration says.

    Raises:
        ConfigurationError: pip finds none, or only one for CUDA.
    """
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if package_name(line) in _BUILT_TOGETHER]
    say(f"looking for builds of {' and '.join(pins)} without CUDA")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    folder.mkdir()
    for wheel in fetch_torch_without_cuda(pins, PYTHON, [f"{kind}_{machine}" for kind in _LINUX], folder, index, say=say):
        say(f"taking {wheel.name}")
