"""The file of keys: what is in it, and what is said where it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jubako.access.key import digest_of, fresh_secret
from jubako.access.keyring import Keyring
from jubako.errors import ConfigurationError

FILE = Path("keys.toml")
SHA = "a" * 64


def problem_with(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Keyring.parse(text, FILE)
    return caught.value.message


def test_a_key_has_what_the_file_says() -> None:
    keyring = Keyring.parse(
        f"""
        [keys.alice]
        sha256 = "{digest_of(b"secret").hex()}"
        scopes = ["infer", "metrics"]
        models = ["smollm2", "qwen*"]
        expires = 2027-01-31T00:00:00+01:00

        [keys.bob]
        sha256 = "{SHA}"
        scopes = ["admin"]
        """,
        FILE,
    )
    alice, bob = keyring
    assert (alice.name, alice.scopes, alice.models) == ("alice", ("infer", "metrics"), ("smollm2", "qwen*"))
    assert alice.expires == datetime(2027, 1, 30, 23, tzinfo=UTC)
    assert alice.is_limited
    assert [alice.is_for(model) for model in ("smollm2", "smollm2-135m", "qwen3", "Qwen3", "")] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert (bob.is_limited, bob.expires, bob.is_for("anything")) == (False, None, True)
    assert keyring.find(b"secret") is alice
    assert keyring.find(b"Secret") is None
    assert keyring.find(digest_of(b"secret")) is None, "who knows the file knows no secret"


def test_no_keys_are_said_to_be_none() -> None:
    assert list(Keyring.parse("[keys]", FILE)) == []
    assert problem_with("") == "In the file of keys keys.toml, it needs a table [keys], which may be empty."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[keys", "is not TOML: Expected ']' at the end of a table declaration (at end of document)"),
        ("keys = 1", "it needs a table [keys]"),
        ("[keys]\n[key.alice]\n", "`key` does not belong there"),
        ("[keys]\nalice = 1", "keys.alice must be a table with the fields sha256, scopes, models, expires"),
        (f"[keys.'a b']\nsha256='{SHA}'\nscopes=['infer']", "'a b' is no name of a key"),
        ("[keys.a]\nscopes=['infer']", "keys.a has no `sha256`"),
        (f"[keys.a]\nsha256='{SHA}'", "keys.a has no `scopes`"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=[]", "keys.a.scopes must be a list of at least one of 'infer', 'admin', 'metrics'"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes='infer'", "keys.a.scopes must be a list"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['inferr']", "keys.a.scopes must be a list"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nscope=1", "a field `scope`, which is none; did you mean `scopes`?"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nx=1", "the fields are sha256, scopes, models, expires"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nmodels=[]", "keys.a.models must be a list of at least one name"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nmodels=['']", "keys.a.models must be"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nexpires=2027-01-31", "keys.a.expires must be a date and time"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nexpires=2027-01-31T00:00:00", "keys.a.expires must be a date and time"),
        (f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\nexpires='never'", "keys.a.expires must be a date and time"),
        (
            f"[keys.a]\nsha256='{SHA}'\nscopes=['infer']\n[keys.b]\nsha256='{SHA}'\nscopes=['infer']",
            "keys.a and keys.b have the same sha256",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, sentence: str) -> None:
    assert sentence in problem_with(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(problem_with(f"[keys.a]\nsha256='{SHA}'\n[keys.b]\nscopes=['infer']\n[keyz]").splitlines()) == 3


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    secret = fresh_secret()
    for text in (f"[keys.a]\nsha256='{secret}'\nscopes=['infer']", f"[keys.a]\nsha256='{SHA}'\nscopes=['{secret}']"):
        assert secret not in problem_with(text)


def test_secrets_are_256_random_bits() -> None:
    secrets = {fresh_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert {len(secret) for secret in secrets} == {len("jk-") + 43}


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"jubako key create NAME --file .*keys\.toml"):
        Keyring.read(tmp_path / "keys.toml")
    with pytest.raises(ConfigurationError, match="Is a directory"):
        Keyring.read(tmp_path)
    (tmp_path / "keys.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not text in UTF-8"):
        Keyring.read(tmp_path / "keys.toml")
