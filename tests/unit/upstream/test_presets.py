"""The data files of providers."""

from __future__ import annotations

import pytest
from yarl import URL

from jubako.backends.upstream.presets import preset_for, presets
from jubako.errors import ConfigurationError


def test_every_provider_is_there_and_has_one_name() -> None:
    known = presets()
    assert set(known) >= {
        *("openai", "azure-openai", "qianwen", "moonshot", "zhipu", "deepseek", "siliconflow"),
        *("ollama", "vllm", "tgi", "lmdeploy", "llama-cpp", "jubako", "anthropic", "compatible"),
    }
    names = [name for preset in known.values() for name in (preset.name, *preset.aliases)]
    assert len(names) == len(set(names))


def test_urls_are_whole_and_secrets_travel_encrypted() -> None:
    for preset in presets().values():
        if preset.base_url:
            url = URL(preset.base_url)
            assert url.scheme == "https" if preset.api_key_env else url.host == "127.0.0.1"
            assert not preset.base_url.endswith("/")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("saas/qianwen", "qianwen"),
        ("saas/official_openai", "openai"),
        ("DashScope", "qianwen"),
        ("kimi", "moonshot"),
        ("azure", "azure-openai"),
    ],
)
def test_aliases(said: str, name: str) -> None:
    assert preset_for(said, "openai", has_url=False).name == name


def test_without_a_provider_the_url_decides() -> None:
    assert preset_for(None, "openai", has_url=False).name == "openai"
    assert preset_for(None, "openai", has_url=True).name == "compatible"
    assert preset_for(None, "anthropic", has_url=True).name == "anthropic"


def test_a_provider_of_the_other_protocol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="backend: anthropic"):
        preset_for("saas/claude", "openai", has_url=False)
    with pytest.raises(ConfigurationError, match="no provider 'x'"):
        preset_for("x", "openai", has_url=False)
