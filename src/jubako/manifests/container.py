"""What every orchestrator is told of a container: its variables, its folders and its end. Where it listens is the image's own."""

from __future__ import annotations

import math

from jubako.manifests.workload import Workload

TMP = "/tmp"  # noqa: S108 - the only folder of the container that it may write to

WEIGHTS_IN_IMAGE = "models"
"""The folder of a data-only image that holds the weights, which is KServe's convention."""

CACHE = "/var/cache/jubako"
"""Where weights that are fetched at the start are kept."""

API_KEYS = "/etc/jubako/keys"
"""The folder of the file with API keys."""

API_KEYS_FILE = "api_keys.toml"

LAST_STEPS_S = 10
"""After the grace period: late requests are told off, instances leave, and BentoML ends its processes."""


def variables(workload: Workload) -> dict[str, str]:
    """The environment that the image does not bring itself."""
    given = {"JUBAKO_GRACE_PERIOD_S": f"{workload.grace_period_s:g}", "JUBAKO_LOG_FORMAT": "json"}
    if workload.fetches:
        given["JUBAKO_CACHE_DIR"] = CACHE
    if workload.api_keys_secret:
        given["JUBAKO_API_KEYS"] = f"{API_KEYS}/{API_KEYS_FILE}"
    return given


def stop_within_s(workload: Workload) -> int:
    """Seconds from SIGTERM until the container has left by itself."""
    return math.ceil(workload.grace_period_s) + LAST_STEPS_S
