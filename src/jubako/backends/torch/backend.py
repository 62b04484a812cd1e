"""PyTorch models."""

from __future__ import annotations

from jubako.backends.tensor.model import TensorBackend
from jubako.backends.torch.engine import TorchEngine


class TorchBackend(TensorBackend):
    """The backend ``torch``."""

    engine_class = TorchEngine
