"""The entry as vLLM's engine arguments."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform
from vllm.usage.usage_lib import UsageContext

from jubako.backends.vllm.params import VllmParams
from jubako.errors import ConfigurationError

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for `max_lora_rank`."""

MOST_LORAS_IN_A_BATCH = 8

_OURS = {field.name for field in dataclasses.fields(VllmParams)} - {"cpu_kvcache_space_gib"}
_DECIDED = {"model": "`source`", "served_model_name": "the entry's name", "runner": "`tasks`"}
"""Arguments that other fields of the entry decide."""


def engine_config(
    weights: Path, params: Mapping[str, Any], *, name: str, adapters: Mapping[str, str], embeds: bool
) -> tuple[AsyncEngineArgs, VllmConfig]:
    """The arguments, and all that vLLM makes of them; it takes seconds.

    Args:
        params: The entry's engine parameters: fields of :class:`VllmParams`, and vLLM's own arguments.
        name: The model's, for vLLM's metrics.
        adapters: Folders of LoRA adapters.
        embeds: Whether the model embeds; else it generates.

    Raises:
        ConfigurationError: there is no such argument, or vLLM refuses a value.
    """
    given = {name: value for name, value in params.items() if value is not None and name != "cpu_kvcache_space_gib"}
    _check_names(given)
    arguments = {
        "runner": "pooling" if embeds else "generate",
        "structured_outputs_config": {"backend": "guidance"},
        **({"convert": "embed"} if embeds else {}),
        **(_lora(adapters) if adapters else {}),
        **({"dtype": "float32"} if _computes_bfloat16_slowly() else {}),
        **given,
    }
    try:
        engine_arguments = AsyncEngineArgs(model=str(weights), served_model_name=[name], **arguments)
        # The defaults that vLLM has for its own server.
        return engine_arguments, engine_arguments.create_engine_config(UsageContext.OPENAI_API_SERVER)
    except (ValueError, TypeError, AssertionError, NotImplementedError, OSError) as error:
        raise ConfigurationError(f"vLLM refuses the entry: {complaint(error)}") from error


def complaint(error: BaseException) -> str:
    """What vLLM says, as one sentence."""
    # pydantic lists each fault on lines of its own; an instance may not import pydantic to know its error.
    # The message itself: vLLM's errors put their fields behind it.
    text = str(error.args[0] if error.args and isinstance(error.args[0], str) else error) or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip() and "errors.pydantic.dev" not in line]
    if "validation error" in lines[0]:
        lines = lines[1:]
    words = " ".join(line.partition(" [type=")[0].removeprefix("Value error, ") for line in lines)
    return words if words.endswith(".") else f"{words}."


def _check_names(given: Mapping[str, object]) -> None:
    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    for name in given:
        if name in _DECIDED:
            raise ConfigurationError(f"`engine.{name}` can't be set: {_DECIDED[name]} decides it.")
        if name not in known:
            near = get_close_matches(name, sorted((known | _OURS) - _DECIDED.keys()), n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise ConfigurationError(f"vLLM has no engine argument {name!r}.{hint}")


def _computes_bfloat16_slowly() -> bool:
    """Whether this is a CPU without instructions for bfloat16. vLLM would compute with it all the same, several times slower."""
    return bool(current_platform.is_cpu()) and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _lora(adapters: Mapping[str, str]) -> dict[str, object]:
    highest = max(_rank(Path(folder)) for folder in adapters.values())
    return {
        "enable_lora": True,
        "max_loras": min(len(adapters), MOST_LORAS_IN_A_BATCH),
        "max_cpu_loras": len(adapters),
        "max_lora_rank": next((rank for rank in LORA_RANKS if rank >= highest), highest),
    }


def _rank(folder: Path) -> int:
    file = folder / "adapter_config.json"
    try:
        return int(json.loads(file.read_text())["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"The adapter {folder} can't be used: it needs PEFT's adapter_config.json with the adapter's rank `r` ({error})."
        ) from None
