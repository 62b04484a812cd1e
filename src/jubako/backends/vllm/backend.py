"""Models in Hugging Face's format on vLLM."""

from __future__ import annotations

from pathlib import Path

from jubako.backends.text.engine import TextEngine
from jubako.backends.text.model import TextBackend
from jubako.backends.vllm import surroundings
from jubako.errors import ConfigurationError

GENERATING = {"chat", "completion"}


class VllmBackend(TextBackend):
    """The backend ``vllm``."""

    def make_engine(self) -> TextEngine:
        spec = self.spec
        if spec.weights is None:
            raise ConfigurationError(f"The model {spec.model!r} has no weights; its entry needs a `source`.")
        embeds = "embedding" in spec.tasks
        if embeds and GENERATING.intersection(spec.tasks):
            raise ConfigurationError(
                f"The model {spec.model!r} shall serve {', '.join(spec.tasks)}. With vLLM a model either writes text or embeds "
                "it; make an entry for each."
            )
        surroundings.prepare(spec.params.get("cpu_kvcache_space_gib"), spec.device_index)
        # Only now, because vLLM reads its environment variables while it is imported.
        from jubako.backends.vllm.engine import VllmEngine  # noqa: PLC0415

        return VllmEngine(Path(spec.weights), spec.params, name=spec.model, adapters=spec.adapters, embeds=embeds)
