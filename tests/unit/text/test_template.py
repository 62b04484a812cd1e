from __future__ import annotations

import pytest

from jubako.backends.text.template import ChatTemplate
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import (
    Function,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    TextPart,
    Tool,
    ToolCall,
)

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HELLO = [Message(role="user", content="Hello")]


def test_a_conversation_is_rendered_up_to_the_answer() -> None:
    assert ChatTemplate(CHATML).render(HELLO) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_parts_are_joined_and_missing_content_is_empty() -> None:
    messages = [
        Message(role="user", content=[TextPart("a"), TextPart("b")]),
        Message(role="assistant", refusal="no"),
        Message(role="assistant"),
    ]
    template = ChatTemplate("{% for m in messages %}[{{ m.content }}]{% endfor %}")
    assert template.render(messages) == "[ab][no][]"


def test_an_image_is_refused_where_it_stands() -> None:
    messages = [*HELLO, Message(role="user", content=[TextPart("look"), ImagePart(ImageUrl("data:,"))])]
    with pytest.raises(InvalidRequest, match="reads text only") as caught:
        ChatTemplate(CHATML).render(messages)
    assert caught.value.param == "messages[1].content[1]"


def test_developer_is_system_unless_the_template_knows_better() -> None:
    messages = [Message(role="developer", content="Be brief")]
    show = "{% for m in messages %}{{ m.role }}{% endfor %}"
    assert ChatTemplate(show).render(messages) == "system"
    assert ChatTemplate(show + "{# developer #}").render(messages) == "developer"


def test_blocks_are_trimmed_as_transformers_does() -> None:
    template = ChatTemplate("{% for m in messages %}\n    {% if true %}\n{{ m.content }}\n    {% endif %}\n{% endfor %}\nend")
    assert template.render(HELLO) == "Hello\nend"


def test_the_template_has_what_transformers_gives_it() -> None:
    template = ChatTemplate(
        "{{ bos_token }}|{{ eos_token }}|{{ {'a': '<é>'} | tojson }}|{{ strftime_now('%Y') | length }}"
        "{% for i in range(9) %}{% if i == 1 %}{% break %}{% endif %}{% generation %}|{{ i }}{% endgeneration %}{% endfor %}",
        bos_token="<s>",
        eos_token="</s>",
    )
    assert template.render(HELLO) == '<s>|</s>|{"a": "<é>"}|4|0'


def test_arguments_reach_the_template() -> None:
    template = ChatTemplate("{{ enable_thinking }} {{ add_generation_prompt }}")
    assert template.render(HELLO, arguments={"enable_thinking": False, "add_generation_prompt": False}) == "False False"
    with pytest.raises(InvalidRequest, match="can't set messages"):
        template.render(HELLO, arguments={"messages": []})


def test_what_the_template_refuses_is_the_callers_to_mend() -> None:
    template = ChatTemplate("{{ raise_exception('Roles must alternate') }}")
    with pytest.raises(InvalidRequest, match="refuses this conversation: Roles must alternate"):
        template.render(HELLO)
    with pytest.raises(InvalidRequest, match="can't be filled"):
        ChatTemplate("{{ messages[0].content + 1 }}").render(HELLO)


def test_the_sandbox_holds() -> None:
    with pytest.raises(InvalidRequest):
        ChatTemplate("{{ messages.append(1) }}").render(HELLO)
    with pytest.raises(InvalidRequest):
        ChatTemplate("{{ ''.__class__.__mro__[1].__subclasses__() }}").render(HELLO)


def test_a_broken_template_is_the_entrys_fault() -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        ChatTemplate("a\n{% if %}")


def test_tools_and_calls_reach_a_template_that_knows_them() -> None:
    template = ChatTemplate(
        "{% for t in tools %}{{ t.function.name }} {{ t.function.parameters | tojson }}{% endfor %}"
        "{% for m in messages %}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.arguments.city }}{% endfor %}"
        "{% endfor %}"
    )
    call = ToolCall(id="call_1", function=FunctionCall(name="f", arguments='{"city": "Paris"}'))
    messages = [*HELLO, Message(role="assistant", tool_calls=[call])]
    assert template.offers_tools
    assert (
        template.render(messages, tools=[Tool(function=Function(name="f"))])
        == 'f {"type": "object", "properties": {}}<tool_call>Paris'
    )


def test_a_template_without_tools_offers_none() -> None:
    assert not ChatTemplate(CHATML).offers_tools
