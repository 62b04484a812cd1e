"""A conversation: its turns, and the tools that may be called in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


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
