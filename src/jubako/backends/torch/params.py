"""``engine:`` of a model.yaml whose backend is ``torch``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class TorchParams:
    """Parameters of PyTorch."""

    __pydantic_config__ = CLOSED

    device: str = "auto"
    """What computes: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``. Default ``auto``: a GPU if PyTorch sees one, else the CPU."""

    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """The floating-point type in which the weights are held and the model computes; requests keep the datatypes of the signature.
    Default: the file's."""

    threads: Annotated[int, Ge(1)] | None = None
    """Threads that compute. Default: the processors minus one, at least one, which leaves one to the gateway."""

    factory: str | None = None
    """For a file that holds only weights: ``module:function`` in the version's or the entry's folder, which returns the
    ``torch.nn.Module`` that they belong to. Default: none."""

    factory_args: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for the factory. Default: none."""

    compile: bool = False
    """Whether ``torch.compile`` makes native code of the model; it needs a C++ compiler and a warm-up, and is not for
    TorchScript. Default false."""

    allow_pickle: bool = False
    """Whether a file that can run any code while it is read may be loaded: a whole module saved with ``torch.save``. Only for
    files that you made yourself. Default false."""
