"""The Python client's connections: encrypted, with keys, shared, broken off and made again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
import trustme
from jubako_client import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    Forbidden,
    InstanceLost,
    InvalidRequest,
    Overloaded,
    Tls,
    Unauthorized,
    Unreachable,
)
from jubako_client._protos import jubako_v1 as pb
from jubako_client._protos import rpc

from tests.conftest import ServerFactory
from tests.serving import Server
from tests.unit.cli.command import clean_environment, jubako

Repository = Callable[..., Path]

SLOW_ECHO = "backend: echo\nlimits: {max_queue_size: 1}\nengine: {slots: 1, token_delay_s: 0.05}"


# --- a server of gRPC's own library ---------------------------------------------------------------------------------------


class Recording(grpc.GenericRpcHandler):
    """Answers every call with no models, keeps what came with it, and refuses the first calls as it is told.

    Args:
        refusals: The statuses of the first calls, and what their details say is the time to wait.
    """

    def __init__(self, *refusals: tuple[grpc.StatusCode, float | None]) -> None:
        self._refusals = list(refusals)
        self.metadata: list[dict[str, str | bytes]] = []
        self.times: list[float] = []
        self.asked = asyncio.Event()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.times.append(time.monotonic())
        self.asked.set()
        self.metadata.append(dict(context.invocation_metadata() or ()))
        if self._refusals:
            code, wait_s = self._refusals.pop(0)
            await context.abort(code, "Not now.", _details(code, wait_s) if wait_s is not None else ())
        return pb.ListModelsResponse().SerializeToString()


def _details(code: grpc.StatusCode, wait_s: float) -> tuple[tuple[str, bytes], ...]:
    retry = rpc.RetryInfo()
    retry.retry_delay.FromMilliseconds(round(wait_s * 1000))
    status = rpc.Status(code=code.value[0])
    status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=retry.SerializeToString())
    return (("grpc-status-details-bin", status.SerializeToString()),)


@contextlib.asynccontextmanager
async def served(handler: grpc.GenericRpcHandler) -> AsyncIterator[AsyncClient]:
    server = grpc.aio.server(handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(f"127.0.0.1:{port}", api_key="sk-secret", timeout_s=30) as client:
            yield client
    finally:
        await server.stop(None)


async def test_what_goes_with_a_call() -> None:
    handler = Recording()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with served(handler) as client:
        await client.models(request_id="mine-1", traceparent=trace)
        await client.models()
    first, second = handler.metadata
    assert (first["authorization"], first["x-request-id"], first["traceparent"]) == ("Bearer sk-secret", "mine-1", trace)
    assert "traceparent" not in second
    assert str(second["x-request-id"]).startswith("req-")


async def test_the_server_says_how_long_to_wait() -> None:
    handler = Recording((grpc.StatusCode.RESOURCE_EXHAUSTED, 0.7))
    async with served(handler) as client:
        assert await client.models() == []
    assert handler.times[1] - handler.times[0] >= 0.7
    assert handler.metadata[0]["x-request-id"] == handler.metadata[1]["x-request-id"]


async def test_a_wait_that_is_longer_than_the_deadline_is_not_begun() -> None:
    handler = Recording((grpc.StatusCode.UNAVAILABLE, 100.0))
    async with served(handler) as client:
        with pytest.raises(Unreachable) as refused:
            await client.models(timeout_s=90)
    assert refused.value.retry_after_s == 100.0
    assert len(handler.times) == 1


async def test_a_stream_that_is_closed_while_it_waits_is_not_begun_again() -> None:
    handler = Recording((grpc.StatusCode.UNAVAILABLE, 200.0))
    async with served(handler) as client:
        stream = await client.chat("model", "hello", stream=True, timeout_s=600)
        first = asyncio.ensure_future(anext(stream, None))
        await asyncio.wait_for(handler.asked.wait(), 60)
        await asyncio.sleep(0.1)  # so that the refusal can come
        await stream.close()
        assert await asyncio.wait_for(first, 60) is None
    assert len(handler.times) == 1


@pytest.mark.parametrize("timeout_s", [1e12, math.inf])
async def test_any_time_may_be_a_number(timeout_s: float) -> None:
    async with served(Recording()) as client:
        assert await client.models(timeout_s=timeout_s) == []


async def test_changes_are_made_once() -> None:
    handler = Recording((grpc.StatusCode.UNAVAILABLE, 0.0))
    async with served(handler) as client:
        with pytest.raises(Unreachable):
            await client.load("model")
    assert len(handler.times) == 1


@pytest.mark.parametrize("option", ["request_id", "traceparent"])
def test_what_no_header_can_hold_is_refused(option: str) -> None:
    with Client() as client, pytest.raises(InvalidRequest) as refused:
        client.models(**{option: "two\nlines"})  # type: ignore[arg-type]
    assert refused.value.param == option


def test_a_key_that_can_not_be_sent_is_not_shown() -> None:
    with pytest.raises(ValueError, match="line break") as refused:
        Client(api_key="sk-secret\n")
    assert "secret" not in str(refused.value)


# --- certificates ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authority's, the server's and a client's certificate."""
    folder = tmp_path_factory.mktemp("certificates")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, certificate in {"server": authority.issue_cert("localhost"), "client": authority.issue_cert("client.test")}.items():
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    return folder


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The file of keys, and a key of each scope."""
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    made = {scope: jubako("key", "create", scope, "--scope", scope, "--file", file) for scope in ("infer", "admin")}
    return {"file": str(file)} | {scope: done.stdout.split()[-1] for scope, done in made.items()}


@pytest.fixture(scope="module")
def secure_server(certificates: Path, keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with TLS that wants a certificate and a key from its clients."""
    folder = tmp_path_factory.mktemp("secure")
    (folder / "repository" / "echo" / "1").mkdir(parents=True)
    (folder / "repository" / "echo" / "model.yaml").write_text("backend: echo")
    settings = {
        "JUBAKO_GRPC_TLS_CERT": str(certificates / "server.pem"),
        "JUBAKO_GRPC_TLS_KEY": str(certificates / "server.key"),
        "JUBAKO_GRPC_TLS_CLIENT_CA": str(certificates / "ca.pem"),
        "JUBAKO_API_KEYS": keys["file"],
    }
    with Server(folder / "repository", folder / "server.log", settings) as running:
        yield running


@pytest.fixture(scope="module")
def tls(certificates: Path) -> Tls:
    return Tls(roots=certificates / "ca.pem", certificate=certificates / "client.pem", key=certificates / "client.key")


def test_both_sides_show_certificates(secure_server: Server, tls: Tls, keys: dict[str, str]) -> None:
    with Client(f"localhost:{secure_server.grpc_port}", tls=tls, api_key=keys["infer"]) as client:
        assert client.chat("echo", "hello").text == "hello"
        assert next(client.chat("echo", "hello", stream=True)).text == "hello"


async def test_the_name_in_the_certificate_may_be_another(secure_server: Server, tls: Tls, keys: dict[str, str]) -> None:
    target, key = f"127.0.0.1:{secure_server.grpc_port}", keys["infer"]
    async with AsyncClient(target, tls=dataclasses.replace(tls, server_name="localhost"), api_key=key) as client:
        assert (await client.chat("echo", "hello")).text == "hello"
    async with AsyncClient(target, tls=tls, api_key=key, retries=0) as client:
        with pytest.raises(Unreachable):
            await client.chat("echo", "hello", timeout_s=60)


@pytest.mark.parametrize(("key", "code"), [(None, "missing_api_key"), ("jk-wrong", "invalid_api_key")])
def test_who_has_no_key_is_refused(secure_server: Server, tls: Tls, key: str | None, code: str) -> None:
    with Client(f"localhost:{secure_server.grpc_port}", tls=tls, api_key=key) as client:
        with pytest.raises(Unauthorized) as refused:
            client.chat("echo", "hello")
        assert (refused.value.status, refused.value.code) == ("UNAUTHENTICATED", code)
        with pytest.raises(Unauthorized):
            list(client.chat("echo", "hello", stream=True))


def test_a_key_is_for_its_scope(secure_server: Server, tls: Tls, keys: dict[str, str]) -> None:
    target = f"localhost:{secure_server.grpc_port}"
    with Client(target, tls=tls, api_key=keys["infer"]) as client, pytest.raises(Forbidden) as refused:
        client.load("echo")
    assert refused.value.status == "PERMISSION_DENIED"
    with Client(target, tls=tls, api_key=keys["admin"]) as client:
        assert [version.model for version in client.index()] == ["echo"]


@pytest.mark.parametrize("shown", [{"certificate": None, "key": None}, {"roots": None}], ids=min)
def test_without_the_right_certificates_nothing_is_said(secure_server: Server, tls: Tls, shown: dict[str, None]) -> None:
    wrong = dataclasses.replace(tls, **shown)
    with Client(f"localhost:{secure_server.grpc_port}", tls=wrong, retries=0) as client, pytest.raises(Unreachable):
        client.chat("echo", "hello", timeout_s=60)


def test_without_tls_nothing_is_said(secure_server: Server) -> None:
    with Client(f"localhost:{secure_server.grpc_port}", retries=0) as client, pytest.raises(Unreachable):
        client.chat("echo", "hello", timeout_s=60)


def test_files_that_are_not_there_are_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.pem"):
        Client(tls=Tls(roots="no.pem"))
    with pytest.raises(ValueError, match="both or neither"):
        Tls(certificate="client.pem")


# --- one connection -------------------------------------------------------------------------------------------------------


def connections_to(port: int) -> set[tuple[str, int]]:
    """Our ends of the connections to `port`."""
    return {
        (each.laddr.ip, each.laddr.port) for each in psutil.Process().net_connections() if each.raddr and each.raddr.port == port
    }


def test_threads_share_one_connection(echo_server: Server) -> None:
    others = connections_to(echo_server.grpc_port)
    with Client(f"127.0.0.1:{echo_server.grpc_port}") as client:
        client.models()
        (begun,) = connections_to(echo_server.grpc_port) - others
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda number: client.chat("echo", f"number {number}").text, range(200)))
        assert answers == [f"number {number}" for number in range(200)]
        assert connections_to(echo_server.grpc_port) - others == {begun}
    # gRPC closes it in a thread of its own.
    echo_server.wait_until(lambda: begun not in connections_to(echo_server.grpc_port))


async def test_tasks_share_one_connection(echo_server: Server) -> None:
    others = connections_to(echo_server.grpc_port)
    async with AsyncClient(f"127.0.0.1:{echo_server.grpc_port}") as client:
        await asyncio.gather(*(client.chat("echo", f"number {number}") for number in range(100)))
        assert len(connections_to(echo_server.grpc_port) - others) == 1


def test_an_async_client_belongs_to_one_loop(echo_server: Server) -> None:
    client = AsyncClient(f"127.0.0.1:{echo_server.grpc_port}")

    async def ask() -> bool:
        return await client.ready()

    async def ask_and_close() -> bool:
        try:
            return await client.ready()
        finally:
            await client.close()

    assert asyncio.run(ask_and_close())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(ask())


FORKED = """
import os, sys
from jubako_client import Client

client = Client(sys.argv[1])
assert client.chat("echo", "parent").text == "parent"
child = os.fork()
if not child:
    said = client.chat("echo", "child", timeout_s=60).text
    client.close()
    os._exit(0 if said == "child" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client.chat("echo", "parent again").text == "parent again"
client.close()
"""


def test_a_forked_process_makes_its_own(echo_server: Server) -> None:
    command = [sys.executable, "-c", FORKED, f"127.0.0.1:{echo_server.grpc_port}"]
    subprocess.run(command, env=clean_environment(), check=True, timeout=150)


# --- servers that are full, silent or gone --------------------------------------------------------------------------------


def test_a_full_queue_is_asked_again(make_server: ServerFactory, repository: Repository) -> None:
    with (
        make_server(repository(echo=SLOW_ECHO)) as server,
        Client(f"127.0.0.1:{server.grpc_port}", retries=0) as client,
        client.chat("echo", "word " * 1000, stream=True) as running,
    ):
        next(running)
        waiting = client.chat("echo", "word", stream=True)
        server.wait_until(lambda: gauges(server) == {"running": 1, "queued": 1})
        with pytest.raises(Overloaded) as refused:
            client.chat("echo", "word")
        assert refused.value.retry_after_s == 1
        with ThreadPoolExecutor(1) as thread:
            again = thread.submit(client.chat, "echo", "at last", retries=20, timeout_s=60)
            # What a client leaves makes place at once, for the one that waits and then for the one that was refused.
            running.close()
            assert [delta.text for delta in waiting] == ["word"]
            assert again.result(60).text == "at last"


async def test_what_is_left_frees_its_place(make_server: ServerFactory, repository: Repository) -> None:
    with make_server(repository(echo=SLOW_ECHO)) as server:
        async with AsyncClient(f"127.0.0.1:{server.grpc_port}", retries=0, timeout_s=30) as client:
            async for _ in await client.chat("echo", "word " * 1000, stream=True):
                break
            stream = await client.chat("echo", "word " * 1000, stream=True)
            await anext(stream)
            await stream.close()
            assert [delta async for delta in stream] == []
            whole = asyncio.create_task(client.chat("echo", "word " * 1000))
            await asyncio.sleep(0.5)
            whole.cancel()
            with pytest.raises(asyncio.CancelledError):
                await whole
            with pytest.raises(DeadlineExceeded):
                await client.chat("echo", "word " * 1000, timeout_s=0.5)
            assert (await client.chat("echo", "free")).text == "free"
        server.wait_until(lambda: gauges(server) == {"running": 0, "queued": 0})


def gauges(server: Server) -> dict[str, int]:
    """How many requests are in the engines, and how many wait for them."""
    page = httpx.get(f"{server.url}/metrics", timeout=60).text
    return {
        name: int(float(value))
        for name, value in re.findall(r"^jubako_requests_(running|queued)\{.*\} (.+)$", page, re.MULTILINE)
    }


@pytest.mark.timeout(300)
def test_an_instance_and_a_server_that_are_killed(make_server: ServerFactory, repository: Repository) -> None:
    server = make_server(repository(echo="backend: echo\nengine: {token_delay_s: 0.02}"))
    with server, Client(f"127.0.0.1:{server.grpc_port}", timeout_s=120) as client:
        stream = client.chat("echo", "word " * 3000, stream=True)
        next(stream)
        server.instances[0].kill()
        with pytest.raises(InstanceLost):
            list(stream)
        assert client.chat("echo", "from another instance", retries=60).text == "from another instance"

        stream = client.chat("echo", "word " * 3000, stream=True)
        next(stream)
        tree = server.tree()
        for process in tree:
            process.kill()
        assert server.process is not None
        server.process.wait()
        psutil.wait_procs(tree, timeout=10)
        with pytest.raises(Unreachable):
            list(stream)
        assert stream.answer.text.startswith("word")
        assert list(stream) == []
        assert not client.ready()
        with pytest.raises(Unreachable):
            client.chat("echo", "hello", retries=1)
        with ThreadPoolExecutor(2) as threads:
            whole = threads.submit(client.chat, "echo", "hello again", retries=60)
            streamed = threads.submit(lambda: [delta.text for delta in client.chat("echo", "hello", stream=True, retries=60)])
            server.start()
            server.wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
            assert whole.result(120).text == "hello again"
            assert "".join(streamed.result(120)) == "hello"


def test_a_server_that_falls_silent_counts_as_gone(echo_server: Server) -> None:
    with Relay(echo_server.grpc_port) as relay, Client(f"127.0.0.1:{relay.port}", keepalive_s=3, retries=0) as client:
        assert client.chat("echo", "hello").text == "hello"
        relay.silent.set()
        with pytest.raises(Unreachable):  # and not DeadlineExceeded
            client.chat("echo", "hello", timeout_s=120)


class Relay:
    """Passes on what comes to `port`, until it is told to fall silent without closing anything."""

    def __init__(self, to: int) -> None:
        self.silent = threading.Event()
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Relay:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listening, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    thread = threading.Thread(target=self._pass, args=(source, target), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if not self.silent.is_set():
                    target.sendall(content)
