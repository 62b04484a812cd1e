# ruff: noqa: RUF001 - the tokens are spelled with other bars than ASCII's
"""Every form of tool calls: templates show it, readers read it, grammars enforce it."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jubako.backends.text.conversation import Conversation
from jubako.backends.text.formats.answer import AnswerFormat, Wanted
from jubako.backends.text.formats.choice import answer_format, calls_shown
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import Function, FunctionCall, JsonSchema, Message, Tool, ToolCall

from .cuts import cut_text
from .form_templates import ENDS, SPECIAL, TEMPLATES, WHOLE
from .reading import read
from .vocabulary import Vocabulary

forms = pytest.mark.parametrize("form", TEMPLATES)

WEATHER = Function(
    name="get_weather",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "where": {"type": "object", "properties": {"x": {"type": "number"}}},
            "unit": {"enum": ["C", "F"], "type": "string"},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
)
NOW = Function(name="now")
FUNCTIONS = [WEATHER, NOW]
TOOLS = [Tool(function=function) for function in FUNCTIONS]
USER = Message(role="user", content="What is the weather?")
PARIS = ("get_weather", {"city": "Paris"})


@functools.cache
def _format(form: str) -> AnswerFormat:
    return answer_format(TEMPLATES[form], tool_call_parser=None, reasoning_parser=None)


@functools.cache
def _conversation(form: str) -> Conversation:
    return Conversation(TEMPLATES[form], bos_token="<s>", eos_token="</s>")


@functools.cache
def _prompt(form: str) -> str:
    return _conversation(form).render([USER], TOOLS)


def _written(form: str, calls: list[tuple[str, dict[str, Any]]], **fields: Any) -> str:
    """What the model wrote, by its own template, so that the conversation now has these calls."""
    turn = Message(
        role="assistant",
        tool_calls=[
            ToolCall(id=f"call_{number:024}", function=FunctionCall(name=name, arguments=json.dumps(arguments)))
            for number, (name, arguments) in enumerate(calls)
        ]
        or None,
        **fields,
    )
    conversation = _conversation(form)
    prompt = conversation.render([USER], TOOLS)
    whole = conversation.render([USER, turn], TOOLS, {"add_generation_prompt": False})
    assert whole.startswith(prompt)
    written = whole[len(prompt) :]
    for end in ENDS:
        written = written.removesuffix(end)
    return written


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    values: dict[str, Any] = {"city": draw(st.text('ab"\\{}[];< é🎉', max_size=8))}
    if draw(st.booleans()):
        values["days"] = draw(st.integers(-5, 5))
    if draw(st.booleans()):
        values["where"] = {"x": draw(st.integers(0, 9)) / 2}
    if draw(st.booleans()):
        values["unit"] = draw(st.sampled_from(["C", "F"]))
    return values


calls: st.SearchStrategy[list[tuple[str, dict[str, Any]]]] = st.lists(
    st.tuples(st.just("get_weather"), arguments()) | st.just(("now", {})), min_size=1, max_size=3
)

PIECES = [
    *('{"name": "now", "parameters": {}}', '{"name": "now", "arguments": {"a": [1, "}"]}}', '{"arguments": {}, "name": "now"}'),
    *('{"type": "function", "name": "get_weather", "parameters": {"city": "x"}}', '{"name": "Bob", "age": 3}', '{"name": "now'),
    *("<tool_call>", "</tool_call>", "<function=now>", "<parameter=city>", "</parameter>", "</function>", "<|python_tag|>"),
    *("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "now", "get_weather", "function", "```json", "```", "to=functions.now", "final"),
    *("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"),
    *("<|channel|>", "<|message|>", "<|start|>", "assistant", "<|end|>", "<|call|>", "analysis", "commentary", "<|constrain|>"),
    *("<think>", "</think>", "[THINK]", "[/THINK]", "{", "}", "[", "]", ";", ",", '"', "\\", "\n", " ", "text", "<", "{}", "é🎉"),
]
anything = st.lists(st.sampled_from(PIECES) | st.text("{}[]<>|ab ", max_size=4), max_size=12).map("".join)


@forms
def test_a_template_shows_its_form(form: str) -> None:
    assert calls_shown(TEMPLATES[form]) == form.removesuffix("_named")


@forms
@given(data=st.data())
def test_every_cut_gives_what_the_whole_gives(form: str, data: st.DataObject) -> None:
    texts = anything | st.builds(lambda text, calls, more: text + _written(form, calls) + more, anything, calls, anything)
    pieces = data.draw(cut_text(texts))
    truncated, prompt = data.draw(st.booleans()), data.draw(st.sampled_from(["", "<think>", "</think>"]))
    whole = read(_format(form).reader(prompt, FUNCTIONS), ["".join(pieces)], truncated=truncated)
    assert read(_format(form).reader(prompt, FUNCTIONS), pieces, truncated=truncated) == whole


@forms
@given(written=calls)
def test_calls_that_the_models_own_template_writes_come_back(form: str, written: list[tuple[str, dict[str, Any]]]) -> None:
    if form == "harmony":
        written = written[:1]
    outcome = read(_format(form).reader(_prompt(form), FUNCTIONS), list(_written(form, written)))
    assert [(name, json.loads(arguments)) for name, arguments in outcome.calls] == written
    assert (outcome.text, outcome.reasoning, outcome.in_call) == ("", "", False)


@forms
@given(text=anything)
def test_text_is_never_lost(form: str, text: str) -> None:
    """Where there is no call and no reasoning, the text is all there."""
    outcome = read(_format(form).reader("</think>", FUNCTIONS), [text])
    if not outcome.calls and form != "harmony":
        assert outcome.text == text
    for word in re.findall("text", text) if not outcome.calls else []:
        assert word in outcome.text + outcome.reasoning or form == "harmony"


@forms
@pytest.mark.parametrize("special", [True, False])
def test_a_grammar_takes_what_the_template_writes_and_nothing_else(form: str, special: bool) -> None:
    vocabulary = Vocabulary(SPECIAL[form]) if special else Vocabulary(whole=WHOLE.get(form, ()))
    prompt = _prompt(form)
    many = [PARIS] if form == "harmony" else [PARIS, ("now", {})]

    def accepts(text: str, **wanted: Any) -> bool:
        grammar = _format(form).grammar(prompt, Wanted(functions=FUNCTIONS, **wanted), vocabulary.tokens)
        assert grammar is not None
        return vocabulary.accepts(grammar, text)

    one, several = _without_ids(_written(form, [PARIS])), _without_ids(_written(form, many))
    said = _written(form, [], content="It is sunny.") if form in ("harmony", "deepseek_v31") else "It is sunny."
    assert accepts(one)
    assert accepts(one, required=True)
    assert accepts(several)
    assert accepts(said)
    assert not accepts(said, required=True)
    assert not accepts(one.replace("city", "town"))
    # Where nothing but a function's name tells calls from text, this is text.
    assert accepts(one.replace("get_weather", "get_money")) == (form == "llama3_json")
    assert not accepts(one.replace("get_weather", "get_money"), required=True)
    assert not accepts(one[: one.index("Paris")])
    assert not accepts(_without_ids(_written(form, [("get_weather", {"city": "Paris", "days": "many"})])))
    assert not accepts(_without_ids(_written(form, [("get_weather", {"days": 3})])), required=True)
    if form != "harmony":
        assert not accepts(several, parallel=False)
    answer = _written(form, [], content='{"a": 1}') if form == "harmony" else '{"a": 1}'
    schema = JsonSchema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    assert accepts(answer, constraint=schema)
    assert accepts(one, constraint=schema)
    assert not accepts(answer.replace("1", '"x"'), constraint=schema)
    assert not accepts(said, constraint=schema)


@forms
@settings(max_examples=10)
@given(written=calls)
def test_a_grammar_takes_every_valid_call_that_the_reader_reads(form: str, written: list[tuple[str, dict[str, Any]]]) -> None:
    if form == "harmony":
        written = written[:1]
    vocabulary = Vocabulary(SPECIAL[form])
    grammar = _format(form).grammar(_prompt(form), Wanted(functions=FUNCTIONS), vocabulary.tokens)
    assert grammar is not None
    assert vocabulary.accepts(grammar, _without_ids(_written(form, written)))


def _without_ids(text: str) -> str:
    """Models leave out the ids that their templates write later."""
    return re.sub(r', "id": "\w*"', "", text)


def test_text_may_come_before_calls() -> None:
    for form in ("hermes", "mistral_named", "deepseek_v3", "qwen3_coder"):
        text = "Let me see." + _written(form, [PARIS])
        outcome = read(_format(form).reader(_prompt(form), FUNCTIONS), list(text))
        assert (outcome.text, len(outcome.calls)) == ("Let me see.", 1)
        for vocabulary in (Vocabulary(SPECIAL[form]), Vocabulary()):
            grammar = _format(form).grammar("</think>", Wanted(functions=FUNCTIONS), vocabulary.tokens)
            assert grammar is not None
            assert vocabulary.accepts(grammar, text)


@pytest.mark.parametrize("form", ["hermes", "llama3_json", "mistral", "mistral_named", "deepseek_v3", "deepseek_v31", "harmony"])
def test_arguments_are_given_out_while_they_are_written(form: str) -> None:
    text = _written(form, [PARIS])
    position = text.index("ris")
    reader = _format(form).reader(_prompt(form), FUNCTIONS)
    reader.feed(text[:position])
    assert reader.in_call
    assert [call.arguments for call in reader.feed("ri").calls] == ["ri"]


def test_mistrals_ids_are_nine_letters_and_digits() -> None:
    for form in ("mistral", "mistral_named"):
        parsed = _format(form).reader("", FUNCTIONS).feed(_written(form, [PARIS]))
        assert re.fullmatch("[a-zA-Z0-9]{9}", parsed.calls[0].id or "")
    parsed = _format("mistral").reader("", FUNCTIONS).feed("[TOOL_CALLS]now[CALL_ID]abc123DEF[ARGS]{}")
    assert parsed.calls[0].id == "abc123DEF"


def test_llama_calls_only_what_was_offered() -> None:
    for text in ('{"name": "Bob", "parameters": {}}', '{"name": "Bob", "age": 3}', '{"city": "Paris"}', "<|python_tag|>print(1)"):
        assert read(_format("llama3_json").reader("", FUNCTIONS), list(text)) == ("", text, [], False)
    reader = _format("llama3_json").reader("", FUNCTIONS)
    assert reader.feed('{"city": "Pa').text == '{"city": "Pa'
    tagged = '<|python_tag|>{"type": "function", "name": "now", "parameters": {}}'
    assert read(_format("llama3_json").reader("", FUNCTIONS), list(tagged)).calls == [("now", "{}")]


def test_harmony_has_channels() -> None:
    text = (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look. <|end|>"
        '<|start|>assistant<|channel|>commentary to=functions.now <|constrain|>json<|message|>{"a": "<|end|>"}<|call|>'
    )
    assert read(_format("harmony").reader("", FUNCTIONS), list(text)) == ("Hm.", "I look. ", [("now", '{"a": "<|end|>"}')], False)
    final = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes."
    assert read(_format("harmony").reader("", []), list(final)) == ("Hm.", "Yes.", [], False)
    assert read(_format("harmony").reader("", []), ["No channel at all"]).text == "No channel at all"
    assert _written("harmony", [PARIS], reasoning_content="Hm.").startswith("<|channel|>analysis<|message|>Hm.<|end|>")


def test_qwen_coders_values_have_the_types_of_the_schema() -> None:
    text = (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n12\n</parameter>\n"
        "<parameter=where>\nnowhere\n</parameter>\n</function>\n</tool_call>"
    )
    outcome = read(_format("qwen3_coder").reader("", FUNCTIONS), list(text))
    assert json.loads(outcome.calls[0][1]) == {"city": "12", "days": 12, "where": "nowhere"}


def test_qwen_coder_refuses_parameters_that_are_not_written_one_by_one() -> None:
    either = Function(name="f", parameters={"anyOf": [{"required": ["a"]}, {"required": ["b"]}]})
    with pytest.raises(InvalidRequest, match="one by one"):
        _format("qwen3_coder").grammar("", Wanted(functions=[either]), {})


def test_the_entry_decides_before_the_template() -> None:
    reader = answer_format(TEMPLATES["hermes"], tool_call_parser="mistral", reasoning_parser=None).reader("", FUNCTIONS)
    assert read(reader, ["[TOOL_CALLS]now{}"]).calls == [("now", "{}")]
    with pytest.raises(ConfigurationError, match="does not go together with harmony"):
        answer_format(TEMPLATES["harmony"], tool_call_parser="hermes", reasoning_parser=None)
    with pytest.raises(ConfigurationError, match="offers no tools"):
        Conversation("{{ messages[0].content }}", tool_call_parser="mistral")


def test_a_form_that_is_not_known_is_spelled_out_as_hermes() -> None:
    glm = "{% if tools %}<tool_call>name<arg_key>{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
    conversation = Conversation(glm)
    assert "<arg_key>" not in conversation.render([USER], TOOLS)
    assert "within <tool_call></tool_call> XML tags" in conversation.render([USER], TOOLS)
    assert read(conversation.form(TOOLS).reader("", FUNCTIONS), [_written("hermes", [PARIS])]).calls


def test_templates_by_name() -> None:
    conversation = Conversation({"default": "plain", "tool_use": "{% if tools %}[TOOL_CALLS]{% endif %}"})
    assert conversation.render([USER]) == "plain"
    assert conversation.render([USER], TOOLS) == "[TOOL_CALLS]"
    assert read(conversation.form(TOOLS).reader("", FUNCTIONS), ["[TOOL_CALLS]now{}"]).calls
    assert Conversation({"tool_use": "only"}).render([USER]) == "only"
