"""How many processors an engine may take."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""Where a container finds the bounds that it was given, of either version of Linux' control groups."""


def processors(cgroups: Path = CGROUPS) -> int:
    """Those that this process may use, as its affinity and the container's share of processor time allow; at least one."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(min(allowed, math.ceil(_share(cgroups))), 1)


def spare_processors() -> int:
    """The processors that this process may use, minus one for the gateway; at least one."""
    return max(processors() - 1, 1)


def _share(cgroups: Path) -> float:
    """The processors' time that the container may take, in processors; without a bound, more than there are."""
    try:
        return _quotient(*(cgroups / "cpu.max").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        pass
    try:
        return _quotient(*((cgroups / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")))
    except (OSError, ValueError):
        return float(sys.maxsize)


def _quotient(quota: str, period: str) -> float:
    """`quota` is ``max`` or -1 where there is no bound."""
    return int(quota) / int(period) if quota != "max" and int(quota) > 0 else float(sys.maxsize)
