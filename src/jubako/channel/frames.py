"""The frames, and how they lie on the wire.

A frame is two little-endian lengths of 4 bytes, that many bytes of msgpack (an array whose first element names the kind) and
that many bytes attached: the contents of its large tensors, one after the other.

    gateway  ──► instance   Call, Credit, Cancel
    instance ──► gateway    Hello, Queued, Started, Chunk, End, Failed, Load
    runner   ──► instance   Start, Repository, Drain   (over the runner's own socket pair, besides the above)
    instance ──► runner     Hello, LoadFailed, Load, Heard

Only one version of jubako speaks on a channel, so frames carry no version of their own; `Hello` does.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import force_setattr

from jubako.errors import WireError
from jubako.messages import InferRequest, InferResult, ModelInfo, Request, Result, Snapshot, StreamEvent
from jubako.tensors import Buffer, Tensor
from jubako.trace_context import TraceContext

MAX_FRAME_BYTES = 256 * 1024 * 1024
"""A longer frame, without what is attached to it, is a broken peer; the connection is closed."""

ATTACH_BYTES = 64 * 1024
"""Contents of a tensor from this length on follow the frame instead of being copied into it."""

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


class Heard(Frame, frozen=True, tag="heard"):
    """An instance that asks other models goes by the snapshot `serial` now."""

    serial: int


class Drain(Frame, frozen=True, tag="drain"):
    """Take no new call, finish those in flight, exit."""


class Load(Frame, frozen=True, tag="load"):
    """How busy the instance is. `progress` grows with everything an engine produces, so that a stall can be told from work.

    `kv_cache_usage` is how full the engine's cache of keys and values is, from 0 to 1; None where the engine does not tell.
    """

    running: int
    queued: int
    capacity: int
    progress: int
    rss_bytes: int = 0
    kv_cache_usage: float | None = None


class Call(Frame, frozen=True, tag="call"):
    """Ask for `request`. With `stream` the answer comes as chunks, else as one result in End.

    Attributes:
        timeout_s: Seconds until its client's own deadline; None if it set none. Any other limit is the asking side's to watch.
    """

    id: int
    request: Request
    stream: bool
    request_id: str
    timeout_s: float | None = None
    trace: TraceContext | None = None


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
    Hello
    | Start
    | LoadFailed
    | Repository
    | Heard
    | Drain
    | Load
    | Call
    | Credit
    | Cancel
    | Queued
    | Started
    | Chunk
    | End
    | Failed
)

_PREFIX = struct.Struct("<II")
_NO_PREFIX = bytes(_PREFIX.size)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyFrame)


class ProtocolError(Exception):
    """The peer sent what is no frame."""


class FrameWriter:
    """Gathers frames for one write. Large contents of tensors are not copied: they become pieces of their own."""

    def __init__(self) -> None:
        self._pieces: list[Buffer] = []
        self._buffer = bytearray()

    def __bool__(self) -> bool:
        return bool(self._buffer or self._pieces)

    def add(self, frame: AnyFrame) -> None:
        """
        Raises:
            TypeError, ValueError: the frame can't be encoded; nothing of it was added.
        """
        for tensor in _tensors(frame):
            if len(tensor.data) >= ATTACH_BYTES:
                self._add_with_attachments(frame)
                return
        self._encode(frame, 0)

    def _add_with_attachments(self, frame: AnyFrame) -> None:
        large = [tensor for tensor in _tensors(frame) if len(tensor.data) >= ATTACH_BYTES]
        contents = [tensor.data for tensor in large]
        for tensor in large:
            _set_contents(tensor, b"", len(tensor.data))
        try:
            self._encode(frame, sum(map(len, contents)))
        finally:
            for tensor, data in zip(large, contents, strict=True):
                _set_contents(tensor, data, 0)
        self._pieces += [self._buffer, *contents]
        self._buffer = bytearray()

    def _encode(self, frame: AnyFrame, attached_bytes: int) -> None:
        buffer = self._buffer
        start = len(buffer)
        buffer += _NO_PREFIX
        try:
            _encoder.encode_into(frame, buffer, -1)
        except Exception:
            del buffer[start:]
            raise
        _PREFIX.pack_into(buffer, start, len(buffer) - start - _PREFIX.size, attached_bytes)

    def take(self) -> list[Buffer]:
        """All that was added, in order, to be written at once."""
        pieces, self._pieces = self._pieces, []
        if self._buffer:
            pieces.append(self._buffer)
            self._buffer = bytearray()
        return pieces


class FrameReader:
    """Cuts a byte stream into frames, however the bytes arrive.

    The contents of tensors are views into the bytes that arrived. A frame that arrives in parts is gathered in memory of its own
    length.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._partial: memoryview | None = None
        self._filled = 0
        self._header_bytes = 0

    def feed(self, data: bytes) -> list[AnyFrame]:
        """The frames that `data` completes, in order.

        Raises:
            ProtocolError: the bytes are no frame, or a frame longer than `MAX_FRAME_BYTES`.
        """
        frames: list[AnyFrame] = []
        start = 0
        if self._partial is not None:
            start = self._fill(self._partial, data)
            if self._filled < len(self._partial):
                return frames
            frames.append(_decode(self._partial, self._header_bytes))
            self._partial = None
        elif self._rest:
            data = self._rest + data
            self._rest = b""
        view = memoryview(data)
        end = len(view)
        while end - start >= _PREFIX.size:
            header_bytes, attached_bytes = _PREFIX.unpack_from(view, start)
            if header_bytes > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {header_bytes} bytes is longer than the limit of {MAX_FRAME_BYTES}")
            length = header_bytes + attached_bytes
            start += _PREFIX.size
            if start + length > end:
                # numpy gives memory without writing zeros into it first.
                self._partial = np.empty(length, np.uint8).data
                self._filled, self._header_bytes = 0, header_bytes
                self._fill(self._partial, view[start:])
                return frames
            frames.append(_decode(view[start : start + length], header_bytes))
            start += length
        self._rest = bytes(view[start:])
        return frames

    def _fill(self, partial: memoryview, data: bytes | memoryview) -> int:
        """Copy what fits of `data`; returns how much that was."""
        taken = min(len(partial) - self._filled, len(data))
        partial[self._filled : self._filled + taken] = memoryview(data)[:taken]
        self._filled += taken
        return taken


def _decode(frame: memoryview, header_bytes: int) -> AnyFrame:
    try:
        decoded: AnyFrame = _decoder.decode(frame[:header_bytes])
    except msgspec.DecodeError as error:
        raise ProtocolError(f"not a frame: {error}") from error
    if len(frame) > header_bytes:
        _attach(decoded, frame, header_bytes)
    return decoded


def _tensors(frame: AnyFrame) -> Sequence[Tensor]:
    if isinstance(frame, Call):
        return frame.request.inputs if isinstance(frame.request, InferRequest) else ()
    if isinstance(frame, End):
        return frame.result.outputs if isinstance(frame.result, InferResult) else ()
    if isinstance(frame, Chunk):
        return [tensor for event in frame.events if isinstance(event, InferResult) for tensor in event.outputs]
    return ()


def _attach(frame: AnyFrame, contents: memoryview, start: int) -> None:
    """Give the tensors whose contents came apart a view of them."""
    for tensor in _tensors(frame):
        if tensor.attached:
            end = start + tensor.attached
            if end > len(contents):
                raise ProtocolError("a frame has less attached to it than it says")
            _set_contents(tensor, contents[start:end], 0)
            start = end


def _set_contents(tensor: Tensor, data: Buffer, attached: int) -> None:
    force_setattr(tensor, "data", data)
    force_setattr(tensor, "attached", attached)
