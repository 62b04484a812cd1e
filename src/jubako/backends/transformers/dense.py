"""The linear layers that some embedding models have after pooling: sentence-transformers' module Dense."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from msgspec import Struct
from safetensors.torch import load_file
from torch import Tensor

from jubako.errors import ConfigurationError

ACTIVATIONS: dict[str, torch.nn.Module] = {
    "Tanh": torch.nn.Tanh(),
    "Identity": torch.nn.Identity(),
    "ReLU": torch.nn.ReLU(),
    "GELU": torch.nn.GELU(),
    "SiLU": torch.nn.SiLU(),
    "Sigmoid": torch.nn.Sigmoid(),
}


class _Config(Struct):
    activation_function: str = "torch.nn.modules.activation.Tanh"
    use_residual: bool = False
    module_input_name: str = "sentence_embedding"


class Dense:
    """``activation(weight @ x + bias)``."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """
        Raises:
            ConfigurationError: the layer is of a kind that can't be computed here.
        """
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
        name = config.activation_function.rpartition(".")[2]
        if name not in ACTIVATIONS or config.use_residual or config.module_input_name != "sentence_embedding":
            raise ConfigurationError(
                f"The layer {folder.name} of the model is not a plain one: its activation is {config.activation_function!r}. "
                f"There are: {', '.join(ACTIVATIONS)}, on the whole text's vector, without a residual connection."
            )
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise ConfigurationError(f"The layer {folder.name} of the model has no model.safetensors.")
        tensors = load_file(weights, device=str(device))
        self._weight = tensors["linear.weight"].float()
        self._bias = tensors["linear.bias"].float() if "linear.bias" in tensors else None
        self._activation = ACTIVATIONS[name]

    @property
    def size(self) -> int:
        """Of the vectors that it gives."""
        size: int = self._weight.shape[0]
        return size

    def __call__(self, vectors: Tensor) -> Tensor:
        """`vectors` has the shape [texts, size]."""
        result: Tensor = self._activation(torch.nn.functional.linear(vectors, self._weight, self._bias))
        return result
