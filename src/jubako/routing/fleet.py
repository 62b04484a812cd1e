"""The instances that can be asked: one channel to each that is ready, kept in step with what the runner says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Set

from jubako.channel.client import ChannelClient
from jubako.errors import JubakoError, ModelFailed, ModelNotReady
from jubako.messages import Snapshot, VersionStatus
from jubako.routing.catalog import Catalog

log = logging.getLogger(__name__)

RECONNECT_S = 0.2
"""Pause before the runner, or an instance, that has gone is asked again."""

Watch = Callable[[], AsyncIterator[Snapshot]]
Key = tuple[str, int]


class Fleet:
    """Channels to every ready instance.

    Args:
        watch: Yields the runner's snapshots for as long as the runner lives; OSError when it is gone.
    """

    def __init__(self, watch: Watch) -> None:
        self.catalog = Catalog(Snapshot(serial=0, versions=[]))
        self.snapshot: Snapshot | None = None
        self._watch = watch
        self._channels: dict[Key, dict[str, ChannelClient]] = {}
        self._open: set[ChannelClient] = set()
        self._links: dict[str, asyncio.Task[None]] = {}
        self._wanted: Set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Stop watching, which tells the runner that no call of this gateway is left, and close the channels."""
        self.abandon()
        tasks = [task for task in (self._task, *self._links.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def abandon(self) -> None:
        """Fail every call that is still open: the grace period is over."""
        # All of them: those that no longer take calls may still have some.
        for channel in list(self._open):
            channel.close(ModelNotReady("The server shut down before the answer was complete.", retry_after_s=5))

    def channels(self, version: VersionStatus) -> list[ChannelClient]:
        """The channels to the instances of `version` that can be asked now."""
        channels = self._channels.get((version.model, version.version), {})
        return [channel for channel in channels.values() if channel.connected]

    def choose(self, version: VersionStatus) -> ChannelClient:
        """The least busy ready instance of `version`.

        An instance is as busy as it says itself, or as this gateway knows it to be where the instance has not yet said.

        Raises:
            ModelNotReady: none is ready; worth trying again.
            ModelFailed: none will be.
        """
        channels = self.channels(version)
        if not channels:
            raise self._not_ready(version)
        if len(channels) == 1:
            return channels[0]
        return min(channels, key=lambda c: max(c.outstanding, c.load.running + c.load.queued) / c.load.capacity)

    async def choose_when_ready(self, version: VersionStatus) -> ChannelClient:
        """As :meth:`choose`, but waits while the version may still become ready."""
        while True:
            try:
                return self.choose(version)
            except ModelNotReady:
                await self._changed.wait()
                version = self.catalog.find(f"{version.model}:{version.version}")

    def _not_ready(self, version: VersionStatus) -> JubakoError:
        if version.state == "FAILED":
            return ModelFailed(f"The model {version.model!r} could not be loaded: {version.reason}")
        if self.snapshot is not None and self.snapshot.draining:
            return ModelNotReady("The server is shutting down. Try again in a moment.", retry_after_s=2)
        reason = f": {version.reason}" if version.reason else ""
        return ModelNotReady(
            f"The model {version.model!r} is not ready ({version.state.lower()}{reason}). Try again in a moment.",
            retry_after_s=2,
        )

    async def _follow(self) -> None:
        while True:
            try:
                async for snapshot in self._watch():
                    self._apply(snapshot)
            except OSError as error:
                # Whoever is being asked goes on answering: the channels do not pass through the runner.
                log.warning("waiting for the runner to come back: %s", error)
            await asyncio.sleep(RECONNECT_S)

    def _apply(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.catalog = Catalog(snapshot)
        wanted = {
            instance.address: (version, instance.id)
            for version in snapshot.versions
            for instance in version.instances
            if instance.state == "READY"
        }
        self._wanted = wanted.keys()
        for channels in self._channels.values():
            for address in channels.keys() - wanted.keys():
                # Calls in flight keep the channel until the instance closes it; new ones no longer find it.
                del channels[address]
        for address in wanted.keys() - self._links.keys():
            version, instance_id = wanted[address]
            task = asyncio.get_running_loop().create_task(self._keep_connected(version, instance_id, address))
            self._links[address] = task
        self._notify()

    async def _keep_connected(self, version: VersionStatus, instance_id: str, address: str) -> None:
        """A channel to one instance, and another when it breaks, for as long as the runner says that the instance is ready."""
        channels = self._channels.setdefault((version.model, version.version), {})
        while address in self._wanted:
            channel = ChannelClient(instance_id)
            try:
                await channel.connect(address)
                channels[address] = channel
                self._open.add(channel)
                self._notify()
                await channel.wait_closed()
            except OSError as error:
                log.debug("instance %s can't be reached: %s", instance_id, error)
            finally:
                self._open.discard(channel)
                if channels.get(address) is channel:
                    del channels[address]
            await asyncio.sleep(RECONNECT_S)
        del self._links[address]

    def _notify(self) -> None:
        self._changed.set()
        self._changed.clear()
