"""The trace extension: settings that are kept and given back, for tools that set them. Nothing is traced.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_trace.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field, structs


class TraceSettings(Struct, frozen=True, kw_only=True):
    """What is in force."""

    trace_file: str = ""
    trace_level: list[str] = field(default_factory=lambda: ["OFF"])
    trace_rate: str = "1000"
    trace_count: str = "-1"
    log_frequency: str = "0"
    trace_mode: str = "triton"


class Tracing:
    """The settings of this process of the server, and of models that differ from it."""

    def __init__(self) -> None:
        self._server = TraceSettings()
        self._models: dict[str, dict[str, object]] = {}

    def settings(self, model: str | None = None) -> TraceSettings:
        """Those of the server, or of a model."""
        return structs.replace(self._server, **self._models.get(model, {})) if model is not None else self._server

    def change(self, changes: Mapping[str, object], cleared: Iterable[str], model: str | None = None) -> TraceSettings:
        """Set the settings in `changes`, and take those that are `cleared` back: a model's to the server's, the server's to the
        default. Returns what is in force then."""
        if model is not None:
            kept = {name: value for name, value in self._models.get(model, {}).items() if name not in set(cleared)}
            self._models[model] = {**kept, **changes}
        else:
            defaults = {name: getattr(TraceSettings(), name) for name in cleared}
            self._server = structs.replace(self._server, **{**defaults, **changes})
        return self.settings(model)
