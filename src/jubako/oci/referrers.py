"""What refers to a manifest: bills of materials, signatures and the like, kept beside it in the registry."""

from __future__ import annotations

import msgspec

from jubako.errors import ConfigurationError
from jubako.oci.manifest import (
    EMPTY,
    EMPTY_CONTENT,
    INDEX,
    MANIFEST,
    TITLE,
    Descriptor,
    Index,
    Manifest,
    decoded,
    described,
    encoded,
)
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob
from jubako.web import NotThere


def attach(
    remote: RemoteRepository,
    subject: Descriptor,
    content: bytes,
    media_type: str,
    *,
    artifact_type: str = "",
    title: str = "",
    annotations: dict[str, str] | None = None,
) -> Descriptor:
    """Push `content` as an artifact that refers to `subject`; returns the artifact's descriptor.

    Args:
        subject: A manifest of the same repository.
        media_type: Of `content`, such as ``application/spdx+json``.
        artifact_type: Default: `media_type`.
        title: A file name for `content`.

    Raises:
        ConfigurationError: the registry refuses.
    """
    config, layer = described(EMPTY_CONTENT, EMPTY), described(content, media_type)
    if title:
        layer = msgspec.structs.replace(layer, annotations={TITLE: title})
    manifest = Manifest(
        media_type=MANIFEST,
        artifact_type=artifact_type or media_type,
        config=config,
        layers=[layer],
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=annotations or {},
    )
    push_blob(remote, config, EMPTY_CONTENT)
    push_blob(remote, layer, content)
    document = encoded(manifest)
    pushed = msgspec.structs.replace(
        described(document, MANIFEST), artifact_type=manifest.artifact_type, annotations=manifest.annotations
    )
    if "oci-subject" not in remote.put(document, MANIFEST).headers:
        _enter(remote, subject.digest, pushed)
    return pushed


def referrers(remote: RemoteRepository, digest: str, artifact_type: str = "") -> list[Descriptor]:
    """The manifests that refer to the one with `digest`, all or those of a type; none if it is not there.

    Raises:
        ConfigurationError: the registry refuses.
    """
    what = f"what refers to {digest} in {remote}"
    parameters = {"artifactType": artifact_type} if artifact_type else None
    answers = remote.pages(f"/referrers/{digest}", what, parameters)
    if answers[0].status == 404:  # a registry without this interface
        found = _entered(remote, digest)
    else:
        found = []
        for answer in answers:
            remote.expect(answer, {200}, what)
            found += decoded(answer.content, Index, f"The list of {what}").manifests
    return [entry for entry in found if artifact_type in {"", entry.artifact_type}]


# --- the tag that stands in for the interface, where a registry has none ------------------------------------------------------


def _tag(digest: str) -> str:
    return digest.replace(":", "-")


def _entered(remote: RemoteRepository, digest: str) -> list[Descriptor]:
    try:
        document = remote.document(_tag(digest))
    except NotThere:
        return []
    if document.descriptor.media_type != INDEX:
        raise ConfigurationError(f"The tag {_tag(digest)} of {remote} is in use for something that is no list of referrers.")
    return decoded(document.content, Index, f"The tag {_tag(digest)} of {remote}").manifests


def _enter(remote: RemoteRepository, digest: str, referrer: Descriptor) -> None:
    known = _entered(remote, digest)
    if referrer.digest not in {entry.digest for entry in known}:
        remote.put(encoded(Index(media_type=INDEX, manifests=[*known, referrer])), INDEX, _tag(digest))
