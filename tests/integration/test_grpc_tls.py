"""`jubako serve` with certificates: several gateways, their renewal, and what is refused before anything starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import trustme

from jubako.protos import inference as pb
from tests.conftest import ServerFactory
from tests.unit.cli.command import jubako

Repository = Callable[..., Path]


def write_certificate(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Writes the files, and returns the settings that name them."""
    made = authority.issue_cert("localhost")
    (folder / "key.pem").write_bytes(made.private_key_pem.bytes())
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    return {"JUBAKO_GRPC_TLS_CERT": str(folder / "cert.pem"), "JUBAKO_GRPC_TLS_KEY": str(folder / "key.pem")}


def is_ready(port: int, authority: trustme.CA, client: trustme.LeafCert) -> bool:
    """What the server says over a connection of its own; False if there is none."""
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(f"localhost:{port}", credentials, options) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ServerReady", bytes, pb.ServerReadyResponse.FromString)
        try:
            return ask(b"", timeout=30).ready
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False


def test_every_gateway_shows_the_certificate_and_the_renewed_one(
    make_server: ServerFactory, repository: Repository, tmp_path: Path
) -> None:
    authority, later = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    client = authority.issue_cert("client.test")
    settings = write_certificate(authority, tmp_path) | {"JUBAKO_GRPC_TLS_CLIENT_CA": str(tmp_path / "clients.pem")}
    with make_server(repository(echo="backend: echo"), **settings, JUBAKO_WORKERS="2") as server:
        # So many connections that no gateway is left out by chance.
        assert all(is_ready(server.grpc_port, authority, client) for _ in range(12))
        assert not is_ready(server.grpc_port, authority, later.issue_cert("client.test"))
        server.wait_until(lambda: "with TLS and clients' certificates" in server.log.read_text())

        write_certificate(later, tmp_path)
        time.sleep(1.1)  # they look once a second
        assert all(is_ready(server.grpc_port, later, client) for _ in range(12))
        assert server.terminate() == 0
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--grpc-tls-cert", "cert.pem"], "--grpc-tls-cert can't be without --grpc-tls-key."),
        (["--grpc-tls-cert", "no.pem", "--grpc-tls-key", "key.pem"], "no.pem (--grpc-tls-cert) can't be read: No such file"),
        (
            ["--grpc-tls-cert", "cert.pem", "--grpc-tls-key", "other.pem"],
            "other.pem (--grpc-tls-key) is not that of",
        ),
    ],
)
def test_certificates_that_do_not_do_are_refused(
    repository: Repository, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    authority = trustme.CA()
    write_certificate(authority, tmp_path)
    authority.issue_cert("localhost").private_key_pem.write_to_path(tmp_path / "other.pem")
    done = jubako("serve", repository(echo="backend: echo"), "--port", "0", "--grpc-port", "0", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
