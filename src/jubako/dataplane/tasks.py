"""Which model does what: a request must come to one that does what it asks."""

from __future__ import annotations

from collections.abc import Mapping

from jubako.errors import Unsupported
from jubako.messages import Task, VersionStatus


def require_task(status: VersionStatus, task: Task, name: str, places: Mapping[Task, str]) -> None:
    """
    Args:
        name: How the request calls the model.
        places: Where each task is asked for.

    Raises:
        Unsupported: the version serves other tasks; the message says where to ask for them.
    """
    # Of an entry that could not be read nobody knows the tasks: the plane says why it can't be asked.
    if status.tasks and task not in status.tasks:
        serves = ", ".join(f"{served} ({places[served]})" for served in status.tasks)
        raise Unsupported(
            f"The model {name!r} does not serve {task} ({places[task]}). It serves: {serves}.",
            param="model",
            code="unsupported_task",
        )
