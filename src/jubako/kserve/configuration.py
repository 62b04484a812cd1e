"""The model configuration extension: an entry as Triton would write it.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
"""

from __future__ import annotations

from jubako.errors import ModelFailed
from jubako.messages import VersionStatus


def configuration(status: VersionStatus) -> str:
    """The version's ``inference.ModelConfig``, as JSON.

    Raises:
        ModelFailed: its entry can't be read, so that nobody knows.
    """
    if not status.config:
        raise ModelFailed(f"The entry of the model {status.model!r} can't be read: {status.reason}")
    return status.config
