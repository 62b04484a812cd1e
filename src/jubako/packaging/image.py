"""What a container's image holds: declared here and in ``services/``, built from the bento alone.

The Python packages of an image are those of a lock in ``locks``; nothing is resolved when an image is built.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from bentoml.images import Image

from jubako.packaging.arguments import arguments
from jubako.packaging.locks import pins

BASE = "python:3.11-slim"
"""The image under all of ours: Debian with Python and little else."""

COMPILER = ("gcc", "libc6-dev")
OPENCV = ("libgl1", "libglib2.0-0")

SYSTEM_PACKAGES: Mapping[str, Sequence[str]] = {
    "lmdeploy": COMPILER,
    "opencv-contrib-python": OPENCV,
    "opencv-python": OPENCV,
    "vllm": COMPILER,
    "xllamacpp": ("libgomp1",),
}
"""Debian's packages that Python packages need and do not bring; a compiler, where kernels are compiled when a model is loaded."""

_LEAVE_NOTHING = "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def image(lock: str) -> Image:
    """The image with the packages of a lock, and with those that the bento's arguments name."""
    packages = [*pins(lock), *arguments().packages]
    # distro="none": otherwise BentoML installs a compiler and git, half a gigabyte that few models need.
    made = Image(base_image=BASE, distro="none", lock_python_packages=False)
    if debian := system_packages(packages):
        names = shlex.join(debian)
        made.run(f"apt-get update && apt-get install -y --no-install-recommends {names} && {_LEAVE_NOTHING}")
    return made.python_packages(*packages)


def system_packages(packages: Iterable[str]) -> list[str]:
    """What Debian must provide for these Python packages, sorted."""
    names = {re.sub(r"[-_.]+", "-", found[0]).lower() for package in packages if (found := _NAME.match(package))}
    return sorted({needed for name in names for needed in SYSTEM_PACKAGES.get(name, ())})
