"""Many streamed completions at once against a server, with as little work of our own as will do."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

from jubako.bench.connection import Address, Answer, Connection

NO_TEXT = b'"text":""'


@dataclass(frozen=True)
class Stream:
    """Seconds from the moment when all streams of the round were asked for to this one's first text and to its end."""

    first_s: float
    last_s: float


async def stream_all(port: int, model: str, prompts: list[list[int]], new_tokens: int) -> list[Stream]:
    """Ask for a completion of every prompt at once, each on a connection that stands already."""
    address = Address.of(f"http://127.0.0.1:{port}")
    connections = [await Connection.open(address) for _ in prompts]
    requests = [_request(address, model, prompt, new_tokens) for prompt in prompts]
    begun = time.perf_counter()
    try:
        answers = await asyncio.gather(
            *(connection.ask(request) for connection, request in zip(connections, requests, strict=True))
        )
    finally:
        for connection in connections:
            connection.close()
    return [_stream(answer, begun, new_tokens) for answer in answers]


def _stream(answer: Answer, begun: float, new_tokens: int) -> Stream:
    assert answer.status == 200, answer.body
    chunks = [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: {")]
    usage: dict[str, int] = json.loads(chunks[-1])["usage"]
    assert usage["completion_tokens"] == new_tokens, usage
    first = next((at for at, part in answer.parts if b'"text":' in part and NO_TEXT not in part), answer.ended_s)
    return Stream(first - begun, answer.ended_s - begun)


def _request(address: Address, model: str, prompt: list[int], new_tokens: int) -> bytes:
    body = {
        "model": model,
        "prompt": prompt,
        "max_tokens": new_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return address.request("POST", "/completions", json.dumps(body).encode(), {})
