"""Authorities and clients' certificates of single registries, where podman, skopeo and docker look; see containers-certs.d(5).

The folders, each with one for a registry that is named as references write it, ``HOST`` or ``HOST:PORT``. The first that has one
for the registry counts, and no other is read:

* ``$HOME/.config/containers/certs.d``
* ``/etc/containers/certs.d``
* ``/etc/docker/certs.d``

In it, every ``*.crt`` is the certificate of an authority, trusted besides those that are trusted anyway; ``*.cert`` is shown to a
registry that asks its clients for a certificate, and the ``*.key`` of the same name is its key.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from jubako.errors import ConfigurationError
from jubako.oci.reference import Reference
from jubako.web import tls_context

SHARED = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))
"""The folders of all users."""


def tls_of(
    reference: Reference, environment: Mapping[str, str] = os.environ, shared: Sequence[Path] = SHARED
) -> ssl.SSLContext | None:
    """How to speak TLS with the registry of `reference`; None where it has no folder, so that it is spoken to like any server.

    Raises:
        ConfigurationError: something in the registry's folder can't be read, or is not what its name says.
    """
    folder = None if reference.plain_http else _folder_of(reference.registry, environment, shared)
    return _context(folder) if folder else None


def _folder_of(registry: str, environment: Mapping[str, str], shared: Sequence[Path]) -> Path | None:
    home = Path(environment.get("HOME") or Path.home())
    for place in (home / ".config" / "containers" / "certs.d", *shared):
        try:
            if (place / registry).is_dir():
                return place / registry
        except PermissionError:  # as the other tools do: what is closed to this user is not meant for this user
            continue
    return None


def _context(folder: Path) -> ssl.SSLContext:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        _unreadable(folder, error)
    context = tls_context()
    for authority in (file for file in files if file.suffix == ".crt"):
        _check_readable(authority)
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"{authority} holds no certificate in PEM of an authority: {error.reason or error}. That of a client is "
                "named *.cert."
            ) from None
    if client := _client(folder, files):
        _show(context, *client)
    return context


def _client(folder: Path, files: Sequence[Path]) -> tuple[Path, Path] | None:
    """The client's certificate and its key."""
    certificates = [file for file in files if file.suffix == ".cert"]
    for file in (file for file in files if file.suffix in {".cert", ".key"}):
        other = file.with_suffix(".key" if file.suffix == ".cert" else ".cert")
        if other not in files:
            raise ConfigurationError(
                f"{file} needs {other.name} beside it: a client's certificate and its key have one name. Certificates of "
                "authorities are named *.crt."
            )
    if len(certificates) > 1:
        names = ", ".join(file.name for file in certificates)
        raise ConfigurationError(f"{folder} holds several clients' certificates ({names}). Leave the one that is to be shown.")
    return (certificates[0], certificates[0].with_suffix(".key")) if certificates else None


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _check_readable(certificate)
    _check_readable(key)

    def ask() -> NoReturn:
        raise ConfigurationError(f"The key {key} is encrypted, and nobody is there to ask for its password. Keep it without one.")

    try:
        context.load_cert_chain(certificate, key, password=ask)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{certificate} and {key} are no certificate in PEM with its key: {error.reason or error}. Put the client's "
            "certificate and its own key there, or remove both."
        ) from None


def _check_readable(file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        _unreadable(file, error)


def _unreadable(path: Path, error: OSError) -> NoReturn:
    raise ConfigurationError(f"{path} can't be read: {error.strerror}. Make it readable for this user, or remove it.") from None
