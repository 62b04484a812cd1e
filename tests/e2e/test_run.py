"""The default model's container on another machine: it answers as `jubako serve` does, and ends as it should."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import grpc
import httpx
import openai
import pytest

from jubako.protos import jubako_v1 as pb
from tests.e2e.conftest import MODEL, REPOSITORY
from tests.e2e.container import Container
from tests.e2e.machine import Machine
from tests.serving import Server

QUESTIONS = ["Name three colours.", "What is a bento box?"]
TOKENS = 40
SEED = 7
STORY = "Tell me a long story."
LONG = 120
"""Tokens: seconds, on any machine."""

PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`jubako serve` with the same repository, beside the container."""
    with Server(REPOSITORY, tmp_path_factory.mktemp("server") / "log", {"JUBAKO_LOAD": MODEL}) as running:
        yield running


def over_http(api: str, question: str) -> str:
    with openai.OpenAI(base_url=api, api_key="unused", max_retries=0, timeout=PATIENCE_S) as client:
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": question}], max_tokens=TOKENS, temperature=0.8, seed=SEED
        )
    return answer.choices[0].message.content or ""


def request(question: str, tokens: int = TOKENS) -> pb.ChatRequest:
    message = pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text=question)])
    return pb.ChatRequest(model=MODEL, messages=[message], sampling=pb.Sampling(temperature=0.8, seed=SEED, max_tokens=tokens))


def over_grpc(address: str, question: str) -> str:
    with grpc.insecure_channel(address) as channel:
        complete = channel.unary_unary(
            "/jubako.v1.ChatService/Complete", pb.ChatRequest.SerializeToString, pb.ChatResponse.FromString
        )
        answer = complete(request(question), timeout=PATIENCE_S)
    return "".join(part.text for part in answer.choices[0].message.content)


@pytest.mark.parametrize("question", QUESTIONS)
def test_chats_are_answered_as_by_jubako_serve(question: str, container: Container, server: Server) -> None:
    answer = over_http(container.api, question)
    assert answer
    assert answer == over_http(server.api, question)
    assert answer == over_grpc(container.address, question)


def test_metrics_count_what_was_answered(container: Container) -> None:
    over_http(container.api, QUESTIONS[0])
    page = httpx.get(f"{container.url}/metrics").text
    [counted] = [line for line in page.splitlines() if line.startswith("jubako_requests_total") and 'task="chat"' in line]
    assert 'model="smollm2"' in counted
    assert float(counted.rpartition(" ")[2]) >= 1


def test_the_log_is_one_of_requests(container: Container) -> None:
    over_http(container.api, QUESTIONS[0])
    assert "/v1/chat/completions" in container.log


LOOK = """
import json, os
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(json.dumps([os.getuid(), os.getgid(), *(status[name].strip() for name in ('CapEff', 'CapBnd', 'NoNewPrivs'))]))
"""
WRITE = """
for folder in ('/', '/app', '/home/bentoml/bento', '/etc', '/var/tmp', '/tmp'):
    try:
        open(folder + '/x', 'w')
    except OSError:
        continue
    print(folder)
"""


def test_the_processes_are_nobody_special_and_can_write_nothing(container: Container) -> None:
    assert json.loads(container.run("python", "-c", LOOK)) == [1034, 1034, "0" * 16, "0" * 16, "1"]
    assert container.run("python", "-c", WRITE) == "/tmp"


def test_the_health_check_says_yes_while_it_is_ready(container: Container, host: Machine) -> None:
    host.run("podman", "healthcheck", "run", container.id)
    assert container.state["Health"]["Status"] == "healthy"


class Stream(threading.Thread):
    """A long answer. It meets others at `begun` after the first words; `end` is its finish reason."""

    def __init__(self, container: Container, begun: threading.Barrier) -> None:
        super().__init__()
        self.container = container
        self.begun = begun
        self.end = ""

    def run(self) -> None:
        for number, end in enumerate(self.pieces()):
            if number == 1:
                self.begun.wait(PATIENCE_S)
            self.end = end or self.end

    def pieces(self) -> Iterator[str]:
        """The finish reason of each piece, "" where there is none."""
        raise NotImplementedError


class HttpStream(Stream):
    def pieces(self) -> Iterator[str]:
        with openai.OpenAI(base_url=self.container.api, api_key="unused", max_retries=0, timeout=PATIENCE_S) as client:
            stream = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": STORY}], max_tokens=LONG, seed=SEED, stream=True
            )
            for chunk in stream:
                yield (chunk.choices[0].finish_reason or "") if chunk.choices else ""


class GrpcStream(Stream):
    def pieces(self) -> Iterator[str]:
        with grpc.insecure_channel(self.container.address) as channel:
            call = channel.unary_stream(
                "/jubako.v1.ChatService/Stream", pb.ChatRequest.SerializeToString, pb.ChatChunk.FromString
            )
            for chunk in call(request(STORY, LONG), timeout=PATIENCE_S):
                yield "".join(pb.FinishReason.Name(delta.finish_reason) for delta in chunk.deltas if delta.finish_reason)


def test_streams_that_are_under_way_end_before_the_container_does(pulled: str, host: Machine) -> None:
    with Container(host, pulled, "--env=JUBAKO_GRACE_PERIOD_S=300") as running:
        begun = threading.Barrier(3)
        streams = [HttpStream(running, begun), GrpcStream(running, begun)]
        for stream in streams:
            stream.start()
        begun.wait(PATIENCE_S)
        status = running.stop(timeout_s=330)
        for stream in streams:
            stream.join(PATIENCE_S)
        assert [stream.end for stream in streams] == ["length", "FINISH_REASON_LENGTH"], running.log[-3000:]
        assert status == 0
