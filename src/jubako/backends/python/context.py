"""What a model's code is told of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jubako.backends.python.calls import Models
from jubako.messages import Parameter


@dataclass(frozen=True, kw_only=True)
class ModelContext:
    """One version of one model, given to ``__init__`` of its class if that takes an argument.

    Attributes:
        folder: The version folder, with the code and what lies beside it.
        weights: Where the weights of the entry's `source` are on this machine; None where the entry names none.
        parameters: `parameters` of the entry.
        max_batch_size: Most rows of a batch; 0 where the model has no batch dimension.
        device_index: Which accelerator the instance is to use, counted from 0; None leaves that to the code.
        models: The other models of the repository.
    """

    name: str
    version: int
    folder: Path
    weights: Path | None
    parameters: Mapping[str, Parameter]
    max_batch_size: int
    device_index: int | None
    models: Models
