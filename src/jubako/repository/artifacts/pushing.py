"""An artifact on its way to a registry."""

from __future__ import annotations

from dataclasses import dataclass

from jubako.oci.manifest import MANIFEST, Descriptor, described
from jubako.oci.modelpack import CONFIG
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob, send_blob
from jubako.repository.artifacts.artifact import Artifact, Layer
from jubako.repository.cache import Cache
from jubako.repository.progress import Progress


@dataclass(frozen=True)
class Pushed:
    """What became of a push.

    Attributes:
        sent: Layers that travelled.
        sent_bytes: Their sizes together.
        present: Layers that the registry had already.
    """

    descriptor: Descriptor
    sent: int
    sent_bytes: int
    present: int


def push_artifact(
    artifact: Artifact, remote: RemoteRepository, tag: str, cache: Cache, progress: Progress, *, mount_from: str | None = None
) -> Pushed:
    """Push what the registry does not have yet; a push that was broken off is continued.

    Args:
        cache: Where the addresses of uploads are kept while they last.
        mount_from: Another repository of the registry that may have the weights.

    Raises:
        ConfigurationError: the registry refuses, or can't be reached.
    """
    sent = [layer for layer in artifact.layers if _push(layer, remote, cache, progress, mount_from)]
    push_blob(remote, described(artifact.config, CONFIG), artifact.config)
    remote.put(artifact.manifest, MANIFEST, tag)
    size = sum(layer.descriptor.size for layer in sent)
    return Pushed(artifact.descriptor, len(sent), size, len(artifact.layers) - len(sent))


def _push(layer: Layer, remote: RemoteRepository, cache: Cache, progress: Progress, mount_from: str | None) -> bool:
    blob = layer.descriptor
    if remote.has(blob.digest):
        return False
    note = cache.partial(f"push of {blob.digest} to {remote}")
    with cache.lock(f"the push of {layer.path}", progress, key=note.name):
        if remote.has(blob.digest):  # another process has pushed it meanwhile
            return False
        shown = _Shown(progress, blob.size, layer.path)
        try:
            return send_blob(remote, blob, layer.content, advance=shown.advance, mount_from=mount_from, note=note)
        finally:
            shown.done()


@dataclass
class _Shown:
    """Shows a layer from its first byte on; a registry that mounts it wants none."""

    progress: Progress
    size: int
    path: str
    started: bool = False

    def advance(self, n: int) -> None:
        if not self.started:
            self.started = True
            self.progress.start(self.size, self.path)
        self.progress.advance(n)

    def done(self) -> None:
        if self.started:
            self.progress.done()
