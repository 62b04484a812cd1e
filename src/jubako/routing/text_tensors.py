"""Models of text as models of tensors, so that what speaks the Open Inference Protocol can ask them too.

The names are those of Triton's vLLM backend (https://github.com/triton-inference-server/vllm_backend): ``text_input`` to
``text_output``, with ``stream`` and ``sampling_parameters`` (JSON) beside it. Parameters of the request with the names of
sampling parameters count as well. A model of embeddings gives ``embedding``, FP32; a classifier ``probabilities`` and ``label``;
one that only scores takes ``documents`` beside its queries in ``text_input`` and gives ``score``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from jubako.errors import InvalidRequest
from jubako.messages import (
    ChatRequest,
    ClassifyRequest,
    ClassifyResult,
    CompletionRequest,
    Delta,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    InferRequest,
    InferResult,
    Message,
    SamplingParams,
    ScoreRequest,
    ScoreResult,
    Task,
    VersionStatus,
)
from jubako.tensors import Array, Signature, Tensor, TensorSpec, from_array, to_array

TEXT_INPUT = "text_input"
TEXT_OUTPUT = "text_output"
EMBEDDING = "embedding"
PROBABILITIES = "probabilities"
LABEL = "label"
DOCUMENTS = "documents"
SCORE = "score"
STREAM = "stream"
SAMPLING = "sampling_parameters"

PLATFORM = "jubako_text"

_TEXT = TensorSpec(name=TEXT_INPUT, datatype="BYTES", shape=[-1], description="Prompts, in UTF-8.")

GENERATION = Signature(
    inputs=[
        _TEXT,
        TensorSpec(name=STREAM, datatype="BOOL", shape=[1], optional=True, description="Whether to answer piece by piece."),
        TensorSpec(name=SAMPLING, datatype="BYTES", shape=[1], optional=True, description="Sampling parameters, a JSON object."),
    ],
    outputs=[TensorSpec(name=TEXT_OUTPUT, datatype="BYTES", shape=[-1], description="The text generated for each prompt.")],
    platform=PLATFORM,
)
"""Of a model that continues a prompt or answers a message."""

EMBEDDINGS = Signature(
    inputs=[_TEXT],
    outputs=[TensorSpec(name=EMBEDDING, datatype="FP32", shape=[-1, -1], description="A vector for each text.")],
    platform=PLATFORM,
)
"""Of a model that only embeds."""

CLASSES = Signature(
    inputs=[_TEXT],
    outputs=[
        TensorSpec(name=PROBABILITIES, datatype="FP32", shape=[-1, -1], description="Those of the classes, for each text."),
        TensorSpec(name=LABEL, datatype="BYTES", shape=[-1], description="The most likely class of each text."),
    ],
    platform=PLATFORM,
)
"""Of a model that classifies, and neither generates nor embeds."""

SCORES = Signature(
    inputs=[
        TensorSpec(name=TEXT_INPUT, datatype="BYTES", shape=[-1], description="Queries: one for all documents, or one for each."),
        TensorSpec(name=DOCUMENTS, datatype="BYTES", shape=[-1], description="What may answer them."),
    ],
    outputs=[TensorSpec(name=SCORE, datatype="FP32", shape=[-1], description="How well each document answers its query.")],
    platform=PLATFORM,
)
"""Of a model that does nothing but score."""

TextRequest = GenerateRequest | EmbedRequest | ClassifyRequest | ScoreRequest
TextResult = GenerateResult | EmbedResult | ClassifyResult | ScoreResult

_SAMPLING_FIELDS = frozenset(SamplingParams.__struct_fields__)


def is_text(version: VersionStatus) -> bool:
    """Whether it serves text alone, so that only these tensors reach it."""
    return bool(version.tasks) and "infer" not in version.tasks


def generates(version: VersionStatus) -> bool:
    """Whether it answers with text, rather than with numbers only."""
    return of_tasks(version.tasks) is GENERATION


def signature(version: VersionStatus) -> Signature:
    """The tensors of a version that serves text."""
    return of_tasks(version.tasks)


def of_tasks(tasks: Sequence[Task]) -> Signature:
    """The tensors of a model that serves these tasks, all of text."""
    if not {"chat", "completion"}.isdisjoint(tasks):
        return GENERATION
    if "embedding" in tasks:
        return EMBEDDINGS
    return CLASSES if "classify" in tasks else SCORES


def text_request(request: InferRequest, version: VersionStatus) -> TextRequest:
    """What `request` asks for in the words of models of text.

    Raises:
        InvalidRequest: a tensor or a parameter is wrong.
    """
    signature = of_tasks(version.tasks)
    if signature is GENERATION:
        return generate_request(request, version)
    tensors = _named(request, signature)
    texts = _texts(tensors[TEXT_INPUT])
    if signature is EMBEDDINGS:
        return EmbedRequest(model=request.model, inputs=[*texts])
    if signature is CLASSES:
        return ClassifyRequest(model=request.model, inputs=[*texts])
    return ScoreRequest(model=request.model, queries=texts, documents=_texts(tensors[DOCUMENTS]))


def tensors_of(result: TextResult) -> InferResult:
    """The whole answer."""
    match result:
        case GenerateResult():
            outputs = [_bytes(TEXT_OUTPUT, [choice.text for choice in result.choices])]
        case EmbedResult():
            vectors = np.array([np.frombuffer(vector, "<f4") for vector in result.vectors])
            outputs = [from_array(EMBEDDING, vectors, "FP32")]
        case ClassifyResult():
            probabilities = np.array(result.probabilities, np.float32)
            labels = [result.labels[best] for best in probabilities.argmax(axis=-1).tolist()]
            outputs = [from_array(PROBABILITIES, probabilities, "FP32"), _bytes(LABEL, labels)]
        case ScoreResult():
            outputs = [from_array(SCORE, np.array(result.scores, np.float32), "FP32")]
    return InferResult(outputs=outputs)


def generate_request(request: InferRequest, version: VersionStatus) -> GenerateRequest:
    """The completion that `request` asks for; a chat with one message, from a model that only chats.

    Raises:
        InvalidRequest: a tensor or a parameter is wrong.
    """
    tensors = _named(request, GENERATION)
    prompts = _texts(tensors[TEXT_INPUT])
    sampling = _sampling(request, tensors.get(SAMPLING))
    if "completion" in version.tasks:
        return CompletionRequest(model=request.model, prompts=[*prompts], sampling=sampling)
    if len(prompts) != 1:
        raise InvalidRequest(
            f"{TEXT_INPUT!r} must hold one text, because the model {version.model!r} only chats.", param=TEXT_INPUT
        )
    return ChatRequest(model=request.model, messages=[Message(role="user", content=prompts[0])], sampling=sampling)


def wants_stream(request: InferRequest) -> bool:
    """Whether an answer that can come in pieces is to: unless ``stream`` says no."""
    for tensor in request.inputs:
        if tensor.name == STREAM and tensor.datatype == "BOOL":
            return bool(np.all(to_array(tensor)))
    return bool(request.parameters.get(STREAM, True))


def piece(events: Sequence[GenerateEvent]) -> InferResult | None:
    """What these events add to the first choice's text; None if nothing."""
    text = "".join(event.text for event in events if isinstance(event, Delta) and event.index == 0)
    return InferResult(outputs=[_bytes(TEXT_OUTPUT, [text])]) if text else None


def _bytes(name: str, texts: list[str]) -> Tensor:
    array: Array = np.empty(len(texts), dtype=object)
    array[:] = [text.encode() for text in texts]
    return from_array(name, array, "BYTES")


def _named(request: InferRequest, signature: Signature) -> dict[str, Tensor]:
    tensors = {tensor.name: tensor for tensor in request.inputs}
    known = [spec.name for spec in signature.inputs]
    for name in tensors:
        if name not in known:
            raise InvalidRequest(
                f"The model {request.model!r} is one of text: it has no input {name!r}, but {', '.join(map(repr, known))}.",
                param=name,
            )
    for spec in signature.inputs:
        if spec.name not in tensors and not spec.optional:
            raise InvalidRequest(
                f"The model {request.model!r} needs the input {spec.name!r} (BYTES), which did not come.", param=spec.name
            )
    return tensors


def _texts(tensor: Tensor) -> list[str]:
    if tensor.datatype != "BYTES":
        raise InvalidRequest(f"The input {tensor.name!r} must be BYTES; the request says {tensor.datatype}.", param=tensor.name)
    try:
        texts = [element.decode() for element in to_array(tensor).ravel().tolist()]
    except UnicodeDecodeError:
        raise InvalidRequest(f"The input {tensor.name!r} must hold text in UTF-8.", param=tensor.name) from None
    if not texts:
        raise InvalidRequest(f"The input {tensor.name!r} holds no text.", param=tensor.name)
    return texts


def _sampling(request: InferRequest, tensor: Tensor | None) -> SamplingParams:
    said: dict[str, object] = {name: value for name, value in request.parameters.items() if name in _SAMPLING_FIELDS}
    try:
        if tensor is not None:
            for text in _texts(tensor):
                said |= msgspec.json.decode(text, type=dict[str, object])
        return msgspec.convert(said, SamplingParams, strict=False)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The sampling parameters are wrong: {error}.", param=SAMPLING) from None
