"""The backend for Anthropic's messages API."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from jubako.backends.anthropic.answers import MessageReader
from jubako.backends.anthropic.asking import Wording
from jubako.backends.anthropic.params import AnthropicParams
from jubako.backends.base import ModelSpec
from jubako.backends.upstream.backend import UpstreamBackend
from jubako.backends.upstream.client import Body
from jubako.backends.upstream.reader import AnswerReader
from jubako.errors import ConfigurationError, Unsupported
from jubako.messages import ChatRequest, GenerateRequest


class AnthropicBackend(UpstreamBackend[AnthropicParams]):
    """A model behind the messages API."""

    protocol = "anthropic"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        params = self._params
        self._wording = Wording(self._preset.title, params.max_tokens, spec.sampling, params.extra_body)

    def read_params(self) -> AnthropicParams:
        return msgspec.convert(self.spec.params, AnthropicParams)

    def fixed_headers(self) -> Mapping[str, str]:
        headers = {"anthropic-version": self._params.version}
        return headers | {"anthropic-beta": self._params.beta} if self._params.beta else headers

    def check_entry(self) -> None:
        try:
            self._wording.check(self.spec.sampling)
        except Unsupported as error:
            raise ConfigurationError(f"Under `sampling`: {error.message}") from None

    def body_of(self, request: GenerateRequest, *, stream: bool) -> Body:
        if isinstance(request, ChatRequest):
            return self._wording.chat(request, stream=stream)
        raise self._unsupported("completions")

    def reader_of(self, request: GenerateRequest, name: str) -> AnswerReader:
        return MessageReader(name, self._redact)
