"""What everything in a runner shares."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from jubako.messages import Snapshot
from jubako.runner.followers import Followers
from jubako.runner.restarts import RestartPolicy
from jubako.runner.sockets import SocketFolder


@dataclass(frozen=True, kw_only=True)
class Premises:
    """Where instances live, and who is told of them.

    Attributes:
        policy: How patiently failures are met.
        changed: To be called whenever some status is another.
        snapshots: How everything is now, and again after each change: for instances that ask others.
        followers: Those instances.
    """

    sockets: SocketFolder
    policy: RestartPolicy
    changed: Callable[[], None]
    snapshots: Callable[[], AsyncGenerator[Snapshot, None]]
    followers: Followers
