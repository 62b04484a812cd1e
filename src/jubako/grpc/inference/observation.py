"""The trace and logging extensions: what tools set, and how much of it this server does."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from msgspec import structs

from jubako.errors import InvalidRequest, Unsupported
from jubako.grpc.inference.models import find
from jubako.grpc.transport.call import Call
from jubako.http.kserve.logs import LogSettings
from jubako.http.kserve.trace import TraceSettings
from jubako.http.plane import Plane
from jubako.protos import inference as pb

_LEVELS: Final = {
    "log_verbose_level": logging.DEBUG,
    "log_info": logging.INFO,
    "log_warning": logging.WARNING,
    "log_error": logging.ERROR,
}


class Tracing:
    """Settings that are kept and given back, for tools that set them. Nothing is traced."""

    def __init__(self) -> None:
        self._server = TraceSettings()
        self._models: dict[str, dict[str, object]] = {}

    async def trace_setting(self, request: pb.TraceSettingRequest, plane: Plane, call: Call) -> pb.TraceSettingResponse:
        changes = {name: list(setting.value) for name, setting in request.settings.items()}
        for name in changes:
            if name not in TraceSettings.__struct_fields__:
                known = ", ".join(TraceSettings.__struct_fields__)
                raise InvalidRequest(f"There is no trace setting {name!r}; there are {known}.", param=name)
        set_now = {name: _value(name, values) for name, values in changes.items() if values}
        cleared = {name for name, values in changes.items() if not values}
        if request.model_name:
            model = find(plane, request.model_name, "", call).model
            kept = {name: value for name, value in self._models.get(model, {}).items() if name not in cleared}
            self._models[model] = {**kept, **set_now}
            return _traced(structs.replace(self._server, **self._models[model]))
        defaults = {name: getattr(TraceSettings(), name) for name in cleared}
        self._server = structs.replace(self._server, **{**defaults, **set_now})
        return _traced(self._server)


def _value(name: str, values: list[str]) -> object:
    return values if name == "trace_level" else values[0]


def _traced(settings: TraceSettings) -> pb.TraceSettingResponse:
    response = pb.TraceSettingResponse()
    for name, value in structs.asdict(settings).items():
        response.settings[name].value.extend(value if isinstance(value, list) else [value])
    return response


async def log_settings(request: pb.LogSettingsRequest, plane: Plane, call: Call) -> pb.LogSettingsResponse:
    """Read, or change for this process of the server."""
    given = {
        name: getattr(value, value.WhichOneof("parameter_choice") or "string_param") for name, value in request.settings.items()
    }
    if given.pop("log_file", ""):
        raise Unsupported("The log goes to stderr; 'log_file' can't be set.", param="log_file")
    if given.pop("log_format", "default") != "default":
        raise Unsupported(
            "The form of log lines is set when the server starts: jubako serve --log-format text or json.", param="log_format"
        )
    if given:
        try:
            wanted = msgspec.convert({**structs.asdict(LogSettings.now()), **given}, LogSettings)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The log's settings can't be so: {error}.") from None
        if unknown := set(given) - set(_LEVELS):
            raise InvalidRequest(f"There is no log setting {min(unknown)!r}; there are {', '.join(_LEVELS)}.")
        # Levels are nested here: the least severe that is wanted decides.
        level = next((level for name, level in _LEVELS.items() if getattr(wanted, name)), logging.CRITICAL)
        logging.getLogger().setLevel(level)
    return _logged(LogSettings.now())


def _logged(settings: LogSettings) -> pb.LogSettingsResponse:
    response = pb.LogSettingsResponse()
    for name, value in structs.asdict(settings).items():
        if isinstance(value, bool):
            response.settings[name].bool_param = value
        elif isinstance(value, int):
            response.settings[name].uint32_param = value
        else:
            response.settings[name].string_param = value
    return response
