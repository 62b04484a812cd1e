"""BentoML's arbiter in this process: it binds the port, starts the runner and the gateways, and restarts whichever dies.

Importing this module imports BentoML, which takes a second; only `jubako serve` pays for it.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ["BENTOML_DO_NOT_TRACK"] = "true"  # read once, at the import below

from _bentoml_impl.loader import load
from _bentoml_impl.server import serve_http
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.utils import circus
from circus.watcher import Watcher

from jubako.paths import shipped
from jubako.settings import CONFIG_VARIABLE, Settings

SERVICE = "services.gateway:Gateway"

PARTING_S = 10.0
"""Time beyond the grace period after which a process that has not left is killed: it takes no signals, or is busy for ever."""

CHECK_S = 0.5
"""Time between two looks at whether every process lives. BentoML's own is 10 s, for which a dead gateway would answer nobody."""


def run(settings: Settings, address: str, bento: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then return once every process of the server has left.

    Args:
        settings: What the server's processes find in their environment.
        address: The IP address of ``settings.host``.
        bento: The folder of the bento whose service it is; None for that of the whole repository.
    """
    os.environ.update(settings.as_environment())
    os.environ.pop(CONFIG_VARIABLE, None)
    # We say where we listen; of BentoML and its supervisor only trouble is news.
    for name in ("bentoml", "bentoml.serve", "circus"):
        logging.getLogger(name).setLevel(logging.WARNING)
    root = str(bento or shipped("services").parent)
    identifier = str(bento or SERVICE)
    service = load(identifier, working_dir=root)
    service.inject_config()
    # BentoML's own folder is one for all servers of a user, and each start empties it.
    metrics = tempfile.mkdtemp(prefix="jubako-metrics-")
    BentoMLContainer.prometheus_multiproc_dir.set(metrics)
    circus.create_standalone_arbiter = partial(_arbiter, settings.grace_period_s + PARTING_S)
    try:
        serve_http(
            identifier,
            working_dir=root,
            host=address,
            port=settings.port,
            # A little more than the grace period, whose end is told to those who still wait.
            timeout_graceful_shutdown=math.ceil(settings.grace_period_s) + 1,
        )
    finally:
        shutil.rmtree(metrics, ignore_errors=True)


def _arbiter(longest_s: float, watchers: list[Watcher], *, threaded: bool, **options: Any) -> circus.Arbiter:
    """BentoML's, which would wait a day for a process to leave, and in a container replace none that died.

    It would also take orders from every user of the machine, on ports that somebody may take between the choice and their use.
    Nobody gives it orders, so its sockets are where only this process reaches them.
    """
    assert not threaded, "it runs in this thread"
    for watcher in watchers:
        watcher.graceful_timeout = longest_s
        watcher.respawn = True
    return circus.Arbiter(watchers, endpoint="inproc://orders", pubsub_endpoint="inproc://events", check_delay=CHECK_S, **options)
