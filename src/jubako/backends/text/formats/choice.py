"""Which form a model has: the one that its entry names, or the one that its chat template shows."""

from __future__ import annotations

from jubako.backends.text.formats.answer import AnswerFormat, MarkedFormat
from jubako.backends.text.formats.call_format import CallFormat
from jubako.backends.text.formats.deepseek import CALLS_BEGIN, DeepSeekFormat
from jubako.backends.text.formats.harmony import HarmonyFormat
from jubako.backends.text.formats.hermes import HermesFormat
from jubako.backends.text.formats.llama3_json import Llama3JsonFormat
from jubako.backends.text.formats.mistral import ARGS, CALLS, MistralFormat
from jubako.backends.text.formats.qwen3_coder import Qwen3CoderFormat
from jubako.backends.text.formats.reasoning import ReasoningFormat
from jubako.errors import ConfigurationError

HARMONY = ("harmony", "openai", "openai_gptoss")

REASONING = {
    "deepseek_r1": ReasoningFormat("<think>", "</think>", always=True),
    "qwen3": ReasoningFormat("<think>", "</think>"),
    "mistral": ReasoningFormat("[THINK]", "[/THINK]"),
    "granite": ReasoningFormat("Here is my thought process:", "Here is my response:"),
}


def calls_shown(template: str) -> str | None:
    """The form of tool calls that a chat template writes, by its name, or None where it writes none that is known."""
    if shows_harmony(template):
        return "harmony"
    if CALLS_BEGIN in template:
        return "deepseek_v3" if "```json" in template else "deepseek_v31"
    if CALLS in template:
        return "mistral"
    if "<tool_call>" in template and "<arg_key>" not in template:
        return "qwen3_coder" if "<function=" in template else "hermes"
    if "<|python_tag|>" in template or ("<|start_header_id|>" in template and '"parameters": dictionary' in template):
        return "llama3_json"
    return None


def reasoning_shown(template: str) -> str | None:
    """The form of reasoning that a chat template knows, by its name, or None."""
    if shows_harmony(template):
        return "harmony"
    if "</think>" in template:
        # DeepSeek's own templates either end with the opening or have models that open it unasked.
        return "deepseek_r1" if "<｜Assistant｜>" in template else "qwen3"  # noqa: RUF001 - as the token is spelled
    if "[THINK]" in template:
        return "mistral"
    return "granite" if "Here is my thought process:" in template else None


def shows_harmony(template: str) -> bool:
    return "<|channel|>" in template and "<|message|>" in template


def answer_format(template: str, *, tool_call_parser: str | None, reasoning_parser: str | None) -> AnswerFormat:
    """How a model with this chat template answers.

    Args:
        tool_call_parser: A form by its name; None takes the one that `template` shows, or Hermes' where it shows none.
        reasoning_parser: A form by its name; None takes the one that `template` shows, "" or "none" has none.

    Raises:
        ConfigurationError: there is no form of that name, or the two don't go together.
    """
    calls = tool_call_parser or calls_shown(template) or "hermes"
    reasoning = reasoning_shown(template) if reasoning_parser is None else reasoning_parser
    if calls in HARMONY or reasoning in HARMONY:
        for name in (tool_call_parser, reasoning_parser):
            if name and name != "none" and name not in HARMONY:
                raise ConfigurationError(
                    f"The parser {name!r} does not go together with harmony, which tells calls and reasoning at once. "
                    "Give harmony for both `tool_call_parser` and `reasoning_parser`, or for neither."
                )
        return HarmonyFormat()
    return MarkedFormat(_reasoning(reasoning), _calls(calls, template))


def _reasoning(name: str | None) -> ReasoningFormat | None:
    if name in (None, "", "none"):
        return None
    if name not in REASONING:
        raise ConfigurationError(f"There is no reasoning_parser {name!r}; there are {', '.join(REASONING)}, harmony and none.")
    return REASONING[name]


def _calls(name: str, template: str) -> CallFormat:
    match name:
        case "hermes":
            return HermesFormat()
        case "llama3_json":
            return Llama3JsonFormat()
        case "mistral":
            return MistralFormat(named=ARGS in template)
        case "deepseek_v3":
            return DeepSeekFormat(fenced=True)
        case "deepseek_v31":
            return DeepSeekFormat(fenced=False)
        case "qwen3_coder":
            return Qwen3CoderFormat()
    raise ConfigurationError(f"There is no tool_call_parser {name!r}.")
