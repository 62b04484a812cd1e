"""What is known of providers: data, one file each in the folder ``presets``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError

_FOLDER = Path(__file__).parent / "presets"


class Paths(Struct, frozen=True, forbid_unknown_fields=True):
    """Where each task is asked for, from the base URL; "" where the provider does not serve it."""

    chat: str = "chat/completions"
    completion: str = "completions"
    embedding: str = "embeddings"
    models: str = "models"
    score: str = ""
    rerank: str = ""
    classify: str = ""
    tokenize: str = ""
    detokenize: str = ""


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider.

    Attributes:
        name: What ``provider:`` says; `aliases` are other names for it.
        title: Its name in messages.
        protocol: The API that it speaks.
        base_url: "" where it depends on the account or the machine.
        api_key_env: The variable that usually holds the key; "" where none is needed.
        key_header: ``bearer`` is ``Authorization: Bearer``, else the name of the header.
        max_tokens_field: What it calls the limit of an answer's tokens.
        usage_in_stream: Whether a stream carries its usage if asked with ``stream_options``.
        fields: Fields beyond OpenAI's own that it takes.
        refuses: Fields of OpenAI's that it does not take.
        names: What it calls a field, where the name is another than ours.
        json_schema: Whether ``response_format`` may be a schema.
        grammar: How a grammar is sent: as a field of this name, as ``structured_outputs``, or "" for not at all.
        reasoning_field: The field of an assistant's message in which its reasoning is sent back; "" leaves it out.
        developer_role: Whether messages may have the role ``developer``; otherwise they are sent as ``system``.
        paths: Where each task is asked for.
    """

    name: str
    title: str
    protocol: Literal["openai", "anthropic"] = "openai"
    aliases: list[str] = []
    base_url: str = ""
    api_key_env: str = ""
    key_header: str = "bearer"
    max_tokens_field: str = "max_tokens"
    usage_in_stream: bool = True
    fields: list[str] = []
    refuses: list[str] = []
    names: dict[str, str] = {}
    json_schema: bool = True
    grammar: str = ""
    reasoning_field: str = ""
    developer_role: bool = False
    paths: Paths = Paths()


@cache
def presets() -> dict[str, Preset]:
    """All presets by their names, without aliases, in order."""
    read = (msgspec.convert(tomllib.loads(file.read_text("utf-8")), Preset) for file in sorted(_FOLDER.glob("*.toml")))
    return {preset.name: preset for preset in read}


def preset_for(provider: str | None, protocol: Literal["openai", "anthropic"], *, has_url: bool) -> Preset:
    """The preset that an entry means.

    Args:
        provider: As the entry says; ``saas/NAME``, byzer-llm's way to write it, is NAME.
        has_url: Whether the entry has a URL of its own.

    Raises:
        ConfigurationError: there is none of that name, or it speaks another protocol.
    """
    known = presets()
    if provider is None:
        return known["compatible" if has_url and protocol == "openai" else protocol]
    name = provider.lower().removeprefix("saas/")
    for preset in known.values():
        if name == preset.name or name in preset.aliases:
            if preset.protocol != protocol:
                raise ConfigurationError(
                    f"The provider {provider!r} speaks another protocol: write `backend: {preset.protocol}` in the entry."
                )
            return preset
    names = ", ".join(preset.name for preset in known.values() if preset.protocol == protocol)
    raise ConfigurationError(
        f"There is no provider {provider!r}. Known: {names}. For any other server that speaks the same protocol, leave "
        "`provider` out and give `base_url`."
    )
