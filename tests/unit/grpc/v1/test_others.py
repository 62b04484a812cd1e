"""The other services over a data plane in memory."""

from __future__ import annotations

import struct
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf.message import Message

from jubako.grpc.v1.methods import methods
from jubako.messages import ClassifyRequest, CompletionRequest, EmbedRequest, SamplingParams, ScoreRequest
from jubako.protos import jubako_v1 as pb
from tests.unit.grpc.conftest import Serving
from tests.unit.grpc.v1.stubs import ask, described, stream


async def refusal(channel: grpc.aio.Channel, method: str, request: Message) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, method, request, pb.Usage)
    return caught.value.code(), caught.value.details() or ""


def test_every_described_method_is_answered(serving: Serving) -> None:
    served = {method.path for method in methods(serving.plane)}
    assert served == {"/{0}/{2}".format(*name.rpartition(".")) for name in described()}


# --- completions ----------------------------------------------------------------------------------------------------------


async def test_a_completion_of_texts_and_tokens(channel: grpc.aio.Channel, serving: Serving) -> None:
    prompts = [pb.Prompt(text="to be"), pb.Prompt(tokens=pb.TokenIds(ids=[1, 2**32 - 1]))]
    request = pb.CompletionRequest(model="talk", prompts=prompts, n=2, echo=True, top_logprobs=1)
    answer = await ask(channel, "CompletionService/Complete", request, pb.CompletionResponse)
    assert serving.plane.asked == [
        CompletionRequest(
            model="talk",
            prompts=["to be", [1, 2**32 - 1]],
            sampling=SamplingParams(max_tokens=16),
            n=2,
            echo=True,
            top_logprobs=1,
        )
    ]
    assert answer.id.startswith("cmpl-")
    assert [(choice.index, choice.text, choice.finish_reason) for choice in answer.choices] == [
        (index, "to be ", pb.FINISH_REASON_STOP) for index in range(4)
    ]
    assert [token.token for token in answer.choices[0].logprobs] == ["to ", "be "]
    assert answer.usage.cached_tokens == 1


async def test_a_streamed_completion(channel: grpc.aio.Channel, serving: Serving) -> None:
    request = pb.CompletionRequest(model="talk:2b", prompts=[pb.Prompt(text="to be")], sampling={"max_tokens": 3})
    chunks = [chunk async for chunk in stream(channel, "CompletionService/Stream", request, pb.CompletionChunk)]
    assert [chunk.model for chunk in chunks] == ["talk", "", ""]
    assert "".join(delta.text for chunk in chunks for delta in chunk.deltas) == "to be "
    assert chunks[-1].deltas[0].finish_reason == pb.FINISH_REASON_STOP
    assert chunks[-1].usage.prompt_tokens == 2
    asked = serving.plane.asked[0]
    assert isinstance(asked, CompletionRequest)
    assert asked.sampling == SamplingParams(max_tokens=3)


TEXT = pb.Prompt(text="a")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompts": []}, "prompts"),
        ({"prompts": [pb.Prompt()]}, "prompts[0]"),
        ({"prompts": [TEXT, pb.Prompt(tokens=pb.TokenIds())]}, "token ids"),
        ({"prompts": [TEXT] * 2049}, "prompts"),
        ({"prompts": [TEXT] * 1025, "n": 2}, "n = 2"),
        ({"n": 129}, "n"),
        ({"sampling": pb.Sampling(min_p=2)}, "sampling.min_p"),
    ],
)
async def test_what_is_wrong_with_a_completion(channel: grpc.aio.Channel, fields: dict[str, Any], field: str) -> None:
    request = pb.CompletionRequest(**{"model": "talk", "prompts": [TEXT], **fields})
    code, sentence = await refusal(channel, "CompletionService/Complete", request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in sentence


# --- vectors, scores, classes ---------------------------------------------------------------------------------------------


async def test_vectors(channel: grpc.aio.Channel, serving: Serving) -> None:
    request = pb.EmbedRequest(model="embed", inputs=[TEXT, pb.Prompt(tokens=pb.TokenIds(ids=[3]))], dimensions=3)
    answer = await ask(channel, "EmbeddingService/Embed", request, pb.EmbedResponse)
    assert serving.plane.asked == [EmbedRequest(model="embed", inputs=["a", [3]], dimensions=3)]
    assert [list(each.values) for each in answer.embeddings] == [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]]
    assert struct.calcsize("<3f") == 12
    assert (answer.model, answer.version, answer.usage.prompt_tokens) == ("embed", 1, 7)


async def test_a_ranking(channel: grpc.aio.Channel, serving: Serving) -> None:
    request = pb.RerankRequest(model="rank", query="q", documents=["aa", "a", "aaa", "bb"], top_n=3)
    answer = await ask(channel, "RerankService/Rerank", request, pb.RerankResponse)
    assert serving.plane.asked == [ScoreRequest(model="rank", queries=["q"], documents=["aa", "a", "aaa", "bb"])]
    assert [(each.index, each.relevance_score, each.document) for each in answer.results] == [
        (2, 0.03, "aaa"),
        (0, 0.02, "aa"),
        (3, 0.02, "bb"),
    ]
    request.return_documents = False
    answer = await ask(channel, "RerankService/Rerank", request, pb.RerankResponse)
    assert not answer.results[0].HasField("document")


async def test_scores_and_classes(channel: grpc.aio.Channel, serving: Serving) -> None:
    pairs = pb.ScoreRequest(model="rank", queries=["q"], documents=["a", "aa"])
    assert list((await ask(channel, "RerankService/Score", pairs, pb.ScoreResponse)).scores) == [0.01, 0.02]
    texts = pb.ClassifyRequest(model="sort", inputs=[TEXT])
    answer = await ask(channel, "RerankService/Classify", texts, pb.ClassifyResponse)
    assert list(answer.labels) == ["no", "yes"]
    assert answer.classifications[0] == pb.Classification(label="yes", probabilities=[0.25, 0.75])
    assert serving.plane.asked[1] == ClassifyRequest(model="sort", inputs=["a"])


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("EmbeddingService/Embed", pb.EmbedRequest(model="embed"), "inputs"),
        ("EmbeddingService/Embed", pb.EmbedRequest(model="embed", inputs=[pb.Prompt(text="")]), "empty"),
        ("EmbeddingService/Embed", pb.EmbedRequest(model="embed", inputs=[TEXT], dimensions=0), "dimensions"),
        ("RerankService/Rerank", pb.RerankRequest(model="rank", documents=["a"]), "query"),
        ("RerankService/Rerank", pb.RerankRequest(model="rank", query="a"), "documents"),
        ("RerankService/Score", pb.ScoreRequest(model="rank", documents=["a"]), "queries"),
        ("RerankService/Score", pb.ScoreRequest(model="rank", queries=["a", "b"], documents=["a"]), "queries"),
        ("RerankService/Classify", pb.ClassifyRequest(model="sort"), "inputs"),
        ("ModelService/GetModel", pb.GetModelRequest(), "model"),
        ("ModelService/GetModel", pb.GetModelRequest(model="m" * 513), "at most 512 characters"),
        ("RepositoryService/Load", pb.LoadRequest(), "model"),
        ("RepositoryService/Unload", pb.UnloadRequest(), "model"),
    ],
)
async def test_what_is_wrong(channel: grpc.aio.Channel, method: str, request_: Message, field: str) -> None:
    code, sentence = await refusal(channel, method, request_)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in sentence


# --- models and the repository --------------------------------------------------------------------------------------------


async def test_models(channel: grpc.aio.Channel) -> None:
    listed = await ask(channel, "ModelService/ListModels", pb.ListModelsRequest(), pb.ListModelsResponse)
    assert [model.model for model in listed.models] == ["talk", "embed", "rank", "sort", "identity", "many"]
    talk = (await ask(channel, "ModelService/GetModel", pb.GetModelRequest(model="Org/Talk-2B"), pb.GetModelResponse)).model
    assert talk == listed.models[0]
    assert list(talk.served_names) == ["talk", "talk:2b", "Org/Talk-2B"]
    assert list(talk.tasks) == [pb.TASK_CHAT, pb.TASK_COMPLETION]
    assert (talk.state, talk.context_length, talk.created) == (pb.VERSION_STATE_READY, 2048, 1_700_000_000)
    assert not talk.HasField("signature")
    versions = pb.ListVersionsRequest(model="identity")
    found = await ask(channel, "ModelService/ListVersions", versions, pb.ListVersionsResponse)
    assert [version.version for version in found.versions] == [1, 3]
    signature = found.versions[0].signature
    assert signature.inputs[0] == pb.TensorSpec(name="INPUT0", datatype="FP32", shape=[16])
    assert (signature.max_batch_size, signature.decoupled, signature.platform) == (8, False, "python")


async def test_a_model_that_is_not_there(channel: grpc.aio.Channel) -> None:
    for method in ("ModelService/GetModel", "ModelService/ListVersions"):
        assert (await refusal(channel, method, pb.GetModelRequest(model="nobody")))[0] is grpc.StatusCode.NOT_FOUND


async def test_the_repository(channel: grpc.aio.Channel, serving: Serving) -> None:
    serving.plane.statuses[0] = msgspec.structs.replace(serving.plane.statuses[0], state="FAILED", reason="Its file is torn.")
    index = await ask(channel, "RepositoryService/Index", pb.IndexRequest(), pb.IndexResponse)
    assert (index.versions[0].state, index.versions[0].reason) == (pb.VERSION_STATE_FAILED, "Its file is torn.")
    ready = await ask(channel, "RepositoryService/Index", pb.IndexRequest(ready=True), pb.IndexResponse)
    assert len(ready.versions) == len(index.versions) - 1
    loaded = await ask(channel, "RepositoryService/Load", pb.LoadRequest(model="identity"), pb.LoadResponse)
    assert [version.version for version in loaded.versions] == [1, 3]
    await ask(channel, "RepositoryService/Unload", pb.UnloadRequest(model="talk"), pb.UnloadResponse)
    assert serving.plane.loads == ["+identity", "-talk"]
