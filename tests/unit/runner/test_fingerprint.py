"""When a version that is read again is another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.runner.deployments import Planner


def test_another_latest_model_of_the_store_makes_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    stored = tmp_path / "home" / "models" / "m"
    for version in ("one", "two"):
        (stored / version).mkdir(parents=True)
        (stored / version / "w.gguf").write_text("the same")
    entry = tmp_path / "models" / "m"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: llama_cpp\nsource: bentoml://m:latest/w.gguf\n")

    def fingerprint(latest: str) -> str:
        (stored / "latest").write_text(latest)
        [plan] = Planner(tmp_path / "models", tmp_path / "cache").read_all()
        return plan.deployments[0].fingerprint

    assert fingerprint("one") == fingerprint("one")
    assert fingerprint("one") != fingerprint("two")
