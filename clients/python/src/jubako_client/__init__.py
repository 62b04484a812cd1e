"""A client of jubako's servers: :class:`Client`, and :class:`AsyncClient` for asyncio."""

from jubako_client.async_client import AsyncClient
from jubako_client.async_streams import AsyncStream
from jubako_client.client import Client
from jubako_client.conversation import Message, ToolCall
from jubako_client.errors import (
    Cancelled,
    ClientError,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InstanceLost,
    InternalError,
    InvalidRequest,
    JubakoError,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    PromptTooLong,
    ServerError,
    Unauthorized,
    Unreachable,
    Unsupported,
    UpstreamFailed,
    UpstreamUnavailable,
)
from jubako_client.models import ModelVersion, Signature, TensorSpec
from jubako_client.ranking import Classification, RankedDocument
from jubako_client.streams import Stream
from jubako_client.text import (
    ChatAnswer,
    ChatChoice,
    ChatDelta,
    CompletionAnswer,
    CompletionChoice,
    CompletionDelta,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from jubako_client.tls import Tls

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Cancelled",
    "ChatAnswer",
    "ChatChoice",
    "ChatDelta",
    "Classification",
    "Client",
    "ClientError",
    "CompletionAnswer",
    "CompletionChoice",
    "CompletionDelta",
    "Conflict",
    "DeadlineExceeded",
    "Forbidden",
    "InstanceLost",
    "InternalError",
    "InvalidRequest",
    "JubakoError",
    "Message",
    "ModelFailed",
    "ModelNotFound",
    "ModelNotReady",
    "ModelVersion",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "PromptTooLong",
    "RankedDocument",
    "ServerError",
    "Signature",
    "Stream",
    "TensorSpec",
    "Tls",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TopLogprob",
    "Unauthorized",
    "Unreachable",
    "Unsupported",
    "UpstreamFailed",
    "UpstreamUnavailable",
    "Usage",
]
