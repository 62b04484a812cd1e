# ruff: noqa: RUF001 - the tokens are spelled with other bars than ASCII's
"""Chat templates with the essential shape of those that models bring, one for each form of tool calls."""

from __future__ import annotations

HERMES = """\
{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}{% for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{% endfor %}
    {{- '\\n</tools>\\nFor each function call, return json within <tool_call></tool_call> tags.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}{{- message.content }}
    {%- for call in message.tool_calls or [] %}
        {%- if not loop.first or message.content %}{{- '\\n' }}{% endif %}
        {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}{{- call.function.arguments | tojson }}
        {{- '}\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}"""

LLAMA3 = """\
{{- bos_token }}
{%- if tools %}{{- '<|start_header_id|>system<|end_header_id|>\\n\\nEnvironment: ipython\\n' }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
    {%- for tool in tools %}{{- tool | tojson }}{% endfor %}{{- '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
    {%- if message.tool_calls %}
        {%- for call in message.tool_calls %}{% if not loop.first %}{{- '; ' }}{% endif %}
            {{- '{"name": "' + call.function.name + '", "parameters": ' }}{{- call.function.arguments | tojson }}{{- '}' }}
        {%- endfor %}
    {%- else %}{{- message.content }}{% endif %}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""

MISTRAL = """\
{{- bos_token }}{% if tools %}{{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '[INST] ' + message.content + '[/INST]' }}
    {%- elif message.tool_calls %}{{- '[TOOL_CALLS] [' }}
        {%- for call in message.tool_calls %}
            {%- if call.id | length != 9 %}{{ raise_exception('Tool call IDs should be of length 9!') }}{% endif %}
            {{- '{"name": "' + call.function.name + '", "arguments": ' }}{{- call.function.arguments | tojson }}
            {{- ', "id": "' + call.id + '"}' }}{% if not loop.last %}{{- ', ' }}{% endif %}
        {%- endfor %}{{- ']' + eos_token }}
    {%- else %}{{- ' ' + message.content + eos_token }}{% endif %}
{%- endfor %}"""

MISTRAL_NAMED = """\
{{- bos_token }}{% if tools %}{{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '[INST]' + message.content + '[/INST]' }}
    {%- else %}{{- message.content }}
        {%- for call in message.tool_calls or [] %}{{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' }}
            {{- call.function.arguments | tojson }}
        {%- endfor %}{{- eos_token }}
    {%- endif %}
{%- endfor %}"""

DEEPSEEK_V3 = """\
{{- bos_token }}{% for tool in tools or [] %}{{- tool | tojson }}{% endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '<｜User｜>' + message.content }}
    {%- else %}{{- '<｜Assistant｜>' + message.content }}
        {%- if message.tool_calls %}{{- '<｜tool▁calls▁begin｜>' }}
            {%- for call in message.tool_calls %}{% if not loop.first %}{{- '\\n' }}{% endif %}
                {{- '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' + call.function.name + '\\n```json\\n' }}
                {{- call.function.arguments | tojson }}{{- '\\n```<｜tool▁call▁end｜>' }}
            {%- endfor %}{{- '<｜tool▁calls▁end｜>' }}
        {%- endif %}{{- eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<｜Assistant｜>' }}{% endif %}"""

DEEPSEEK_V31 = """\
{{- bos_token }}{% for tool in tools or [] %}{{- tool | tojson }}{% endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '<｜User｜>' + message.content }}
    {%- else %}{{- '<｜Assistant｜></think>' + message.content }}
        {%- if message.tool_calls %}{{- '<｜tool▁calls▁begin｜>' }}
            {%- for call in message.tool_calls %}
                {{- '<｜tool▁call▁begin｜>' + call.function.name + '<｜tool▁sep｜>' }}
                {{- call.function.arguments | tojson }}{{- '<｜tool▁call▁end｜>' }}
            {%- endfor %}{{- '<｜tool▁calls▁end｜>' }}
        {%- endif %}{{- eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<｜Assistant｜>' + ('<think>' if thinking else '</think>') }}{% endif %}"""

QWEN3_CODER = """\
{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}{% for tool in tools %}{{- '\\n<function>\\n<name>' + tool.function.name }}
    {%- endfor %}{{- '</tools>\\nReply with <tool_call>\\n<function=example>\\n...<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}{{- message.content }}
    {%- for call in message.tool_calls or [] %}
        {%- if not loop.first or message.content %}{{- '\\n' }}{% endif %}
        {{- '<tool_call>\\n<function=' + call.function.name + '>\\n' }}
        {%- for name, value in call.function.arguments.items() %}
            {{- '<parameter=' + name + '>\\n' }}{{- value if value is string else value | tojson }}{{- '\\n</parameter>\\n' }}
        {%- endfor %}{{- '</function>\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}"""

HARMONY = """\
{{- '<|start|>developer<|message|>' }}{% for tool in tools or [] %}{{- tool | tojson }}{% endfor %}{{- '<|end|>' }}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- if message.thinking %}
            {{- '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}
        {%- endif %}
        {%- if message.tool_calls %}{% set call = message.tool_calls[0].function %}
            {{- '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' }}
            {{- call.arguments | tojson }}{{- '<|call|>' }}
        {%- else %}{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|return|>' }}{% endif %}
    {%- else %}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{% endif %}"""

TEMPLATES = {
    "hermes": HERMES,
    "llama3_json": LLAMA3,
    "mistral": MISTRAL,
    "mistral_named": MISTRAL_NAMED,
    "deepseek_v3": DEEPSEEK_V3,
    "deepseek_v31": DEEPSEEK_V31,
    "qwen3_coder": QWEN3_CODER,
    "harmony": HARMONY,
}
"""By the name of the form, and how it is written where there are two ways."""

ENDS = ("<|im_end|>\n", "<|eot_id|>", "</s>", "<|call|>", "<|return|>")
"""What ends an answer in these templates, where the end-of-sequence token is ``</s>``."""

SPECIAL = {
    "hermes": (),
    "llama3_json": ("<|python_tag|>",),
    "mistral": ("[TOOL_CALLS]",),
    "mistral_named": ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
    "deepseek_v3": ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"),
    "deepseek_v31": ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁calls▁end｜>"),
    "qwen3_coder": (),
    "harmony": ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>"),
}
"""Markers that are special tokens in vocabularies of models with these templates; the others are text or ordinary tokens."""

WHOLE = {"hermes": ("<tool_call>", "</tool_call>"), "qwen3_coder": ("<tool_call>",)}
"""Markers that are one ordinary token in some."""
