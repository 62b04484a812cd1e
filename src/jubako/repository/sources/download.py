"""One file over HTTP into the cache: continued where it stopped, tried again, and verified."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache, StoredFile, human_size
from jubako.repository.progress import Progress
from jubako.web import Interrupted, Patience, check_status, number_in, without_secrets

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class RemoteFile:
    """A file that a source is made of.

    Attributes:
        path: Its path inside the folder of the weights.
        size: Bytes, where the server's listing says.
        sha256: The digest that the listing claims; a different one is an error. None if it claims none.
        headers: For the first server only; on a redirect to another host the credentials stay behind.
        refused: What to say of status 401, 403 and 404 besides the status.
    """

    path: str
    url: str
    size: int | None = None
    sha256: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    refused: str = ""


def get(client: httpx.Client, url: str, headers: Mapping[str, str], patience: Patience, refused: str = "") -> httpx.Response:
    """A small document, such as a listing.

    Raises:
        ConfigurationError: it is not to be had.
    """
    failures = 0
    while True:
        try:
            response = client.get(url, headers=dict(headers))
            check_status(response, refused)
            return response
        except (httpx.RequestError, Interrupted) as error:
            failures += 1
            patience.pause_or_give_up(error, failures, url)


class Download:
    """One file on its way into the cache."""

    def __init__(
        self,
        file: RemoteFile,
        pinned: str | None,
        *,
        cache: Cache,
        client: httpx.Client,
        progress: Progress,
        patience: Patience,
    ) -> None:
        self.file = file
        self.pinned = pinned.lower() if pinned else None
        self.listed = file.sha256.lower() if file.sha256 else None
        self.cache = cache
        self.client = client
        self.progress = progress
        self.patience = patience
        self.partial = cache.partial(self.listed or self.pinned or file.url)
        self.validator_note = self.partial.with_name(f"{self.partial.name}.json")
        self.sha256 = hashlib.sha256()
        self.received = 0
        self.total = file.size
        self.started = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else works at the partial file meanwhile: several sources may need one file, such as members of one wheel."""
        with self.cache.lock(self.file.path, self.progress, key=self.partial.name):
            yield

    def into_cache(self) -> StoredFile:
        """Fetch the file and keep it as a blob, verified.

        Raises:
            ConfigurationError: it is not to be had, does not fit on the disk, or has another digest than it must have.
        """
        expected = self.pinned or self.listed
        with self.alone():
            if expected and self.cache.has(expected, self.file.size):
                return StoredFile(self.file.path, expected, self.cache.blob(expected).stat().st_size)
            partial = self.into_partial()
            digest = self.sha256.hexdigest()
            self.cache.adopt(partial, digest)
            self.discard()
        return StoredFile(self.file.path, digest, self.received)

    def into_partial(self) -> Path:
        """Fetch the whole file, verified, into its partial file; whoever is done with that calls `discard`."""
        if self.pinned and self.listed and self.pinned != self.listed:
            raise self._other_digest(self.listed)
        try:
            self._continue_partial()
            self._attempts()
        except OSError as error:
            raise self._disk_error(error) from error
        finally:
            if self.started:
                self.progress.done()
        self._verify()
        return self.partial

    def discard(self) -> None:
        """Remove the partial file."""
        self.partial.unlink(missing_ok=True)
        self.validator_note.unlink(missing_ok=True)

    # --- one attempt after the other

    def _attempts(self) -> None:
        failures = 0
        while True:
            before = self.received
            try:
                if self._attempt():
                    return
                error: Exception = Interrupted("it ended early")
            except (httpx.RequestError, Interrupted) as caught:
                error = caught
            failures = 1 if self.received > before else failures + 1
            self.patience.pause_or_give_up(error, failures, self.file.url)

    def _attempt(self) -> bool:
        """Ask for what is missing; True when the file is whole."""
        if self.total is not None and self.received == self.total:
            return True
        if self.received and not self._is_recognisable():
            self._start_over()
        headers = dict(self.file.headers)
        if self.received:
            headers["range"] = f"bytes={self.received}-"
            if validator := self._validator():
                headers["if-range"] = validator
        with self.client.stream("GET", self.file.url, headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and self.received:
                if response.headers.get("content-range") == f"bytes */{self.received}":
                    return True
                self._start_over()
                raise Interrupted("the server has no more of it than is here")
            check_status(response, self.file.refused)
            self._begin(response)
            self._receive(response)
        return self.total is None or self.received == self.total

    def _begin(self, response: httpx.Response) -> None:
        """Set `total`, and go back to the beginning where the server does not continue."""
        start, total = _content_range(response)
        if start != self.received:
            self._start_over()
            if start:
                raise Interrupted("the server sent another part than was asked for")
        if total is not None and self.file.size is not None and total != self.file.size:
            raise ConfigurationError(
                f"The server says that {without_secrets(self.file.url)} has {total} bytes, but its listing says {self.file.size}."
            )
        self.total = total if total is not None else self.file.size
        if not self.started:
            self.started = True
            self.progress.start(self.total, self.file.path)
            self.progress.advance(self.received)
        if self.total is not None:
            self.cache.need_space(self.total - self.received, f"The rest of {self.file.path}")
        if not self.received:
            self._note_validator(response)

    def _receive(self, response: httpx.Response) -> None:
        with self.partial.open("ab") as file:
            for chunk in response.iter_raw():
                if self.total is not None and self.received + len(chunk) > self.total:
                    raise ConfigurationError(f"The server sent more of {without_secrets(self.file.url)} than it announced.")
                file.write(chunk)
                self.sha256.update(chunk)
                self.received += len(chunk)
                self.progress.advance(len(chunk))

    # --- the partial file

    def _continue_partial(self) -> None:
        """Take up what an earlier download left, if it can be told that it belongs to the same content."""
        if not self._is_recognisable():
            self.discard()
        self.partial.touch()
        with self.partial.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self.sha256.update(chunk)
                self.received += len(chunk)
        if self.file.size is not None and self.received > self.file.size:
            self._start_over()

    def _is_recognisable(self) -> bool:
        """Whether a mixture of old and new content would be noticed: by a digest, or by the server."""
        return bool(self.listed or self.pinned or self._validator())

    def _start_over(self) -> None:
        if self.started:
            self.progress.advance(-self.received)
        self.discard()
        self.partial.touch()
        self.sha256 = hashlib.sha256()
        self.received = 0

    def _validator(self) -> str | None:
        """The strong ETag, or the time of change, that the server gave the beginning of the partial file."""
        try:
            return msgspec.json.decode(self.validator_note.read_bytes(), type=str)
        except (OSError, msgspec.MsgspecError):
            return None

    def _note_validator(self, response: httpx.Response) -> None:
        etag = response.headers.get("etag", "")
        validator = etag if etag and not etag.startswith("W/") else response.headers.get("last-modified")
        if validator:
            self.validator_note.write_bytes(msgspec.json.encode(validator))

    # --- the end

    def _verify(self) -> None:
        actual = self.sha256.hexdigest()
        if self.pinned and actual != self.pinned:
            self.discard()
            raise self._other_digest(actual)
        if self.listed and actual != self.listed:
            self.discard()
            raise ConfigurationError(
                f"{self.file.path} from {without_secrets(self.file.url)} has the SHA-256 digest {actual}, but its listing says "
                f"{self.listed}. What came was removed; try again."
            )

    def _other_digest(self, actual: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.file.path} from {without_secrets(self.file.url)} has the SHA-256 digest {actual}, but the entry pins "
            f"{self.pinned}. Nothing of it was kept. If the new content is wanted, pin its digest."
        )

    def _disk_error(self, error: OSError) -> ConfigurationError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            need = f"{human_size(self.total - self.received)} more" if self.total is not None else "more room"
            return ConfigurationError(
                f"The disk of {self.cache.root} is full: {self.file.path} needs {need}. Make room and try again; "
                "the download continues where it stopped."
            )
        return ConfigurationError(f"{self.file.path} can't be written into {self.cache.root}: {error.strerror or error}.")


def _content_range(response: httpx.Response) -> tuple[int, int | None]:
    """The first byte that `response` holds, and the size of the whole file."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        length = number_in(response.headers.get("content-length", ""))
        return 0, length if "content-encoding" not in response.headers else None
    unit, _, rest = response.headers.get("content-range", "").partition(" ")
    span, _, size = rest.partition("/")
    first = number_in(span.partition("-")[0])
    if unit != "bytes" or first is None:
        raise Interrupted("the server's Content-Range can't be read")
    return first, number_in(size)
