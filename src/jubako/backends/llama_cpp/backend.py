"""GGUF models on llama.cpp."""

from __future__ import annotations

from pathlib import Path

from jubako.backends.llama_cpp.engine import LlamaCppEngine
from jubako.backends.llama_cpp.params import LlamaCppParams
from jubako.backends.text.model import TextBackend
from jubako.errors import ConfigurationError


class LlamaCppBackend(TextBackend):
    """The backend ``llama_cpp``."""

    def make_engine(self) -> LlamaCppEngine:
        if self.spec.weights is None:
            raise ConfigurationError(f"The model {self.spec.model!r} has no weights; its entry needs a `source`.")
        tasks = self.spec.tasks
        return LlamaCppEngine(
            Path(self.spec.weights),
            LlamaCppParams(**self.spec.params),
            generates="chat" in tasks or "completion" in tasks,
            embeds="embedding" in tasks,
        )
