"""The port with TLS: whom it believes, what it shows, and how certificates are renewed under it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import grpc
import numpy as np
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from jubako.errors import ConfigurationError
from jubako.grpc.front import grpc_server
from jubako.grpc.transport import frames
from jubako.grpc.transport.server import Server
from jubako.grpc.transport.tls import Certificates, Files
from jubako.kserve.trace import Tracing
from jubako.protos import inference as pb
from jubako.settings import Settings
from tests.unit.grpc.conftest import stream_infer, unary
from tests.unit.grpc.peer import PATIENCE_S, Peer
from tests.unit.http.fake_plane import FakePlane


class Start(Protocol):
    """Starts a server with these files, and returns its address."""

    async def __call__(self, files: Files, handshake_s: float = PATIENCE_S) -> str: ...


MESSAGE = pb.ModelInferRequest(
    model_name="identity",
    inputs=[pb.ModelInferRequest.InferInputTensor(name="INPUT0", datatype="FP32", shape=[1, 16])],
    raw_input_contents=[bytes(range(64))],
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def other_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def plane() -> FakePlane:
    return FakePlane()


@pytest.fixture
def servers() -> list[Server]:
    """Those that the test has started."""
    return []


@pytest.fixture
async def start(plane: FakePlane, servers: list[Server]) -> AsyncIterator[Start]:
    async def start(files: Files, handshake_s: float = PATIENCE_S) -> str:
        server = grpc_server(plane, Settings(access_log=False), never, Tracing(), guard=None)
        servers.append(server)
        return f"localhost:{await server.start('127.0.0.1', 0, tls=Certificates(files, look_s=0, handshake_s=handshake_s))}"

    yield start
    for server in servers:
        await server.stop(1)


async def never() -> None:
    """No model changes."""
    await asyncio.Event().wait()


def written(authority: trustme.CA, folder: Path) -> Files:
    """The files of a certificate for this machine."""
    made = authority.issue_cert("localhost")
    files = Files(folder / "cert.pem", folder / "key.pem")
    files.cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    files.key.write_bytes(made.private_key_pem.bytes())
    return files


def with_clients(files: Files, authority: trustme.CA) -> Files:
    """The same, for clients of this authority only."""
    client_ca = files.cert.with_name("clients.pem")
    authority.cert_pem.write_to_path(client_ca)
    return Files(files.cert, files.key, client_ca)


def channel_to(address: str, authority: trustme.CA, client: trustme.LeafCert | None = None) -> grpc.aio.Channel:
    """A connection of its own, that believes in `authority`."""
    if client is None:
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    else:
        credentials = grpc.ssl_channel_credentials(
            authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
        )
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(address, credentials, options)


async def is_live(address: str, authority: trustme.CA, client: trustme.LeafCert | None = None) -> bool:
    """Whether the server answers; False if the two can't agree on a connection."""
    async with channel_to(address, authority, client) as channel:
        try:
            answer = await unary(channel, "ServerLive")(b"", timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return pb.ServerLiveResponse.FromString(answer).live


async def test_clients_that_know_the_authority_are_answered_and_others_turn_away(
    start: Start, authority: trustme.CA, other_authority: trustme.CA, tmp_path: Path
) -> None:
    address = await start(written(authority, tmp_path))
    assert await is_live(address, authority)
    assert not await is_live(address, other_authority)
    assert await is_live(address, authority)


async def test_clients_must_show_a_certificate_of_the_right_authority(
    start: Start, authority: trustme.CA, other_authority: trustme.CA, tmp_path: Path
) -> None:
    address = await start(with_clients(written(authority, tmp_path), other_authority))
    assert await is_live(address, authority, other_authority.issue_cert("client.test"))
    assert not await is_live(address, authority)
    assert not await is_live(address, authority, authority.issue_cert("client.test"))


async def test_large_messages_and_streams_go_through(start: Start, authority: trustme.CA, tmp_path: Path) -> None:
    address = await start(written(authority, tmp_path))
    rows = np.random.default_rng(1).random((60_000, 16), np.float32)
    message = pb.ModelInferRequest(model_name="identity", raw_input_contents=[rows.tobytes()])
    message.inputs.add(name="INPUT0", datatype="FP32", shape=rows.shape)
    async with channel_to(address, authority) as channel:
        answers = await asyncio.gather(*(unary(channel, "ModelInfer")(message.SerializeToString()) for _ in range(4)))
        for answer in answers:
            assert pb.ModelInferResponse.FromString(answer).raw_output_contents[0] == rows.tobytes()
        stream = stream_infer(channel)
        for number in range(20):
            await stream.write(pb.ModelInferRequest(model_name="nope", id=str(number)).SerializeToString())
        await stream.done_writing()
        seen = {pb.ModelStreamInferResponse.FromString(answer).infer_response.id async for answer in stream}
    assert seen == {str(number) for number in range(20)}


async def test_a_client_without_tls_is_hung_up_on_and_harms_no_other(start: Start, authority: trustme.CA, tmp_path: Path) -> None:
    address = await start(written(authority, tmp_path))
    async with channel_to(address, authority) as channel:
        await unary(channel, "ServerLive")(b"")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        async with grpc.aio.insecure_channel(address) as plain:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unary(plain, "ServerLive")(b"", timeout=PATIENCE_S)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await unary(channel, "ServerLive")(b"")


async def test_a_client_that_breaks_the_protocol_and_goes_on_sending_learns_why(
    start: Start, authority: trustme.CA, tmp_path: Path
) -> None:
    _, _, port = (await start(written(authority, tmp_path))).rpartition(":")
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("localhost", int(port), family=socket.AF_INET, ssl=context)
    peer = Peer(reader, writer)
    peer.greet()
    peer.write(frames.frame(frames.PUSH_PROMISE, 0, 1))
    for _ in range(3):
        await asyncio.sleep(0.5)
        peer.write(bytes(700_000))
    _, _, _, last_word = await peer.read(frames.GOAWAY)  # and no end yet, for as long as the client goes on
    assert last_word[8:] == b"Clients promise nothing."
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def test_a_handshake_that_stalls_is_given_up(start: Start, authority: trustme.CA, tmp_path: Path) -> None:
    address = await start(written(authority, tmp_path), handshake_s=0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"\x16\x03\x01")
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    async with channel_to(address, authority) as channel:
        await unary(channel, "ServerLive")(b"", wait_for_ready=True, timeout=PATIENCE_S)


async def test_the_port_speaks_http2_and_nothing_older_than_tls_1_2(start: Start, authority: trustme.CA, tmp_path: Path) -> None:
    address = await start(written(authority, tmp_path))
    port = int(address.rpartition(":")[2])

    def connect(context: ssl.SSLContext) -> ssl.SSLSocket:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain:
            return context.wrap_socket(plain, server_hostname="localhost")

    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["http/1.1", "h2"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with await asyncio.to_thread(connect, context) as connected:
        assert (connected.selected_alpn_protocol(), connected.version()) == ("h2", "TLSv1.2")
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(connect, context)


async def test_renewed_certificates_are_taken_and_connections_go_on(
    start: Start, authority: trustme.CA, other_authority: trustme.CA, tmp_path: Path
) -> None:
    address = await start(written(authority, tmp_path))
    async with channel_to(address, authority) as channel:
        await unary(channel, "ServerLive")(b"")
        written(other_authority, tmp_path)
        assert await is_live(address, other_authority)
        assert not await is_live(address, authority)
        await unary(channel, "ServerLive")(b"")


async def test_renewed_authorities_of_clients_are_taken(
    start: Start, authority: trustme.CA, other_authority: trustme.CA, tmp_path: Path
) -> None:
    files = with_clients(written(authority, tmp_path), authority)
    address = await start(files)
    assert await is_live(address, authority, authority.issue_cert("client.test"))
    with_clients(files, other_authority)
    assert not await is_live(address, authority, authority.issue_cert("client.test"))
    assert await is_live(address, authority, other_authority.issue_cert("client.test"))


async def test_a_broken_renewal_keeps_the_old_certificate_and_says_so_once(
    start: Start, authority: trustme.CA, other_authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = written(authority, tmp_path)
    address = await start(files)
    files.cert.write_bytes(other_authority.issue_cert("localhost").cert_chain_pems[0].bytes())  # the key is still to come
    with caplog.at_level(logging.INFO, "jubako.grpc"):
        assert await is_live(address, authority)
        assert await is_live(address, authority)
        (record,) = said(caplog)
        assert record.levelno == logging.ERROR
        assert f"The key {files.key} (--grpc-tls-key) is not that of the certificate {files.cert}." in record.getMessage()
        files.key.unlink()
        assert await is_live(address, authority)
        written(other_authority, tmp_path)
        assert await is_live(address, other_authority)
    assert [record.levelname for record in said(caplog)] == ["ERROR", "ERROR", "INFO"]


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the server has logged; gRPC's own client may say something as well."""
    return [record for record in caplog.records if record.name.startswith("jubako.")]


async def test_a_server_that_stops_finishes_what_it_has(
    start: Start, authority: trustme.CA, tmp_path: Path, plane: FakePlane, servers: list[Server]
) -> None:
    address = await start(written(authority, tmp_path))
    plane.gate.clear()
    async with channel_to(address, authority) as channel:
        answer = asyncio.ensure_future(unary(channel, "ModelInfer")(MESSAGE.SerializeToString()))
        await asyncio.wait_for(plane.begun.wait(), PATIENCE_S)
        stopping = asyncio.create_task(servers[0].stop(10 * PATIENCE_S))
        await asyncio.sleep(0)
        assert not await is_live(address, authority)
        plane.gate.set()
        assert pb.ModelInferResponse.FromString(await answer).raw_output_contents == MESSAGE.raw_input_contents
        await asyncio.wait_for(stopping, PATIENCE_S)


async def test_a_client_that_vanishes_ends_its_work(
    start: Start, authority: trustme.CA, tmp_path: Path, plane: FakePlane
) -> None:
    address = await start(written(authority, tmp_path))
    plane.gate.clear()
    async with channel_to(address, authority) as channel:
        call = unary(channel, "ModelInfer")(MESSAGE.SerializeToString())
        await asyncio.wait_for(plane.begun.wait(), PATIENCE_S)
    await asyncio.wait_for(plane.cancelled.wait(), PATIENCE_S)
    assert call.done()


class TestFiles:
    """What can't be used is said in a sentence before anything starts."""

    def problem_with(self, files: Files) -> str:
        with pytest.raises(ConfigurationError) as caught:
            Certificates(files)
        return caught.value.message

    def test_files_that_are_not_there(self, authority: trustme.CA, tmp_path: Path) -> None:
        files = written(authority, tmp_path)
        nothing = tmp_path / "nothing.pem"
        for broken, flag in [
            (Files(nothing, files.key), "--grpc-tls-cert"),
            (Files(files.cert, nothing), "--grpc-tls-key"),
            (Files(files.cert, files.key, nothing), "--grpc-tls-client-ca"),
        ]:
            assert self.problem_with(broken) == f"The file {nothing} ({flag}) can't be read: No such file or directory."

    def test_files_of_something_else(self, authority: trustme.CA, tmp_path: Path) -> None:
        files = written(authority, tmp_path)
        assert self.problem_with(Files(files.key, files.key)) == (
            f"The file {files.key} (--grpc-tls-cert) has no certificate in PEM form."
        )
        assert self.problem_with(Files(files.cert, files.cert)) == (
            f"The file {files.cert} (--grpc-tls-key) has no private key in PEM form."
        )
        assert self.problem_with(Files(files.cert, files.key, files.key)) == (
            f"The file {files.key} (--grpc-tls-client-ca) has no certificate in PEM form."
        )

    def test_a_key_of_another_certificate(self, authority: trustme.CA, tmp_path: Path) -> None:
        files = written(authority, tmp_path)
        files.key.write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
        assert self.problem_with(files) == (f"The key {files.key} (--grpc-tls-key) is not that of the certificate {files.cert}.")

    def test_a_key_with_a_passphrase(self, authority: trustme.CA, tmp_path: Path) -> None:
        files = written(authority, tmp_path)
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
        protection = serialization.BestAvailableEncryption(b"secret")
        files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
        assert "is protected by a passphrase, for which a server can't ask" in self.problem_with(files)

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"grpc_tls_cert": "c.pem"}, "--grpc-tls-cert can't be without --grpc-tls-key."),
            ({"grpc_tls_key": "k.pem"}, "--grpc-tls-key can't be without --grpc-tls-cert."),
            ({"grpc_tls_client_ca": "a.pem"}, "--grpc-tls-client-ca can't be without --grpc-tls-cert and --grpc-tls-key."),
        ],
    )
    def test_one_without_the_other(self, given: dict[str, str], sentence: str) -> None:
        with pytest.raises(ConfigurationError, match=sentence):
            Files.of(Settings.model_validate(given))

    def test_none(self) -> None:
        assert Files.of(Settings(grpc_tls_cert=None)) is None
