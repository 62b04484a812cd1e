"""A program as a user of jubako_client writes it; type checkers must find nothing in it, and know every type."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import numpy as np
import numpy.typing as npt
from jubako_client import (
    AsyncClient,
    AsyncStream,
    ChatAnswer,
    ChatDelta,
    Classification,
    Client,
    CompletionAnswer,
    JubakoError,
    Message,
    ModelVersion,
    RankedDocument,
    Signature,
    Stream,
    Tls,
    ToolCall,
    Usage,
)
from jubako_client.conversation import Conversation

Arrays = dict[str, npt.NDArray[np.generic]]


def ask(client: Client, streamed: bool) -> None:
    answer = client.chat("echo", "one two", max_tokens=2, temperature=0.5, stop=["."], request_id="mine")
    assert_type(answer, ChatAnswer)
    assert_type(answer.tool_calls, list[ToolCall])
    assert_type(answer.usage, Usage)
    turns: Conversation = [Message(role="user", content="hello"), answer.message, {"role": "user", "content": "again"}]
    assert_type(client.chat("echo", turns, stream=streamed), ChatAnswer | Stream[ChatDelta, ChatAnswer])
    with client.chat("echo", turns, stream=True, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") as stream:
        for delta in stream:
            assert_type(delta, ChatDelta)
    assert_type(stream.answer, ChatAnswer)
    assert_type(client.complete("echo", ["a", "b"]), CompletionAnswer)
    assert_type(client.embed("echo", "text"), npt.NDArray[np.float32])
    assert_type(client.rerank("echo", "a", ["a", "b"], top_n=1), list[RankedDocument])
    assert_type(client.score("echo", "a", ["a", "b"]), npt.NDArray[np.float64])
    assert_type(client.classify("echo", "a"), list[Classification])
    assert_type(client.models(timeout_s=10, retries=1), list[ModelVersion])
    assert_type(client.model("echo").signature, Signature | None)
    assert_type(client.ready("echo"), bool)


def infer(client: Client) -> None:
    assert_type(client.infer("double", {"x": np.ones((1, 3), np.float32)}), Arrays)
    assert_type(client.infer_stream("repeat", {"IN": [1, 2]}, datatypes={"IN": "INT32"}), Iterator[Arrays])


async def ask_without_threads(client: AsyncClient) -> None:
    assert_type(await client.chat("echo", "one two"), ChatAnswer)
    stream = await client.chat("echo", "one two", stream=True)
    assert_type(stream, AsyncStream[ChatDelta, ChatAnswer])
    async for delta in stream:
        assert_type(delta, ChatDelta)
    assert_type(await client.embed("echo", [[1, 2], [3]]), npt.NDArray[np.float32])
    assert_type(client.infer_stream("repeat", {"IN": [1, 2]}), AsyncIterator[Arrays])


def wrong(client: Client) -> None:
    """What must be found: without an error in these lines, the comments are errors themselves."""
    client.chat("echo", "hello", temprature=1)  # type: ignore[call-overload]
    client.embed("echo", 5)  # type: ignore[arg-type]
    Tls(root="ca.pem")  # type: ignore[call-arg]


if __name__ == "__main__":
    with Client(sys.argv[1]) as asked:
        ask(asked, streamed=False)
        try:
            infer(asked)
        except JubakoError as error:
            sys.stdout.write(f"{type(error).__name__} {error.code}\n")
