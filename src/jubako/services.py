"""BentoML services with an application of our own inside: BentoML builds, serves and ships them, and adds nothing to a request.

``bentoml serve services.gateway:Gateway`` starts one process of the runner and ``workers`` of the gateway, each an uvicorn
around what :meth:`to_asgi` returns here, and restarts whichever dies.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from _bentoml_sdk import Service
from starlette.types import ASGIApp

from jubako.access.caution import caution
from jubako.access.guard import Guard
from jubako.dataplane.control import Control
from jubako.dataplane.metrics import Metrics
from jubako.dataplane.plane import DataPlane
from jubako.errors import ConfigurationError
from jubako.grpc.front import grpc_server
from jubako.grpc.transport.tls import Certificates, Files
from jubako.http import protocol
from jubako.http.application import application
from jubako.http.openapi import document
from jubako.kserve.trace import Tracing
from jubako.listening import address_of
from jubako.logs import configure_logging
from jubako.process import die_with_parent, on_termination
from jubako.routing.fleet import Fleet
from jubako.routing.watch import watch
from jubako.runner.control import control_application
from jubako.runner.deployments import Planner
from jubako.settings import Settings, load_settings

log = logging.getLogger(__name__)

LAST_WORDS_S = 2.0
"""Time to send errors to those whose requests outlived the grace period."""


class RunnerService(Service):  # type: ignore[misc]
    """The process that owns the instances. Its socket serves the control plane; no request passes through it."""

    def to_asgi(self, is_main: bool = False) -> ASGIApp:
        settings = _begin()
        if said := caution(settings):
            log.warning("%s", said)
        return control_application(settings)


class GatewayService(Service):  # type: ignore[misc]
    """A process that answers requests. It must depend on a :class:`RunnerService`."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        settings = _begin()
        runner = self._runner_socket()
        files = Files.of(settings)
        tls = Certificates(files) if files is not None else None
        tracing = Tracing()
        guard = Guard.of(settings)

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[DataPlane]:
            fleet = Fleet(lambda: watch(runner))
            fleet.start()
            plane = DataPlane(fleet, Metrics(_metrics_folder(settings)), Control(runner), shares_memory=_shares_memory(settings))
            grpc = grpc_server(plane, settings, fleet.changed, tracing, guard)
            on_termination(grpc.drain)
            on_termination(lambda: _end_within(settings.grace_period_s, fleet.abandon))
            try:
                await grpc.start(address_of(settings.host), settings.grpc_port, shared=settings.workers > 1, tls=tls)
                yield plane
            finally:
                await grpc.stop(settings.grace_period_s + LAST_WORDS_S / 2)
                await fleet.stop()

        return application(lifespan, settings, tracing, guard)

    @property
    def openapi_spec(self) -> dict[str, Any]:
        """What BentoML writes into a bento: the same document as /openapi.json, for the models that are loaded at the start."""
        settings = load_settings().settings
        plans = Planner(settings.repository, settings.cache_dir).read_all(settings.load)
        return document([each.status("READY", "") for plan in plans if plan.at_start for each in plan.deployments])

    def _runner_socket(self) -> str:
        for dependency in self.dependencies.values():
            if isinstance(dependency.on, RunnerService):
                url = urlsplit(dependency.on.url or "")
                if url.scheme == "file":
                    return unquote(url.path)
        raise ConfigurationError(
            "The gateway has no runner to ask. Serve it with `jubako serve` or `bentoml serve services.gateway:Gateway`, "
            "without --development and without BENTOML_NO_UDS."
        )


def _shares_memory(settings: Settings) -> bool:
    """Whether callers may name shared memory: if the setting is silent, only where no other machine can call."""
    if settings.shared_memory == "auto":
        return ip_address(address_of(settings.host)).is_loopback
    return settings.shared_memory == "on"


def _metrics_folder(settings: Settings) -> Path | None:
    """Where gateways share their metrics, if there are several; BentoML makes it."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder and settings.workers > 1 else None


def _end_within(grace_period_s: float, abandon: Callable[[], None]) -> None:
    """What was begun may finish; after `grace_period_s` it is told off, and soon after that the process ends regardless.

    BentoML's arbiter waits a day before it kills, so the bound must be here.
    """
    loop = asyncio.get_running_loop()
    loop.call_later(grace_period_s, abandon)
    loop.call_later(grace_period_s + LAST_WORDS_S, os._exit, 1)


def _begin() -> Settings:
    # The arbiter may be killed outright; its children then drain and leave, as if it had told them to.
    die_with_parent(signal.SIGTERM)
    settings = load_settings().settings
    configure_logging(settings)
    protocol.install()
    return settings
