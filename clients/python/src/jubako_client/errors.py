"""Every error that the client raises.

::

    JubakoError
    ├── ClientError                  the caller can mend it
    │   ├── InvalidRequest           a field is wrong; `param` says which
    │   │   ├── Unsupported          right, but not with this model or this server
    │   │   └── PromptTooLong        more tokens than the context holds
    │   ├── Unauthorized             no key, or a wrong one
    │   ├── Forbidden                the key does not allow it
    │   ├── NotFound
    │   │   └── ModelNotFound        with the nearest names
    │   ├── Conflict                 not as things are on the server; the message says what has to change there first
    │   ├── PayloadTooLarge          a message is larger than one side takes
    │   └── Overloaded               the model's queue is full; nothing was started
    ├── ServerError                  the operator can mend it
    │   ├── InternalError
    │   ├── ModelNotReady            loading, draining or being restarted: try again
    │   ├── ModelFailed              gave up loading
    │   ├── InstanceLost             the process that was answering died
    │   ├── UpstreamFailed           another server, which was to answer, refused or broke off
    │   ├── UpstreamUnavailable      that server can't be reached
    │   ├── DeadlineExceeded         no answer within the time that was given
    │   └── Unreachable              the server can't be reached, or is leaving
    └── Cancelled                    the call was cancelled

The names are the server's own; only Unreachable and Cancelled are the client's.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "Cancelled",
    "ClientError",
    "Conflict",
    "DeadlineExceeded",
    "Forbidden",
    "InstanceLost",
    "InternalError",
    "InvalidRequest",
    "JubakoError",
    "ModelFailed",
    "ModelNotFound",
    "ModelNotReady",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "PromptTooLong",
    "ServerError",
    "Unauthorized",
    "Unreachable",
    "Unsupported",
    "UpstreamFailed",
    "UpstreamUnavailable",
]


class JubakoError(Exception):
    """The root of all errors of this package.

    Attributes:
        message: A whole sentence that says what is wrong.
        code: A machine-readable reason, such as ``model_not_found``; None where the server gave none.
        status: The name of the gRPC status, such as ``NOT_FOUND``; None where the call was not made.
        param: The request field at fault, as a path such as ``messages[0].content``.
        retry_after_s: Seconds after which trying again makes sense.
        request_id: Names the request in the server's log; None where the call was not made.
    """

    reason: ClassVar[str | None] = None
    """What the server calls this kind of error, if it has a name for it."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.reason
        self.status = status
        self.param = param
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} (request {self.request_id})" if self.request_id else self.message


class ClientError(JubakoError):
    """The caller can mend it."""


class InvalidRequest(ClientError):
    """A field of the request is wrong; `param` says which."""

    reason = "invalid_request"


class Unsupported(InvalidRequest):
    """The request is right, but not with this model or this server."""

    reason = "unsupported_parameter"


class PromptTooLong(InvalidRequest):
    """The prompt has more tokens than the context holds."""

    reason = "context_length_exceeded"


class Unauthorized(ClientError):
    """There is no key, or a wrong one."""

    reason = "invalid_api_key"


class Forbidden(ClientError):
    """The key does not allow it."""

    reason = "forbidden"


class NotFound(ClientError):
    """What was asked for does not exist."""

    reason = "not_found"


class ModelNotFound(NotFound):
    """No model has this name; the message names the nearest."""

    reason = "model_not_found"


class Conflict(ClientError):
    """It can't be done as things are on the server; the message says what has to change there first."""

    reason = "conflict"


class PayloadTooLarge(ClientError):
    """A message is larger than one of the two sides takes."""

    reason = "payload_too_large"


class Overloaded(ClientError):
    """The model's queue is full; nothing was started."""

    reason = "queue_full"


class ServerError(JubakoError):
    """The operator of the server can mend it."""


class InternalError(ServerError):
    """The server failed; its log says why, under the request id."""

    reason = "internal_error"


class ModelNotReady(ServerError):
    """The model is loading, draining or being restarted; try again."""

    reason = "model_not_ready"


class ModelFailed(ServerError):
    """The model gave up loading."""

    reason = "model_failed"


class InstanceLost(ServerError):
    """The process that was answering died."""

    reason = "instance_lost"


class UpstreamFailed(ServerError):
    """Another server, which was to answer, refused or broke off."""

    reason = "upstream_failed"


class UpstreamUnavailable(ServerError):
    """Another server, which was to answer, can't be reached."""

    reason = "upstream_unavailable"


class DeadlineExceeded(ServerError):
    """There was no answer within the time that was given."""

    reason = "deadline_exceeded"


class Unreachable(ServerError):
    """The server can't be reached, or is leaving."""


class Cancelled(JubakoError):
    """The call was cancelled."""
