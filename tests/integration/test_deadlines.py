"""Deadlines of clients, and the traces of their requests, on the way to the engine."""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import grpc
import httpx
import pytest

from jubako.dataplane.plane import DataPlane
from jubako.errors import DeadlineExceeded
from jubako.messages import (
    Caller,
    ChatRequest,
    ClassifyRequest,
    CompletionRequest,
    EmbedRequest,
    InferRequest,
    Message,
    ScoreRequest,
)
from jubako.protos import inference
from jubako.protos import jubako_v1 as pb
from jubako.tensors import Tensor
from tests.conftest import ServerFactory
from tests.integration.echo_versions import MakeRepository, serving
from tests.integration.runner_process import MakeRunner
from tests.integration.runner_serving import LONG_S
from tests.serving import Server

T = TypeVar("T")

SHORT_S = 0.3

TALK = """
backend: echo
tasks: [chat, completion, embedding, score, classify]
engine: {slots: 1, token_delay_s: 0.1}
"""

ENDLESS = "one word after the other " * 200

SLOW = '''
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape

Row = Annotated[NDArray[np.float32], Shape(1)]


FOLDER = Path(__file__).parents[1]


class Model:
    """Writes down what it computes; a number below 0 takes until there is a file that is called like it."""

    def infer(self, x: Row) -> Row:
        number = float(x.sum())
        with (FOLDER / "computed.txt").open("a") as computed:
            computed.write(f"{number}\\n")
        while number < 0 and not (FOLDER / str(number)).exists():
            time.sleep(0.02)
        return x
'''

ASKING_STEP_BY_STEP = '''
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import ModelContext, Shape

Row = Annotated[NDArray[np.float32], Shape(1)]


class Model:
    """Asks another model, from a thread."""

    def __init__(self, context: ModelContext) -> None:
        self._slow = context.models["slow"]

    def infer(self, a: Row) -> Iterator[Row]:
        yield self._slow(x=a)["result"]
'''

ENSEMBLE = "backend: ensemble\nengine: {steps: [{model: slow, inputs: {x: a}, outputs: {output: b}}]}\n"

Ask = Callable[[DataPlane, Caller], Coroutine[None, None, object]]


async def whole(answers: AsyncGenerator[list[T]]) -> list[T]:
    return [event async for batch in answers for event in batch]


def chat(text: str = "hi") -> ChatRequest:
    return ChatRequest(model="talk", messages=[Message("user", text)])


def row(number: float, model: str = "slow", name: str = "x") -> InferRequest:
    return InferRequest(model=model, inputs=[Tensor(name, "FP32", [1, 1], struct.pack("<f", number))])


ASKING: dict[str, Ask] = {
    "chat": lambda plane, caller: plane.generate(chat(), caller),
    "chat stream": lambda plane, caller: whole(plane.stream(chat(), caller)),
    "completion": lambda plane, caller: plane.generate(CompletionRequest(model="talk", prompts=["hi"]), caller),
    "embedding": lambda plane, caller: plane.embed(EmbedRequest(model="talk", inputs=["hi"]), caller),
    "score": lambda plane, caller: plane.score(ScoreRequest(model="talk", queries=["hi"], documents=["ho"]), caller),
    "classify": lambda plane, caller: plane.classify(ClassifyRequest(model="talk", inputs=["hi"]), caller),
}


def in_time(seconds: float) -> Caller:
    return Caller("hasty", asyncio.get_running_loop().time() + seconds)


async def busy_with(plane: DataPlane, model: str, running: int, queued: int) -> None:
    """Until the only instance of `model` says so."""
    async with asyncio.timeout(LONG_S):
        while True:
            (instance,) = await plane.activity(plane.model(model))
            if (instance.running, instance.queued) == (running, queued):
                return
            await asyncio.sleep(0.02)


async def test_what_waits_for_a_place_is_dropped_at_its_clients_deadline(make_runner: MakeRunner) -> None:
    async with serving(make_runner(talk=TALK)) as plane:
        first = asyncio.create_task(whole(plane.stream(chat(ENDLESS), Caller("first"))))
        await busy_with(plane, "talk", 1, 0)
        for ask in ASKING.values():
            with pytest.raises(DeadlineExceeded, match="The deadline that the client set has passed"):
                await ask(plane, in_time(SHORT_S))
        with pytest.raises(DeadlineExceeded, match="that the client set"):
            await ASKING["chat"](plane, in_time(-1))
        await busy_with(plane, "talk", 1, 0)
        assert not first.done(), "the place was taken all the time"
        # Who has time waits for its turn; a stream that began in time ends at its deadline too.
        patient = asyncio.create_task(ASKING["embedding"](plane, in_time(LONG_S)))
        await busy_with(plane, "talk", 1, 1)
        first.cancel()
        assert await patient
        events: list[object] = []
        with pytest.raises(DeadlineExceeded, match="that the client set"):  # noqa: PT012 - what came before is looked at
            async for batch in plane.stream(chat(ENDLESS), in_time(4)):
                events += batch
        assert events
        await busy_with(plane, "talk", 0, 0)


async def test_the_limit_of_the_entry_is_told_apart(make_runner: MakeRunner) -> None:
    limited = TALK + "limits: {timeout_s: 4, queue_timeout_s: 0.2}\n"
    async with serving(make_runner(talk=limited)) as plane:
        first = asyncio.create_task(whole(plane.stream(chat(ENDLESS), in_time(LONG_S))))
        await busy_with(plane, "talk", 1, 0)
        with pytest.raises(DeadlineExceeded, match=r"waited 0.2 seconds \(limits.queue_timeout_s"):
            await ASKING["chat"](plane, in_time(LONG_S))
        with pytest.raises(DeadlineExceeded, match=r"longer than 4 seconds.*limits.timeout_s"):
            await first


@pytest.fixture
def slow(repository: MakeRepository) -> Path:
    """A repository with the slow model, an ensemble over it and code that asks it."""
    code = "backend: python\nmax_batch_size: 1\n"
    root = repository(slow=code, e=ENSEMBLE, steps=code)
    (root / "slow" / "1" / "model.py").write_text(SLOW)
    (root / "steps" / "1" / "model.py").write_text(ASKING_STEP_BY_STEP)
    return root


async def test_tensors_that_wait_are_dropped_too_and_what_models_ask_of_others(make_runner: MakeRunner, slow: Path) -> None:
    async with serving(make_runner()) as plane:
        for number, request in ((-1.0, row(1)), (-2.0, row(1, "e", "a")), (-3.0, row(1, "steps", "a"))):
            first = asyncio.create_task(plane.infer(row(number), Caller("first")))
            await busy_with(plane, "slow", 1, 0)
            if request.model != "steps":
                with pytest.raises(DeadlineExceeded, match="client"):
                    await plane.infer(request, in_time(SHORT_S))
            with pytest.raises(DeadlineExceeded, match="client"):
                await whole(plane.infer_stream(request, in_time(SHORT_S)))
            await busy_with(plane, "slow", 1, 0)
            assert not first.done()
            (slow / "slow" / str(number)).touch()
            assert (await first).outputs
        computed = (slow / "slow" / "computed.txt").read_text().split()
        assert computed == ["-1.0", "-2.0", "-3.0"], "nothing that was late was computed"
        assert (await plane.infer(row(0, "e", "a"), in_time(LONG_S))).outputs


def test_deadlines_over_grpc(make_server: ServerFactory, repository: MakeRepository, slow: Path) -> None:
    repository(talk=TALK)
    with make_server(slow) as server, grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        hello = pb.ChatRequest(model="talk", messages=[pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="hi")])])
        long = pb.ChatRequest(model="talk", messages=[pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text=ENDLESS)])])
        tensor = inference.ModelInferRequest(model_name="slow", raw_input_contents=[struct.pack("<f", 0)])
        tensor.inputs.add(name="x", datatype="FP32", shape=[1, 1])
        stream = channel.unary_stream(
            "/jubako.v1.ChatService/Stream",
            request_serializer=pb.ChatRequest.SerializeToString,
            response_deserializer=pb.ChatChunk.FromString,
        )
        complete = channel.unary_unary(
            "/jubako.v1.ChatService/Complete",
            request_serializer=pb.ChatRequest.SerializeToString,
            response_deserializer=pb.ChatResponse.FromString,
        )
        embed = channel.unary_unary(
            "/jubako.v1.EmbeddingService/Embed",
            request_serializer=pb.EmbedRequest.SerializeToString,
            response_deserializer=pb.EmbedResponse.FromString,
        )
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=inference.ModelInferRequest.SerializeToString,
            response_deserializer=inference.ModelInferResponse.FromString,
        )

        def activity(model: str) -> tuple[int, int]:
            (instance,) = httpx.get(f"{server.url}/v1/stat/{model}").json()["instances"]
            return instance["running"], instance["queued"]

        holding = stream(long, timeout=LONG_S)
        next(holding)
        busy = infer.future(_with_number(tensor, -1), timeout=LONG_S)
        server.wait_until(lambda: activity("slow") == (1, 0), LONG_S)
        for ask in (
            lambda: infer(_with_number(tensor, 1), timeout=SHORT_S),
            lambda: complete(hello, timeout=SHORT_S),
            lambda: list(stream(hello, timeout=SHORT_S)),
            lambda: embed(pb.EmbedRequest(model="talk", inputs=[pb.Prompt(text="hi")]), timeout=SHORT_S),
        ):
            with pytest.raises(grpc.RpcError) as failed:
                ask()
            assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

        server.wait_until(lambda: activity("talk") == (1, 0), LONG_S)
        holding.cancel()
        (slow / "slow" / "-1.0").touch()
        busy.result()
        server.wait_until(lambda: activity("talk") == activity("slow") == (0, 0), LONG_S)
        assert (slow / "slow" / "computed.txt").read_text().split() == ["-1.0"]


def _with_number(request: inference.ModelInferRequest, number: float) -> inference.ModelInferRequest:
    changed = inference.ModelInferRequest()
    changed.CopyFrom(request)
    changed.raw_input_contents[0] = struct.pack("<f", number)
    return changed


def test_a_trace_and_an_identifier_go_through_both_doors_and_on_to_the_upstream(
    make_server: ServerFactory, tmp_path: Path
) -> None:
    """One server asks the other; what was sent to the first is in the logs of both."""
    for name, text in (("back", "backend: echo\n"), ("front", "backend: openai\nengine: {base_url: 'URL', model: echo}\n")):
        (tmp_path / name / "echo" / "1").mkdir(parents=True)
        (tmp_path / name / "echo" / "model.yaml").write_text(text)
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{parent}-01", "tracestate": "vendor=1"}
    with make_server(tmp_path / "back", JUBAKO_LOG_FORMAT="json") as back:
        entry = tmp_path / "front" / "echo" / "model.yaml"
        entry.write_text(entry.read_text().replace("URL", back.api))
        with make_server(tmp_path / "front") as front, grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
            body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
            url = f"{front.api}/chat/completions"
            assert httpx.post(url, json=body, headers={**headers, "x-request-id": "over-http"}).status_code == 200
            wrong = {"traceparent": f"00-{'0' * 32}-{parent}-01", "x-request-id": "untraced"}
            assert httpx.post(url, json=body, headers=wrong).status_code == 200
            complete = channel.unary_unary(
                "/jubako.v1.ChatService/Complete",
                request_serializer=pb.ChatRequest.SerializeToString,
                response_deserializer=pb.ChatResponse.FromString,
            )
            said = pb.ChatRequest(model="echo", messages=[pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="hi")])])
            complete(said, timeout=LONG_S, metadata=(*headers.items(), ("x-request-id", "over-grpc")))
            # A line is written when its answer has left, which a caller may notice earlier.
            back.wait_until(lambda: len(_access_lines(back)) == 3, LONG_S)
            seen = {line["request_id"]: line["trace_id"] for line in _access_lines(back)}
            assert seen == {"over-http": trace, "untraced": None, "over-grpc": trace}
            front.wait_until(lambda: all(f" {name}" in front.log.read_text() for name in seen), LONG_S)
            lines = {name: line for line in front.log.read_text().splitlines() for name in seen if f" {name}" in line}
            assert re.search(rf"over-http trace={trace}$", lines["over-http"])
            assert re.search(rf"gRPC .* over-grpc trace={trace}$", lines["over-grpc"])
            assert "trace=" not in lines["untraced"]


def _access_lines(server: Server) -> list[dict[str, str | None]]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if '"jubako.access"' in line]
    return [line for line in lines if line["path"] == "/v1/chat/completions"]
