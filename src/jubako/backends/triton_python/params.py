"""``engine:`` of a model.yaml whose backend is ``triton_python``."""

from __future__ import annotations

from dataclasses import dataclass, field

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class TritonPythonParams:
    """Parameters of the triton_python backend."""

    __pydantic_config__ = CLOSED

    file: str = "model.py"
    """The file with the class ``TritonPythonModel``, in the version folder. Default ``model.py``."""

    requirements: list[str] = field(default_factory=list)
    """Packages that the code needs, as pip writes them, besides those of ``requirements.txt`` in the version folder. Loading
    fails with a sentence that names the missing ones. Default: none."""
