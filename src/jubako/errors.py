"""Every error that jubako raises on purpose, and what each transport makes of it.

::

    JubakoError
    ├── ClientError                      the caller can mend it
    │   ├── InvalidRequest        400    a field is wrong; `param` says which
    │   │   ├── Unsupported       400    right, but not with this model or this server
    │   │   └── PromptTooLong     400    more tokens than the context holds
    │   ├── Unauthorized          401
    │   ├── Forbidden             403
    │   ├── NotFound              404
    │   │   └── ModelNotFound     404    with the nearest names
    │   ├── MethodNotAllowed      405
    │   ├── Conflict              409    not as things are on the server: the message says what has to change there first
    │   ├── PayloadTooLarge       413
    │   ├── UnsupportedMediaType  415
    │   └── Overloaded            429    the model's queue is full; nothing was started
    ├── ServerError                      the operator can mend it
    │   ├── InternalError         500
    │   ├── ModelNotReady         503    loading, draining or being restarted: try again
    │   ├── ModelFailed           503    gave up loading; `reason` in the repository's index
    │   ├── InstanceLost          503    the process that was answering died
    │   ├── UpstreamFailed        502    another server, which was to answer, refused or broke off
    │   ├── UpstreamUnavailable   503    that server can't be reached, or has failed too often of late
    │   └── DeadlineExceeded      504
    └── ConfigurationError               a setting, a model.yaml or a source; never crosses a socket

An error that happens in an instance crosses the channel as a :class:`WireError` and is raised again in the gateway
as the same class.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

__all__ = [
    "ClientError",
    "ConfigurationError",
    "Conflict",
    "DeadlineExceeded",
    "Forbidden",
    "InstanceLost",
    "InternalError",
    "InvalidRequest",
    "JubakoError",
    "MethodNotAllowed",
    "ModelFailed",
    "ModelNotFound",
    "ModelNotReady",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "PromptTooLong",
    "ServerError",
    "Unauthorized",
    "Unsupported",
    "UnsupportedMediaType",
    "UpstreamFailed",
    "UpstreamUnavailable",
    "WireError",
]


class WireError(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as it crosses the channel."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None


class JubakoError(Exception):
    """The root. `message` is a whole sentence for the person who meets it.

    Args:
        message: What is wrong and, where it can be said, what to do next.
        param: The request field at fault, as a path such as ``messages[0].content``.
        code: A machine-readable code that is more exact than the class's own.
        retry_after_s: Seconds after which trying again makes sense.
    """

    http_status: ClassVar[int] = 500
    openai_type: ClassVar[str] = "server_error"
    openai_code: ClassVar[str | None] = None
    grpc_code: ClassVar[str] = "INTERNAL"
    """A name of :class:`grpc.StatusCode`; the name, so that this module imports no grpc."""

    _kinds: ClassVar[dict[str, type[JubakoError]]] = {}

    def __init_subclass__(cls) -> None:
        JubakoError._kinds[cls.__name__] = cls

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.openai_code
        self.retry_after_s = retry_after_s

    def to_wire(self) -> WireError:
        return WireError(type(self).__name__, self.message, self.param, self.code, self.retry_after_s)

    @staticmethod
    def from_wire(wire: WireError) -> JubakoError:
        kind = JubakoError._kinds.get(wire.kind, InternalError)
        return kind(wire.message, param=wire.param, code=wire.code, retry_after_s=wire.retry_after_s)


class ClientError(JubakoError):
    http_status = 400
    openai_type = "invalid_request_error"
    grpc_code = "INVALID_ARGUMENT"


class InvalidRequest(ClientError):
    pass


class Unsupported(InvalidRequest):
    openai_code = "unsupported_parameter"
    grpc_code = "UNIMPLEMENTED"


class PromptTooLong(InvalidRequest):
    openai_code = "context_length_exceeded"


class Unauthorized(ClientError):
    http_status = 401
    openai_type = "authentication_error"
    openai_code = "invalid_api_key"
    grpc_code = "UNAUTHENTICATED"


class Forbidden(ClientError):
    http_status = 403
    openai_type = "permission_error"
    grpc_code = "PERMISSION_DENIED"


class NotFound(ClientError):
    http_status = 404
    grpc_code = "NOT_FOUND"


class ModelNotFound(NotFound):
    openai_code = "model_not_found"


class MethodNotAllowed(ClientError):
    http_status = 405
    grpc_code = "UNIMPLEMENTED"


class Conflict(ClientError):
    http_status = 409
    openai_code = "conflict"
    grpc_code = "FAILED_PRECONDITION"


class PayloadTooLarge(ClientError):
    http_status = 413
    openai_code = "payload_too_large"
    grpc_code = "RESOURCE_EXHAUSTED"


class UnsupportedMediaType(ClientError):
    http_status = 415


class Overloaded(ClientError):
    http_status = 429
    openai_type = "overloaded_error"
    openai_code = "queue_full"
    grpc_code = "RESOURCE_EXHAUSTED"


class ServerError(JubakoError):
    pass


class InternalError(ServerError):
    pass


class ModelNotReady(ServerError):
    http_status = 503
    openai_code = "model_not_ready"
    grpc_code = "UNAVAILABLE"


class ModelFailed(ServerError):
    http_status = 503
    openai_code = "model_failed"
    grpc_code = "FAILED_PRECONDITION"


class InstanceLost(ServerError):
    http_status = 503
    openai_code = "instance_lost"
    grpc_code = "UNAVAILABLE"


class UpstreamFailed(ServerError):
    http_status = 502
    openai_code = "upstream_failed"
    grpc_code = "UNAVAILABLE"


class UpstreamUnavailable(ServerError):
    http_status = 503
    openai_code = "upstream_unavailable"
    grpc_code = "UNAVAILABLE"


class DeadlineExceeded(ServerError):
    http_status = 504
    openai_code = "deadline_exceeded"
    grpc_code = "DEADLINE_EXCEEDED"


class ConfigurationError(JubakoError):
    grpc_code = "FAILED_PRECONDITION"
