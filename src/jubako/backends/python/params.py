"""``engine:`` of a model.yaml whose backend is ``python``."""

from __future__ import annotations

from dataclasses import dataclass, field

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class PythonParams:
    """Parameters of the python backend."""

    __pydantic_config__ = CLOSED

    file: str = "model.py"
    """The file with the model's class, in the version folder. Default ``model.py``."""

    class_name: str | None = None
    """The class. Default: the only one of the file that has a method ``infer``, or ``Model``."""

    batched: bool = True
    """Where `max_batch_size` is above 0: whether ``infer`` gets the rows of a batch together, as arrays with the batch dimension,
    or is called for each row, with arrays without it. Default true."""

    requirements: list[str] = field(default_factory=list)
    """Packages that the code needs, as pip writes them, besides those of ``requirements.txt`` in the version folder. Loading
    fails with a sentence that names the missing ones. Default: none."""
