"""A real registry for tests: the CNCF distribution server, Debian's package ``docker-registry``, with a folder of its own.

``with Registry(tmp_path) as registry:`` starts one on a free port of the loopback interface; ``needs_registry`` marks the tests
that skip where it is not installed.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import trustme
import yaml

from tests.counting_proxy import CountingProxy
from tests.serving import free_port

USER = "jubako"
PASSWORD = "tiered-box"
_HASH = "$2b$04$pQEDLtEOj/dpUeooINQ51.RZQ/n/VV59VDm2X97TNTznPdYM2GfJ2"
"""Of PASSWORD, with bcrypt."""

_START_TIMEOUT_S = 120.0

needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="docker-registry is not installed: apt-get install docker-registry"
)


class Registry:
    """One ``docker-registry`` behind a proxy that counts bytes. Use as a context manager.

    Args:
        folder: Where it keeps everything; made if absent.
        basic: Whether it asks for USER and PASSWORD.
        tls: Whether it speaks TLS, under a certificate of `authority`.
        settings: More of its configuration, merged in by section.
    """

    def __init__(self, folder: Path, *, basic: bool = False, tls: bool = False, settings: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.basic = basic
        self.tls = tls
        self.settings = settings or {}
        self.port = free_port()
        self.proxy = CountingProxy(self.port)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """As references name it: host and port."""
        return f"127.0.0.1:{self.proxy.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def authority(self) -> Path:
        """PEM file of the authority that signed its certificate."""
        return self.folder / "authority.pem"

    @property
    def uploaded(self) -> int:
        """Bytes that clients have sent."""
        return self.proxy.uploaded

    @property
    def downloaded(self) -> int:
        """Bytes that clients have been sent."""
        return self.proxy.downloaded

    def blob(self, digest: str) -> Path:
        """Where it keeps the content of a blob or manifest, to be damaged or removed."""
        algorithm, _, encoded = digest.partition(":")
        return self.folder / "data/docker/registry/v2/blobs" / algorithm / encoded[:2] / encoded / "data"

    def auth_file(self, *, key: str = "") -> Path:
        """A file of credentials, as ``podman login`` writes it, that opens this registry (or what `key` names)."""
        path = self.folder / "auth.json"
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        path.write_text(json.dumps({"auths": {key or self.address: {"auth": auth}}}))
        return path

    def log(self) -> str:
        return (self.folder / "registry.log").read_text()

    def trust(self) -> ssl.SSLContext:
        """What a client needs to trust its certificate."""
        return ssl.create_default_context(cafile=str(self.authority))

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "config.yml"
        file.write_text(yaml.safe_dump(self._configuration()))
        with (self.folder / "registry.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.proxy.__enter__()
        self._wait_until_it_listens()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.proxy.__exit__(kind, error, trace)
        if self.process:
            self.process.terminate()
            self.process.wait(120)

    def _configuration(self) -> dict[str, Any]:
        configuration: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": secrets.token_hex(8)},
        }
        if self.basic:
            users = self.folder / "htpasswd"
            users.write_text(f"{USER}:{_HASH}\n")
            configuration["auth"] = {"htpasswd": {"realm": "tests", "path": str(users)}}
        if self.tls:
            configuration["http"]["tls"] = self._certificate()
        for section, values in self.settings.items():
            configuration[section] = {**configuration.get(section, {}), **values}
        return configuration

    def _certificate(self) -> dict[str, str]:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(str(self.authority))
        chain, key = self.folder / "chain.pem", self.folder / "key.pem"
        issued.private_key_pem.write_to_path(str(key))
        chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        return {"certificate": str(chain), "key": str(key)}

    def _wait_until_it_listens(self) -> None:
        assert self.process
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"docker-registry exited with {self.process.returncode}:\n{self.log()}")
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"docker-registry did not listen within {_START_TIMEOUT_S} s:\n{self.log()}")
