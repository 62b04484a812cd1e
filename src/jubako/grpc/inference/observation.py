"""The trace and logging extensions: what tools set, and how much of it this server does."""

from __future__ import annotations

import msgspec
from msgspec import structs

from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest
from jubako.grpc.inference.models import find
from jubako.grpc.transport.call import Call
from jubako.kserve.logs import LogSettings
from jubako.kserve.trace import TraceSettings, Tracing
from jubako.protos import inference as pb


class TraceMethods:
    """The trace extension over the settings that `tracing` keeps."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def trace_setting(self, request: pb.TraceSettingRequest, plane: Plane, call: Call) -> pb.TraceSettingResponse:
        given = {name: list(setting.value) for name, setting in request.settings.items()}
        for name in given:
            if name not in TraceSettings.__struct_fields__:
                known = ", ".join(TraceSettings.__struct_fields__)
                raise InvalidRequest(f"There is no trace setting {name!r}; there are {known}.", param=name)
        changes = {name: _value(name, values) for name, values in given.items() if values}
        cleared = [name for name, values in given.items() if not values]
        model = find(plane, request.model_name, "", call).model if request.model_name else None
        return _traced(self._tracing.change(changes, cleared, model))


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
    if unknown := set(given) - set(LogSettings.__struct_fields__):
        raise InvalidRequest(f"There is no log setting {min(unknown)!r}; there are {', '.join(LogSettings.__struct_fields__)}.")
    if given:
        try:
            msgspec.convert({**structs.asdict(LogSettings.now()), **given}, LogSettings).apply()
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The log's settings can't be so: {error}.") from None
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
