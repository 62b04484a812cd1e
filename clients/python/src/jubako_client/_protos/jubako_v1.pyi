# Made by `make protos` from protos/jubako/v1/. Change those instead.
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_SYSTEM: _ClassVar[Role]
    ROLE_DEVELOPER: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_ASSISTANT: _ClassVar[Role]
    ROLE_TOOL: _ClassVar[Role]

ROLE_UNSPECIFIED: Role
ROLE_SYSTEM: Role
ROLE_DEVELOPER: Role
ROLE_USER: Role
ROLE_ASSISTANT: Role
ROLE_TOOL: Role

class Image(_message.Message):
    __slots__ = ("url", "detail")
    class Detail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DETAIL_UNSPECIFIED: _ClassVar[Image.Detail]
        DETAIL_LOW: _ClassVar[Image.Detail]
        DETAIL_HIGH: _ClassVar[Image.Detail]

    DETAIL_UNSPECIFIED: Image.Detail
    DETAIL_LOW: Image.Detail
    DETAIL_HIGH: Image.Detail
    URL_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    url: str
    detail: Image.Detail
    def __init__(self, url: _Optional[str] = ..., detail: _Optional[_Union[Image.Detail, str]] = ...) -> None: ...

class ContentPart(_message.Message):
    __slots__ = ("text", "image", "refusal")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: Image
    refusal: str
    def __init__(
        self,
        text: _Optional[str] = ...,
        image: _Optional[_Union[Image, _Mapping[str, object]]] = ...,
        refusal: _Optional[str] = ...,
    ) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("id", "name", "arguments")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    arguments: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    role: Role
    content: _containers.RepeatedCompositeFieldContainer[ContentPart]
    name: str
    tool_calls: _containers.RepeatedCompositeFieldContainer[ToolCall]
    tool_call_id: str
    reasoning: str
    def __init__(
        self,
        role: _Optional[_Union[Role, str]] = ...,
        content: _Optional[_Iterable[_Union[ContentPart, _Mapping[str, object]]]] = ...,
        name: _Optional[str] = ...,
        tool_calls: _Optional[_Iterable[_Union[ToolCall, _Mapping[str, object]]]] = ...,
        tool_call_id: _Optional[str] = ...,
        reasoning: _Optional[str] = ...,
    ) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "description", "parameters", "strict")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters: str
    strict: bool
    def __init__(
        self,
        name: _Optional[str] = ...,
        description: _Optional[str] = ...,
        parameters: _Optional[str] = ...,
        strict: _Optional[bool] = ...,
    ) -> None: ...

class ToolChoice(_message.Message):
    __slots__ = ("mode", "name")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[ToolChoice.Mode]
        MODE_AUTO: _ClassVar[ToolChoice.Mode]
        MODE_NONE: _ClassVar[ToolChoice.Mode]
        MODE_REQUIRED: _ClassVar[ToolChoice.Mode]

    MODE_UNSPECIFIED: ToolChoice.Mode
    MODE_AUTO: ToolChoice.Mode
    MODE_NONE: ToolChoice.Mode
    MODE_REQUIRED: ToolChoice.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    mode: ToolChoice.Mode
    name: str
    def __init__(self, mode: _Optional[_Union[ToolChoice.Mode, str]] = ..., name: _Optional[str] = ...) -> None: ...

class ChatRequest(_message.Message):
    __slots__ = (
        "model",
        "messages",
        "sampling",
        "n",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "constraint",
        "top_logprobs",
        "chat_template_kwargs",
        "reasoning_effort",
        "prompt_logprobs",
    )
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    TOP_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    CHAT_TEMPLATE_KWARGS_FIELD_NUMBER: _ClassVar[int]
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    model: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    sampling: Sampling
    n: int
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    tool_choice: ToolChoice
    parallel_tool_calls: bool
    constraint: Constraint
    top_logprobs: int
    chat_template_kwargs: _struct_pb2.Struct
    reasoning_effort: str
    prompt_logprobs: int
    def __init__(
        self,
        model: _Optional[str] = ...,
        messages: _Optional[_Iterable[_Union[Message, _Mapping[str, object]]]] = ...,
        sampling: _Optional[_Union[Sampling, _Mapping[str, object]]] = ...,
        n: _Optional[int] = ...,
        tools: _Optional[_Iterable[_Union[Tool, _Mapping[str, object]]]] = ...,
        tool_choice: _Optional[_Union[ToolChoice, _Mapping[str, object]]] = ...,
        parallel_tool_calls: _Optional[bool] = ...,
        constraint: _Optional[_Union[Constraint, _Mapping[str, object]]] = ...,
        top_logprobs: _Optional[int] = ...,
        chat_template_kwargs: _Optional[_Union[_struct_pb2.Struct, _Mapping[str, object]]] = ...,
        reasoning_effort: _Optional[str] = ...,
        prompt_logprobs: _Optional[int] = ...,
    ) -> None: ...

class ChatChoice(_message.Message):
    __slots__ = ("index", "message", "finish_reason", "logprobs")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    index: int
    message: Message
    finish_reason: FinishReason
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(
        self,
        index: _Optional[int] = ...,
        message: _Optional[_Union[Message, _Mapping[str, object]]] = ...,
        finish_reason: _Optional[_Union[FinishReason, str]] = ...,
        logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
    ) -> None: ...

class ChatResponse(_message.Message):
    __slots__ = ("id", "model", "version", "choices", "usage", "prompt_logprobs")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    version: int
    choices: _containers.RepeatedCompositeFieldContainer[ChatChoice]
    usage: Usage
    prompt_logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(
        self,
        id: _Optional[str] = ...,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        choices: _Optional[_Iterable[_Union[ChatChoice, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
        prompt_logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
    ) -> None: ...

class ToolCallDelta(_message.Message):
    __slots__ = ("index", "id", "name", "arguments")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    index: int
    id: str
    name: str
    arguments: str
    def __init__(
        self, index: _Optional[int] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., arguments: _Optional[str] = ...
    ) -> None: ...

class ChatDelta(_message.Message):
    __slots__ = ("index", "text", "reasoning", "tool_calls", "logprobs", "finish_reason", "prompt_logprobs")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    index: int
    text: str
    reasoning: str
    tool_calls: _containers.RepeatedCompositeFieldContainer[ToolCallDelta]
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    finish_reason: FinishReason
    prompt_logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(
        self,
        index: _Optional[int] = ...,
        text: _Optional[str] = ...,
        reasoning: _Optional[str] = ...,
        tool_calls: _Optional[_Iterable[_Union[ToolCallDelta, _Mapping[str, object]]]] = ...,
        logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
        finish_reason: _Optional[_Union[FinishReason, str]] = ...,
        prompt_logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
    ) -> None: ...

class ChatChunk(_message.Message):
    __slots__ = ("id", "model", "version", "deltas", "usage")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    version: int
    deltas: _containers.RepeatedCompositeFieldContainer[ChatDelta]
    usage: Usage
    def __init__(
        self,
        id: _Optional[str] = ...,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        deltas: _Optional[_Iterable[_Union[ChatDelta, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class CompletionRequest(_message.Message):
    __slots__ = ("model", "prompts", "sampling", "n", "echo", "constraint", "top_logprobs", "prompt_logprobs")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    TOP_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    model: str
    prompts: _containers.RepeatedCompositeFieldContainer[Prompt]
    sampling: Sampling
    n: int
    echo: bool
    constraint: Constraint
    top_logprobs: int
    prompt_logprobs: int
    def __init__(
        self,
        model: _Optional[str] = ...,
        prompts: _Optional[_Iterable[_Union[Prompt, _Mapping[str, object]]]] = ...,
        sampling: _Optional[_Union[Sampling, _Mapping[str, object]]] = ...,
        n: _Optional[int] = ...,
        echo: _Optional[bool] = ...,
        constraint: _Optional[_Union[Constraint, _Mapping[str, object]]] = ...,
        top_logprobs: _Optional[int] = ...,
        prompt_logprobs: _Optional[int] = ...,
    ) -> None: ...

class CompletionChoice(_message.Message):
    __slots__ = ("index", "text", "finish_reason", "logprobs", "prompt_logprobs")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    index: int
    text: str
    finish_reason: FinishReason
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    prompt_logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(
        self,
        index: _Optional[int] = ...,
        text: _Optional[str] = ...,
        finish_reason: _Optional[_Union[FinishReason, str]] = ...,
        logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
        prompt_logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
    ) -> None: ...

class CompletionResponse(_message.Message):
    __slots__ = ("id", "model", "version", "choices", "usage")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    version: int
    choices: _containers.RepeatedCompositeFieldContainer[CompletionChoice]
    usage: Usage
    def __init__(
        self,
        id: _Optional[str] = ...,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        choices: _Optional[_Iterable[_Union[CompletionChoice, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class CompletionDelta(_message.Message):
    __slots__ = ("index", "text", "logprobs", "finish_reason", "prompt_logprobs")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    index: int
    text: str
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    finish_reason: FinishReason
    prompt_logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    def __init__(
        self,
        index: _Optional[int] = ...,
        text: _Optional[str] = ...,
        logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
        finish_reason: _Optional[_Union[FinishReason, str]] = ...,
        prompt_logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping[str, object]]]] = ...,
    ) -> None: ...

class CompletionChunk(_message.Message):
    __slots__ = ("id", "model", "version", "deltas", "usage")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    version: int
    deltas: _containers.RepeatedCompositeFieldContainer[CompletionDelta]
    usage: Usage
    def __init__(
        self,
        id: _Optional[str] = ...,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        deltas: _Optional[_Iterable[_Union[CompletionDelta, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("model", "inputs", "dimensions")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[Prompt]
    dimensions: int
    def __init__(
        self,
        model: _Optional[str] = ...,
        inputs: _Optional[_Iterable[_Union[Prompt, _Mapping[str, object]]]] = ...,
        dimensions: _Optional[int] = ...,
    ) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("model", "version", "embeddings", "usage")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    embeddings: _containers.RepeatedCompositeFieldContainer[Embedding]
    usage: Usage
    def __init__(
        self,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        embeddings: _Optional[_Iterable[_Union[Embedding, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_CHAT: _ClassVar[Task]
    TASK_COMPLETION: _ClassVar[Task]
    TASK_EMBEDDING: _ClassVar[Task]
    TASK_SCORE: _ClassVar[Task]
    TASK_CLASSIFY: _ClassVar[Task]
    TASK_INFER: _ClassVar[Task]

class VersionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSION_STATE_UNSPECIFIED: _ClassVar[VersionState]
    VERSION_STATE_LOADING: _ClassVar[VersionState]
    VERSION_STATE_READY: _ClassVar[VersionState]
    VERSION_STATE_UNAVAILABLE: _ClassVar[VersionState]
    VERSION_STATE_FAILED: _ClassVar[VersionState]
    VERSION_STATE_UNLOADED: _ClassVar[VersionState]

TASK_UNSPECIFIED: Task
TASK_CHAT: Task
TASK_COMPLETION: Task
TASK_EMBEDDING: Task
TASK_SCORE: Task
TASK_CLASSIFY: Task
TASK_INFER: Task
VERSION_STATE_UNSPECIFIED: VersionState
VERSION_STATE_LOADING: VersionState
VERSION_STATE_READY: VersionState
VERSION_STATE_UNAVAILABLE: VersionState
VERSION_STATE_FAILED: VersionState
VERSION_STATE_UNLOADED: VersionState

class TensorSpec(_message.Message):
    __slots__ = ("name", "datatype", "shape", "optional", "labels", "description", "ragged", "content")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATATYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RAGGED_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    datatype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    optional: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    description: str
    ragged: bool
    content: str
    def __init__(
        self,
        name: _Optional[str] = ...,
        datatype: _Optional[str] = ...,
        shape: _Optional[_Iterable[int]] = ...,
        optional: _Optional[bool] = ...,
        labels: _Optional[_Iterable[str]] = ...,
        description: _Optional[str] = ...,
        ragged: _Optional[bool] = ...,
        content: _Optional[str] = ...,
    ) -> None: ...

class Signature(_message.Message):
    __slots__ = ("inputs", "outputs", "max_batch_size", "decoupled", "platform")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    DECOUPLED_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    outputs: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    max_batch_size: int
    decoupled: bool
    platform: str
    def __init__(
        self,
        inputs: _Optional[_Iterable[_Union[TensorSpec, _Mapping[str, object]]]] = ...,
        outputs: _Optional[_Iterable[_Union[TensorSpec, _Mapping[str, object]]]] = ...,
        max_batch_size: _Optional[int] = ...,
        decoupled: _Optional[bool] = ...,
        platform: _Optional[str] = ...,
    ) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = (
        "model",
        "version",
        "state",
        "reason",
        "served_names",
        "tasks",
        "backend",
        "context_length",
        "signature",
        "adapters",
        "created",
        "aliases",
        "interface_digest",
    )
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SERVED_NAMES_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    ADAPTERS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    INTERFACE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    state: VersionState
    reason: str
    served_names: _containers.RepeatedScalarFieldContainer[str]
    tasks: _containers.RepeatedScalarFieldContainer[Task]
    backend: str
    context_length: int
    signature: Signature
    adapters: _containers.RepeatedScalarFieldContainer[str]
    created: int
    aliases: _containers.RepeatedScalarFieldContainer[str]
    interface_digest: str
    def __init__(
        self,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        state: _Optional[_Union[VersionState, str]] = ...,
        reason: _Optional[str] = ...,
        served_names: _Optional[_Iterable[str]] = ...,
        tasks: _Optional[_Iterable[_Union[Task, str]]] = ...,
        backend: _Optional[str] = ...,
        context_length: _Optional[int] = ...,
        signature: _Optional[_Union[Signature, _Mapping[str, object]]] = ...,
        adapters: _Optional[_Iterable[str]] = ...,
        created: _Optional[int] = ...,
        aliases: _Optional[_Iterable[str]] = ...,
        interface_digest: _Optional[str] = ...,
    ) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelVersion, _Mapping[str, object]]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelVersion
    def __init__(self, model: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping[str, object]]]] = ...) -> None: ...

class IndexRequest(_message.Message):
    __slots__ = ("ready",)
    READY_FIELD_NUMBER: _ClassVar[int]
    ready: bool
    def __init__(self, ready: _Optional[bool] = ...) -> None: ...

class IndexResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping[str, object]]]] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class LoadResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping[str, object]]]] = ...) -> None: ...

class UnloadRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class UnloadResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetAliasRequest(_message.Message):
    __slots__ = ("model", "alias", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    alias: str
    version: int
    def __init__(self, model: _Optional[str] = ..., alias: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SetAliasResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ModelVersion
    def __init__(self, version: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ...) -> None: ...

class DeleteAliasRequest(_message.Message):
    __slots__ = ("model", "alias")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    model: str
    alias: str
    def __init__(self, model: _Optional[str] = ..., alias: _Optional[str] = ...) -> None: ...

class DeleteAliasResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RerankRequest(_message.Message):
    __slots__ = ("model", "query", "documents", "top_n", "return_documents")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    TOP_N_FIELD_NUMBER: _ClassVar[int]
    RETURN_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    model: str
    query: str
    documents: _containers.RepeatedScalarFieldContainer[str]
    top_n: int
    return_documents: bool
    def __init__(
        self,
        model: _Optional[str] = ...,
        query: _Optional[str] = ...,
        documents: _Optional[_Iterable[str]] = ...,
        top_n: _Optional[int] = ...,
        return_documents: _Optional[bool] = ...,
    ) -> None: ...

class RankedDocument(_message.Message):
    __slots__ = ("index", "relevance_score", "document")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_SCORE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    index: int
    relevance_score: float
    document: str
    def __init__(
        self, index: _Optional[int] = ..., relevance_score: _Optional[float] = ..., document: _Optional[str] = ...
    ) -> None: ...

class RerankResponse(_message.Message):
    __slots__ = ("model", "version", "results", "usage")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    results: _containers.RepeatedCompositeFieldContainer[RankedDocument]
    usage: Usage
    def __init__(
        self,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        results: _Optional[_Iterable[_Union[RankedDocument, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("model", "queries", "documents")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    model: str
    queries: _containers.RepeatedScalarFieldContainer[str]
    documents: _containers.RepeatedScalarFieldContainer[str]
    def __init__(
        self, model: _Optional[str] = ..., queries: _Optional[_Iterable[str]] = ..., documents: _Optional[_Iterable[str]] = ...
    ) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("model", "version", "scores", "usage")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    scores: _containers.RepeatedScalarFieldContainer[float]
    usage: Usage
    def __init__(
        self,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        scores: _Optional[_Iterable[float]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("model", "inputs")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[Prompt]
    def __init__(
        self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Prompt, _Mapping[str, object]]]] = ...
    ) -> None: ...

class Classification(_message.Message):
    __slots__ = ("label", "probabilities")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    label: str
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, label: _Optional[str] = ..., probabilities: _Optional[_Iterable[float]] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("model", "version", "labels", "classifications", "usage")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    labels: _containers.RepeatedScalarFieldContainer[str]
    classifications: _containers.RepeatedCompositeFieldContainer[Classification]
    usage: Usage
    def __init__(
        self,
        model: _Optional[str] = ...,
        version: _Optional[int] = ...,
        labels: _Optional[_Iterable[str]] = ...,
        classifications: _Optional[_Iterable[_Union[Classification, _Mapping[str, object]]]] = ...,
        usage: _Optional[_Union[Usage, _Mapping[str, object]]] = ...,
    ) -> None: ...

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_TOOL_CALLS: _ClassVar[FinishReason]
    FINISH_REASON_CONTENT_FILTER: _ClassVar[FinishReason]

FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_TOOL_CALLS: FinishReason
FINISH_REASON_CONTENT_FILTER: FinishReason

class Sampling(_message.Message):
    __slots__ = (
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "seed",
        "logit_bias",
        "stop",
        "stop_token_ids",
        "include_stop_str_in_output",
        "ignore_eos",
    )
    class LogitBiasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...

    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MIN_P_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_PENALTY_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LOGIT_BIAS_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    STOP_TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_STOP_STR_IN_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    IGNORE_EOS_FIELD_NUMBER: _ClassVar[int]
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    presence_penalty: float
    frequency_penalty: float
    repetition_penalty: float
    seed: int
    logit_bias: _containers.ScalarMap[int, float]
    stop: _containers.RepeatedScalarFieldContainer[str]
    stop_token_ids: _containers.RepeatedScalarFieldContainer[int]
    include_stop_str_in_output: bool
    ignore_eos: bool
    def __init__(
        self,
        max_tokens: _Optional[int] = ...,
        temperature: _Optional[float] = ...,
        top_p: _Optional[float] = ...,
        top_k: _Optional[int] = ...,
        min_p: _Optional[float] = ...,
        presence_penalty: _Optional[float] = ...,
        frequency_penalty: _Optional[float] = ...,
        repetition_penalty: _Optional[float] = ...,
        seed: _Optional[int] = ...,
        logit_bias: _Optional[_Mapping[int, float]] = ...,
        stop: _Optional[_Iterable[str]] = ...,
        stop_token_ids: _Optional[_Iterable[int]] = ...,
        include_stop_str_in_output: _Optional[bool] = ...,
        ignore_eos: _Optional[bool] = ...,
    ) -> None: ...

class Constraint(_message.Message):
    __slots__ = ("json_object", "json_schema", "grammar")
    class JsonObject(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...

    JSON_OBJECT_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    GRAMMAR_FIELD_NUMBER: _ClassVar[int]
    json_object: Constraint.JsonObject
    json_schema: str
    grammar: str
    def __init__(
        self,
        json_object: _Optional[_Union[Constraint.JsonObject, _Mapping[str, object]]] = ...,
        json_schema: _Optional[str] = ...,
        grammar: _Optional[str] = ...,
    ) -> None: ...

class TokenIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("text", "tokens")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    text: str
    tokens: TokenIds
    def __init__(self, text: _Optional[str] = ..., tokens: _Optional[_Union[TokenIds, _Mapping[str, object]]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    def __init__(
        self,
        prompt_tokens: _Optional[int] = ...,
        completion_tokens: _Optional[int] = ...,
        cached_tokens: _Optional[int] = ...,
        reasoning_tokens: _Optional[int] = ...,
    ) -> None: ...

class TopLogprob(_message.Message):
    __slots__ = ("token", "logprob", "token_bytes", "token_id")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    TOKEN_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    token: str
    logprob: float
    token_bytes: bytes
    token_id: int
    def __init__(
        self,
        token: _Optional[str] = ...,
        logprob: _Optional[float] = ...,
        token_bytes: _Optional[bytes] = ...,
        token_id: _Optional[int] = ...,
    ) -> None: ...

class TokenLogprob(_message.Message):
    __slots__ = ("token", "logprob", "token_bytes", "top_logprobs", "token_id")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    TOKEN_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOP_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    token: str
    logprob: float
    token_bytes: bytes
    top_logprobs: _containers.RepeatedCompositeFieldContainer[TopLogprob]
    token_id: int
    def __init__(
        self,
        token: _Optional[str] = ...,
        logprob: _Optional[float] = ...,
        token_bytes: _Optional[bytes] = ...,
        top_logprobs: _Optional[_Iterable[_Union[TopLogprob, _Mapping[str, object]]]] = ...,
        token_id: _Optional[int] = ...,
    ) -> None: ...
