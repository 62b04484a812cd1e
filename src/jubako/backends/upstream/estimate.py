"""About how many tokens a request will use: enough for a rate limit, which is settled by the count that comes after."""

from __future__ import annotations

from collections.abc import Iterable

from jubako.messages import ChatRequest, GenerateRequest, Prompt, TextPart

_CHARACTERS_A_TOKEN = 4
_TOKENS_AN_IMAGE = 800
_TOKENS_AN_ANSWER = 512
"""Of an answer without a limit."""


def estimate(request: GenerateRequest, max_tokens: int | None) -> float:
    """Tokens of the prompts and of all choices."""
    answer = max_tokens or _TOKENS_AN_ANSWER
    if isinstance(request, ChatRequest):
        return _conversation(request) + request.n * answer
    return of_prompts(request.prompts) + len(request.prompts) * request.n * answer


def of_prompts(prompts: Iterable[Prompt]) -> float:
    return sum(len(prompt) / _CHARACTERS_A_TOKEN if isinstance(prompt, str) else len(prompt) for prompt in prompts)


def _conversation(request: ChatRequest) -> float:
    characters, images = 0, 0
    for message in request.messages:
        if isinstance(message.content, list):
            texts = [part.text for part in message.content if isinstance(part, TextPart)]
            characters += sum(map(len, texts))
            images += len(message.content) - len(texts)
        else:
            characters += len(message.content or "")
    return characters / _CHARACTERS_A_TOKEN + images * _TOKENS_AN_IMAGE
