"""Which extensions of the protocol are served."""

from __future__ import annotations

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "generate",
    "logging",
    "model_configuration",
    "model_repository",
    "parameters",
    "schedule_policy",
    "statistics",
    "system_shared_memory",
    "trace",
]
"""Triton's names for what is served beyond the protocol itself."""
