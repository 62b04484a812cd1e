"""The check of every request, on either door."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Final, Self

from jubako.access.key import NOBODY, Key
from jubako.access.keyring import Keyring
from jubako.access.scope import Access
from jubako.access.validity import Validity
from jubako.errors import ConfigurationError, Forbidden, JubakoError, Unauthorized
from jubako.settings import Settings

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0

REVIEW_S: Final = 1.0
"""How often the keys are compared with what goes on, where something does."""

HOW: Final = "Send it in the header 'Authorization: Bearer <key>'."

Stamp = tuple[int, int, int]
"""Inode, time and size of the file."""


class Guard:
    """Lets in who has a key of `file`.

    The file is looked at again when requests come and while answers go out, so keys are made and revoked by writing it. One that
    can't be used changes nothing but the log, until it can; keys expire all the same.

    Args:
        look_s: Requests have it looked at no more often than once in so many seconds.

    Raises:
        ConfigurationError: the file can't be used.
    """

    def __init__(self, file: Path, look_s: float = LOOK_S) -> None:
        self._file = file
        self._look_s = look_s
        self._seen = self._stamp()
        self._looked = time.monotonic()
        self._keyring = Keyring.read(file)
        self._going_on: set[Validity] = set()
        self._is_reviewing = False

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The one that the settings ask for; None where nobody is asked for a key."""
        return cls(settings.api_keys) if settings.api_keys is not None else None

    def identify(self, access: Access, authorization: bytes, api_key: bytes) -> Key:
        """The caller's key, or NOBODY where none is needed and none that counts was sent. Whether it is for this,
        :func:`require` says.

        Args:
            authorization: The header of this name; empty where there is none.
            api_key: The header ``x-api-key``, which counts where the other has no key.

        Raises:
            Unauthorized: there is no key, or it is none of ours, or has expired.
        """
        self._look_in_time()
        secret = _bearer(authorization) or api_key
        key = self._keyring.find(secret) if secret else None
        if access.is_open:
            return NOBODY if key is None or key.has_expired else key
        if key is None:
            raise _unknown() if secret else _missing()
        if key.has_expired:
            raise _expired(key)
        return key

    def while_valid(self, key: Key, access: Access) -> Validity:
        """Around work that `key` was let in for. Once the key does not count any more the work is cancelled, within REVIEW_S, and
        the block raises Unauthorized or Forbidden. A key counts while its secret does, whatever its name and date become."""
        return Validity(key, access, self._begin, self._going_on.discard)

    def _begin(self, validity: Validity) -> None:
        if validity.access.is_open:
            return
        self._going_on.add(validity)
        if not self._is_reviewing:
            self._review_later()

    def _review_later(self) -> None:
        # One timer for all, and none where nothing goes on.
        self._is_reviewing = bool(self._going_on)
        if self._is_reviewing:
            asyncio.get_running_loop().call_later(REVIEW_S, self._review)

    def _review(self) -> None:
        self._look()
        for validity in list(self._going_on):
            try:
                self._confirm(validity.key, validity.access)
            except JubakoError as error:
                validity.end(error)
        self._review_later()

    def _confirm(self, key: Key, access: Access) -> None:
        current = self._keyring.with_digest(key.digest)
        if current is None or (current.is_limited and not set(key.models) <= set(current.models)):
            raise _revoked(key)
        if current.has_expired:
            raise _expired(current)
        require(current, access)

    def _look_in_time(self) -> None:
        if time.monotonic() - self._looked >= self._look_s:
            self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._keyring = Keyring.read(self._file)
        except ConfigurationError as error:
            log.error("The keys have changed and can't be used; those before stay in force. %s", error.message)
        else:
            log.info("The keys were read again from %s: there are %d.", self._file, len(self._keyring))

    def _stamp(self) -> Stamp | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def _bearer(authorization: bytes) -> bytes:
    """The token of the header (RFC 6750, section 2.1); empty where it says something else."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def require(key: Key, access: Access) -> None:
    """
    Raises:
        Forbidden: the key is not for this.
    """
    if access.is_open:
        return
    if access.scope is not None and access.scope not in key.scopes:
        raise Forbidden(
            f"The key {key.name!r} has the scope {' and '.join(key.scopes)}; this takes one with the scope {access.scope}.",
            code="insufficient_scope",
        )
    if access.all_models and key.is_limited:
        raise concerns_all(key)


def concerns_all(key: Key) -> Forbidden:
    """The error for what is not divided by models."""
    return Forbidden(
        f"The key {key.name!r} is for some models only; this concerns the whole server and takes a key for every model.",
        code="limited_to_models",
    )


def _missing() -> Unauthorized:
    return Unauthorized(f"This server asks for a key. {HOW}", code="missing_api_key")


def _expired(key: Key) -> Unauthorized:
    sentence = f"The key {key.name!r} has expired. Ask whoever runs this server for another."
    return Unauthorized(sentence, code="expired_api_key")


def _revoked(key: Key) -> Unauthorized:
    return Unauthorized(f"The key {key.name!r} was revoked or changed after this began. Begin again with a key that counts.")


def _unknown() -> Unauthorized:
    return Unauthorized("The key that came is none of this server's. Was it revoked, or is it another server's?")
