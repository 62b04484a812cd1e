"""The frames, and how they lie on the wire.

A frame is a 4-byte little-endian length and that many bytes of msgpack: an array whose first element names the kind.

    gateway  ──► instance   Call, Credit, Cancel
    instance ──► gateway    Hello, Queued, Started, Chunk, End, Failed, Load
    runner   ──► instance   Start, Repository, Drain   (over the runner's own socket pair, besides the above)
    instance ──► runner     Loading, Hello, LoadFailed, Load

Only one version of jubako speaks on a channel, so frames carry no version of their own; `Hello` does.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from jubako.errors import WireError
from jubako.messages import ModelInfo, Request, Result, Snapshot, StreamEvent

MAX_FRAME_BYTES = 256 * 1024 * 1024
"""A longer frame is a broken peer; the connection is closed."""

CREDIT_WINDOW = 8
"""Chunks of one stream that may be on their way unread. What comes after waits, merged, in the instance."""


class Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The root of the frames."""


class Hello(Frame, frozen=True, tag="hello"):
    """First word on every connection, and to the runner once the model is loaded."""

    model: str
    version: int
    info: ModelInfo = ModelInfo()


class Start(Frame, frozen=True, tag="start"):
    """What to load: a :class:`jubako.backends.base.ModelSpec`, encoded."""

    spec: bytes


class LoadFailed(Frame, frozen=True, tag="load_failed"):
    """The model can't be loaded; the instance exits. Trying again helps only where `permanent` is false."""

    reason: str
    permanent: bool


class Repository(Frame, frozen=True, tag="repository"):
    """To an instance that asks other models: which there are now, and where."""

    snapshot: Snapshot


class Drain(Frame, frozen=True, tag="drain"):
    """Take no new call, finish those in flight, exit."""


class Load(Frame, frozen=True, tag="load"):
    """How busy the instance is. `progress` grows with everything an engine produces, so that a stall can be told from work."""

    running: int
    queued: int
    capacity: int
    progress: int
    rss_bytes: int = 0


class Call(Frame, frozen=True, tag="call"):
    """Ask for `request`. With `stream` the answer comes as chunks, else as one result in End."""

    id: int
    request: Request
    stream: bool
    request_id: str


class Credit(Frame, frozen=True, tag="credit"):
    """The reader of stream `id` has taken `chunks` more."""

    id: int
    chunks: int


class Cancel(Frame, frozen=True, tag="cancel"):
    """Nobody waits for `id` any more. No answer follows."""

    id: int


class Queued(Frame, frozen=True, tag="queued"):
    """Call `id` waits for a place and has not touched the engine: safe to run elsewhere."""

    id: int


class Started(Frame, frozen=True, tag="started"):
    """Call `id`, which was queued, has its place now."""

    id: int


class Chunk(Frame, frozen=True, tag="chunk"):
    """Events of stream `id`, all that were ready."""

    id: int
    events: list[StreamEvent]


class End(Frame, frozen=True, tag="end"):
    """Call `id` is answered. A stream's result went before, in its chunks."""

    id: int
    result: Result | None = None


class Failed(Frame, frozen=True, tag="failed"):
    """Call `id` failed; nothing follows."""

    id: int
    error: WireError


AnyFrame = (
    Hello | Start | LoadFailed | Repository | Drain | Load | Call | Credit | Cancel | Queued | Started | Chunk | End | Failed
)

_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyFrame)


class ProtocolError(Exception):
    """The peer sent what is no frame."""


def encode(frame: AnyFrame) -> bytes:
    buffer = bytearray(_LENGTH.size)
    _encoder.encode_into(frame, buffer, _LENGTH.size)
    _LENGTH.pack_into(buffer, 0, len(buffer) - _LENGTH.size)
    return bytes(buffer)


class FrameReader:
    """Cuts a byte stream into frames, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[AnyFrame]:
        """The frames that `data` completes, in order.

        Raises:
            ProtocolError: the bytes are no frame, or a frame longer than `MAX_FRAME_BYTES`.
        """
        buffer = self._buffer
        buffer += data
        frames: list[AnyFrame] = []
        start = 0
        end = len(buffer)
        with memoryview(buffer) as view:
            while end - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(view, start)
                if length > MAX_FRAME_BYTES:
                    raise ProtocolError(f"a frame of {length} bytes is longer than the limit of {MAX_FRAME_BYTES}")
                stop = start + _LENGTH.size + length
                if stop > end:
                    break
                try:
                    frames.append(_decoder.decode(view[start + _LENGTH.size : stop]))
                except msgspec.DecodeError as error:
                    raise ProtocolError(f"not a frame: {error}") from error
                start = stop
        if start:
            del buffer[:start]
        return frames
