"""docs/upstreams.md, held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.backends.upstream.backend import UpstreamBackend
from jubako.backends.upstream.presets import presets
from jubako.repository.validation import check_engine, check_model
from jubako.runner.instance import _import_backend

PAGE = (Path(__file__).parents[3] / "docs" / "upstreams.md").read_text("utf-8")
ENTRIES = re.findall(r"```yaml\n# model_repository/(\S+)/model\.yaml\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_entries() -> None:
    assert len(ENTRIES) >= 8


@pytest.mark.parametrize(("name", "text"), ENTRIES)
async def test_every_entry_is_right(name: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fields: dict[str, Any] = yaml.safe_load(text)
    for variable in re.findall(r"\b[A-Z_]+_(?:KEY|TOKEN)\b", PAGE):
        monkeypatch.setenv(variable, "a-key")
    model = check_model(fields)
    assert model.value is not None, model.faults
    declaration = BACKENDS[model.value.backend]
    engine = check_engine(declaration.params, fields["engine"])
    assert engine.value is not None, engine.faults
    params = msgspec.structs.replace(
        ModelSpec(model=name, version=1, implementation="", tasks=list(declaration.default_tasks)),
        params={**engine.value, "ca_file": None},  # which exists only where the example is meant for
    )
    backend = _import_backend(declaration.implementation)(params)
    assert isinstance(backend, UpstreamBackend)
    await backend.load()
    await backend.close()


def test_the_table_has_every_provider() -> None:
    rows = {
        provider: row
        for row in re.findall(r"^\| `.*\|$", PAGE, re.MULTILINE)
        for provider in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    for name, preset in presets().items():
        if name == "compatible":
            continue
        _, _, aliases, key, tasks, _ = rows[name].split("|")
        assert set(re.findall(r"`([^`]+)`", aliases)) <= set(preset.aliases)
        assert (preset.api_key_env or "none") in key
        paths = preset.paths
        served = {task for task in ("chat", "completion", "embedding", "classify") if getattr(paths, task)}
        assert set(tasks.strip().split(", ")) == served | ({"score"} if paths.score or paths.rerank else set())
