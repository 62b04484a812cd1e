"""Who the user is at a registry, by the files that container tools write; see containers-auth.json(5).

The files, of which the first with credentials for the registry counts:

* the one that ``REGISTRY_AUTH_FILE`` names; then no other is read
* ``${XDG_RUNTIME_DIR}/containers/auth.json``
* ``${XDG_CONFIG_HOME}/containers/auth.json``, by default in ``~/.config``
* ``${DOCKER_CONFIG}/config.json``, by default in ``~/.docker``

In a file, ``credHelpers`` goes before ``auths``, of which the longest matching path counts, and that before ``credsStore``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.oci.reference import DOCKER_HUB, Reference

_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HELPER_TIMEOUT_S = 60.0
_NOT_FOUND = "credentials not found"
_TOKEN_USER = "<token>"  # noqa: S105 - what helpers give in place of a user's name with an identity token
_DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
"""How docker and its helpers call Docker Hub."""


@dataclass(frozen=True)
class Credentials:
    """A user's name and password, or an identity token in place of both.

    Attributes:
        origin: The file or helper that gave them, for messages.
    """

    user: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""


class _Auth(Struct, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = msgspec.field(default="", name="identitytoken")


class _File(Struct):
    auths: dict[str, _Auth] = {}
    cred_helpers: dict[str, str] = msgspec.field(default_factory=dict, name="credHelpers")
    creds_store: str = msgspec.field(default="", name="credsStore")


class _Answer(Struct, rename="pascal"):
    """What a helper prints."""

    username: str
    secret: str


def find_credentials(reference: Reference, environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """The user's credentials for the reference's repository; None if there are none.

    Raises:
        ConfigurationError: a file can't be read, or a helper fails.
    """
    for path in _paths(environment):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError(f"The file of credentials {path} can't be read: {error.strerror}.") from None
        if found := _in_file(path, content, reference, environment):
            return found
    return None


def _paths(environment: Mapping[str, str]) -> Iterator[Path]:
    if named := environment.get("REGISTRY_AUTH_FILE"):
        if not Path(named).is_file():
            raise ConfigurationError(f"REGISTRY_AUTH_FILE names {named}, but there is no such file.")
        yield Path(named)
        return
    home = Path(environment.get("HOME") or Path.home())
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _in_file(path: Path, content: bytes, reference: Reference, environment: Mapping[str, str]) -> Credentials | None:
    try:
        file = msgspec.json.decode(content or b"{}", type=_File)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"The file of credentials {path} can't be read: {error}.") from None
    if helper := file.cred_helpers.get(reference.registry):
        return _from_helper(helper, reference, environment)
    filled = {key: auth for key, auth in file.auths.items() if auth != _Auth()}
    # A plain key goes before what docker writes, of which the first counts: it keeps its own tokens below https://host/v1/ too.
    auths = {_plain_key(key): auth for key, auth in reversed(filled.items())} | filled
    for key in _keys(reference):
        if (auth := auths.get(key)) and (found := _decoded(auth, key, path)):
            return found
    return _from_helper(file.creds_store, reference, environment) if file.creds_store else None


def _keys(reference: Reference) -> Iterator[str]:
    """From the whole path of the repository to the registry alone."""
    parts = reference.name.split("/")
    for length in range(len(parts), 0, -1):
        yield "/".join(parts[:length])


def _plain_key(key: str) -> str:
    """`key` without what docker writes around it: ``https://host/v1/`` is ``host``."""
    bare = re.sub(r"^https?://", "", key)
    if bare != key:
        bare = bare.partition("/")[0]
    bare = bare.rstrip("/")
    return DOCKER_HUB if bare in {"index.docker.io", "registry-1.docker.io"} else bare


def _decoded(auth: _Auth, key: str, path: Path) -> Credentials | None:
    """None for an entry without content, which only says that a helper has some."""
    user, password = auth.username, auth.password
    if auth.auth:
        try:
            user, colon, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise ConfigurationError(f"In {path}, `auth` of {key!r} is not user:password in Base64.")
        password = password.rstrip("\0")
    if not user and not auth.identity_token:
        return None
    return Credentials(user, password, auth.identity_token, str(path))


def _from_helper(name: str, reference: Reference, environment: Mapping[str, str]) -> Credentials | None:
    """What the program ``docker-credential-NAME`` has; its protocol is that of docker-credential-helpers."""
    program = f"docker-credential-{name}"
    if not _HELPER.fullmatch(name):
        raise ConfigurationError(f"The credential helper {name!r} is not a plain name, so it was not run.")
    found = shutil.which(program, path=environment.get("PATH"))
    if not found:
        raise ConfigurationError(f"The credential helper {program} is named for {reference.registry}, but is not installed.")
    server = _DOCKER_HUB_SERVER if reference.registry == DOCKER_HUB else reference.registry
    try:
        finished = subprocess.run(  # noqa: S603 - no shell, and the name is checked
            [found, "get"],
            input=server.encode(),
            capture_output=True,
            env=dict(environment),
            timeout=_HELPER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"The credential helper {program} failed: {error}.") from None
    if finished.returncode != 0:
        if _NOT_FOUND in finished.stdout.decode(errors="replace").lower():
            return None
        raise ConfigurationError(f"The credential helper {program} failed with status {finished.returncode} for {server}.")
    try:
        answer = msgspec.json.decode(finished.stdout, type=_Answer)
    except msgspec.MsgspecError:
        raise ConfigurationError(f"The credential helper {program} did not answer as one does.") from None
    if answer.username == _TOKEN_USER:
        return Credentials("", "", answer.secret, program)
    return Credentials(answer.username, answer.secret, "", program)
