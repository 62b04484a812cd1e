"""Models in Hugging Face's format on LMDeploy."""

from __future__ import annotations

import os
from pathlib import Path

from jubako.backends.lmdeploy.cuda import need_cuda
from jubako.backends.text.engine import TextEngine
from jubako.backends.text.model import TextBackend
from jubako.errors import ConfigurationError


class LmdeployBackend(TextBackend):
    """The backend ``lmdeploy``."""

    def make_engine(self) -> TextEngine:
        spec = self.spec
        if spec.weights is None:
            raise ConfigurationError(f"The model {spec.model!r} has no weights; its entry needs a `source`.")
        if spec.device_index is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(spec.device_index)
        need_cuda()
        # Nothing of the model comes from elsewhere, so nothing may ask a hub.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        # Only now, because importing it takes seconds, and CUDA reads its environment variables meanwhile.
        from jubako.backends.lmdeploy.engine import LmdeployEngine  # noqa: PLC0415

        return LmdeployEngine(Path(spec.weights), spec.params, name=spec.model, adapters=spec.adapters)
