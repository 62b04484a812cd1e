"""One repository of a registry: its manifests, blobs and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.oci.authorization import RegistryAuth
from jubako.oci.certificates import tls_of
from jubako.oci.credentials import Credentials
from jubako.oci.manifest import (
    ACCEPTED,
    INDEXES,
    MANIFESTS,
    Descriptor,
    Index,
    Manifest,
    check_one_kind,
    decoded,
    described,
    digest_of,
    for_this_machine,
)
from jubako.oci.reference import Reference, is_digest
from jubako.web import AGAIN, Interrupted, NotThere, Patience, bounded, web_client

STORED = frozenset({200, 201, 202, 204})
"""What registries answer to the last request of a push: 201 by the specification, 202 at Quay, and others that clients take."""

_LARGEST_MANIFEST = 8 * 1024 * 1024
_LARGEST_ANSWER = 8 * 1024 * 1024
_LONGEST_REMARK = 200
_MOST_PAGES = 1000


@dataclass(frozen=True)
class Answer:
    """What the registry answered, read whole.

    Attributes:
        url: The address that answered, after redirects.
        links: Of the ``Link`` header, by relation.
    """

    status: int
    headers: httpx.Headers
    content: bytes
    url: httpx.URL
    links: Mapping[str, str]


@dataclass(frozen=True)
class Document:
    """A manifest or an index, in the bytes that its digest is of."""

    descriptor: Descriptor
    content: bytes


class _Error(Struct):
    code: str = ""
    message: str | None = None


class _Errors(Struct):
    errors: list[_Error] = []


class _Tags(Struct):
    tags: list[str] | None = None


class RemoteRepository:
    """Use as a context manager. One thread at a time.

    Args:
        reference: Names registry and repository; its tag and digest are not looked at.
        credentials: The user's, see :func:`jubako.oci.credentials.find_credentials`; None asks anonymously.
        patience: How often to try again.
    """

    def __init__(self, reference: Reference, credentials: Credentials | None = None, patience: Patience | None = None) -> None:
        self.reference = reference
        self.patience = patience or Patience()
        tls = tls_of(reference)
        self.auth = RegistryAuth(reference, credentials, tls)
        self.client = web_client(self.auth, tls)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()

    def __str__(self) -> str:
        return self.reference.name

    # --- manifests

    def document(self, wanted: str) -> Document:
        """The manifest or index that a tag or a digest names, compared with the digest that was asked for and the one announced.

        Raises:
            NotThere: there is none.
            ConfigurationError: it is not to be had, or has another digest.
        """
        what = f"the manifest {wanted} of {self}"
        answer = self.ask("GET", f"/manifests/{wanted}", what, headers={"accept": ACCEPTED}, largest=_LARGEST_MANIFEST)
        self.expect(answer, {200}, what)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        descriptor = described(answer.content, media_type)
        for promised in (wanted, answer.headers.get("docker-content-digest", "")):
            if is_digest(promised) and promised != descriptor.digest:
                raise ConfigurationError(
                    f"What {self.reference.registry} sent as {what} has the digest {descriptor.digest}, not {promised}. "
                    "It was altered or damaged, so nothing of it was kept."
                )
        return Document(descriptor, answer.content)

    def manifest(self, wanted: str) -> tuple[Descriptor, Manifest]:
        """The manifest that a tag or a digest names; of an image for several platforms, the one for this machine.

        Raises:
            NotThere: there is none.
            ConfigurationError: it is not to be had, or is damaged.
        """
        what = f"The manifest {wanted} of {self}"
        document = self._document_of(MANIFESTS | INDEXES, wanted, what)
        if document.descriptor.media_type in INDEXES:
            chosen = for_this_machine(decoded(document.content, Index, what).manifests, f"{self}, as {wanted},")
            document = self._document_of(MANIFESTS, chosen.digest, what)
        manifest = decoded(document.content, Manifest, what)
        if manifest.media_type not in {"", document.descriptor.media_type}:
            raise ConfigurationError(
                f"{what} says that it is {manifest.media_type!r}, but the registry says {document.descriptor.media_type!r}."
            )
        return document.descriptor, manifest

    def _document_of(self, types: Set[str], wanted: str, what: str) -> Document:
        document = self.document(wanted)
        if document.descriptor.media_type not in types:
            raise ConfigurationError(f"{what} is of a type that is not known: {document.descriptor.media_type[:100]!r}.")
        check_one_kind(document.content, what)
        return document

    def put(self, content: bytes, media_type: str, tag: str | None = None) -> Answer:
        """Push a manifest or index, all of whose blobs must be there, under its tag, or under its digest alone.

        Raises:
            ConfigurationError: the registry refuses.
        """
        name = tag or digest_of(content)
        what = f"the manifest {name} of {self}"
        answer = self.ask("PUT", f"/manifests/{name}", what, headers={"content-type": media_type}, content=content)
        self.expect(answer, STORED, what)
        stored = answer.headers.get("docker-content-digest", "")
        if is_digest(stored) and stored != digest_of(content):
            raise ConfigurationError(f"{self.reference.registry} stored {what} as {stored}, not as {digest_of(content)}.")
        return answer

    # --- blobs

    def blob_url(self, digest: str) -> str:
        return f"{self.reference.api}/blobs/{digest}"

    def has(self, digest: str) -> bool:
        """Whether the repository has the blob."""
        what = f"the blob {digest} of {self}"
        answer = self.ask("HEAD", f"/blobs/{digest}", what)
        if answer.status == httpx.codes.NOT_FOUND:
            return False
        self.expect(answer, {200}, what)
        return True

    def read(self, blob: Descriptor, largest: int) -> bytes:
        """A small blob, such as a configuration, compared with its digest.

        Raises:
            NotThere: there is none.
            ConfigurationError: it has more than `largest` bytes, is not to be had, or has another digest.
        """
        what = f"the blob {blob.digest} of {self}"
        answer = self.ask("GET", f"/blobs/{blob.digest}", what, largest=largest)
        self.expect(answer, {200}, what)
        if digest_of(answer.content) != blob.digest:
            raise ConfigurationError(
                f"What {self.reference.registry} sent as {what} has the digest {digest_of(answer.content)}. "
                "It was altered or damaged, so nothing of it was kept."
            )
        return answer.content

    # --- tags

    def tags(self) -> list[str]:
        """Every tag of the repository, sorted.

        Raises:
            NotThere: there is no such repository.
        """
        what = f"the tags of {self}"
        tags: list[str] = []
        for answer in self.pages("/tags/list", what):
            self.expect(answer, {200}, what)
            tags += decoded(answer.content, _Tags, f"The list of {what}").tags or []
        return sorted(tags)

    # --- requests

    def pages(self, path: str, what: str, parameters: Mapping[str, str] | None = None) -> list[Answer]:
        """The answers of a listing, page by page, up to one that is not 200."""
        answers = [self.ask("GET", path, what, parameters=parameters)]
        while following := answers[-1].links.get("next"):
            try:
                url = answers[-1].url.join(following)
            except httpx.InvalidURL:
                raise ConfigurationError(f"The list of {what} goes on at {following[:200]!r}, which is no address.") from None
            if (url.scheme, url.netloc) != (answers[-1].url.scheme, answers[-1].url.netloc):
                raise ConfigurationError(f"The list of {what} goes on at another host, {url.host}. That is not followed.")
            if len(answers) == _MOST_PAGES:
                raise ConfigurationError(f"The list of {what} has more than {_MOST_PAGES} pages. It was not read to the end.")
            answers.append(self.ask("GET", str(url), what))
        return answers

    def ask(
        self,
        method: str,
        path: str,
        what: str,
        *,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        largest: int = _LARGEST_ANSWER,
    ) -> Answer:
        """Ask, again and again while that may help.

        Args:
            path: Below the repository's address, or a whole URL.
            what: What it is about, for errors.
            largest: Bytes of the answer that are taken.

        Raises:
            ConfigurationError: there is no answer.
        """
        url = httpx.URL(f"{self.reference.api}{path}" if path.startswith("/") else path)
        url = url.copy_merge_params(dict(parameters)) if parameters else url
        failures = 0
        while True:
            try:
                return self.ask_once(method, url, headers=headers, content=content, largest=largest)
            except (httpx.RequestError, Interrupted) as error:
                failures += 1
                self.patience.pause_or_give_up(error, failures, str(url))

    def ask_once(
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] | None = None,
        timeout_s: float | None = None,
        largest: int = _LARGEST_ANSWER,
    ) -> Answer:
        """
        Args:
            timeout_s: How long the answer may take. Default: the client's.

        Raises:
            httpx.RequestError, Interrupted: it may be worth trying again.
        """
        timeout = httpx.Timeout(30.0, read=timeout_s) if timeout_s else httpx.USE_CLIENT_DEFAULT
        with self.client.stream(method, url, headers=dict(headers or {}), content=content, timeout=timeout) as response:
            answered = bounded(response, largest)
        if response.status_code in AGAIN:
            raise Interrupted(f"status {response.status_code}{_remark(answered)}", response.headers)
        links = {relation: link["url"] for relation, link in response.links.items() if relation and link.get("url")}
        return Answer(response.status_code, response.headers, answered, response.url, links)

    def expect(self, answer: Answer, statuses: Set[int], what: str) -> None:
        """
        Raises:
            NotThere: the registry has no such thing.
            ConfigurationError: it answered with another status than one of `statuses`.
        """
        if answer.status in statuses:
            return
        remark = _remark(answer.content)
        if answer.status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
            raise NotThere(f"{self.reference.registry} does not have {what}{remark}.")
        hint = f" {self.auth.hint}" if answer.status in {401, 403} else ""
        raise ConfigurationError(f"{self.reference.registry} answered with status {answer.status} to {what}{remark}.{hint}")


def _remark(content: bytes) -> str:
    """What the registry says is wrong, for the end of a sentence."""
    try:
        errors = msgspec.json.decode(content, type=_Errors).errors
    except msgspec.MsgspecError:
        return ""
    said = "; ".join(": ".join(part for part in (error.code, error.message) if part) for error in errors)
    shown = "".join(char for char in said if char.isprintable())[:_LONGEST_REMARK]
    return f" ({shown})" if shown else ""
