"""A key that is revoked while a real server streams answers with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import openai
import pytest

from jubako.access.key import Key, digest_of
from jubako.access.key_file import KeyFile
from jubako.protos import jubako_v1 as pb
from tests.conftest import ServerFactory
from tests.unit.cli.command import jubako

WORDS = "word " * 4000
"""So many that at this pace nobody waits for the last."""


def test_the_engine_works_no_longer_for_a_revoked_key(
    make_server: ServerFactory, repository: Callable[..., Path], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    for name in ("alice", "bob", "ops"):
        KeyFile(keys).add(Key(name, digest_of(name.encode()), ("infer", "metrics")))
    echo = repository(echo="backend: echo\nengine: {token_delay_s: 0.1}")
    with make_server(echo, JUBAKO_API_KEYS=str(keys), JUBAKO_WORKERS="2") as server:

        def running() -> int:
            (stat,) = httpx.get(f"{server.api}/stat", headers={"authorization": "Bearer ops"}, timeout=30).json()["data"]
            return sum(instance["running"] or 0 for instance in stat["instances"])

        with (
            openai.OpenAI(base_url=server.api, api_key="alice", max_retries=0) as alice,
            openai.OpenAI(base_url=server.api, api_key="bob", max_retries=0) as bob,
            grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
        ):
            streams = [
                client.chat.completions.create(model="echo", messages=[{"role": "user", "content": WORDS}], stream=True)
                for client in (alice, bob)
            ]
            method = channel.unary_stream(
                "/jubako.v1.ChatService/Stream", pb.ChatRequest.SerializeToString, pb.ChatChunk.FromString
            )
            asked = pb.ChatRequest(model="echo", messages=[pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text=WORDS)])])
            call = method(asked, metadata=(("authorization", "Bearer alice"),), timeout=300)
            assert next(iter(call)).deltas
            server.wait_until(lambda: running() == 3)
            assert jubako("key", "revoke", "alice", "--file", keys).returncode == 0
            with pytest.raises(openai.APIError, match="The key 'alice' was revoked"):
                list(streams[0])
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            server.wait_until(lambda: running() == 1)
            assert next(iter(streams[1])).choices
            streams[1].close()
            server.wait_until(lambda: running() == 0)
