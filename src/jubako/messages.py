"""The waist: what every front end asks and every backend answers.

HTTP, gRPC, the command line and the offline batch build these requests; backends answer them with results or with
streams of events. Nothing else passes between the two sides, so a new protocol or a new engine is one new folder.

All structs are frozen. In a request ``None`` means "the model's own default", which the entry's ``sampling`` and then
the neutral value of the field decide in the instance. Field names and shapes of messages, tools and log probabilities
are those of OpenAI's chat API (https://platform.openai.com/docs/api-reference/chat), which every engine speaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from jubako.tensors import Region, Signature, Tensor

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Task = Literal["chat", "completion", "embedding", "infer"]

TokenId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
TokenIds = list[TokenId]
Prompt = str | TokenIds


# --- sampling -----------------------------------------------------------------------------------------------------------


class SamplingParams(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How tokens are drawn. A field that is absent or null takes the entry's default, then the neutral value named here."""

    max_tokens: (
        Annotated[int, Meta(ge=1, le=2**31 - 1, description="Most tokens to generate. Default: what the context has left.")]
        | None
    ) = None
    temperature: Annotated[float, Meta(ge=0, description="Spread of the distribution; 0 is greedy. Default 1.0.")] | None = None
    top_p: (
        Annotated[float, Meta(gt=0, le=1, description="Smallest set of tokens with this much probability. Default 1.0.")] | None
    ) = None
    top_k: (
        Annotated[int, Meta(ge=-1, le=2**31 - 1, description="Most likely tokens to choose from; -1 or 0 is all. Default -1.")]
        | None
    ) = None
    min_p: (
        Annotated[float, Meta(ge=0, le=1, description="Least probability relative to the most likely token. Default 0.0.")] | None
    ) = None
    presence_penalty: (
        Annotated[float, Meta(description="Taken off every token that has appeared; negative encourages. Default 0.0.")] | None
    ) = None
    frequency_penalty: Annotated[float, Meta(description="Taken off a token once for each appearance. Default 0.0.")] | None = (
        None
    )
    repetition_penalty: (
        Annotated[float, Meta(gt=0, description="Divides the logits of tokens that have appeared. Default 1.0.")] | None
    ) = None
    seed: (
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="Repeats a sampled answer. Default: a fresh one each time.")]
        | None
    ) = None
    logit_bias: (
        Annotated[
            dict[TokenId, Annotated[float, Meta(ge=-100, le=100)]],
            Meta(max_length=1024, description="Added to the logits of these token ids."),
        ]
        | None
    ) = None
    stop: (
        Annotated[
            list[Annotated[str, Meta(min_length=1)]],
            Meta(max_length=16, description="Strings that end the answer. Default none."),
        ]
        | None
    ) = None
    stop_token_ids: (
        Annotated[TokenIds, Meta(max_length=64, description="Token ids that end the answer. Default none.")] | None
    ) = None
    include_stop_str_in_output: Annotated[bool, Meta(description="Keep the stop string in the text. Default false.")] | None = (
        None
    )
    ignore_eos: Annotated[bool, Meta(description="Go on after the end-of-sequence token. Default false.")] | None = None

    def over(self, defaults: SamplingParams) -> SamplingParams:
        """These parameters, with what they leave out taken from `defaults`."""
        return msgspec.structs.replace(
            defaults, **{name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        )


class JsonObject(Struct, frozen=True, tag="json_object"):
    """The text must be one JSON object."""


class JsonSchema(Struct, frozen=True, tag="json_schema"):
    """The text must be JSON that this schema accepts."""

    schema: dict[str, Any]


class Grammar(Struct, frozen=True, tag="grammar"):
    """The text must match a grammar in GBNF, llama.cpp's notation."""

    gbnf: str


Constraint = JsonObject | JsonSchema | Grammar


# --- chat ---------------------------------------------------------------------------------------------------------------


class TextPart(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    text: str


class RefusalPart(Struct, frozen=True, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    refusal: str


class ImageUrl(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Struct, frozen=True, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    image_url: ImageUrl


ContentPart = TextPart | RefusalPart | ImagePart


class FunctionCall(Struct, frozen=True, forbid_unknown_fields=True):
    """`arguments` is JSON text exactly as the model wrote it."""

    name: str
    arguments: str


class ToolCall(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"
    index: int | None = None


class Message(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One turn. The last five fields are what an assistant's turn of ours, or of OpenAI's, may carry when it comes back."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None
    parsed: Any = None


class Function(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """`parameters` is a JSON Schema object; absent means no arguments."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True, forbid_unknown_fields=True):
    function: Function
    type: Literal["function"] = "function"


class NamedFunction(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class NamedTool(Struct, frozen=True, forbid_unknown_fields=True):
    function: NamedFunction
    type: Literal["function"] = "function"


ToolChoice = Literal["auto", "none", "required"] | NamedTool


class TopLogprob(Struct, frozen=True):
    """`bytes` is the token's own bytes, which need not be whole characters; `logprob` is a natural logarithm."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]
    token_id: int = -1


# --- requests -----------------------------------------------------------------------------------------------------------


class ChatRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="chat"):
    """Answer a conversation. `n` choices, each drawn on its own; `top_logprobs` is None where none were asked for."""

    model: str
    messages: list[Message]
    sampling: SamplingParams = SamplingParams()
    n: int = 1
    tools: list[Tool] = []
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    constraint: Constraint | None = None
    top_logprobs: int | None = None
    template_kwargs: dict[str, Any] = {}


class CompletionRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="complete"):
    """Continue each prompt `n` times; the choice of prompt ``p`` and draw ``i`` has index ``p * n + i``."""

    model: str
    prompts: list[Prompt]
    sampling: SamplingParams = SamplingParams()
    n: int = 1
    echo: bool = False
    constraint: Constraint | None = None
    top_logprobs: int | None = None


class EmbedRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="embed"):
    """One vector for each input; `dimensions` keeps the first so many and normalises again."""

    model: str
    inputs: list[Prompt]
    dimensions: int | None = None


class TokenizeRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tokenize"):
    """Token ids of `text`, or of `messages` as the chat template renders them."""

    model: str
    text: str | None = None
    messages: list[Message] | None = None
    add_special_tokens: bool = True
    with_pieces: bool = False


class DetokenizeRequest(Struct, frozen=True, kw_only=True, tag="detokenize"):
    model: str
    tokens: TokenIds


Parameter = bool | int | float | str
"""A value that the Open Inference Protocol lets a request or an answer carry beside its tensors."""


class RequestedOutput(Struct, frozen=True, array_like=True):
    """An output that the caller wants.

    Attributes:
        classes: 0 for the tensor itself; else the so many highest values along its last axis, as BYTES ``value:index:label``.
        region: Where in shared memory to write it; its result then has no contents.
    """

    name: str
    classes: int = 0
    region: Region | None = None


class InferRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="infer"):
    """Tensors in, tensors out.

    Attributes:
        outputs: Those wanted; empty for all.
        parameters: What the model itself may want to know. Requests with different ones never share a batch.
        priority: 1 is the highest level; 0 the model's default one.
        timeout_us: Longest wait in the queue, in microseconds; 0 leaves it to the model.
    """

    model: str
    inputs: list[Tensor]
    outputs: list[RequestedOutput] = []
    parameters: dict[str, Parameter] = {}
    priority: int = 0
    timeout_us: int = 0


class StatisticsRequest(Struct, frozen=True, kw_only=True, tag="statistics"):
    """What has an instance done since it was loaded?"""

    model: str


Request = ChatRequest | CompletionRequest | EmbedRequest | TokenizeRequest | DetokenizeRequest | InferRequest | StatisticsRequest
GenerateRequest = ChatRequest | CompletionRequest


# --- answers ------------------------------------------------------------------------------------------------------------


class ToolCallDelta(Struct, frozen=True, omit_defaults=True):
    """A piece of tool call `index`: `id` and `name` come once, first; `arguments` pieces join to JSON text."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Delta(Struct, frozen=True, omit_defaults=True, tag="delta"):
    """What choice `index` gained. `finish_reason` is set on the choice's last delta and on no other."""

    index: int
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []
    logprobs: list[TokenLogprob] = []
    finish_reason: FinishReason | None = None


class Usage(Struct, frozen=True, omit_defaults=True, tag="usage"):
    """Tokens, counted by the engine. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Timings(Struct, frozen=True, omit_defaults=True, tag="timings"):
    """Seconds, measured in the instance. `gaps_s` are the times between arrivals of text after the first, of all choices."""

    queue_s: float = 0.0
    first_token_s: float | None = None
    gaps_s: list[float] = []


GenerateEvent = Delta | Usage | Timings
"""A stream is any number of deltas, then one Usage, then one Timings."""


class Choice(Struct, frozen=True, omit_defaults=True):
    index: int
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    logprobs: list[TokenLogprob] = []
    finish_reason: FinishReason = "stop"


class GenerateResult(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="generated"):
    """The whole answer to a chat or a completion: by construction the sum of its stream."""

    choices: list[Choice]
    usage: Usage = Usage()
    timings: Timings = Timings()

    @classmethod
    def from_events(cls, events: Iterable[GenerateEvent]) -> GenerateResult:
        deltas: dict[int, list[Delta]] = {}
        usage, timings = Usage(), Timings()
        for event in events:
            if isinstance(event, Delta):
                deltas.setdefault(event.index, []).append(event)
            elif isinstance(event, Usage):
                usage = event
            else:
                timings = event
        return cls(choices=[_join(index, deltas[index]) for index in sorted(deltas)], usage=usage, timings=timings)


def _join(index: int, deltas: list[Delta]) -> Choice:
    calls: dict[int, list[ToolCallDelta]] = {}
    for delta in deltas:
        for piece in delta.tool_calls:
            calls.setdefault(piece.index, []).append(piece)
    return Choice(
        index=index,
        text="".join(delta.text for delta in deltas),
        reasoning="".join(delta.reasoning for delta in deltas),
        tool_calls=[_join_call(calls[i]) for i in sorted(calls)],
        logprobs=[logprob for delta in deltas for logprob in delta.logprobs],
        finish_reason=deltas[-1].finish_reason or "stop",
    )


def _join_call(pieces: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        id=next((piece.id for piece in pieces if piece.id), ""),
        function=FunctionCall(
            name="".join(piece.name or "" for piece in pieces),
            arguments="".join(piece.arguments for piece in pieces),
        ),
    )


class EmbedResult(Struct, frozen=True, kw_only=True, tag="embedded"):
    """`vectors[i]` is input i's embedding as little-endian float32, shape [dimensions]."""

    vectors: list[bytes]
    usage: Usage = Usage()


class TokenizeResult(Struct, frozen=True, kw_only=True, tag="tokenized"):
    """`context_length` is the most tokens that a request and its answer may hold together."""

    tokens: TokenIds
    context_length: int
    pieces: list[str] = []


class DetokenizeResult(Struct, frozen=True, kw_only=True, tag="detokenized"):
    text: str


class InferResult(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="inferred"):
    """The answer to an :class:`InferRequest`, or one of the answers of a decoupled model."""

    outputs: list[Tensor]
    parameters: dict[str, Parameter] = {}


StreamEvent = GenerateEvent | InferResult


class Duration(Struct, frozen=True, array_like=True):
    """How often something happened, and how long it took together, in nanoseconds."""

    count: int = 0
    ns: int = 0


class BatchStatistics(Struct, frozen=True, array_like=True):
    """The executions of one batch size, in rows."""

    batch_size: int
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()


class SchedulerStatistics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the batcher believes and did.

    Attributes:
        fixed_s: Fitted seconds of an execution of no work, `a` of ``a + b * work``.
        per_unit_s: Fitted seconds of each unit of work, `b`.
        arrival_gap_s: Estimated time between arrivals, seconds.
        predicted_s: Sum of the predicted times of all executions, to hold against the sum of the actual ones.
        delayed: Executions that were held back for more requests.
        cancelled: Requests that were dropped from the queue because nobody waited any more.
        rejected: Requests that were refused because the queue was full.
        expired: Requests whose time in the queue ran out, or that could not have met their deadline.
        reason: Why the last batch was as large as it was, in a sentence.
    """

    fixed_s: float = 0.0
    per_unit_s: float = 0.0
    arrival_gap_s: float = 0.0
    predicted_s: float = 0.0
    delayed: int = 0
    cancelled: int = 0
    rejected: int = 0
    expired: int = 0
    reason: str = ""


class StatisticsResult(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="statistics_result"):
    """What one instance has done since it was loaded. The durations are those of KServe's statistics extension.

    Attributes:
        last_inference_ms: When the last request came, milliseconds since 1970.
        inferences: Rows that were computed; `executions`: batches.
    """

    last_inference_ms: int = 0
    inferences: int = 0
    executions: int = 0
    success: Duration = Duration()
    fail: Duration = Duration()
    queue: Duration = Duration()
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()
    batches: list[BatchStatistics] = []
    scheduler: SchedulerStatistics | None = None


Result = GenerateResult | EmbedResult | TokenizeResult | DetokenizeResult | InferResult | StatisticsResult


# --- what the control plane says of models --------------------------------------------------------------------------------

VersionState = Literal["LOADING", "READY", "UNAVAILABLE", "FAILED", "UNLOADED"]
InstanceState = Literal["STARTING", "READY", "STALLED", "DRAINING", "STOPPED"]


class ModelInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a version only once it is loaded.

    Attributes:
        signature: The tensors that it takes and gives; None for a model of text.
    """

    context_length: int | None = None
    signature: Signature | None = None


class SharedRegion(Struct, frozen=True, kw_only=True):
    """A region of system shared memory that a client registered under `name`: `byte_size` bytes of `key`, from `offset`."""

    name: str
    key: str
    byte_size: int
    offset: int = 0


class InstanceStatus(Struct, frozen=True, kw_only=True):
    """`address` is the instance's channel: the path of a Unix socket."""

    id: str
    address: str
    state: InstanceState
    pid: int | None = None
    restarts: int = 0


class VersionStatus(Struct, frozen=True, kw_only=True):
    """One version of one model.

    Attributes:
        reason: Why it is not READY, in a sentence.
        info: What is known since it was loaded; None before.
        config: The entry as KServe's model configuration extension shows it: JSON of ``inference.ModelConfig``; empty for none.
        timeout_s: Bounds a whole request, seconds.
    """

    model: str
    version: int
    state: VersionState
    served_names: list[str]
    tasks: list[Task]
    backend: str
    reason: str = ""
    instances: list[InstanceStatus] = []
    info: ModelInfo | None = None
    config: str = ""
    created: int = 0
    timeout_s: float = 600.0


class Snapshot(Struct, frozen=True, kw_only=True):
    """The whole repository as the runner sees it; `serial` grows with each change.

    Attributes:
        regions: Shared memory that clients registered, for all gateways.
        started: Whether all that the repository held at the start has been loaded or given up since. What loads later makes the
            server no less ready.
    """

    serial: int
    versions: list[VersionStatus]
    regions: list[SharedRegion] = []
    started: bool = False
    draining: bool = False
