"""Manifests, indexes and descriptors of the OCI Image Specification 1.1."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from jubako.errors import ConfigurationError
from jubako.oci.reference import is_digest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_CONTENT = b"{}"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"

_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

MANIFESTS = frozenset({MANIFEST, _DOCKER_MANIFEST})
INDEXES = frozenset({INDEX, _DOCKER_INDEX})
IMAGE_CONFIGS = frozenset({IMAGE_CONFIG, _DOCKER_CONFIG})
ACCEPTED = f"{MANIFEST}, {INDEX}, {_DOCKER_MANIFEST}, {_DOCKER_INDEX}"

TITLE = "org.opencontainers.image.title"
"""Of a layer: the name of its file, as ``oras`` writes and reads it."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}

T = TypeVar("T")


class Platform(Struct, frozen=True, omit_defaults=True):
    architecture: str = ""
    os: str = ""


class Descriptor(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What something is, how long it is, in bytes, and its digest."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}
    platform: Platform | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not is_digest(self.digest):
            raise ValueError(f"{self.digest[:80]!r} is no digest that is taken: only sha256 is")
        if self.size < 0:
            raise ValueError("a size is negative")

    @property
    def sha256(self) -> str:
        """The digest's hexadecimal digits alone."""
        return self.digest.removeprefix("sha256:")


class Manifest(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image or an artifact: a configuration, layers, and what it says more about."""

    schema_version: int = field(default_factory=lambda: 2)  # never left out, as a plain default would be
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor
    layers: list[Descriptor]
    subject: Descriptor | UnsetType = UNSET
    annotations: dict[str, str] = {}

    @property
    def kind(self) -> str:
        """The type of the artifact, by the specification's rule."""
        return self.artifact_type or self.config.media_type


class Index(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Manifests side by side: an image for several platforms, or what refers to a manifest."""

    schema_version: int = field(default_factory=lambda: 2)  # never left out, as a plain default would be
    media_type: str = ""
    artifact_type: str = ""
    manifests: list[Descriptor]
    annotations: dict[str, str] = {}


class _Kinds(Struct):
    """What tells an index from a manifest."""

    manifests: msgspec.Raw | UnsetType = UNSET
    config: msgspec.Raw | UnsetType = UNSET
    layers: msgspec.Raw | UnsetType = UNSET


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, media_type: str) -> Descriptor:
    """The descriptor of `content`."""
    return Descriptor(media_type=media_type, digest=digest_of(content), size=len(content))


def encoded(document: Struct) -> bytes:
    """`document` as JSON: the same for equal documents, whatever the order in which their annotations were written."""
    return msgspec.json.encode(document, order="sorted")


def decoded(content: bytes, kind: type[T], what: str) -> T:
    """
    Args:
        what: What `content` is, for the error.

    Raises:
        ConfigurationError: `content` is no such document.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{what} can't be read: {error}.") from None


def check_one_kind(content: bytes, what: str) -> None:
    """See to it that `content` can't be read as a manifest by one tool and as an index by another (CVE-2021-41190).

    Raises:
        ConfigurationError: it can, or is neither.
    """
    kinds = decoded(content, _Kinds, what)
    if kinds.manifests is not UNSET and (kinds.config is not UNSET or kinds.layers is not UNSET):
        raise ConfigurationError(f"{what} is both a manifest and an index, so it can't be told what it holds.")


def for_this_machine(manifests: Sequence[Descriptor], what: str) -> Descriptor:
    """Of an image's manifests, the one for this machine; of one that has nothing to do with platforms, the first.

    Raises:
        ConfigurationError: there is none for this machine.
    """
    machine = platform.machine().lower()
    architecture = _MACHINES.get(machine, machine)
    for manifest in manifests:
        if manifest.platform is UNSET or manifest.platform == Platform():
            return manifest
        if (manifest.platform.os, manifest.platform.architecture) == ("linux", architecture):
            return manifest
    shown = ", ".join(f"{entry.platform.os}/{entry.platform.architecture}" for entry in manifests if entry.platform)
    raise ConfigurationError(f"{what} has nothing for linux/{architecture}; it has: {shown or 'nothing'}.")
