"""Many streamed completions at once against a server, with as little work of our own as will do."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

HOST = "127.0.0.1"
DONE = b"data: [DONE]"
NO_TEXT = b'"text":""'


@dataclass(frozen=True)
class Stream:
    """Seconds from the moment when all streams of the round were asked for to this one's first text and to its end."""

    first_s: float
    last_s: float


async def stream_all(port: int, model: str, prompts: list[list[int]], new_tokens: int) -> list[Stream]:
    """Ask for a completion of every prompt at once, each on a connection that stands already."""
    connections = [await asyncio.open_connection(HOST, port) for _ in prompts]
    requests = [_request(model, prompt, new_tokens) for prompt in prompts]
    begun = time.perf_counter()
    try:
        return await asyncio.gather(
            *(
                _stream(reader, writer, request, begun, new_tokens)
                for (reader, writer), request in zip(connections, requests, strict=True)
            )
        )
    finally:
        for _, writer in connections:
            writer.close()


async def _stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, begun: float, new_tokens: int
) -> Stream:
    writer.write(request)
    first = 0.0
    received = b""
    while DONE not in received[-64:]:
        piece = await reader.read(65536)
        if not piece:
            raise ConnectionError(f"the stream broke off: {received[-500:]!r}")
        if not first and b'"text":' in piece and NO_TEXT not in piece:
            first = time.perf_counter() - begun
        received += piece
    last = time.perf_counter() - begun
    usage = _usage(received)
    assert usage["completion_tokens"] == new_tokens, usage
    return Stream(first or last, last)


def _usage(received: bytes) -> dict[str, int]:
    chunks = [line[6:] for line in received.splitlines() if line.startswith(b"data: {")]
    usage: dict[str, int] = json.loads(chunks[-1])["usage"]
    return usage


def _request(model: str, prompt: list[int], new_tokens: int) -> bytes:
    body = json.dumps(
        {
            "model": model,
            "prompt": prompt,
            "max_tokens": new_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
