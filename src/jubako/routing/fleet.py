"""The instances that can be asked: one channel to each that is ready, kept in step with what the runner says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Set

from jubako.channel.client import ChannelClient
from jubako.errors import JubakoError, ModelFailed, ModelNotReady
from jubako.messages import InstanceStatus, Snapshot, VersionStatus
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
        self._watches = 0
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

    async def changed(self) -> None:
        """Returns when the runner has said something new, or an instance can be asked that could not before, or no longer."""
        await self._changed.wait()

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
            raise self.not_ready(version)
        if len(channels) == 1:
            return channels[0]
        return min(channels, key=lambda c: max(c.outstanding, c.load.running + c.load.queued) / c.load.capacity)

    async def choose_when_ready(self, version: VersionStatus, name: str | None = None) -> ChannelClient:
        """As :meth:`choose`, but waits while the version may still become ready.

        Args:
            name: What the request named. Without a version in it, another version may take over while this waits.

        Raises:
            ModelNotReady: it is unloaded.
            ModelFailed: it will not become ready.
            ModelNotFound: it is there no longer.
        """
        name = name or f"{version.model}:{version.version}"
        while True:
            # Found anew each time: what was meant a moment ago may have been replaced since.
            version = self.catalog.find(name)
            try:
                return self.choose(version)
            except ModelNotReady:
                if version.state == "UNLOADED":
                    raise
            await self._changed.wait()

    async def seen(self, serial: int) -> None:
        """Return once the snapshot `serial` of the runner, or a later one, holds here; at once if the runner was restarted."""
        watch = self._watches
        while watch == self._watches and (self.snapshot is None or self.snapshot.serial < serial):
            await self._changed.wait()

    def not_ready(self, version: VersionStatus) -> JubakoError:
        """Why `version` can't be asked now, for the caller."""
        if version.state == "FAILED":
            return ModelFailed(f"The model {version.model!r} could not be loaded: {version.reason}")
        if version.state == "UNLOADED":
            which = f"Version {version.version} of the model" if version.version else "The model"
            return ModelNotReady(f"{which} {version.model!r} is not loaded: {version.reason}.")
        if self.snapshot is not None and self.snapshot.draining:
            return ModelNotReady("The server is shutting down. Try again in a moment.", retry_after_s=2)
        if version.state == "READY":
            # What the runner said last; its next word is on the way.
            how = "its last instance has just ended"
        else:
            how = version.state.lower() + (f": {version.reason}" if version.reason else "")
        return ModelNotReady(f"The model {version.model!r} is not ready ({how}). Try again in a moment.", retry_after_s=2)

    async def _follow(self) -> None:
        while True:
            try:
                async for snapshot in self._watch():
                    await self._reach(snapshot)
                    self._apply(snapshot)
            except OSError as error:
                # Whoever is being asked goes on answering: the channels do not pass through the runner.
                log.warning("waiting for the runner to come back: %s", error)
            except Exception:
                # Whatever it was: without the runner's word this process would be blind until it is restarted.
                log.exception("what the runner said could not be followed; asking it again")
            self._watches += 1
            self._notify()
            await asyncio.sleep(RECONNECT_S)

    async def _reach(self, snapshot: Snapshot) -> None:
        """Connect to the instances that are new in `snapshot`, so that no request falls between them and those they replace."""
        self._wanted = {
            instance.address for version in snapshot.versions for instance in version.instances if instance.state == "READY"
        }
        attempts: list[asyncio.Future[None]] = []
        for version in snapshot.versions:
            for instance in version.instances:
                if instance.address in self._wanted and instance.address not in self._links:
                    tried = asyncio.get_running_loop().create_future()
                    link = self._keep_connected(version, instance, tried)
                    self._links[instance.address] = asyncio.get_running_loop().create_task(link)
                    attempts.append(tried)
        if attempts:
            await asyncio.wait(attempts)

    def _apply(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.catalog = Catalog(snapshot)
        for key, channels in list(self._channels.items()):
            for address in channels.keys() - self._wanted:
                # New calls no longer find it; the last that is open closes it, by which the instance knows that it may go.
                channels.pop(address).retire()
            if not channels:
                del self._channels[key]
        self._notify()

    async def _keep_connected(self, version: VersionStatus, instance: InstanceStatus, tried: asyncio.Future[None]) -> None:
        """A channel to one instance, and another when it breaks, for as long as the runner says that the instance is ready.

        `tried` is done after the first attempt.
        """
        key, address, instance_id = (version.model, version.version), instance.address, instance.id
        while address in self._wanted:
            channel = ChannelClient(instance_id)
            try:
                await channel.connect(address)
                self._open.add(channel)
                if address in self._wanted:
                    self._channels.setdefault(key, {})[address] = channel
                else:
                    channel.retire()
                _settle(tried)
                self._notify()
                await channel.wait_closed()
            except OSError as error:
                log.debug("instance %s can't be reached: %s", instance_id, error)
            except Exception:
                log.exception("the channel to instance %s met a fault, and is opened again", instance_id)
                channel.close()
            finally:
                _settle(tried)
                self._open.discard(channel)
                if (channels := self._channels.get(key, {})).get(address) is channel:
                    del channels[address]
            await asyncio.sleep(RECONNECT_S)
        del self._links[address]

    def _notify(self) -> None:
        self._changed.set()
        self._changed.clear()


def _settle(tried: asyncio.Future[None]) -> None:
    if not tried.done():
        tried.set_result(None)
