"""A bento in the place of a repository: `jubako serve BENTO`, which is how containers start."""

from __future__ import annotations

from pathlib import Path

import yaml

from jubako.settings import Settings


def bento_of(settings: Settings) -> Path | None:
    """The bento that the setting `repository` names, if it names one."""
    return settings.repository if (settings.repository / "bento.yaml").is_file() else None


def settings_in(bento: Path, settings: Settings) -> Settings:
    """`settings` for what is in the bento: its own repository, of which the model is loaded that it was built for."""
    described = yaml.safe_load((bento / "bento.yaml").read_text(encoding="utf-8"))
    told = described.get("args") or {}
    load = f"{told['model']}:{told['version']}" if told.get("version") else told.get("model", "")
    return settings.model_copy(update={"repository": bento / "src" / "model_repository", "load": load or settings.load})
