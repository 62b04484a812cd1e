"""What the figures were taken on, and where they are kept."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def description(*packages: str) -> dict[str, str]:
    """The machine and the versions of jubako and of `packages`, in words."""
    words = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    return words | {name: version(name) for name in ("jubako", *packages)}


def write(name: str, machine: dict[str, str], results: object) -> Path:
    """Keep `results` as JSON under benchmarks/results, by the time of day."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}-{now:%Y%m%dT%H%M%SZ}.json"
    report = {"benchmark": name, "time": now.isoformat(timespec="seconds"), "machine": machine, "results": results}
    file.write_text(json.dumps(report, indent=2) + "\n")
    return file


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
