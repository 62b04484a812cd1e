"""One blob on its way to a registry: whole, or in parts; continued where the registry says that it stopped."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx
import msgspec

from jubako.errors import ConfigurationError
from jubako.oci.manifest import Descriptor
from jubako.oci.remote import STORED, Answer, RemoteRepository
from jubako.web import Interrupted, is_loopback, number_in

PART = 64 * 1024 * 1024
"""Bytes of a part: more than any registry's minimum, and below what proxies in front of registries commonly take."""

_CHUNK = 1024 * 1024
_CLOSING_TIMEOUT_S = 900.0  # registries compute the digest of the whole blob before they answer

_SAYS_NOTHING_OF_PARTS = frozenset({401, 403, 404, 413})
"""Refusals of a part that are none of parts as such: of the user, of a forgotten upload, of so many bytes in one request."""

Content = Path | bytes


def push_blob(remote: RemoteRepository, blob: Descriptor, content: Content) -> bool:
    """Send a small blob unless the registry has it; False if it has."""
    return not remote.has(blob.digest) and send_blob(remote, blob, content)


def send_blob(
    remote: RemoteRepository,
    blob: Descriptor,
    content: Content,
    *,
    advance: Callable[[int], None] = lambda sent: None,
    mount_from: str | None = None,
    note: Path | None = None,
    part: int = PART,
) -> bool:
    """Send a blob that the registry does not have; False if it took the blob from another of its repositories.

    Args:
        content: Exactly what `blob` describes.
        advance: Told how many more bytes have been sent; a negative number when some must be sent again.
        mount_from: Another repository of the registry, which may have the blob.
        note: A file in which the address of the upload is kept while it lasts, so that another process can continue it.
        part: Bytes that are sent in one request.

    Raises:
        ConfigurationError: the registry refuses, or can't be reached for long.
    """
    return _Upload(remote, blob, content, advance, note, part).run(mount_from)


@dataclass
class _Upload:
    """The arguments are those of :func:`send_blob`.

    Attributes:
        location: Where the next part goes; None before the registry has opened an upload.
        sent: Bytes that have left; after a failure, those that the registry says that it has.
    """

    remote: RemoteRepository
    blob: Descriptor
    content: Content
    advance: Callable[[int], None]
    note: Path | None
    part: int
    location: httpx.URL | None = None
    sent: int = 0

    @property
    def what(self) -> str:
        return f"an upload of {self.blob.digest} to {self.remote}"

    def run(self, mount_from: str | None) -> bool:
        self._take_up()
        failures, furthest = 0, self.sent
        while True:
            try:
                if self.location is None and self._begin(mount_from):
                    return False
                self._send()
                break
            except (httpx.RequestError, Interrupted) as error:
                failures += 1
                self.remote.patience.pause_or_give_up(error, failures, self.remote.reference.api)
                if self.remote.has(self.blob.digest):  # only the last answer was lost
                    break
                self._find_out()
                if self.sent > furthest:
                    failures, furthest = 0, self.sent
        if self.note:
            self.note.unlink(missing_ok=True)
        return True

    # --- the steps

    def _begin(self, mount_from: str | None) -> bool:
        """Open an upload; True if the registry took the blob from another of its repositories."""
        try:
            answer = self._open({"mount": self.blob.digest, "from": mount_from} if mount_from else None)
        except ConfigurationError:
            if not mount_from:
                raise
            answer = self._open()  # who may write here may not be let in there
        if answer.status == httpx.codes.CREATED:
            return True
        self.part = max(self.part, number_in(answer.headers.get("oci-chunk-min-length", "")) or 0)
        self._move(answer)
        return False

    def _send(self) -> None:
        if self.sent or self.blob.size > self.part:
            while self.sent < self.blob.size:
                self._send_part()
        self._close()

    def _send_part(self) -> None:
        start, end = self.sent, min(self.sent + self.part, self.blob.size)
        headers = {"content-type": "application/octet-stream", "content-range": f"{start}-{end - 1}"}
        answer = self._request("PATCH", self._address, headers, start, end)
        if not start and answer.status >= 400 and answer.status not in _SAYS_NOTHING_OF_PARTS:
            # Google's registry takes no parts, and GitHub's none of more than 4 MiB; both take whole blobs of any size.
            self.part, self.location = self.blob.size, None
            raise Interrupted(f"status {answer.status}")
        if answer.status in {404, 416}:  # the registry has forgotten the upload, or has another part of it
            raise Interrupted(f"status {answer.status}")
        self.remote.expect(answer, {202}, self.what)
        self._move(answer)
        self._correct(min(_end_of_range(answer, end), end))
        if self.sent <= start:
            raise Interrupted("the registry kept nothing of what it was sent")

    def _close(self) -> None:
        address = self._address.copy_merge_params({"digest": self.blob.digest})
        headers = {"content-type": "application/octet-stream"}
        answer = self._request("PUT", address, headers, self.sent, self.blob.size)
        if answer.status in {404, 416}:
            raise Interrupted(f"status {answer.status}")
        self.remote.expect(answer, STORED, self.what)

    def _find_out(self) -> None:
        """Ask the registry how far it has come; an upload that it does not know begins anew."""
        if self.location is not None:
            answer = self.remote.ask("GET", str(self.location), self.what)
            if answer.status == httpx.codes.NO_CONTENT:
                if "location" in answer.headers:
                    self._move(answer)
                self._correct(min(_end_of_range(answer, 0), self.blob.size))
                return
        self.location = None
        self._correct(0)

    def _take_up(self) -> None:
        """Continue what another process left."""
        if self.note:
            try:
                self.location = httpx.URL(msgspec.json.decode(self.note.read_bytes(), type=str))
                self._find_out()
            except (OSError, msgspec.MsgspecError, httpx.InvalidURL, ConfigurationError):
                self.location = None

    # --- what they are made of

    @property
    def _address(self) -> httpx.URL:
        assert self.location is not None
        return self.location

    def _open(self, parameters: dict[str, str] | None = None) -> Answer:
        answer = self.remote.ask("POST", "/blobs/uploads/", self.what, parameters=parameters, headers={"content-length": "0"})
        self.remote.expect(answer, {201, 202}, self.what)
        return answer

    def _request(self, method: str, url: httpx.URL, headers: dict[str, str], start: int, end: int) -> Answer:
        headers["content-length"] = str(end - start)
        content = _Part(self, start, end)
        return self.remote.ask_once(method, url, headers=headers, content=content, timeout_s=_CLOSING_TIMEOUT_S)

    def _move(self, answer: Answer) -> None:
        """Go on at the address that an answer names."""
        location = answer.headers.get("location", "")
        try:
            url = answer.url.join(location)
        except httpx.InvalidURL:
            location = ""
        if not location:
            raise ConfigurationError(f"{self.remote.reference.registry} names no address for {self.what}.")
        if url.scheme not in {answer.url.scheme, "https"} and not is_loopback(url.host):
            raise ConfigurationError(f"{self.remote.reference.registry} leads {self.what} to an address without https://.")
        self.location = url
        if self.note:
            with suppress(OSError):  # without it, only another process can't continue
                self.note.touch(mode=0o600)  # who has the address can write to the upload
                self.note.write_bytes(msgspec.json.encode(str(url)))

    def _correct(self, sent: int) -> None:
        self.advance(sent - self.sent)
        self.sent = sent

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        self._correct(start)  # a part is sent again where the registry asked for a new token
        with _opened(self.content) as file:
            file.seek(start)
            while self.sent < end:
                chunk = file.read(min(_CHUNK, end - self.sent))
                if not chunk:
                    raise ConfigurationError(f"A file has become shorter during {self.what}. Try again.")
                yield chunk
                self._correct(self.sent + len(chunk))


class _Part:
    """Some bytes of the content, as often as they are asked for."""

    def __init__(self, upload: _Upload, start: int, end: int) -> None:
        self.upload = upload
        self.start = start
        self.end = end

    def __iter__(self) -> Iterator[bytes]:
        return self.upload.chunks(self.start, self.end)


def _opened(content: Content) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _end_of_range(answer: Answer, otherwise: int) -> int:
    """How many bytes the registry has, by its ``Range: 0-<last>``. Zero bytes are written as ``0-0`` too."""
    first, _, text = answer.headers.get("range", "").removeprefix("bytes=").partition("-")
    last = number_in(text)
    if first != "0" or last is None:
        return otherwise
    return last + 1 if last else 0
