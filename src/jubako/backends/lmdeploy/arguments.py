"""The entry as the configuration of one of LMDeploy's engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lmdeploy.archs import autoget_backend
from lmdeploy.messages import PytorchEngineConfig, TurbomindEngineConfig

from jubako.errors import ConfigurationError

EngineName = Literal["turbomind", "pytorch"]
EngineConfig: TypeAlias = TurbomindEngineConfig | PytorchEngineConfig

CONFIGS: dict[EngineName, type[EngineConfig]] = {"turbomind": TurbomindEngineConfig, "pytorch": PytorchEngineConfig}

_OURS = {"engine", "trust_remote_code"}
_DECIDED = {"adapters": "`adapters` of the entry", "device_type": "the backend"}
"""Fields that something else decides."""


def choose_engine(weights: Path, params: Mapping[str, Any]) -> EngineName:
    """Which of the two engines the entry means.

    Raises:
        ConfigurationError: LMDeploy can't read the model.
    """
    named = params.get("engine", "auto")
    if named != "auto":
        return "turbomind" if named == "turbomind" else "pytorch"
    try:
        chosen = autoget_backend(str(weights), trust_remote_code=bool(params.get("trust_remote_code")))
    except (ValueError, OSError, KeyError) as error:
        raise ConfigurationError(f"LMDeploy can't read the model at {weights}: {complaint(error)}") from error
    return "turbomind" if chosen == "turbomind" else "pytorch"


def engine_config(engine: EngineName, params: Mapping[str, Any], adapters: Mapping[str, str]) -> EngineConfig:
    """The configuration, checked by LMDeploy.

    Args:
        params: The entry's engine parameters: fields of `LmdeployParams`, and LMDeploy's own.
        adapters: Folders of LoRA adapters, by the names under which requests ask for them.

    Raises:
        ConfigurationError: the engine has no such field, or LMDeploy refuses a value.
    """
    given = {name: value for name, value in params.items() if value is not None and name not in _OURS}
    _check_names(engine, given)
    if adapters:
        if engine != "pytorch":
            raise ConfigurationError("TurboMind has no LoRA adapters; write `engine: {engine: pytorch}` for this entry.")
        given["adapters"] = dict(adapters)
    try:
        config: EngineConfig = CONFIGS[engine](**given)
    except (ValueError, TypeError, AssertionError) as error:
        raise ConfigurationError(f"LMDeploy refuses the entry: {complaint(error)}") from error
    return config


def complaint(error: BaseException) -> str:
    """What LMDeploy says, as one sentence."""
    # pydantic lists each fault on lines of its own; an instance may not import pydantic to know its error.
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "errors.pydantic.dev" not in line]
    if lines and "validation error" in lines[0]:
        lines = lines[1:]
    words = " ".join(line.partition(" [type=")[0] for line in lines) or type(error).__name__
    return words if words.endswith(".") else f"{words}."


def _check_names(engine: EngineName, given: Mapping[str, object]) -> None:
    names = {each: {field.name for field in dataclasses.fields(config)} for each, config in CONFIGS.items()}
    for name in given:
        if name in _DECIDED:
            raise ConfigurationError(f"`engine.{name}` can't be set: {_DECIDED[name]} decides it.")
        if name in names[engine]:
            continue
        for other, others in names.items():
            if name in others:
                raise ConfigurationError(f"LMDeploy's engine {engine} has no {name!r}; its engine {other} has it.")
        near = get_close_matches(name, sorted(names[engine] - _DECIDED.keys()), n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ConfigurationError(f"LMDeploy has no engine argument {name!r}.{hint}")
