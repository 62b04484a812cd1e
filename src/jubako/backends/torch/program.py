"""A loaded PyTorch model, whatever it was saved as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch

from jubako.tensors import Signature

PLATFORM: Final = "pytorch_libtorch"

Tensors: TypeAlias = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Program:
    """
    Attributes:
        call: Computes tensors by the names of inputs; gives what the module gives.
        writes_inputs: Whether it may compute in place, in the memory of its inputs.
    """

    signature: Signature
    call: Callable[[Tensors], object]
    writes_inputs: bool
