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
