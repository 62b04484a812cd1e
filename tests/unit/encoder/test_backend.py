"""Encoders of whatever engine: what is asked, what shares a batch, and what fails alone."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from jubako.backends.encoder.engine import Vector
from jubako.backends.encoder.model import EncoderBackend
from jubako.errors import (
    ConfigurationError,
    DeadlineExceeded,
    InvalidRequest,
    JubakoError,
    ModelNotReady,
    Overloaded,
    PromptTooLong,
    Unsupported,
)
from jubako.messages import (
    ClassifyRequest,
    DetokenizeRequest,
    EmbedRequest,
    EmbedResult,
    Prompt,
    ScoreRequest,
    Task,
    TokenizeRequest,
)
from jubako.repository.config import BatchingConfig, QueueConfig
from tests.unit.encoder.engines import BROKEN, PATIENCE_S, Call, LetterEngine, loaded


async def embed(backend: EncoderBackend, *inputs: Prompt, dimensions: int | None = None) -> EmbedResult:
    return await backend.embed(EmbedRequest(model="letters", inputs=[*inputs], dimensions=dimensions), Call())


def vectors(result: EmbedResult) -> list[list[float]]:
    return [np.frombuffer(vector, "<f4").tolist() for vector in result.vectors]


async def begun(engine: LetterEngine) -> None:
    """The engine has begun one more batch."""
    assert await asyncio.to_thread(engine.begun.acquire, timeout=PATIENCE_S)


async def waiting(backend: EncoderBackend, inputs: int) -> None:
    """So many inputs wait in the queue."""
    async with asyncio.timeout(PATIENCE_S):
        while backend.current_load().queued != inputs:  # noqa: ASYNC110 - the batcher has no event for this
            await asyncio.sleep(0.001)


async def inside(backend: EncoderBackend, inputs: int) -> None:
    """So many inputs wait or are in a batch."""
    async with asyncio.timeout(PATIENCE_S):
        while (load := backend.current_load()).queued + load.running != inputs:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


async def test_texts_and_token_ids_in_order() -> None:
    result = await embed(await loaded(LetterEngine()), "a", [1, 2], "cc")
    assert vectors(result) == [[1, 1, 1], [2, 3, 1], [2, 6, 1]]
    assert result.usage.prompt_tokens == 5


async def test_fewer_dimensions_have_length_one_again() -> None:
    backend = await loaded(LetterEngine())
    (short,) = vectors(await embed(backend, [4, 0, 0], dimensions=2))
    assert short == pytest.approx([0.6, 0.8])
    assert vectors(await embed(backend, [4], dimensions=3)) == [pytest.approx(np.array([1, 4, 1]) / np.sqrt(18))]


@pytest.mark.parametrize(
    ("inputs", "dimensions", "error", "sentence"),
    [
        (["a"], 4, InvalidRequest, "dimensions is 4, but the model's vectors have 3"),
        (["a"], 0, InvalidRequest, "dimensions is 0"),
        ([[1, 100]], None, InvalidRequest, "There is no token 100: the model's token ids go from 0 to 99"),
        ([[-1]], None, InvalidRequest, "There is no token -1"),
        (["a", ""], None, InvalidRequest, "The input is empty"),
        ([], None, InvalidRequest, "There is no input"),
        (["a", "a" * 51], None, PromptTooLong, "The input has 51 tokens, but the model's context holds 50"),
    ],
)
async def test_a_wrong_request_is_refused_before_anything_is_computed(
    inputs: list[Prompt], dimensions: int | None, error: type[JubakoError], sentence: str
) -> None:
    engine = LetterEngine()
    with pytest.raises(error, match=sentence):
        await embed(await loaded(engine), *inputs, dimensions=dimensions)
    assert engine.batches == []


async def test_requests_share_batches_bounded_by_tokens() -> None:
    engine = LetterEngine(packs=True, batch_tokens=20)
    backend = await loaded(engine)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    others = [asyncio.create_task(embed(backend, "b" * 8, "c" * 4)) for _ in range(3)]
    await waiting(backend, 6)
    engine.gate.set()
    await asyncio.gather(first, *others)
    assert engine.batches == [[1], [8, 4, 8], [4, 8, 4]]
    assert backend.current_load().progress == 3
    statistics = backend.statistics()
    assert (statistics.inferences, statistics.executions) == (7, 3)


async def test_padding_counts_where_the_engine_pads() -> None:
    engine = LetterEngine(batch_tokens=32)
    backend = await loaded(engine)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    second = asyncio.create_task(embed(backend, "b" * 9, "c" * 2, "d" * 16, "e" * 3, "f" * 10))
    await waiting(backend, 5)
    engine.gate.set()
    await asyncio.gather(first, second)
    # 9, 16 and 10 tokens are padded to 16 each, of which two fit; 2 and 3 to 8.
    assert sorted(engine.batches[1:]) == [[2, 3], [9, 16], [10]]


@pytest.mark.parametrize(
    ("spec", "batches"),
    [
        ({"max_batch_size": 2}, [2, 2, 1]),
        ({"batching": BatchingConfig(enabled=False)}, [1] * 5),
        ({"batching": BatchingConfig(max_work=48)}, [3, 2]),
        ({"batching": BatchingConfig(length_buckets={"tokens": [20]}, max_work=48)}, [2, 2, 1]),
    ],
)
async def test_the_entry_bounds_batches(spec: dict[str, Any], batches: list[int]) -> None:
    engine = LetterEngine(batch_tokens=1000)
    backend = await loaded(engine, **spec)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    second = [asyncio.create_task(embed(backend, "b" * 9)) for _ in range(5)]
    await inside(backend, 6)
    engine.gate.set()
    await asyncio.gather(first, *second)
    assert [len(batch) for batch in engine.batches[1:]] == batches


async def test_very_many_inputs_leave_room_for_others() -> None:
    engine = LetterEngine(batch_rows=4)
    backend = await loaded(engine, max_queue_size=1)
    engine.gate.clear()
    many = asyncio.create_task(embed(backend, *["a"] * 100))
    await begun(engine)
    engine.gate.set()
    result = await many
    assert vectors(result) == [[1, 1, 1]] * 100
    assert max(map(len, engine.batches)) == 4


async def test_one_that_makes_the_engine_fail_fails_alone() -> None:
    engine = LetterEngine()
    backend = await loaded(engine)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    good, bad = asyncio.create_task(embed(backend, "b")), asyncio.create_task(embed(backend, "c", [BROKEN]))
    await waiting(backend, 3)
    engine.gate.set()
    assert vectors(await good) == [[1, 2, 1]]
    with pytest.raises(RuntimeError, match="a kernel failed"):
        await bad
    await first
    assert backend.statistics().fail.count == 1


async def test_what_a_cancelled_request_had_waiting_is_not_computed() -> None:
    engine = LetterEngine()
    backend = await loaded(engine)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    gone, stays = asyncio.create_task(embed(backend, "bb", "cc")), asyncio.create_task(embed(backend, "ddd"))
    await waiting(backend, 3)
    gone.cancel()
    await waiting(backend, 1)
    engine.gate.set()
    await asyncio.gather(first, stays)
    assert engine.batches == [[1], [3]]
    statistics = backend.statistics()
    assert statistics.scheduler is not None
    assert statistics.scheduler.cancelled == 2


async def test_a_request_that_leaves_while_its_later_answers_wait_for_the_first() -> None:
    engine = LetterEngine()
    engine.gated = 26
    engine.gate.clear()
    backend = await loaded(engine, batching=BatchingConfig(preserve_order=True, max_in_flight=2))
    request = asyncio.create_task(embed(backend, "z", "a" * 20))
    await begun(engine)
    await begun(engine)
    await inside(backend, 1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    engine.gate.set()
    assert vectors(await embed(backend, "b")) == [[1, 2, 1]]


@pytest.mark.parametrize("spec", [{"max_queue_size": 2}, {"batching": BatchingConfig(queue=QueueConfig(max_size=2))}])
async def test_a_full_queue_refuses(spec: dict[str, Any]) -> None:
    engine = LetterEngine()
    backend = await loaded(engine, **spec)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    second = asyncio.create_task(embed(backend, "b", "c"))
    await waiting(backend, 2)
    with pytest.raises(Overloaded, match="2 inputs wait, and at most 2 may"):
        await embed(backend, "d")
    engine.gate.set()
    await asyncio.gather(first, second)
    assert vectors(await embed(backend, "d")) == [[1, 4, 1]]


async def test_a_wait_that_is_too_long_fails() -> None:
    engine = LetterEngine()
    backend = await loaded(engine, queue_timeout_s=1.0)
    engine.gate.clear()
    first = asyncio.create_task(embed(backend, "a"))
    await begun(engine)
    with pytest.raises(DeadlineExceeded):
        await embed(backend, "b")
    engine.gate.set()
    await first


async def test_nothing_is_taken_after_the_end() -> None:
    backend = await loaded(LetterEngine())
    await backend.close()
    with pytest.raises(ModelNotReady):
        await embed(backend, [1])


async def test_scores_of_pairs() -> None:
    backend = await loaded(LetterEngine(head="scores"), "score")
    one = await backend.score(ScoreRequest(model="letters", queries=["a"], documents=["b", "c"]), Call())
    assert one.scores == [3, 4]
    assert one.usage.prompt_tokens == 4
    each = await backend.score(ScoreRequest(model="letters", queries=["a", "b"], documents=["b", "c"]), Call())
    assert each.scores == [3, 5]
    with pytest.raises(InvalidRequest, match="There are 2 queries and 3 documents"):
        await backend.score(ScoreRequest(model="letters", queries=["a", "b"], documents=["b", "c", "d"]), Call())
    with pytest.raises(PromptTooLong):
        await backend.score(ScoreRequest(model="letters", queries=["a" * 30], documents=["b" * 30]), Call())
    with pytest.raises(Unsupported, match="it serves: score"):
        await embed(backend, "a")


async def test_embeddings_are_compared_by_their_angle_with_each_sides_prompt() -> None:
    backend = await loaded(LetterEngine(), "embedding", "score")
    result = await backend.score(ScoreRequest(model="letters", queries=["a"], documents=["b", "cc"]), Call())

    def vector(text: str) -> Vector:
        found = np.array([len(text), sum(ord(letter) - 96 for letter in text), 1], np.float32)
        return found / np.linalg.norm(found)

    assert result.scores == pytest.approx([float(vector("qa") @ vector(text)) for text in ("db", "dcc")])
    assert result.usage.prompt_tokens == 7


async def test_classes() -> None:
    backend = await loaded(LetterEngine(head="classes", labels=["long", "heavy"]), "classify")
    result = await backend.classify(ClassifyRequest(model="letters", inputs=["c", [1]]), Call())
    assert result.labels == ["long", "heavy"]
    assert result.probabilities == [[0.25, 0.75], [0.5, 0.5]]
    assert result.usage.prompt_tokens == 2


async def test_tokens() -> None:
    backend = await loaded(LetterEngine())
    answer = await backend.tokenize(TokenizeRequest(model="letters", text="abc", with_pieces=True))
    assert (answer.tokens, answer.pieces, answer.context_length) == ([1, 2, 3], ["a", "b", "c"], 50)
    assert (await backend.detokenize(DetokenizeRequest(model="letters", tokens=[3, 1]))).text == "ca"
    with pytest.raises(InvalidRequest, match="There is no token 100"):
        await backend.detokenize(DetokenizeRequest(model="letters", tokens=[100]))


@pytest.mark.parametrize(
    ("head", "tasks", "sentence"),
    [
        (
            "vectors",
            ["embedding", "classify"],
            r"serves 'classify', but the model has no head for .* Write `tasks: \[embedding, score\]`",
        ),
        ("classes", ["score"], r"sorts text into classes\. Write `tasks: \[classify\]`"),
        ("scores", ["embedding"], "scores pairs of texts"),
    ],
)
async def test_tasks_that_the_model_can_not_serve(head: str, tasks: list[Task], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        await loaded(LetterEngine(head=head), *tasks)


@pytest.mark.parametrize(
    ("batching", "sentence"),
    [
        (BatchingConfig(cost="elements"), "`batching.cost` is 'elements', but"),
        (BatchingConfig(length_buckets={"input_ids": [8]}), "names 'input_ids'"),
    ],
)
async def test_batching_that_means_nothing_here(batching: BatchingConfig, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        await loaded(LetterEngine(), batching=batching)
