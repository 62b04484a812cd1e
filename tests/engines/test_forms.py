"""Tool calls in the forms of other models: SmolLM2 with their markers among its special tokens, and their chat templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml

from tests.conformance.text_model_suite import WEATHER
from tests.engines.conftest import MakeEnvironment, Serve
from tests.serving import Server
from tests.unit.text import form_templates

FORMS = {
    "mistral": form_templates.MISTRAL,
    "llama3": form_templates.LLAMA3,
    "deepseek": form_templates.DEEPSEEK_V3,
    "harmony": form_templates.HARMONY,
}
MARKERS = {
    "<repo_name>": "[TOOL_CALLS]",
    "<reponame>": "<|python_tag|>",
    "<file_sep>": "<｜tool▁calls▁begin｜>",  # noqa: RUF001 - as the tokens are spelled
    "<filename>": "<｜tool▁calls▁end｜>",  # noqa: RUF001
    "<gh_stars>": "<｜tool▁call▁begin｜>",  # noqa: RUF001
    "<issue_start>": "<｜tool▁call▁end｜>",  # noqa: RUF001
    "<issue_comment>": "<｜tool▁sep｜>",  # noqa: RUF001
    "<issue_closed>": "<|channel|>",
    "<jupyter_start>": "<|message|>",
    "<jupyter_text>": "<|start|>",
    "<jupyter_code>": "<|end|>",
    "<jupyter_output>": "<|call|>",
    "<jupyter_script>": "<|constrain|>",
}
"""Special tokens of SmolLM2 that no chat of its own uses, and what they are called here."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, smollm2_folder: Path) -> Path:
    """SmolLM2 with other names for some special tokens."""
    made = tmp_path_factory.mktemp("forms")
    for file in smollm2_folder.iterdir():
        if file.name != "tokenizer.json":
            (made / file.name).symlink_to(file)
    tokenizer = json.loads((smollm2_folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for token in tokenizer["added_tokens"]:
        if (name := MARKERS.get(token["content"])) is not None:
            vocabulary[name] = vocabulary.pop(token["content"], token["id"])
            token["content"] = name
    (made / "tokenizer.json").write_text(json.dumps(tokenizer))
    return made


@pytest.fixture(scope="module")
def server(serve: Serve, environment: MakeEnvironment, folder: Path) -> Server:
    environment("vllm")
    environment("transformers")
    entries = {
        form: {"backend": "transformers", "engine": {"max_model_len": 1024, "max_num_seqs": 2}, "chat_template": template}
        for form, template in FORMS.items()
    }
    arguments = {"max_model_len": 1024, "max_num_seqs": 2, "enforce_eager": True, "cpu_kvcache_space_gib": 1}
    entries["vllm"] = {"backend": "vllm", "engine": arguments, "chat_template": FORMS["mistral"]}
    return serve(**{name: yaml.safe_dump({"source": f"file:{folder}", **entry}) for name, entry in entries.items()})


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.api, api_key="unused", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", [*FORMS, "vllm"])
def test_a_required_call_is_made_in_the_models_own_form(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the weather in Oslo?"}],
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        max_tokens=120,
        temperature=0,
    )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city", "unit"}
    assert not re.search(r"\[TOOL|<\|", choice.message.content or "")


@pytest.mark.parametrize("model", [*FORMS, "vllm"])
def test_a_streamed_call_is_that_of_the_whole_answer(client: openai.OpenAI, model: str) -> None:
    request = {
        "model": model,
        "messages": [{"role": "user", "content": "What is the weather in Oslo, in celsius?"}],
        "tools": [WEATHER],
        "tool_choice": "required",
        "max_tokens": 120,
        "temperature": 0,
    }
    whole = client.chat.completions.create(**request)  # type: ignore[call-overload]
    names, arguments = "", ""
    for chunk in client.chat.completions.create(stream=True, **request):  # type: ignore[call-overload]
        for piece in chunk.choices[0].delta.tool_calls or []:
            names += piece.function.name or ""
            arguments += piece.function.arguments or ""
    calls = whole.choices[0].message.tool_calls
    assert (names, arguments) == ("".join(c.function.name for c in calls), "".join(c.function.arguments for c in calls))
