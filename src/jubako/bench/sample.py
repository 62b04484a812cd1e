"""What one request gave, read from its answer after the load is over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
from msgspec import Struct

from jubako.bench.connection import Answer


class Sample(Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        seconds: From the request to the end of its answer.
        first_s: From the request to the first text; None if there was none.
        gaps_s: Between one piece of text and the next.
        tokens: Of the answer, as the server counted them; where it does not, the pieces of text.
        prompt_tokens: As the server counted them; None if it does not.
        counted: Whether the server counted.
        error: What went wrong; "" if nothing did.
    """

    seconds: float = 0.0
    first_s: float | None = None
    gaps_s: list[float] = []
    tokens: int = 0
    prompt_tokens: int | None = None
    counted: bool = False
    error: str = ""


def read_sample(answer: Answer) -> Sample:
    """What `answer` shows."""
    seconds = answer.ended_s - answer.sent_s
    if answer.status != 200:
        return Sample(seconds=seconds, error=f"status {answer.status}: {refusal(answer.body)}")
    times: list[float] = []
    usage: _Usage | None = None
    try:
        for at, chunk in _chunks(answer):
            if chunk.error is not None:
                return Sample(seconds=seconds, error=chunk.error if isinstance(chunk.error, str) else chunk.error.message)
            if any(choice.delta.has_text for choice in chunk.choices):
                times.append(at)
            usage = chunk.usage or usage
    except msgspec.MsgspecError:
        return Sample(seconds=seconds, error="the answer is not a stream of OpenAI's chat API")
    tokens = usage.completion_tokens if usage else len(times)
    return Sample(
        seconds=seconds,
        first_s=times[0] - answer.sent_s if times else None,
        gaps_s=[later - earlier for earlier, later in pairwise(times)],
        tokens=tokens,
        prompt_tokens=usage.prompt_tokens if usage else None,
        counted=usage is not None,
        error="" if tokens else "the answer has no text",
    )


def refusal(body: bytes) -> str:
    """The sentence in the body of an error, in OpenAI's form or another."""
    try:
        error = msgspec.json.decode(body, type=_Chunk).error
        if error is not None:
            return error if isinstance(error, str) else error.message
    except msgspec.MsgspecError:
        pass
    return body[:200].decode(errors="replace").strip() or "no reason given"


class _Usage(Struct, frozen=True, gc=False):
    completion_tokens: int = 0
    prompt_tokens: int | None = None


class _Error(Struct, frozen=True):
    message: str = ""


class _Delta(Struct, frozen=True, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    @property
    def has_text(self) -> bool:
        return bool(self.content or self.reasoning_content or self.reasoning)


class _Choice(Struct, frozen=True, gc=False):
    delta: _Delta = _Delta()


class _Chunk(Struct, frozen=True):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | str | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def _chunks(answer: Answer) -> Iterator[tuple[float, _Chunk]]:
    """The chunks of the stream, each with the time at which its last byte came."""
    rest = b""
    for at, part in answer.parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if data and data != b"[DONE]":
                yield at, _decode(data)
