"""jubako's own services over gRPC beside the same over HTTP, on a real server: the same request has the same answer.

Everything here is asked with stock grpcio.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from jubako.grpc.v1.methods import SERVICES
from jubako.protos import jubako_v1 as pb
from jubako.protos.pool import POOL
from tests.serving import Server

PROTOS = Path(__file__).parents[2] / "protos"
PATIENCE_S = 60.0

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 10}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
SCHEMA_TEXT = (
    '{"type": "object", "properties": {"name": {"type": "string", "maxLength": 10}, "age": {"type": "integer", "maximum": 99}}, '
    '"required": ["name", "age"], "additionalProperties": false}'
)
WEATHER = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}
WEATHER_TEXT = '{"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}'


class Services:
    """The services at an address, each an attribute whose attributes are its methods, as in generated stubs."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.chat = stub(channel, "Chat")
        self.completion = stub(channel, "Completion")
        self.embedding = stub(channel, "Embedding")
        self.rerank = stub(channel, "Rerank")
        self.model = stub(channel, "Model")
        self.repository = stub(channel, "Repository")


def stub(channel: grpc.Channel, name: str) -> Any:
    class Stub:
        pass

    service = POOL.FindServiceByName(f"jubako.v1.{name}Service")
    for method in service.methods:
        call = channel.unary_stream if method.server_streaming else channel.unary_unary
        kinds = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        setattr(Stub, method.name, call(f"/{service.full_name}/{method.name}", kinds[0].SerializeToString, kinds[1].FromString))
    return Stub


def services_of(server: Server) -> Iterator[Services]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield Services(channel)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model that takes its time over one request, and one that is not loaded."""
    folder = tmp_path_factory.mktemp("own")
    entries = {"slow": "backend: echo\nengine: {token_delay_s: 0.1, slots: 1}\n", "spare": "backend: echo\nautoload: false\n"}
    for name, text in entries.items():
        (folder / "repository" / name / "1").mkdir(parents=True)
        (folder / "repository" / name / "model.yaml").write_text(text)
    with Server(folder / "repository", folder / "server.log", {}) as running:
        yield running


@pytest.fixture(scope="module")
def real(server: Server) -> Iterator[Services]:
    yield from services_of(server)


@pytest.fixture(scope="module")
def echo(echo_server: Server) -> Iterator[Services]:
    yield from services_of(echo_server)


@pytest.fixture(scope="module")
def own(own_server: Server) -> Iterator[Services]:
    yield from services_of(own_server)


def post(server: Server, path: str, body: dict[str, Any]) -> Any:
    answer = httpx.post(f"{server.url}{path}", json=body, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


def user(text: str) -> pb.Message:
    return pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text=text)])


# --- chats ----------------------------------------------------------------------------------------------------------------

NAME = "Name a colour."
GREEDY = {"temperature": 0, "max_tokens": 12}

CHATS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "greedy": (NAME, {"sampling": GREEDY}, GREEDY),
    "seeded": (
        NAME,
        {"sampling": {"seed": 7, "temperature": 0.9, "top_p": 0.95, "max_tokens": 12}},
        {"seed": 7, "temperature": 0.9, "top_p": 0.95, "max_tokens": 12},
    ),
    "two answers": (NAME, {"sampling": {**GREEDY, "seed": 3}, "n": 2}, {**GREEDY, "seed": 3, "n": 2}),
    "stop": (
        "Count from one to nine: 1, 2, 3",
        {"sampling": {**GREEDY, "stop": [",", "."]}},
        {**GREEDY, "stop": [",", "."]},
    ),
    "log probabilities": (
        NAME,
        {"sampling": {"temperature": 0, "max_tokens": 4}, "top_logprobs": 2},
        {"temperature": 0, "max_tokens": 4, "logprobs": True, "top_logprobs": 2},
    ),
    "schema": (
        "Who are you? Answer in JSON.",
        {"sampling": {"temperature": 0, "max_tokens": 40}, "constraint": {"json_schema": SCHEMA_TEXT}},
        {
            "temperature": 0,
            "max_tokens": 40,
            "response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}},
        },
    ),
    "tools": (
        "What is the weather in Rome?",
        {
            "sampling": {"temperature": 0, "max_tokens": 60},
            "tools": [{"name": "weather", "description": "Tells the weather.", "parameters": WEATHER_TEXT}],
            "tool_choice": {"mode": "MODE_REQUIRED"},
            "parallel_tool_calls": False,
        },
        {
            "temperature": 0,
            "max_tokens": 60,
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "weather", "description": "Tells the weather.", "parameters": WEATHER},
                }
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
    ),
}


@pytest.mark.parametrize("case", CHATS)
def test_a_chat(case: str, server: Server, real: Services) -> None:
    text, fields, body = CHATS[case]
    request = pb.ChatRequest(model="smollm2", messages=[user(text)], **fields)
    whole = real.chat.Complete(request, timeout=PATIENCE_S)
    over_http = post(
        server, "/v1/chat/completions", {"model": "smollm2", "messages": [{"role": "user", "content": text}], **body}
    )
    assert [choice_of(choice) for choice in whole.choices] == [http_choice(choice) for choice in over_http["choices"]]
    assert whole.usage.prompt_tokens == over_http["usage"]["prompt_tokens"]
    assert whole.usage.completion_tokens == over_http["usage"]["completion_tokens"]
    assert (whole.model, whole.version) == ("smollm2", 1)
    streamed = joined(list(real.chat.Stream(request, timeout=PATIENCE_S)))
    assert [choice_of(choice) for choice in streamed.choices] == [choice_of(choice) for choice in whole.choices]
    assert streamed.usage.completion_tokens == whole.usage.completion_tokens
    if case == "tools":
        assert whole.choices[0].finish_reason == pb.FINISH_REASON_TOOL_CALLS
        assert whole.choices[0].message.tool_calls[0].id


def choice_of(choice: pb.ChatChoice) -> dict[str, Any]:
    return {
        "index": choice.index,
        "text": "".join(part.text for part in choice.message.content),
        "calls": [(call.name, call.arguments) for call in choice.message.tool_calls],
        "finish": pb.FinishReason.Name(choice.finish_reason).removeprefix("FINISH_REASON_").lower(),
        "logprobs": [
            (
                token.token,
                pytest.approx(token.logprob, abs=0.05),
                token.token_bytes,
                [(top.token, pytest.approx(top.logprob, abs=0.05)) for top in token.top_logprobs],
            )
            for token in choice.logprobs
        ],
    }


def http_choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    return {
        "index": choice["index"],
        "text": message["content"] or "",
        "calls": [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])],
        "finish": choice["finish_reason"],
        "logprobs": [
            (
                token["token"],
                token["logprob"],
                bytes(token["bytes"]),
                [(top["token"], top["logprob"]) for top in token["top_logprobs"]],
            )
            for token in (choice["logprobs"] or {"content": []})["content"]
        ],
    }


def joined(chunks: list[pb.ChatChunk]) -> pb.ChatResponse:
    """The answer that the chunks are pieces of, after a look at their order."""
    assert [bool(chunk.id) for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert [chunk.HasField("usage") for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    whole = pb.ChatResponse(id=chunks[0].id, model=chunks[0].model, version=chunks[0].version, usage=chunks[-1].usage)
    choices: dict[int, pb.ChatChoice] = {}
    for delta in (delta for chunk in chunks for delta in chunk.deltas):
        choice = choices.setdefault(delta.index, pb.ChatChoice(index=delta.index, message={"content": [{"text": ""}]}))
        assert not choice.finish_reason
        choice.message.content[0].text += delta.text
        choice.message.reasoning += delta.reasoning
        choice.logprobs.extend(delta.logprobs)
        choice.finish_reason = delta.finish_reason
        for piece in delta.tool_calls:
            if piece.index == len(choice.message.tool_calls):
                choice.message.tool_calls.add(id=piece.id, name=piece.name)
            choice.message.tool_calls[piece.index].arguments += piece.arguments
    whole.choices.extend(choices[index] for index in sorted(choices))
    return whole


def test_a_conversation_with_a_tool_in_it(server: Server, real: Services) -> None:
    turns = [
        user("What is the weather in Rome?"),
        pb.Message(role=pb.ROLE_ASSISTANT, tool_calls=[{"id": "c1", "name": "weather", "arguments": '{"city": "Rome"}'}]),
        pb.Message(role=pb.ROLE_TOOL, tool_call_id="c1", content=[{"text": "Sunny, 25 degrees."}]),
    ]
    tools = [{"name": "weather", "description": "Tells the weather.", "parameters": WEATHER_TEXT}]
    request = pb.ChatRequest(
        model="smollm2",
        messages=turns,
        tools=tools,
        tool_choice={"mode": "MODE_NONE"},
        sampling=GREEDY,
        chat_template_kwargs={"unused": 1},
    )
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    body = {
        "model": "smollm2",
        "messages": [
            {"role": "user", "content": "What is the weather in Rome?"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "c1", "content": "Sunny, 25 degrees."},
        ],
        "tools": CHATS["tools"][2]["tools"],
        "tool_choice": "none",
        "chat_template_kwargs": {"unused": 1},
        **GREEDY,
    }
    over_http = post(server, "/v1/chat/completions", body)
    whole = real.chat.Complete(request, timeout=PATIENCE_S)
    assert choice_of(whole.choices[0]) == http_choice(over_http["choices"][0])
    assert whole.usage.prompt_tokens == over_http["usage"]["prompt_tokens"]


# --- completions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["logprobs", "echo"])
def test_completions_of_texts_and_of_tokens(server: Server, real: Services, extra: str) -> None:
    tokens = post(server, "/tokenize", {"model": "smollm2", "prompt": "The sky is"})["tokens"]
    texts = [pb.Prompt(text="The sky is"), pb.Prompt(text="One, two,")]
    compare_completions(["The sky is", "One, two,"], texts, extra, server, real)
    compare_completions(tokens, [pb.Prompt(tokens=pb.TokenIds(ids=tokens))], extra, server, real)


def compare_completions(given: list[Any], prompts: list[pb.Prompt], extra: str, server: Server, real: Services) -> None:
    wanted: Any = {"top_logprobs": 0} if extra == "logprobs" else {"echo": True}
    request = pb.CompletionRequest(model="smollm2", prompts=prompts, sampling={"temperature": 0, "max_tokens": 5}, **wanted)
    body = {"model": "smollm2", "prompt": given, "temperature": 0, "max_tokens": 5, extra: extra == "echo" or 0}
    over_http = post(server, "/v1/completions", body)["choices"]
    whole = real.completion.Complete(request, timeout=PATIENCE_S).choices
    assert [(choice.index, choice.text) for choice in whole] == [(other["index"], other["text"]) for other in over_http]
    for choice, other in zip(whole, over_http, strict=True):
        assert (choice.finish_reason, other["finish_reason"]) == (pb.FINISH_REASON_LENGTH, "length")
        assert [token.token for token in choice.logprobs] == (other["logprobs"] or {"tokens": []})["tokens"]
    pieces = dict.fromkeys(range(len(prompts)), "")
    for chunk in real.completion.Stream(request, timeout=PATIENCE_S):
        for delta in chunk.deltas:
            pieces[delta.index] += delta.text
    assert [pieces[choice.index] for choice in whole] == [choice.text for choice in whole]


def test_a_completion_has_sixteen_tokens_where_nothing_else_is_said(echo_server: Server, echo: Services) -> None:
    text = " ".join(map(str, range(30)))
    whole = echo.completion.Complete(pb.CompletionRequest(model="echo", prompts=[pb.Prompt(text=text)]), timeout=PATIENCE_S)
    over_http = post(echo_server, "/v1/completions", {"model": "echo", "prompt": text})
    assert whole.choices[0].text == over_http["choices"][0]["text"]
    assert whole.usage.completion_tokens == over_http["usage"]["completion_tokens"] == 16


# --- vectors, scores, classes ---------------------------------------------------------------------------------------------

TEXTS = ["warm food", "cold air", "one"]


def test_vectors(echo_server: Server, echo: Services) -> None:
    for fields in ({}, {"dimensions": 3}):
        inputs = [pb.Prompt(text=text) for text in TEXTS]
        answer = echo.embedding.Embed(pb.EmbedRequest(model="echo", inputs=inputs, **fields), timeout=PATIENCE_S)
        over_http = post(echo_server, "/v1/embeddings", {"model": "Org/Echo-1B", "input": TEXTS, **fields})
        assert [list(each.values) for each in answer.embeddings] == [each["embedding"] for each in over_http["data"]]
        assert (answer.model, answer.version) == ("echo", 1)
        assert answer.usage.prompt_tokens == over_http["usage"]["prompt_tokens"]


@pytest.mark.parametrize("fields", [{}, {"top_n": 2}, {"top_n": 0, "return_documents": False}])
def test_a_ranking(echo_server: Server, echo: Services, fields: dict[str, Any]) -> None:
    asked = {"model": "echo", "query": "warm air", "documents": TEXTS, **fields}
    answer = echo.rerank.Rerank(pb.RerankRequest(**asked), timeout=PATIENCE_S)
    over_http = post(echo_server, "/v1/rerank", asked)
    assert [
        (each.index, each.relevance_score, each.document if each.HasField("document") else None) for each in answer.results
    ] == [(each["index"], each["relevance_score"], each.get("document", {}).get("text")) for each in over_http["results"]]
    assert answer.usage.prompt_tokens == over_http["usage"]["prompt_tokens"]


def test_scores_and_classes(echo_server: Server, echo: Services) -> None:
    for queries in (["warm air"], TEXTS):
        asked: dict[str, Any] = {"model": "echo", "queries": queries, "documents": TEXTS}
        answer = echo.rerank.Score(pb.ScoreRequest(**asked), timeout=PATIENCE_S)
        assert list(answer.scores) == [each["score"] for each in post(echo_server, "/v1/score", asked)["data"]]
    inputs = [pb.Prompt(text=text) for text in TEXTS]
    classes = echo.rerank.Classify(pb.ClassifyRequest(model="echo", inputs=inputs), timeout=PATIENCE_S)
    over_http = post(echo_server, "/v1/classify", {"model": "echo", "input": TEXTS})
    assert list(classes.labels) == over_http["labels"]
    assert [(each.label, list(each.probabilities)) for each in classes.classifications] == [
        (each["label"], each["probs"]) for each in over_http["data"]
    ]


# --- models and the repository --------------------------------------------------------------------------------------------


def test_models(server: Server, real: Services) -> None:
    over_http = httpx.get(f"{server.url}/v1/models", timeout=PATIENCE_S).json()["data"]
    listed = real.model.ListModels(pb.ListModelsRequest(), timeout=PATIENCE_S).models
    assert [shown(model) for model in listed] == [
        (
            model["id"],
            model["version"],
            model["state"],
            model["reason"] or "",
            {model["id"], *model["aliases"]},
            [task.upper() for task in model["tasks"]],
            model["backend"],
            model["max_model_len"] or 0,
            model["created"],
        )
        for model in over_http
    ]
    one = real.model.GetModel(pb.GetModelRequest(model="smollm2:1"), timeout=PATIENCE_S).model
    assert one in listed
    versions = real.model.ListVersions(pb.ListVersionsRequest(model="smollm2"), timeout=PATIENCE_S).versions
    assert list(versions) == [one]


def shown(model: pb.ModelVersion) -> tuple[object, ...]:
    return (
        model.model,
        model.version,
        pb.VersionState.Name(model.state).removeprefix("VERSION_STATE_"),
        model.reason,
        set(model.served_names),
        [pb.Task.Name(task).removeprefix("TASK_") for task in model.tasks],
        model.backend,
        model.context_length,
        model.created,
    )


def test_the_signature_of_a_tensor_model(tensor_server: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{tensor_server.grpc_port}") as channel:
        services = Services(channel)
        model = services.model.GetModel(pb.GetModelRequest(model="identity:2"), timeout=PATIENCE_S).model
        assert list(model.tasks) == [pb.TASK_INFER]
        assert model.signature.max_batch_size == 8
        assert list(model.signature.outputs[0].labels) == ["cat", "dog", "bird"]
        assert (model.signature.inputs[0].datatype, list(model.signature.inputs[0].shape)) == ("FP32", [-1])
        numbers = services.model.ListVersions(pb.ListVersionsRequest(model="identity"), timeout=PATIENCE_S).versions
        assert [version.version for version in numbers] == [1, 2]


def test_loading_and_unloading(own_server: Server, own: Services) -> None:
    request = pb.EmbedRequest(model="spare", inputs=[pb.Prompt(text="a")])
    with pytest.raises(grpc.RpcError) as caught:
        own.embedding.Embed(request, timeout=PATIENCE_S)
    assert code_of(caught.value) is grpc.StatusCode.UNAVAILABLE
    (loaded,) = own.repository.Load(pb.LoadRequest(model="spare"), timeout=PATIENCE_S).versions
    assert (loaded.version, loaded.state) == (1, pb.VERSION_STATE_READY)
    assert own.embedding.Embed(request, timeout=PATIENCE_S).embeddings
    ready = own.repository.Index(pb.IndexRequest(ready=True), timeout=PATIENCE_S).versions
    assert [version.model for version in ready] == ["slow", "spare"]
    own.repository.Unload(pb.UnloadRequest(model="spare"), timeout=PATIENCE_S)
    over_http = post(own_server, "/v2/repository/index", {})
    index = own.repository.Index(pb.IndexRequest(), timeout=PATIENCE_S).versions
    states = [(version.model, version.state == pb.VERSION_STATE_READY) for version in index]
    assert states == [(each["name"], each["state"] == "READY") for each in over_http] == [("slow", True), ("spare", False)]
    with pytest.raises(grpc.RpcError) as caught:
        own.repository.Load(pb.LoadRequest(model="nobody"), timeout=PATIENCE_S)
    assert code_of(caught.value) is grpc.StatusCode.NOT_FOUND


# --- errors, deadlines, clients that leave --------------------------------------------------------------------------------


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    assert isinstance(error, grpc.Call)
    code: grpc.StatusCode = error.code()
    return code


LONG = " ".join(["word"] * 5000)

ERRORS: dict[str, tuple[dict[str, Any], dict[str, Any], int, grpc.StatusCode, bool]] = {
    "no such model": ({"model": "ekho"}, {"model": "ekho"}, 404, grpc.StatusCode.NOT_FOUND, True),
    "too long": (
        {"messages": [user(LONG)]},
        {"messages": [{"role": "user", "content": LONG}]},
        400,
        grpc.StatusCode.INVALID_ARGUMENT,
        True,
    ),
    "a tool without tools": (
        {"tool_choice": {"mode": "MODE_REQUIRED"}},
        {"tool_choice": "required"},
        400,
        grpc.StatusCode.INVALID_ARGUMENT,
        True,
    ),
    "out of bounds": ({"sampling": {"top_p": 2}}, {"top_p": 2}, 400, grpc.StatusCode.INVALID_ARGUMENT, False),
    "not with this engine": ({"prompt_logprobs": 1}, {"prompt_logprobs": 1}, 400, grpc.StatusCode.UNIMPLEMENTED, True),
}
"""gRPC's fields, HTTP's, what each answers, and whether in the same words."""


@pytest.mark.parametrize("case", ERRORS)
def test_an_error(case: str, echo_server: Server, echo: Services) -> None:
    fields, body, status, code, same_words = ERRORS[case]
    request = pb.ChatRequest(**{"model": "echo", "messages": [user("a")], **fields})
    body = {"model": "echo", "messages": [{"role": "user", "content": "a"}], **body}
    over_http = httpx.post(f"{echo_server.url}/v1/chat/completions", json=body, timeout=PATIENCE_S)
    assert over_http.status_code == status
    for call in (lambda: echo.chat.Complete(request), lambda: list(echo.chat.Stream(request))):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert code_of(caught.value) is code
        assert isinstance(caught.value, grpc.Call)
        if same_words:
            assert caught.value.details() == over_http.json()["error"]["message"]


MANY_WORDS = " ".join(["word"] * 600)  # a minute of the slow model's one slot


def test_a_deadline_ends_the_work(own: Services) -> None:
    request = pb.ChatRequest(model="slow", messages=[user(MANY_WORDS)])
    for call in (lambda: own.chat.Complete(request, timeout=0.5), lambda: list(own.chat.Stream(request, timeout=0.5))):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert code_of(caught.value) is grpc.StatusCode.DEADLINE_EXCEEDED
        slot_is_free(own)


def test_a_client_that_leaves_frees_the_slot(own: Services) -> None:
    stream = own.chat.Stream(pb.ChatRequest(model="slow", messages=[user(MANY_WORDS)]), timeout=PATIENCE_S)
    assert next(stream).deltas[0].text == "word"
    stream.cancel()
    slot_is_free(own)


def slot_is_free(own: Services) -> None:
    """The one slot of the slow model is had by the next request long before the last would have been done."""
    began = time.monotonic()
    answer = own.chat.Complete(pb.ChatRequest(model="slow", messages=[user("hello")]), timeout=PATIENCE_S)
    assert answer.choices[0].message.content[0].text == "hello"
    assert time.monotonic() - began < 30


# --- for tools ------------------------------------------------------------------------------------------------------------


def test_reflection_tells_enough_to_ask(echo_server: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{echo_server.grpc_port}") as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(SERVICES) <= set(database.get_services())
        method = DescriptorPool(database).FindServiceByName("jubako.v1.ChatService").FindMethodByName("Complete")
        asked, answered = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        complete = channel.unary_unary("/jubako.v1.ChatService/Complete", asked.SerializeToString, answered.FromString)
        message = {"role": "ROLE_USER", "content": [{"text": "hello"}]}
        answer: Any = complete(asked(model="echo", messages=[message]), timeout=PATIENCE_S)
        assert answer.choices[0].message.content[0].text == "hello"
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in SERVICES:
            assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING


STUBS_AT_WORK = """\
import sys, types

# The stubs' package is called jubako too; here they are alone.
sys.modules["jubako"] = package = types.ModuleType("jubako")
package.__path__ = [sys.argv[1] + "/jubako"]

import grpc
from jubako.v1 import chat_pb2, chat_pb2_grpc

with grpc.insecure_channel(sys.argv[2]) as channel:
    chat = chat_pb2_grpc.ChatServiceStub(channel)
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[chat_pb2.ContentPart(text="good morning")])
    request = chat_pb2.ChatRequest(model="echo", messages=[message])
    print(chat.Complete(request, timeout=60).choices[0].message.content[0].text)
    print("".join(delta.text for chunk in chat.Stream(request, timeout=60) for delta in chunk.deltas))
"""


def test_stubs_that_a_user_generates(echo_server: Server, tmp_path: Path) -> None:
    texts = [str(path) for path in sorted((PROTOS / "jubako" / "v1").glob("*.proto"))]
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"]
    subprocess.run([*protoc, *outputs, *texts], check=True, timeout=PATIENCE_S)
    script = [sys.executable, "-c", STUBS_AT_WORK, str(tmp_path), f"127.0.0.1:{echo_server.grpc_port}"]
    ran = subprocess.run(script, check=True, timeout=PATIENCE_S, capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["good morning", "good morning"]
