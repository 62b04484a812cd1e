"""The error for an answer that took too long."""

from __future__ import annotations

from jubako.errors import DeadlineExceeded
from jubako.messages import Caller, VersionStatus


def too_late(version: VersionStatus, caller: Caller, deadline: float) -> DeadlineExceeded:
    """Whose limit it was that has passed with `deadline`: the caller's own, or that of the entry."""
    if deadline >= caller.deadline:
        return DeadlineExceeded(
            f"The deadline that the client set has passed before the model {version.model!r} had answered. Allow it more time."
        )
    return DeadlineExceeded(
        f"The request took longer than {version.timeout_s:g} seconds, the limit of the model {version.model!r} "
        "(limits.timeout_s of its entry)."
    )
