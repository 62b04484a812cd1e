"""How many processors an engine may take."""

from __future__ import annotations

import os
import sys


def spare_processors() -> int:
    """The processors that this process may use, minus one for the gateway; at least one."""
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(processors - 1, 1)
