"""What the instances of a version are doing, one by one."""

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path

from msgspec import Struct

from jubako.channel.frames import Load
from jubako.messages import InstanceState, InstanceStatus, StatisticsResult


class InstanceActivity(Struct, frozen=True, kw_only=True):
    """One instance, as the runner, its own last word and its statistics have it.

    Attributes:
        restarts: How often the runner has started its process again.
        rss_bytes: Memory of its process that is in RAM, without that of processes which its engine has started; null where the
            system does not tell.
        running: Requests in the engine; `queued`: those that wait for a place; `capacity`: places there are. Null while it
            can't be asked.
        kv_cache_usage: How full the engine's cache of keys and values is, from 0 to 1; null where the engine does not tell.
        requests: Requests since its process was started; null if it did not say in time.
        idle_s: Seconds since the last one; null before the first.
    """

    id: str
    state: InstanceState
    pid: int | None
    restarts: int
    rss_bytes: int | None
    running: int | None
    queued: int | None
    capacity: int | None
    kv_cache_usage: float | None
    requests: int | None
    idle_s: float | None

    @classmethod
    def of(cls, status: InstanceStatus, load: Load | None, counted: StatisticsResult | None) -> InstanceActivity:
        """
        Args:
            load: The last word over its channel; None if there is no channel.
            counted: None if it did not answer.
        """
        last_ms = counted.last_request_ms if counted is not None else 0
        return cls(
            id=status.id,
            state=status.state,
            pid=status.pid,
            restarts=status.restarts,
            rss_bytes=_resident_bytes(status.pid),
            running=load.running if load is not None else None,
            queued=load.queued if load is not None else None,
            capacity=load.capacity if load is not None else None,
            kv_cache_usage=load.kv_cache_usage if load is not None else None,
            requests=counted.requests if counted is not None else None,
            idle_s=max(0.0, time.time() - last_ms / 1e3) if last_ms else None,
        )


def _resident_bytes(pid: int | None) -> int | None:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * resource.getpagesize()
    return None
