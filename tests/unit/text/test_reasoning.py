from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.text.conversation import Conversation
from jubako.backends.text.engine import Piece
from jubako.backends.text.formats.answer import MarkedFormat, Wanted
from jubako.backends.text.formats.choice import REASONING, answer_format, reasoning_shown
from jubako.backends.text.formats.hermes import HermesFormat
from jubako.backends.text.writer import ChoiceWriter
from jubako.errors import ConfigurationError
from jubako.messages import Constraint, Delta, Function, GenerateResult, Grammar, JsonObject, JsonSchema, Message, TokenLogprob

from .cuts import cut_text
from .form_templates import DEEPSEEK_V31, HARMONY, HERMES, MISTRAL
from .reading import read
from .vocabulary import Vocabulary

NOW = Function(name="now")
CALL = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
QWEN3 = MarkedFormat(REASONING["qwen3"], HermesFormat())
R1 = MarkedFormat(REASONING["deepseek_r1"], HermesFormat())
MAGISTRAL = MarkedFormat(REASONING["mistral"], HermesFormat())

parts = st.sampled_from(["<think>", "</think>", "<thi", "think>", "[THINK]", "[/THINK]", " ", "\n", "text", CALL, "{", "<"])
anything = st.lists(parts, max_size=8).map("".join)


@pytest.mark.parametrize("form", [QWEN3, R1, MAGISTRAL])
@pytest.mark.parametrize("prompt", ["assistant\n", "assistant\n<think>\n", "assistant\n<think>\n\n</think>\n\n"])
@given(pieces=cut_text(anything))
def test_every_cut_gives_what_the_whole_gives(form: MarkedFormat, prompt: str, pieces: list[str]) -> None:
    whole = read(form.reader(prompt, [NOW]), ["".join(pieces)])
    assert read(form.reader(prompt, [NOW]), pieces) == whole


@pytest.mark.parametrize(
    ("form", "prompt", "text", "reasoning", "answer"),
    [
        (QWEN3, "", "<think>\nHm.\n</think>\n\nYes.", "Hm.\n", "Yes."),
        (QWEN3, "", "Yes. <think>", "", "Yes. <think>"),
        (QWEN3, "", " Yes", "", " Yes"),
        (QWEN3, "<think>\n", "Hm.</think>Yes.", "Hm.", "Yes."),
        (QWEN3, "<think>\n\n</think>\n\n", "Yes.", "", "Yes."),
        (QWEN3, "", "<think>Hm.", "Hm.", ""),
        (QWEN3, "", "<thi", "", "<thi"),
        (R1, "", "Hm.</think>Yes.", "Hm.", "Yes."),
        (R1, "", "<think>Hm.</think>Yes.", "Hm.", "Yes."),
        (R1, "<think>", "Hm.", "Hm.", ""),
        (R1, "</think>", "Yes.", "", "Yes."),
        (MAGISTRAL, "", "[THINK]Hm.[/THINK]Yes.", "Hm.", "Yes."),
    ],
)
def test_reasoning_is_told_from_the_answer(form: MarkedFormat, prompt: str, text: str, reasoning: str, answer: str) -> None:
    outcome = read(form.reader(prompt, []), list(text))
    assert (outcome.reasoning, outcome.text) == (reasoning, answer)


def test_a_call_in_the_reasoning_is_none() -> None:
    outcome = read(QWEN3.reader("", [NOW]), list(f"<think>I might {CALL}</think>{CALL}"))
    assert (outcome.reasoning, outcome.text, len(outcome.calls)) == (f"I might {CALL}", "", 1)


def test_templates_show_their_reasoning() -> None:
    shown = [reasoning_shown(template) for template in (HERMES, DEEPSEEK_V31, HARMONY, MISTRAL, "[THINK]")]
    assert shown == ["qwen3", "deepseek_r1", "harmony", None, "mistral"]
    reader = answer_format(HERMES, tool_call_parser=None, reasoning_parser="none").reader("", [])
    assert read(reader, ["<think>Hm.</think>"]).text == "<think>Hm.</think>"
    with pytest.raises(ConfigurationError, match="no reasoning_parser 'nope'"):
        answer_format(HERMES, tool_call_parser=None, reasoning_parser="nope")


def test_the_prompt_says_whether_the_model_thinks() -> None:
    for template, off in ((HERMES, {"enable_thinking": False}), (DEEPSEEK_V31, {"thinking": False})):
        conversation = Conversation(template)
        prompt = conversation.render([Message(role="user", content="hi")], arguments=off)
        assert read(conversation.form([]).reader(prompt, []), ["Yes."]).text == "Yes."
    prompt = Conversation(DEEPSEEK_V31).render([Message(role="user", content="hi")], arguments={"thinking": True})
    assert read(R1.reader(prompt, []), ["Hm.</think>Yes."])[:2] == ("Hm.", "Yes.")


SCHEMA = JsonSchema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize(
    ("form", "opening", "closing"),
    [(QWEN3, "<think>", "</think>"), (R1, "", "</think>"), (R1, "<think>", "</think>"), (MAGISTRAL, "[THINK]", "[/THINK]")],
)
@pytest.mark.parametrize("constraint", [JsonObject(), SCHEMA, Grammar('root ::= "{" "\\"a\\": " [0-9]+ "}"')])
def test_a_constraint_holds_for_the_answer_after_the_reasoning(
    form: MarkedFormat, opening: str, closing: str, constraint: Constraint, special: bool
) -> None:
    markers = tuple(marker for marker in (opening, closing) if marker)
    vocabulary = Vocabulary(markers) if special else Vocabulary(whole=markers[:1])
    grammar = form.grammar("assistant\n", Wanted(constraint=constraint), vocabulary.tokens)
    assert grammar is not None
    thought = f"{opening}I think {{ of <tool_call>{closing}\n\n"
    assert vocabulary.accepts(grammar, thought + '{"a": 1}')
    assert not vocabulary.accepts(grammar, thought + "one")
    assert vocabulary.accepts(grammar, '{"a": 1}') == (form is not R1)
    shut = form.grammar("assistant\n<think>\n\n</think>\n\n", Wanted(constraint=JsonObject()), {})
    if form is not MAGISTRAL:
        assert shut is not None
        assert Vocabulary().accepts(shut, '{"a": 1}')
        assert not Vocabulary().accepts(shut, f"{thought}{{}}")


@pytest.mark.parametrize("vocabulary", [Vocabulary(), Vocabulary(whole=["<think>", "</think>", "<tool_call>"])])
def test_calls_come_after_the_reasoning(vocabulary: Vocabulary) -> None:
    thought = "<think>Perhaps <tool_call> nonsense</think>\n\n"
    for required in (True, False):
        grammar = QWEN3.grammar("", Wanted(functions=[NOW], required=required), vocabulary.tokens)
        assert grammar is not None
        assert vocabulary.accepts(grammar, thought + CALL)
        assert vocabulary.accepts(grammar, CALL)
        assert vocabulary.accepts(grammar, thought + "Well.") != required
        assert not vocabulary.accepts(grammar, thought + CALL.replace("now", "then"))
        assert not vocabulary.accepts(grammar, "<think>Perhaps")


def test_nothing_is_constrained_where_nothing_is_asked() -> None:
    assert QWEN3.grammar("", Wanted(), {}) is None


def test_reasoning_is_counted_and_keeps_its_log_probabilities() -> None:
    writer = ChoiceWriter(0, ["STOP"], include_stop=False, reader=QWEN3.reader("", [NOW]))
    texts = ["<think>", "Hm", "m.", "</think>", "\n\n", "Y", "es", " STOP", "never"]
    deltas: list[Delta] = []
    for number, text in enumerate(texts, 1):
        logprob = TokenLogprob(text, -1.0, list(text.encode()), [], number)
        delta = writer.write(Piece(text, number, 1, logprobs=[logprob], finish_reason="stop" if number == len(texts) else None))
        deltas += [delta] if delta is not None else []
        if writer.finished:
            break
    (choice,) = GenerateResult.from_events(deltas).choices
    assert (choice.reasoning, choice.text, choice.finish_reason) == ("Hmm.", "Yes ", "stop")
    assert writer.reasoning_tokens == 4
    assert [logprob.token for logprob in choice.logprobs] == texts[:8]
    assert json.dumps([delta.text for delta in deltas if delta.text]) == '["Y", "es", " "]'
