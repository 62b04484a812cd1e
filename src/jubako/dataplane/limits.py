"""How much a request may ask for, whichever door it comes through."""

from __future__ import annotations

from typing import Final

from jubako.errors import InvalidRequest

MAX_NAME: Final = 512
"""Most characters of a model's name; longer ones are not even looked for."""

MAX_INPUTS: Final = 2048
"""Most prompts, inputs or documents of one request, and most choices of all its prompts together."""

MAX_CHOICES: Final = 128
"""Most choices of a chat, or of one prompt."""

MAX_ITEMS: Final = 16_384
"""Most messages of a chat together with their parts and tool calls, and most values in the variables of its template. Each costs
every template, and the gateway, more than its bytes."""

MAX_TOOLS: Final = 128

MAX_TOP_LOGPROBS: Final = 20
"""Most alternatives to a token that are given with it."""

COMPLETION_MAX_TOKENS: Final = 16
"""OpenAI's default for completions, where nobody wants the whole context by accident."""


def check_choices(prompts: int, n: int) -> None:
    """
    Raises:
        InvalidRequest: so many prompts make too many choices.
    """
    if prompts * n > MAX_INPUTS:
        raise InvalidRequest(f"{prompts} prompts times n = {n} are more than {MAX_INPUTS} choices.", param="n")


def too_many_items(field: str) -> InvalidRequest:
    """The error where there are more than MAX_ITEMS, of which those that are too many are in `field`."""
    return InvalidRequest(
        f"The request has more items than {MAX_ITEMS}, the most that are taken, with those in {field!r}.",
        param=field,
        code="invalid_value",
    )
