"""What a container's image holds: declared here and in ``services/``, built from the bento alone.

The Python packages of an image are those of a lock in ``locks``; nothing is resolved when a bento or an image is built.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bentoml.images import Image

from jubako.packaging.arguments import arguments
from jubako.packaging.locks import pins

BASE = "python:3.11-slim"
"""The image under all of ours: Debian with Python and little else."""

COMPILER = ("gcc", "libc6-dev")
"""What engines need that compile kernels when a model is loaded."""

OPENCV = ("libgl1", "libglib2.0-0")
"""What the package opencv-python needs besides."""


def image(lock: str, *, system_packages: Sequence[str] = ()) -> Image:
    """The image with the packages of a lock, and with those that the bento's arguments name.

    Args:
        lock: The name of a file in ``locks``.
        system_packages: Debian's packages that the engine needs besides.
    """
    told = arguments()
    # distro="none": otherwise BentoML installs a compiler and git, half a gigabyte that no model needs.
    made = Image(base_image=BASE, distro="none", lock_python_packages=False)
    if debian := [*system_packages, *told.system_packages]:
        made.run(_install(debian))
    return made.python_packages(*pins(lock), *told.packages)


def _install(system_packages: Sequence[str]) -> str:
    """The command that installs Debian's packages and leaves nothing else."""
    names = shlex.join(system_packages)
    return f"apt-get update && apt-get install -y --no-install-recommends {names} && rm -rf /var/lib/apt/lists/*"
