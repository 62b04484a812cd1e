"""The CPU time that a streamed token of a chat costs the gateway, over gRPC and over SSE."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc.aio
import psutil

from benchmarks.served import free_port, name_of, serving
from jubako.bench.connection import Address, Connection
from jubako.protos import jubako_v1 as v1

MODEL = "echo"

Ask = Callable[[], Awaitable[int]]
"""Asks once and returns how many tokens came."""


@dataclass(frozen=True)
class TokenCost:
    """Medians over the rounds, in microseconds of CPU time; `ratio` is the median over pairs of neighbouring rounds.

    Attributes:
        process: Which process of the server spent it.
        tokens: Streamed in a round, over each.
    """

    process: str
    grpc_us: float
    sse_us: float
    ratio: float
    tokens: int


def measure(rounds: int, streams: int, tokens: int, delay_s: float) -> list[TokenCost]:
    """Of so many rounds over each; in a round so many streams at once of so many tokens, one every `delay_s` seconds."""
    return asyncio.run(_measure(rounds, streams, tokens, delay_s))


async def _measure(rounds: int, streams: int, tokens: int, delay_s: float) -> list[TokenCost]:
    port = free_port()
    words = " ".join(["word"] * tokens)
    with (
        tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder,
        serving(_repository(Path(folder), delay_s), "--no-access-log", "--grpc-port", str(port)) as served,
    ):
        watched = {name_of(process): process for process in served.processes() if name_of(process) in ("gateway", "instance")}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            by_grpc = [_over_grpc(channel, words)] * streams
            pairs = []
            for number in range(rounds + 1):
                ours = await _round(by_grpc, watched, streams * tokens)
                # Opened anew, because the server closes connections that nothing is asked over.
                async with _connections(served.port, streams) as connections:
                    by_sse = [_over_sse(connection, served.port, words) for connection in connections]
                    theirs = await _round(by_sse, watched, streams * tokens)
                if number:  # the first warms up
                    pairs.append((ours, theirs))
    return [
        TokenCost(
            process=name,
            grpc_us=median(ours[name] for ours, _ in pairs),
            sse_us=median(theirs[name] for _, theirs in pairs),
            ratio=median(ours[name] / theirs[name] for ours, theirs in pairs),
            tokens=streams * tokens,
        )
        for name in watched
    ]


@asynccontextmanager
async def _connections(port: int, number: int) -> AsyncIterator[list[Connection]]:
    opened = [await Connection.open(Address.of(f"http://127.0.0.1:{port}")) for _ in range(number)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


async def _round(asks: list[Ask], watched: dict[str, psutil.Process], expected: int) -> dict[str, float]:
    """The CPU time of each process for a token, in microseconds."""
    before = {name: _cpu_s(process) for name, process in watched.items()}
    came = sum(await asyncio.gather(*(ask() for ask in asks)))
    assert came == expected, f"{came} tokens came, not {expected}"
    return {name: 1e6 * (_cpu_s(process) - before[name]) / expected for name, process in watched.items()}


def _cpu_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return spent.user + spent.system


def _over_grpc(channel: grpc.aio.Channel, words: str) -> Ask:
    stream = channel.unary_stream("/jubako.v1.ChatService/Stream", v1.ChatRequest.SerializeToString, v1.ChatChunk.FromString)
    message = v1.Message(role=v1.ROLE_USER, content=[v1.ContentPart(text=words)])
    request = v1.ChatRequest(model=MODEL, messages=[message])

    async def ask() -> int:
        return sum([chunk.usage.completion_tokens async for chunk in stream(request)])

    return ask


def _over_sse(connection: Connection, port: int, words: str) -> Ask:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": words}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    address = Address.of(f"http://127.0.0.1:{port}")
    request = address.request("POST", "/chat/completions", json.dumps(body).encode(), {})

    async def ask() -> int:
        answer = await connection.ask(request)
        assert answer.status == 200, answer.body
        chunks = [json.loads(line[6:]) for line in answer.body.splitlines() if line.startswith(b"data: {")]
        return int(chunks[-1]["usage"]["completion_tokens"])

    return ask


def _repository(root: Path, delay_s: float) -> Path:
    (root / MODEL / "1").mkdir(parents=True)
    (root / MODEL / "model.yaml").write_text(f"backend: echo\nengine: {{token_delay_s: {delay_s}}}\n")
    return root
