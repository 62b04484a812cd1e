"""What a container's image holds: declared here and in ``services/``, built from the bento alone.

The Python packages of an image are those of a lock in ``locks``; nothing is resolved when an image is built.
"""

from __future__ import annotations

import shlex

from bentoml.images import Image

from jubako.packaging.arguments import arguments
from jubako.packaging.locks import PYTHON, lock_for, pins
from jubako.packaging.system import system_packages

BASE = f"python:{PYTHON}-slim"
"""The image under all of ours: Debian with Python and little else."""

_LEAVE_NOTHING = "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*"


def image(backend: str) -> Image:
    """The image with what a backend needs, in the variant that the bento's arguments say, and the packages that they list."""
    told = arguments()
    packages = [*pins(lock_for(backend, told.variant)), *told.packages]
    # distro="none": otherwise BentoML installs a compiler and git, half a gigabyte that few models need.
    made = Image(base_image=BASE, distro="none", python_version=PYTHON, lock_python_packages=False)
    if debian := system_packages(packages):
        names = shlex.join(debian)
        made.run(f"apt-get update && apt-get install -y --no-install-recommends {names} && {_LEAVE_NOTHING}")
    return made.python_packages(*packages)
