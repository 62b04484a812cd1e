"""A server that asks for keys, as official clients and jubako's own commands meet it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import openai
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from jubako_client import Client
from jubako_client import errors as client_errors

from jubako.access.key import Key, digest_of, fresh_secret
from jubako.access.key_file import KeyFile
from tests.conftest import ServerFactory
from tests.serving import Server
from tests.unit.cli.command import clean_environment, jubako

Repository = Callable[..., Path]

LOOK_S = 1.1
"""The server looks at its keys once a second."""


class Keys:
    """The server's file of keys, and the secrets of those that the tests share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secrets: dict[str, str] = {}

    def make(self, key: Callable[[bytes], Key]) -> str:
        secret = fresh_secret()
        made = key(digest_of(secret.encode()))
        KeyFile(self.path).add(made)
        self.secrets[made.name] = secret
        return secret

    def bearer(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secrets[name]}"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.toml")
    keys.make(lambda digest: Key("infer", digest, ("infer",)))
    keys.make(lambda digest: Key("parrot", digest, ("infer",), ("parrot",)))
    keys.make(lambda digest: Key("admin", digest, ("admin",)))
    keys.make(lambda digest: Key("metrics", digest, ("metrics",)))
    return keys


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Server]:
    """Two gateways, so that what one of them learned the other has to learn too."""
    root = tmp_path_factory.mktemp("access")
    for name in ("echo", "parrot"):
        (root / "repository" / name).mkdir(parents=True)
        (root / "repository" / name / "model.yaml").write_text("backend: echo\n")
    settings = {"JUBAKO_API_KEYS": str(keys.path), "JUBAKO_WORKERS": "2", "JUBAKO_LOG_FORMAT": "json"}
    with Server(root / "repository", root / "server.log", settings) as running:
        yield running


# --- official clients -------------------------------------------------------------------------------------------------------


def test_openai_s_client(server: Server, keys: Keys) -> None:
    with openai.OpenAI(base_url=server.api, api_key=keys.secrets["parrot"]) as client:
        assert [model.id for model in client.models.list()] == ["parrot"]
        answer = client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": "hello"}])
        assert answer.choices[0].message.content == "hello"
        with pytest.raises(openai.NotFoundError, match=r"The model 'echo' does not exist\. Did you mean 'parrot'"):
            client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hello"}])
    with openai.OpenAI(base_url=server.api, api_key="jk-nobody") as client, pytest.raises(openai.AuthenticationError) as refused:
        client.models.list()
    assert refused.value.code == "invalid_api_key"
    with (
        openai.OpenAI(base_url=server.api, api_key=keys.secrets["metrics"]) as client,
        pytest.raises(openai.PermissionDeniedError),
    ):
        client.embeddings.create(model="echo", input="hello")


def test_triton_s_client_over_http(server: Server, keys: Keys) -> None:
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    text = triton_http.InferInput("text_input", [1], "BYTES").set_data_from_numpy(np.array([b"hello"], object))
    with pytest.raises(triton_http.InferenceServerException, match="asks for a key"):
        client.infer("echo", [text])
    answer = client.infer("echo", [text], headers=keys.bearer("infer"))
    assert answer is not None
    assert client.infer("echo", [text], headers={"x-api-key": keys.secrets["infer"]}) is not None
    with pytest.raises(triton_http.InferenceServerException, match="this takes one with the scope admin"):
        client.unload_model("echo", headers=keys.bearer("infer"))
    assert {model["name"] for model in client.get_model_repository_index(headers=keys.bearer("admin"))} == {"echo", "parrot"}
    client.close()


def test_triton_s_client_over_grpc(server: Server, keys: Keys) -> None:
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        text = triton_grpc.InferInput("text_input", [1], "BYTES").set_data_from_numpy(np.array([b"hello"], object))
        with pytest.raises(triton_grpc.InferenceServerException) as refused:
            client.infer("echo", [text])
        assert refused.value.status() == "StatusCode.UNAUTHENTICATED"
        assert client.infer("echo", [text], headers=keys.bearer("infer")) is not None
        with pytest.raises(triton_grpc.InferenceServerException) as refused:
            client.get_log_settings(headers=keys.bearer("infer"))
        assert refused.value.status() == "StatusCode.PERMISSION_DENIED"
        assert client.get_log_settings(headers=keys.bearer("admin")).settings


def test_our_own_client(server: Server, keys: Keys) -> None:
    address = f"127.0.0.1:{server.grpc_port}"
    with Client(address, api_key=keys.secrets["parrot"]) as client:
        assert [model.model for model in client.models()] == ["parrot"]
        assert client.chat("parrot", "hello").text == "hello"
    with Client(address) as client, pytest.raises(client_errors.Unauthorized):
        client.models()
    with Client(address, api_key=keys.secrets["metrics"]) as client, pytest.raises(client_errors.Forbidden):
        client.chat("parrot", "hello")


# --- the command line -------------------------------------------------------------------------------------------------------


def test_commands_send_the_key_of_the_environment(server: Server, keys: Keys) -> None:
    ask = ("chat", "echo", "-m", "hello", "--url", server.url)
    answered = jubako(*ask, JUBAKO_API_KEY=keys.secrets["infer"])
    assert (answered.returncode, answered.stdout.strip()) == (0, "hello")
    refused = jubako(*ask)
    assert refused.returncode == 1
    assert refused.stderr == f"error: {server.url} asks for a key. Set the environment variable JUBAKO_API_KEY to yours.\n"
    wrong = jubako("load", "echo", "--url", server.url, JUBAKO_API_KEY=keys.secrets["infer"])
    assert wrong.returncode == 1
    assert f"{server.url} refuses the key in JUBAKO_API_KEY: The key 'infer' has the scope infer" in wrong.stderr
    assert jubako("stat", "echo", "--url", server.url, JUBAKO_API_KEY=keys.secrets["metrics"]).returncode == 0
    bench = ("bench", "echo", "--url", server.url, "--concurrency", "1", "--requests", "2", "--warmup", "0", "--rounds", "1")
    assert jubako(*bench, JUBAKO_API_KEY=keys.secrets["infer"]).returncode == 0


# --- while it runs ----------------------------------------------------------------------------------------------------------


def test_keys_come_and_go_without_a_restart(server: Server, keys: Keys) -> None:
    secret = keys.make(lambda digest: Key("visitor", digest, ("infer",)))
    time.sleep(LOOK_S)
    headers = {"authorization": f"Bearer {secret}"}

    def codes() -> set[int]:
        """Over connections of their own, so many that no gateway is left out by chance."""
        return {httpx.get(f"{server.api}/models", headers=headers).status_code for _ in range(12)}

    assert codes() == {200}
    good = keys.path.read_text()
    keys.path.write_text("[keys.visitor]\n")
    time.sleep(LOOK_S)
    assert codes() == {200}
    keys.path.write_text(good)
    assert jubako("key", "revoke", "visitor", "--file", keys.path).returncode == 0
    time.sleep(LOOK_S)
    assert codes() == {401}
    assert "those before stay in force" in server.log.read_text()


def test_the_log_has_names_and_no_secrets(server: Server, keys: Keys) -> None:
    httpx.get(f"{server.api}/models", headers={**keys.bearer("infer"), "x-request-id": "http-good"})
    httpx.get(f"{server.api}/stat", headers={**keys.bearer("parrot"), "x-request-id": "http-bad"})
    httpx.get(f"{server.api}/models", headers={"authorization": "Bearer jk-of-nobody", "x-request-id": "http-none"})
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        ask = channel.unary_unary("/jubako.v1.ModelService/ListModels", bytes, bytes)
        ask(b"", metadata=(*keys.bearer("infer").items(), ("x-request-id", "grpc-good")))
    names = ("http-good", "http-bad", "http-none", "grpc-good")
    server.wait_until(lambda: all(name in server.log.read_text() for name in names))
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if '"request_id"' in line]
    logged = {line["request_id"]: line for line in lines}
    assert {name: (logged[name]["key"], logged[name]["status"]) for name in names} == {
        "http-good": ("infer", 200),
        "http-bad": ("parrot", 403),
        "http-none": (None, 401),
        "grpc-good": ("infer", "OK"),
    }
    assert not [secret for secret in (*keys.secrets.values(), "jk-of-nobody") if secret in text]
    assert "Traceback" not in text


# --- at the start -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "There is no file of keys"),
        ("[keys.alice]\nscopes = ['infer']\n", "keys.alice has no `sha256`"),
    ],
)
def test_a_server_does_not_start_with_wrong_keys(repository: Repository, tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "keys.toml"
    if text is not None:
        path.write_text(text)
    done = jubako("serve", repository(echo="backend: echo"), "--port", "0", "--grpc-port", "0", "--api-keys", path)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_a_server_for_other_machines_is_warned_about(make_server: ServerFactory, repository: Repository, tmp_path: Path) -> None:
    KeyFile(tmp_path / "keys.toml").add(Key("alice", digest_of(b"secret"), ("infer",)))
    settings = {"JUBAKO_HOST": "0.0.0.0", "JUBAKO_API_KEYS": str(tmp_path / "keys.toml"), "JUBAKO_API_KEY": "secret"}
    with make_server(repository(echo="backend: echo\ntasks: [chat]"), **settings) as server:
        server.wait_until(lambda: "Ctrl-C" in server.log.read_text())
        text = server.log.read_text()
        assert text.count("can be read on their way") == 1
        curl = next(line.partition("try it  ")[2] for line in text.splitlines() if "curl" in line)
        command = f"{curl} --silent"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env=clean_environment(**settings))
        assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "Say hello."


def test_the_banner_says_that_callers_need_a_key(server: Server) -> None:
    server.wait_until(lambda: "Callers need a key; with one in JUBAKO_API_KEY" in server.log.read_text())
    assert 'level":"warning' not in server.log.read_text(), "this machine alone can ask"
