"""``engine:`` of a model.yaml whose backend is ``sklearn``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from jubako.repository.config import CLOSED

Method = Literal["predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples"]


@dataclass(frozen=True, kw_only=True)
class SklearnParams:
    """Parameters of scikit-learn models."""

    __pydantic_config__ = CLOSED

    methods: Annotated[list[Method], MinLen(1)] | None = None
    """The estimator's methods that are served, each as an output of its name; one that nobody asks for is not computed.
    Default: those of ``predict``, ``predict_proba`` and ``transform`` that it has."""

    trusted: list[str] = field(default_factory=list)
    """Types beyond those that skops trusts by itself that the file may hold, such as ``sklearn.tree._tree.Tree``. Name only
    types that you know. Default: none."""

    threads: Annotated[int, Ge(1)] | None = None
    """Threads of the linear algebra and of OpenMP. Default: the processors minus one, at least one, which leaves one to the
    gateway."""

    allow_pickle: bool = False
    """Whether a file that can run any code while it is read may be loaded: one of joblib or pickle. Only for files that you made
    yourself. Default false."""
