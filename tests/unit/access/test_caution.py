"""What whoever starts a server is told about who may ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.access.caution import caution
from jubako.settings import Settings

EVERYWHERE = "0.0.0.0"
KEYS = Path("keys.toml")


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUBAKO_API_KEY", raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_alone_is_not_warned_about(host: str) -> None:
    assert caution(Settings(host=host)) == ""
    assert caution(Settings(host=host, api_keys=KEYS)) == ""


def test_a_server_that_asks_nobody_for_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    said = caution(Settings(host=EVERYWHERE))
    assert "listens on 0.0.0.0 and asks nobody for a key: whoever reaches port 3000 or 50051" in said
    assert "--api-keys" in said
    assert "JUBAKO_API_KEY" not in said
    monkeypatch.setenv("JUBAKO_API_KEY", "secret")
    said = caution(Settings(host=EVERYWHERE))
    assert "JUBAKO_API_KEY is what commands send, and protects no server." in said
    assert "secret" not in said


def test_keys_that_can_be_read_on_their_way() -> None:
    assert "gRPC has no TLS here" in caution(Settings(host=EVERYWHERE, api_keys=KEYS))
    assert caution(Settings(host=EVERYWHERE, api_keys=KEYS, grpc_tls_cert=KEYS, grpc_tls_key=KEYS)) == ""
