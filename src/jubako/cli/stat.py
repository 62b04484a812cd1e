"""`jubako stat`: how busy the models of a running server are, as JSON.

Its first eight fields are those of byzer-llm's `stat`, for the scripts that read them; what follows says the same, and more.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from jubako.cli.chat import url_of_settings
from jubako.cli.client import Client, InstanceActivity, ModelActivity
from jubako.cli.terminal import FAILED, sentences

Name = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="The model by any of its names. Default: all.", show_default=False)
]
Url = Annotated[str | None, typer.Option("--url", help="The server. Default: where `jubako serve` listens by your settings.")]


class Stat(Struct, frozen=True, kw_only=True):
    """One version of a model; a worker is an instance that can be asked.

    Attributes:
        total_requests: Of each worker, since it was started.
        state: Places of each worker that are free.
        worker_max_concurrency: Places that one has.
        workers_last_work_time: Time since the last request of each, in seconds with an "s"; null before the first.
    """

    total_workers: int
    busy_workers: int
    idle_workers: int
    load_balance_strategy: str
    total_requests: list[int]
    state: list[int]
    worker_max_concurrency: int
    workers_last_work_time: list[str | None]
    model: str
    version: int
    version_state: str
    reason: str | None
    backend: str
    aliases: list[str]
    instances: list[InstanceActivity]

    @classmethod
    def of(cls, activity: ModelActivity) -> Stat:
        workers = [instance for instance in activity.instances if instance.capacity is not None]
        busy = sum(bool(worker.running) for worker in workers)
        return cls(
            total_workers=len(workers),
            busy_workers=busy,
            idle_workers=len(workers) - busy,
            load_balance_strategy=activity.load_balance_strategy,
            total_requests=[worker.requests or 0 for worker in workers],
            state=[max((worker.capacity or 0) - (worker.running or 0), 0) for worker in workers],
            worker_max_concurrency=max((worker.capacity or 0 for worker in workers), default=0),
            workers_last_work_time=[f"{worker.idle_s}s" if worker.idle_s is not None else None for worker in workers],
            model=activity.model,
            version=activity.version,
            version_state=activity.state,
            reason=activity.reason,
            backend=activity.backend,
            aliases=activity.aliases,
            instances=activity.instances,
        )


def stat(model: Name = None, url: Url = None) -> None:
    """Print how busy a running server's models are, as JSON.

    One object for a named model, a list of them without a name: its workers, what each has done and how much it could take on.
    """
    with sentences(FAILED), Client(url or url_of_settings()) as client:
        stats = [Stat.of(activity) for activity in client.activity(model)]
    typer.echo(msgspec.json.format(msgspec.json.encode(stats if model is None else stats[0]), indent=4))
