"""The check of a request: which key it has, and how the file is taken again."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jubako.access.guard import Guard, require
from jubako.access.key import NOBODY, Key, digest_of
from jubako.access.key_file import KeyFile
from jubako.access.scope import ADMIN, ANY_KEY, INFER, OPEN, SERVER_ADMIN
from jubako.errors import ConfigurationError, Forbidden, Unauthorized
from tests.unit.access.conftest import SECRETS


@pytest.fixture
def guard(key_path: Path) -> Guard:
    return Guard(key_path, look_s=0)


def refusal(guard: Guard, authorization: bytes = b"", api_key: bytes = b"") -> Unauthorized:
    with pytest.raises(Unauthorized) as caught:
        guard.identify(ANY_KEY, authorization, api_key)
    return caught.value


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (b"Bearer jk-infer", b""),
        (b"bearer jk-infer", b""),
        (b"BEARER   jk-infer ", b""),
        (b"", b"jk-infer"),
        (b"Basic dXNlcjpwYXNz", b"jk-infer"),
        (b"Bearer jk-infer", b"jk-nobody"),
    ],
)
def test_a_key_is_found_where_clients_put_it(guard: Guard, authorization: bytes, api_key: bytes) -> None:
    assert guard.identify(INFER, authorization, api_key).name == "infer"


@pytest.mark.parametrize("authorization", [b"", b"Bearer", b"Bearer ", b"Basic jk-infer", b"jk-infer", b"Bearerjk-infer"])
def test_without_a_key_one_is_asked_for(guard: Guard, authorization: bytes) -> None:
    error = refusal(guard, authorization)
    assert (error.code, error.http_status) == ("missing_api_key", 401)
    assert "Authorization: Bearer <key>" in error.message


@pytest.mark.parametrize("secret", [b"jk-nobody", b"jk-infer2", b"JK-INFER", digest_of(b"jk-infer").hex().encode(), b"\xff\x00"])
def test_a_key_of_nobody_is_refused(guard: Guard, secret: bytes) -> None:
    error = refusal(guard, b"Bearer " + secret)
    assert error.code == "invalid_api_key"
    assert secret.decode("latin-1") not in error.message


def test_what_is_open_is_open_with_any_key_and_with_none(guard: Guard) -> None:
    assert guard.identify(OPEN, b"", b"") is NOBODY
    assert guard.identify(OPEN, b"Bearer jk-nobody", b"") is NOBODY
    assert guard.identify(OPEN, b"Bearer jk-infer", b"").name == "infer"
    require(NOBODY, OPEN)


def test_a_key_is_for_what_its_scopes_say(guard: Guard) -> None:
    infer, limited = (guard.identify(ANY_KEY, b"", SECRETS[name].encode()) for name in ("infer", "limited"))
    require(infer, INFER)
    require(infer, ANY_KEY)
    with pytest.raises(Forbidden, match="'infer' has the scope infer; this takes one with the scope admin"):
        require(infer, ADMIN)
    require(limited, ADMIN)
    with pytest.raises(Forbidden, match="for some models only"):
        require(limited, SERVER_ADMIN)


def test_a_key_expires_while_the_server_runs(guard: Guard, key_path: Path) -> None:
    now = datetime.now(UTC)
    for name, expires in (("past", now - timedelta(seconds=2)), ("future", now + timedelta(hours=1))):
        KeyFile(key_path).add(Key(name, digest_of(name.encode()), ("infer",), expires=expires.replace(microsecond=0)))
    assert guard.identify(INFER, b"Bearer future", b"").name == "future"
    error = refusal(guard, b"Bearer past")
    assert error.code == "expired_api_key"
    assert guard.identify(OPEN, b"Bearer past", b"") is NOBODY


def test_a_changed_file_is_taken_with_the_next_request(guard: Guard, key_path: Path) -> None:
    KeyFile(key_path).add(Key("later", digest_of(b"later"), ("infer",)))
    KeyFile(key_path).remove("infer")
    assert guard.identify(INFER, b"Bearer later", b"").name == "later"
    refusal(guard, b"Bearer jk-infer")
    key_path.write_text("[keys]\n")
    refusal(guard, b"Bearer later")


@pytest.mark.parametrize("text", ["", "[keys", "[keys.infer]\n", None])
def test_a_file_that_can_t_be_used_changes_nothing_but_the_log(
    guard: Guard, key_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    good = key_path.read_text()
    if text is None:
        key_path.unlink()
    else:
        key_path.write_text(text)
    for _ in range(3):
        assert guard.identify(INFER, b"Bearer jk-infer", b"").name == "infer"
        refusal(guard, b"Bearer jk-nobody")
    assert [record.levelname for record in caplog.records] == ["ERROR"], "it is said once"
    assert "those before stay in force" in caplog.text
    key_path.write_text(good.replace("[keys.infer]", "[keys.other]"))
    assert guard.identify(INFER, b"Bearer jk-infer", b"").name == "other"
    assert caplog.records[-1].levelname == "INFO"


def test_the_file_is_looked_at_once_in_a_while(key_path: Path) -> None:
    guard = Guard(key_path, look_s=3600)
    key_path.write_text("[keys]\n")
    assert guard.identify(INFER, b"Bearer jk-infer", b"").name == "infer"


def test_a_server_does_not_start_without_its_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no file of keys"):
        Guard(tmp_path / "keys.toml")
