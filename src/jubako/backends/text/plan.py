"""What a request means for the engine: one generation for each choice, with everything decided and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from jubako.backends.base import ModelSpec
from jubako.backends.text.conversation import Conversation
from jubako.backends.text.engine import EngineInfo, GenerationParams, TextEngine
from jubako.backends.text.formats.answer import AnswerFormat
from jubako.backends.text.formats.reader import PlainReader, Reader
from jubako.backends.text.grammar import constrain
from jubako.backends.text.tools import callable_tools, wanted_of
from jubako.errors import InvalidRequest, PromptTooLong, Unsupported
from jubako.messages import (
    ChatRequest,
    CompletionRequest,
    Function,
    GenerateRequest,
    Message,
    Prompt,
    SamplingParams,
    TokenIds,
    Tool,
)
from jubako.model_names import without_version


class ChoicePlan(Struct, frozen=True, kw_only=True):
    """One generation.

    Attributes:
        index: The choice's place in the answer.
        prompt_index: Which of the request's prompts it answers.
        echo: Text that goes before the generated text.
        echo_logprobs: Whether the prompt's log probabilities go before those of the generated text.
        prompt_logprobs: Whether they are given on their own.
        form: How the text is read; None takes it as it is.
        functions: Those that the text may call.
    """

    index: int
    prompt_index: int
    prompt: Prompt
    params: GenerationParams
    stop: list[str]
    include_stop: bool
    form: AnswerFormat | None = None
    functions: Sequence[Function] = ()
    echo: str = ""
    echo_logprobs: bool = False
    prompt_logprobs: bool = False

    def reader(self) -> Reader:
        """A fresh reader for the text."""
        if self.form is None or not isinstance(self.prompt, str):
            return PlainReader()
        return self.form.reader(self.prompt, self.functions)


class Planner:
    """Makes plans for one loaded model."""

    def __init__(self, spec: ModelSpec, info: EngineInfo, engine: TextEngine) -> None:
        self._spec = spec
        self._info = info
        self._engine = engine
        self._conversation = _conversation(spec, info)
        self._marker_tokens: dict[str, int] = {}

    async def prepare(self) -> None:
        """Called once, before any plan is made: asks the engine which of the forms' markers are one token."""
        for marker in sorted(self._conversation.markers) if self._conversation is not None else ():
            tokens = await self._engine.tokenize(marker, add_special=False)
            if len(tokens) == 1:
                self._marker_tokens[marker] = tokens[0]

    async def plan(self, request: GenerateRequest) -> list[ChoicePlan]:
        """One plan for each choice: `n` for the first prompt, then `n` for the second, and so on.

        Raises:
            InvalidRequest: the request asks for what this model or this server can't do.
        """
        if isinstance(request, ChatRequest):
            return self._plan_chat(request)
        return await self._plan_completion(request)

    def render(self, messages: Sequence[Message], tools: Sequence[Tool] = (), arguments: dict[str, Any] | None = None) -> str:
        """The prompt for a conversation."""
        conversation = self._talked_with()
        if not messages:
            raise InvalidRequest("A conversation needs at least one message.", param="messages")
        prompt = conversation.render(messages, tools, arguments)
        if self._info.adds_bos and self._info.bos_token:
            # The tokenizer puts it in front of every text; a template that writes it too would make it two.
            prompt = prompt.removeprefix(self._info.bos_token)
        return prompt

    def check_prompt(self, prompt: Prompt, param: str) -> None:
        """What can be told without tokenising.

        Raises:
            InvalidRequest: it is empty, or holds a token id that the model does not have.
            PromptTooLong: it has more token ids than the context holds.
        """
        if not prompt and not (isinstance(prompt, str) and self._info.adds_bos):
            raise InvalidRequest("The prompt is empty; give it at least one token.", param=param)
        if isinstance(prompt, str):
            return
        self.check_tokens(prompt, param)
        if len(prompt) >= self._info.context_length:
            raise too_long(len(prompt), self._info.context_length, param)

    def _plan_chat(self, request: ChatRequest) -> list[ChoicePlan]:
        tools = callable_tools(request)
        wanted = wanted_of(request, tools)
        params, sampling = self._params(request)
        prompt = self.render(request.messages, tools, request.template_kwargs)
        form = self._talked_with().form(tools)
        grammar = form.grammar(prompt, wanted, self._marker_tokens)
        if grammar is not None:
            params = self._constrained(params, grammar)
        params = msgspec.structs.replace(params, visible_tokens=form.markers)
        plans = [_choice(index, 0, prompt, params, sampling, form=form, functions=wanted.functions) for index in range(request.n)]
        return _score_prompt_once(plans) if request.prompt_logprobs is not None else plans

    def _talked_with(self) -> Conversation:
        if self._conversation is None:
            raise Unsupported(
                f"The model {self._spec.model!r} has no chat template, so it serves completions only: "
                "use /v1/completions, or give its entry a `chat_template`.",
                param="messages",
            )
        return self._conversation

    async def _plan_completion(self, request: CompletionRequest) -> list[ChoicePlan]:
        echoed = request.top_logprobs if request.echo else None
        if echoed is not None and not self._info.scores_prompt:
            raise Unsupported(
                "This engine does not score the prompt, so `echo` can't be combined with `logprobs`. Leave one of them out.",
                param="echo",
            )
        params, sampling = self._params(request)
        if echoed is not None:
            params = msgspec.structs.replace(params, prompt_logprobs=max(echoed, params.prompt_logprobs or 0))
        if request.constraint is not None:
            params = self._constrained(params, constrain(request.constraint))
        plans: list[ChoicePlan] = []
        for number, prompt in enumerate(request.prompts):
            self.check_prompt(prompt, "prompt")
            echo = await self._text(prompt) if request.echo else ""
            plans += [_choice(len(plans) + index, number, prompt, params, sampling, echo=echo) for index in range(request.n)]
        given = request.prompt_logprobs is not None
        return [msgspec.structs.replace(plan, echo_logprobs=echoed is not None, prompt_logprobs=given) for plan in plans]

    async def _text(self, prompt: Prompt) -> str:
        return prompt if isinstance(prompt, str) else await self._engine.detokenize(prompt)

    def _params(self, request: GenerateRequest) -> tuple[GenerationParams, SamplingParams]:
        sampling = request.sampling.over(self._spec.sampling)
        self._check_sampling(sampling)
        if request.prompt_logprobs is not None and not self._info.scores_prompt:
            raise Unsupported(
                f"The engine of the model {self._spec.model!r} does not score the prompt. Leave `prompt_logprobs` out.",
                param="prompt_logprobs",
            )
        given = {name: value for name in _SAME_NAME if (value := getattr(sampling, name)) is not None}
        params = GenerationParams(
            **given,
            top_k=max(sampling.top_k or 0, 0),
            stop_token_ids=frozenset(sampling.stop_token_ids or ()),
            include_stop_token=bool(sampling.include_stop_str_in_output),
            top_logprobs=request.top_logprobs,
            prompt_logprobs=request.prompt_logprobs,
            adapter=self._adapter(request.model),
        )
        return params, sampling

    def _adapter(self, asked: str) -> str:
        """The adapter that the name in a request means, with or without a version; "" for the model itself."""
        adapters = self._spec.adapters
        return next((name for name in (asked, without_version(asked)) if name in adapters), "")

    def _check_sampling(self, sampling: SamplingParams) -> None:
        if sampling.top_k is not None and sampling.top_k > self._info.vocab_size:
            raise InvalidRequest(
                f"top_k is {sampling.top_k}, but the model has only {self._info.vocab_size} tokens; -1 chooses from all.",
                param="top_k",
            )
        self.check_tokens(list(sampling.logit_bias or ()), "logit_bias")
        self.check_tokens(sampling.stop_token_ids or [], "stop_token_ids")

    def check_tokens(self, tokens: TokenIds, param: str) -> None:
        if tokens and not 0 <= min(tokens) <= max(tokens) < self._info.vocab_size:
            wrong = min(tokens) if min(tokens) < 0 else max(tokens)
            raise InvalidRequest(
                f"There is no token {wrong}: the model's token ids go from 0 to {self._info.vocab_size - 1}.", param=param
            )

    def _constrained(self, params: GenerationParams, grammar: str) -> GenerationParams:
        if not self._info.constrains:
            raise Unsupported(
                f"The engine of the model {self._spec.model!r} can't constrain its output: no response_format, grammar or tools.",
                param="response_format",
            )
        if params.ignore_eos:
            raise InvalidRequest(
                "ignore_eos can't be combined with response_format, a grammar or tools: their answer has an end.",
                param="ignore_eos",
            )
        return msgspec.structs.replace(params, grammar=grammar)


_SAME_NAME = (
    "max_tokens",
    "temperature",
    "top_p",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "seed",
    "logit_bias",
    "ignore_eos",
)
"""Fields of SamplingParams that GenerationParams has too, with the same meaning."""


def _conversation(spec: ModelSpec, info: EngineInfo) -> Conversation | None:
    templates = spec.chat_template or info.chat_template
    if not templates:
        return None
    return Conversation(
        templates,
        bos_token=info.bos_token,
        eos_token=info.eos_token,
        tool_call_parser=spec.tool_call_parser,
        reasoning_parser=spec.reasoning_parser,
    )


def too_long(tokens: int, context_length: int, param: str | None) -> PromptTooLong:
    return PromptTooLong(
        f"The input has {tokens} tokens, but the model's context holds {context_length}, the answer included. Shorten the input.",
        param=param,
    )


def _score_prompt_once(plans: list[ChoicePlan]) -> list[ChoicePlan]:
    """The choices of a chat share their prompt, so that the first one's log probabilities of it stand for all."""
    first, *others = plans
    first = msgspec.structs.replace(first, prompt_logprobs=True)
    unscored = [msgspec.structs.replace(plan.params, prompt_logprobs=None) for plan in others]
    return [first, *(msgspec.structs.replace(plan, params=params) for plan, params in zip(others, unscored, strict=True))]


def _choice(
    index: int,
    prompt_index: int,
    prompt: Prompt,
    params: GenerationParams,
    sampling: SamplingParams,
    *,
    form: AnswerFormat | None = None,
    functions: Sequence[Function] = (),
    echo: str = "",
) -> ChoicePlan:
    """Each choice has a seed of its own, else all would be equal."""
    if params.seed is not None and index:
        params = msgspec.structs.replace(params, seed=params.seed + index)
    return ChoicePlan(
        index=index,
        prompt_index=prompt_index,
        prompt=prompt,
        params=params,
        stop=sampling.stop or [],
        include_stop=bool(sampling.include_stop_str_in_output),
        form=form,
        functions=functions,
        echo=echo,
    )
