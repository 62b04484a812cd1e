"""``pb_utils.Logger`` and ``pb_utils.MetricFamily``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import ClassVar

log = logging.getLogger("jubako.model")


class Logger:
    """Writes to the log of the instance, which the runner passes on."""

    INFO: ClassVar[int] = 0
    WARN: ClassVar[int] = 1
    ERROR: ClassVar[int] = 2
    VERBOSE: ClassVar[int] = 3

    @staticmethod
    def log(message: str, level: int = INFO) -> None:
        levels = {Logger.WARN: logging.WARNING, Logger.ERROR: logging.ERROR, Logger.VERBOSE: logging.DEBUG}
        log.log(levels.get(level, logging.INFO), "%s", message)

    @staticmethod
    def log_info(message: str) -> None:
        Logger.log(message, Logger.INFO)

    @staticmethod
    def log_warn(message: str) -> None:
        Logger.log(message, Logger.WARN)

    @staticmethod
    def log_error(message: str) -> None:
        Logger.log(message, Logger.ERROR)

    @staticmethod
    def log_verbose(message: str) -> None:
        Logger.log(message, Logger.VERBOSE)


class Metric:
    """A number that a model keeps. It can be read back, and is not published."""

    def __init__(self) -> None:
        self._value = 0.0
        self._lock = threading.Lock()

    def increment(self, value: float) -> None:
        with self._lock:
            self._value += value

    def set(self, value: float) -> None:
        self._value = value

    def observe(self, value: float) -> None:
        self.set(value)

    def value(self) -> float:
        return self._value


class MetricFamily:
    """Metrics of a model's own, by their labels."""

    COUNTER: ClassVar[int] = 0
    GAUGE: ClassVar[int] = 1
    HISTOGRAM: ClassVar[int] = 2

    def __init__(self, name: str, description: str = "", kind: int = COUNTER) -> None:
        log.warning("The metric %r of the model is kept, but not published.", name)
        self._metrics: dict[tuple[tuple[str, str], ...], Metric] = {}

    def Metric(self, labels: Mapping[str, str] | None = None, buckets: object = None) -> Metric:  # noqa: N802 - Triton's name
        return self._metrics.setdefault(tuple(sorted((labels or {}).items())), Metric())
